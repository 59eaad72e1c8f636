/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/text.h"

static void set_integer(struct value *v, uint64_t n)
{
	if (n > INT64_MAX)
		*v = (struct value){.kind = VALUE_REAL, .real = (double)n};
	else
		*v = (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)n};
}

static void set_text(struct value *v, struct bytes text)
{
	*v = (struct value){
		.kind = text.data ? VALUE_TEXT : VALUE_ABSENT, .text = text};
}

static void set_str(struct value *v, const char *s)
{
	set_text(v, s ? bytes_of(s, strlen(s)) : bytes_of(NULL, 0));
}

#define GETTER(name)                                                                   \
	static void name(const struct field *f, struct sample *s, bool as_duplicate,   \
		struct buf *room, struct value *v)
#define UNUSED_ARGS (void)f, (void)s, (void)as_duplicate, (void)room

/* Plain numbers of the head. */
enum head_number {
	HEAD_PROMPT,
	HEAD_SAMPLE,
	HEAD_REVISION,
	HEAD_ATTEMPTS,
	HEAD_LATENCY,
	HEAD_SETTINGS,
	HEAD_CHOICE
};

GETTER(get_head)
{
	const struct record *r = &s->head;
	const uint64_t numbers[] = {
		[HEAD_PROMPT] = r->key.prompt,
		[HEAD_SAMPLE] = r->key.sample,
		[HEAD_REVISION] = r->key.revision,
		[HEAD_ATTEMPTS] = r->attempts,
		[HEAD_LATENCY] = r->latency_ms,
		[HEAD_SETTINGS] = r->settings,
		[HEAD_CHOICE] = r->choice,
	};

	UNUSED_ARGS;
	set_integer(v, numbers[f->arg]);
}

enum usage { USAGE_PROMPT, USAGE_CACHED, USAGE_COMPLETION, USAGE_REASONING };

GETTER(get_usage)
{
	const struct record *r = &s->head;
	const uint32_t counts[] = {
		[USAGE_PROMPT] = r->prompt_tokens,
		[USAGE_CACHED] = r->cached_prompt_tokens,
		[USAGE_COMPLETION] = r->completion_tokens,
		[USAGE_REASONING] = r->reasoning_tokens,
	};

	UNUSED_ARGS;
	if (counts[f->arg] == COUNT_UNKNOWN)
		*v = (struct value){.kind = VALUE_ABSENT};
	else
		set_integer(v, counts[f->arg]);
}

GETTER(get_score)
{
	float score = s->head.score[f->arg];

	UNUSED_ARGS;
	*v = (struct value){.kind = isfinite(score) ? VALUE_REAL32 : VALUE_ABSENT,
		.real = (double)score};
}

GETTER(get_finish)
{
	UNUSED_ARGS;
	set_str(v, finish_name(s->head.finish));
}

GETTER(get_flags)
{
	UNUSED_ARGS;
	*v = (struct value){
		.kind = VALUE_FLAGS, .flags = sample_flags(s, as_duplicate)};
}

/* Of a sample that is not flagged, none. */
GETTER(get_rule)
{
	UNUSED_ARGS;
	set_str(v, s->head.flags & FLAG_MISALIGNED
			   ? misaligned_name((enum misaligned)s->head.misaligned)
			   : NULL);
}

GETTER(get_duplicate_of)
{
	UNUSED_ARGS;
	if (as_duplicate)
		set_integer(v, s->duplicate_of);
	else
		*v = (struct value){.kind = VALUE_ABSENT};
}

GETTER(get_accepted)
{
	UNUSED_ARGS;
	*v = (struct value){.kind = VALUE_BOOL, .truth = s->accepted};
}

GETTER(get_text)
{
	UNUSED_ARGS;
	set_text(v, s->text.at[f->arg]);
}

GETTER(get_prompt_text)
{
	UNUSED_ARGS;
	set_text(v, s->prompt.at[f->arg]);
}

GETTER(get_text_json)
{
	get_text(f, s, as_duplicate, room, v);
	if (v->kind == VALUE_TEXT)
		v->kind = VALUE_JSON;
}

GETTER(get_prompt_json)
{
	get_prompt_text(f, s, as_duplicate, room, v);
	if (v->kind == VALUE_TEXT)
		v->kind = VALUE_JSON;
}

GETTER(get_teacher)
{
	UNUSED_ARGS;
	set_str(v, s->settings ? settings_teacher(s->settings, s->head.teacher, "name")
			       : NULL);
}

/* As it was asked; the settings' URL may have changed since. */
GETTER(get_endpoint)
{
	UNUSED_ARGS;
	if (sections_has(&s->text, TEXT_ENDPOINT))
		set_text(v, s->text.at[TEXT_ENDPOINT]);
	else
		set_str(v, s->settings ? settings_endpoint(s->settings, s->head.teacher,
						 s->head.endpoint)
				       : NULL);
}

GETTER(get_cost)
{
	UNUSED_ARGS;
	*v = (struct value){.kind = VALUE_NANO, .integer = s->head.cost_nusd};
}

