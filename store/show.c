/* SPDX-License-Identifier: Apache-2.0 */
#include "store/show.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "store/fields.h"
#include "store/jmember.h"
#include "store/jwrite.h"

#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"
#define LINE_TEXT 64 /* bytes of the answer on a line about it */

void show_printable(struct buf *out, struct bytes text)
{
	const size_t piece = 4096;

	/* text_printable takes up to four times the room, so in pieces that end
	 * between characters. */
	while (text.len > 0) {
		size_t n = text.len < piece ? text.len : piece;
		unsigned char *room = buf_reserve(out, 4 * n + 1);

		while (n < text.len && n > 0 && (text.data[n] & 0xc0) == 0x80)
			n--;
		if (n == 0)
			n = text.len < piece ? text.len : piece;
		if (!room)
			return;
		out->len += text_printable(text.data, n, (char *)room);
		text = bytes_of(text.data + n, text.len - n);
	}
}

void show_heading(
	const struct show_options *options, struct buf *out, const char *heading)
{
	buf_printf(out, "\n%s-- %s --%s\n", options->colour ? BOLD : "", heading,
		options->colour ? PLAIN : "");
}

static void show_text(const struct show_options *options, struct buf *out,
	const char *heading, struct bytes text)
{
	if (!text.data)
		return;
	show_heading(options, out, heading);
	show_printable(out, text);
	if (text.len == 0)
		buf_add_str(out, "(empty)");
	if (text.len == 0 || text.data[text.len - 1] != '\n')
		buf_add_byte(out, '\n');
}

static void add_name(struct buf *out, const char *name)
{
	buf_printf(out, "%-11s", name);
}

static void add_text(struct buf *out, struct bytes text)
{
	if (text.data)
		show_printable(out, text);
	else
		buf_add_byte(out, '?');
}

static void add_count(struct buf *out, const char *before, uint32_t n, const char *what)
{
	if (n != COUNT_UNKNOWN)
		buf_printf(out, "%s%u %s", before, n, what);
}

static void add_flags(struct buf *out, const struct sample *s)
{
	uint32_t flags = sample_flags(s, s->is_duplicate);
	const char *rule = misaligned_name((enum misaligned)s->head.misaligned);

	if (!flags)
		buf_add_str(out, "none");
	for (int i = 0, n = 0; i < 32; i++) {
		if (!(flags >> i & 1) || !flag_name(i))
			continue;
		buf_printf(out, "%s%s", n++ ? ", " : "", flag_name(i));
		if (1u << i == FLAG_MISALIGNED && rule)
			buf_printf(out, " (%s)", rule);
	}
	if (s->is_duplicate)
		buf_printf(out, " (of sample %u)", s->duplicate_of);
}

static void add_scores(struct buf *out, const struct record *r)
{
	for (int i = 0; i < SCORE_N; i++) {
		if (!isfinite(r->score[i]))
			continue;
		buf_printf(out, "%s ", score_slot_name((enum score)i));
		jwrite_f32(out, r->score[i]);
		buf_add_str(out, "  ");
	}
	buf_add_byte(out, '\n');
}

static void add_title(
	const struct show_options *options, const struct sample *s, struct buf *out)
{
	const struct record *r = &s->head;

	buf_add_str(out, options->colour ? BOLD : "");
	add_text(out, s->prompt.at[PROMPT_ID]);
	buf_add_str(out, options->colour ? PLAIN : "");
	buf_printf(out, "  prompt %llu  sample %u  revision %u  %s\n",
		(unsigned long long)r->key.prompt, r->key.sample, r->key.revision,
		s->accepted ? "accepted" : "not accepted");
}

static void add_origin(const struct sample *s, struct buf *out)
{
	const struct record *r = &s->head;
	const char *teacher =
		s->settings ? settings_teacher(s->settings, r->teacher, "name") : NULL;

	add_name(out, "model");
	add_text(out, s->text.at[TEXT_MODEL]);
	buf_add_str(out, "  (teacher ");
	add_text(out, teacher ? bytes_of(teacher, strlen(teacher)) : bytes_of(NULL, 0));
	buf_add_str(out, ", ");
	add_text(out, s->text.at[TEXT_ENDPOINT]);
	buf_add_str(out, ")\n");
}