GETTER(get_created)
{
	char text[25];

	UNUSED_ARGS;
	clock_text(s->head.created_at_ms, text);
	buf_clear(room);
	buf_add_str(room, text);
	set_text(v, buf_bytes(room));
}

GETTER(get_seed)
{
	UNUSED_ARGS;
	if (s->head.seed == SEED_NONE)
		*v = (struct value){.kind = VALUE_ABSENT};
	else
		set_integer(v, s->head.seed);
}

enum span { SPAN_REASONING, SPAN_CONTENT };

GETTER(get_span)
{
	const struct token_span *span =
		f->arg == SPAN_REASONING ? &s->head.reasoning : &s->head.content;

	UNUSED_ARGS;
	*v = (struct value){.kind = VALUE_ABSENT};
	if (span->first == SPAN_UNKNOWN)
		return;
	buf_clear(room);
	buf_printf(room, "[%u,%u]", span->first, span->behind);
	*v = (struct value){.kind = VALUE_JSON, .text = buf_bytes(room)};
}

GETTER(get_eos_row)
{
	UNUSED_ARGS;
	*v = (struct value){
		.kind = s->head.eos_row == EOS_ROW_UNKNOWN ? VALUE_ABSENT : VALUE_BOOL,
		.truth = s->head.eos_row == EOS_ROW_YES};
}

GETTER(get_mode)
{
	UNUSED_ARGS;
	set_str(v, logprobs_mode_name(s->head.logprobs_mode));
}

static const char *const finish_choices[] = {
	"stop", "length", "tool_calls", "content_filter", "other", NULL};
static const char *const mode_choices[] = {"raw", "processed", "unknown", NULL};

#define COLUMN(name_)                                                                  \
	{                                                                              \
		.name = name_, .type = FIELD_COLUMN, .with_logits = true               \
	}

const struct field fields[] = {
	{"id", FIELD_TEXT, NEEDS_PROMPT, false, NULL, get_prompt_text, PROMPT_ID},
	{"prompt_no", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_PROMPT},
	{"sample", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_SAMPLE},
	{"revision", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_REVISION},
	{"prompt", FIELD_TEXT, NEEDS_PROMPT, false, NULL, get_prompt_json,
		PROMPT_MESSAGES},
	{"request", FIELD_PRESENCE, NEEDS_PROMPT, false, NULL, get_prompt_json,
		PROMPT_REQUEST},
	{"reasoning", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text, TEXT_REASONING},
	{"content", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text, TEXT_CONTENT},
	{"tool_calls", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text_json,
		TEXT_TOOL_CALLS},
	{"refusal", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text, TEXT_REFUSAL},
	{"finish_reason", FIELD_TEXT, 0, false, finish_choices, get_finish, 0},
	{"model", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text, TEXT_MODEL},
	{"usage.prompt_tokens", FIELD_NUMBER, 0, false, NULL, get_usage, USAGE_PROMPT},
	{"usage.cached_prompt_tokens", FIELD_NUMBER, 0, false, NULL, get_usage,
		USAGE_CACHED},
	{"usage.completion_tokens", FIELD_NUMBER, 0, false, NULL, get_usage,
		USAGE_COMPLETION},
	{"usage.reasoning_tokens", FIELD_NUMBER, 0, false, NULL, get_usage,
		USAGE_REASONING},
	{"scores.length", FIELD_NUMBER, 0, false, NULL, get_score, SCORE_LENGTH},
	{"scores.repetition", FIELD_NUMBER, 0, false, NULL, get_score,
		SCORE_REPETITION},
	{"scores.compression_ratio", FIELD_NUMBER, 0, false, NULL, get_score,
		SCORE_COMPRESSION_RATIO},
	{"scores.finish", FIELD_NUMBER, 0, false, NULL, get_score, SCORE_FINISH},
	{"scores.refusal", FIELD_NUMBER, 0, false, NULL, get_score, SCORE_REFUSAL},
	{"scores.confidence", FIELD_NUMBER, 0, false, NULL, get_score,
		SCORE_CONFIDENCE},
	{"scores.entropy", FIELD_NUMBER, 0, false, NULL, get_score, SCORE_ENTROPY},
	{"scores.answer", FIELD_NUMBER, 0, false, NULL, get_score, SCORE_ANSWER},
	{"flags", FIELD_FLAGS, NEEDS_DUPLICATE, false, NULL, get_flags, 0},
	{"misaligned_rule", FIELD_TEXT, 0, false, misaligned_names, get_rule, 0},
	{"duplicate_of", FIELD_PRESENCE, NEEDS_DUPLICATE, false, NULL, get_duplicate_of,
		0},
	{"accepted", FIELD_BOOL, NEEDS_ACCEPTED, false, NULL, get_accepted, 0},
	{"reference", FIELD_TEXT, NEEDS_PROMPT, false, NULL, get_prompt_text,
		PROMPT_REFERENCE},
	{"provenance.teacher", FIELD_TEXT, NEEDS_SETTINGS, false, NULL, get_teacher, 0},
	{"provenance.endpoint", FIELD_TEXT, NEEDS_TEXT | NEEDS_SETTINGS, false, NULL,
		get_endpoint, 0},
	{"provenance.request_id", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text,
		TEXT_REQUEST_ID},
	{"provenance.system_fingerprint", FIELD_TEXT, NEEDS_TEXT, false, NULL, get_text,
		TEXT_FINGERPRINT},
	{"provenance.attempts", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_ATTEMPTS},
	{"provenance.latency_ms", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_LATENCY},
	{"provenance.cost_usd", FIELD_NUMBER, 0, false, NULL, get_cost, 0},
	{"provenance.created_at", FIELD_TEXT, 0, false, NULL, get_created, 0},
	{"provenance.seed", FIELD_NUMBER, 0, false, NULL, get_seed, 0},
	{"provenance.choice", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_CHOICE},
	{"provenance.settings", FIELD_NUMBER, 0, false, NULL, get_head, HEAD_SETTINGS},
	{"provenance.scored", FIELD_PRESENCE, NEEDS_TEXT, false, NULL, get_text_json,
		TEXT_SCORED},
	{"extra", FIELD_PRESENCE, NEEDS_PROMPT, false, NULL, get_prompt_json,
		PROMPT_EXTRA},
	COLUMN("prompt_token_ids"),
	COLUMN("token_ids"),
	COLUMN("logprobs"),
	COLUMN("top_ids"),
	COLUMN("top_logprobs"),
	COLUMN("tail_mass"),
	{"spans.reasoning", FIELD_PRESENCE, 0, true, NULL, get_span, SPAN_REASONING},
	{"spans.content", FIELD_PRESENCE, 0, true, NULL, get_span, SPAN_CONTENT},
	{"eos_row", FIELD_BOOL, 0, true, NULL, get_eos_row, 0},
	{"logprobs_mode", FIELD_TEXT, 0, true, mode_choices, get_mode, 0},
	COLUMN("capture"),
};
const size_t n_fields = sizeof(fields) / sizeof(fields[0]);
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

const struct field *field_find(const char *name)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

const char *field_nearest(const char *name)
{
	const char *names[N_FIELDS + 1];
	size_t len = strlen(name);

	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *dot = strchr(fields[i].name, '.');

		if (dot && len == strlen(dot + 1) && strcmp(dot + 1, name) == 0)
			return fields[i].name; /* the group was left out */
		names[i] = fields[i].name;
	}
	names[N_FIELDS] = NULL;
	return text_nearest(name, names);
}

bool field_is_group(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < N_FIELDS; i++)
		if (strncmp(fields[i].name, name, len) == 0 &&
			fields[i].name[len] == '.')
			return true;
	return false;
}

enum err_code field_get(const struct field *f, struct sample *s, bool as_duplicate,
	struct buf *room, struct value *v, struct err *err)
{
	enum err_code code = ERR_NONE;

	if (f->needs & NEEDS_TEXT)
		code = sample_load_text(s, err);
	if (code == ERR_NONE && (f->needs & NEEDS_PROMPT))
		code = sample_load_prompt(s, err);
	if (code == ERR_NONE && (f->needs & NEEDS_SETTINGS))
		code = sample_load_settings(s, err);
	if (code == ERR_NONE)
		f->get(f, s, as_duplicate, room, v);
	return code;
}

static void number_from_json(struct bytes json, struct buf *room, struct value *v)
{
	struct jnumber number;
	const unsigned char *next, *text;

	/* A byte behind the number, where the scanner looks for its end. */
	buf_clear(room);
	buf_add(room, json.data, json.len);
	buf_add(room, " ", 2);
	text = room->data;
	if (room->over)
		return;
	if (jt_number(text, text + json.len + 1, &next, &number) == JT_OK)
		*v = (struct value){
			.kind = number.is_integer ? VALUE_INTEGER : VALUE_REAL,
			.integer = number.integer,
			.real = number.value};
	else /* larger than a scanner takes */
		*v = (struct value){
			.kind = VALUE_REAL, .real = strtod((const char *)text, NULL)};
}

void value_from_json(struct bytes json, struct buf *room, struct value *v)
{
	const unsigned char *end = json.data + json.len, *close;
	bool escaped;

	*v = (struct value){.kind = VALUE_ABSENT};
	if (json.len == 0)
		return;
	switch (json.data[0]) {
	case 'n':
		break;
	case 't':
	case 'f':
		*v = (struct value){.kind = VALUE_BOOL, .truth = json.data[0] == 't'};
		break;
	case '{':
	case '[':
		*v = (struct value){.kind = VALUE_JSON, .text = json};
		break;
	case '"':
		if (jt_string(json.data + 1, end, &close, &escaped) != JT_OK)
			break;
		set_text(v, bytes_of(json.data + 1, (size_t)(close - json.data) - 1));
		if (!escaped)
			break;
		buf_clear(room);
		jt_unescape(json.data + 1, close, room);
		buf_add_byte(room, '\0'); /* so that "" is not absent */
		if (!room->over)
			set_text(v, bytes_of(room->data, room->len - 1));
		break;
	default:
		number_from_json(json, room, v);
		break;
	}
}