static void add_head(
	const struct show_options *options, const struct sample *s, struct buf *out)
{
	const struct record *r = &s->head;
	char created[25];

	add_title(options, s, out);
	add_origin(s, out);
	add_name(out, "finish");
	buf_printf(out, "%s  flags: ", finish_name(r->finish));
	add_flags(out, s);
	buf_add_byte(out, '\n');
	add_name(out, "tokens");
	add_count(out, "", r->prompt_tokens, "prompt");
	add_count(out, ", ", r->cached_prompt_tokens, "of them cached");
	add_count(out, "; ", r->completion_tokens, "completion");
	add_count(out, ", ", r->reasoning_tokens, "of them reasoning");
	buf_add_byte(out, '\n');
	add_name(out, "scores");
	add_scores(out, r);
	clock_text(r->created_at_ms, created);
	add_name(out, "cost");
	jwrite_nano(out, r->cost_nusd);
	buf_printf(out, " USD, %u ms, attempt %u, %s", r->latency_ms, r->attempts,
		created);
	if (r->seed != SEED_NONE)
		buf_printf(out, ", seed %llu", (unsigned long long)r->seed);
	buf_printf(out, ", settings %u\n", r->settings);
	if (sections_has(&s->prompt, PROMPT_REFERENCE)) {
		add_name(out, "reference");
		add_text(out, s->prompt.at[PROMPT_REFERENCE]);
		buf_add_byte(out, '\n');
	}
}

/* One message; content that is not plain text is shown as JSON. */
static void show_message(
	const struct show_options *options, struct bytes message, struct buf *out)
{
	struct bytes json;
	struct value role = {0}, content = {0};
	struct buf room, role_room;

	buf_init(&room, PACK_RAW_MAX + 64);
	buf_init(&role_room, 4096);
	if (jmember_find(message, bytes_of("role", 4), &json)) {
		value_from_json(json, &room, &role);
		if (role.kind == VALUE_TEXT)
			show_printable(&role_room, role.text);
	}
	if (jmember_find(message, bytes_of("content", 7), &json))
		value_from_json(json, &room, &content);
	show_text(options, out, role_room.len ? buf_text(&role_room) : "message",
		content.kind == VALUE_TEXT ? content.text : message);
	buf_release(&room);
	buf_release(&role_room);
}

static enum err_code load(struct sample *s, struct err *err)
{
	enum err_code code = sample_load_text(s, err);

	if (code == ERR_NONE)
		code = sample_load_prompt(s, err);
	return code == ERR_NONE ? sample_load_settings(s, err) : code;
}

enum err_code show_sample(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err)
{
	const unsigned char *at = NULL;
	struct bytes message;
	enum err_code code = load(s, err);

	if (code != ERR_NONE)
		return code;
	add_head(options, s, out);
	while (jmember_next(s->prompt.at[PROMPT_MESSAGES], &at, &message))
		show_message(options, message, out);
	if (!at)
		show_text(options, out, "prompt", s->prompt.at[PROMPT_MESSAGES]);
	show_text(options, out, "request", s->prompt.at[PROMPT_REQUEST]);
	show_text(options, out, "reasoning", s->text.at[TEXT_REASONING]);
	show_text(options, out, "content", s->text.at[TEXT_CONTENT]);
	show_text(options, out, "tool calls", s->text.at[TEXT_TOOL_CALLS]);
	show_text(options, out, "refusal", s->text.at[TEXT_REFUSAL]);
	return options->logits ? show_tokens(options, s, out, err) : ERR_NONE;
}

enum err_code show_line(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err)
{
	const struct record *r = &s->head;
	struct bytes text;
	char begin[4 * LINE_TEXT + 1];
	enum err_code code = load(s, err);

	if (code != ERR_NONE)
		return code;
	buf_printf(out, "%ssample %u%s  %-12s %-14s", options->colour ? BOLD : "",
		r->key.sample, options->colour ? PLAIN : "",
		s->accepted ? "accepted" : "not accepted", finish_name(r->finish));
	add_count(out, " ", r->completion_tokens, "tokens");
	if (isfinite(r->score[SCORE_ANSWER])) {
		buf_add_str(out, "  answer ");
		jwrite_f32(out, r->score[SCORE_ANSWER]);
	}
	buf_add_str(out, "  flags: ");
	add_flags(out, s);
	text = s->text.at[TEXT_CONTENT];
	/* Escaped, so that it stays on its line. */
	text_escape(text.data, text.len, begin, LINE_TEXT);
	buf_printf(out, "\n    %s%s\n", begin, text.len > LINE_TEXT ? "..." : "");
	return ERR_NONE;
}
