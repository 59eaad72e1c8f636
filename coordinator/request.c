/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/request.h"

#include <string.h>

#include "common/hash.h"
#include "common/job_keys.h"
#include "common/overrides.h"
#include "coordinator/json_copy.h"

static bool is_word(struct bytes text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

static bool is_null(struct bytes value)
{
	return value.data[0] == 'n';
}

/* The key that has just been read, and its value, which it steps over. The name
 * is copied: the scanner lends it only until it goes on. */
struct member {
	char name[OVERRIDE_NAME_MAX + 1];
	bool too_long; /* no name of ours is */
	uint64_t hash;
	struct bytes value;
};

static bool read_member(struct jscan *s, struct bytes text, struct member *m)
{
	const unsigned char *end = text.data + text.len, *from;

	m->too_long = s->text.len > OVERRIDE_NAME_MAX;
	m->hash = hash64(s->text.data, s->text.len);
	if (!m->too_long)
		memcpy(m->name, s->text.data, s->text.len);
	m->name[m->too_long ? 0 : s->text.len] = '\0';
	/* A NUL ends the name early, which then is not the one that was meant. */
	m->too_long = m->too_long || strlen(m->name) != s->text.len;
	from = jt_space(text.data + jscan_offset(s), end);
	from = jt_space(from + 1, end);
	jscan_skip(s);
	if (jscan_next(s) != JSCAN_SKIPPED)
		return false;
	m->value = bytes_of(from, (size_t)(text.data + jscan_offset(s) - from));
	return true;
}

/* False if a member of this name is there already, or there are too many. */
static bool is_new(struct row *row, const char *name)
{
	uint64_t hash = hash64(name, strlen(name));

	for (unsigned i = 0; i < row->n_requested; i++)
		if (row->requested[i] == hash)
			return false;
	if (row->n_requested == ROW_REQUEST_MEMBERS)
		return false;
	row->requested[row->n_requested++] = hash;
	return true;
}

static void begin_member(struct row *row, const char *name)
{
	buf_add_str(&row->request, row->request.len ? ",\"" : "{\"");
	buf_add_str(&row->request, name);
	buf_add_str(&row->request, "\":");
}

/* Texts that something can stop at: not empty, and without a NUL. */
static bool stop_text_is_good(const unsigned char *from, const unsigned char *close)
{
	if (from == close)
		return false;
	for (const unsigned char *p = from; p < close; p++) {
		if (*p != '\\')
			continue;
		if (close - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
			return false;
		p++;
	}
	return true;
}

static bool stop_is_good(struct bytes value)
{
	const unsigned char *p = value.data, *end = p + value.len, *close;
	bool list = *p == '[', escaped;
	unsigned n = 0;

	if (list)
		p = jt_space(p + 1, end);
	while (p < end && *p != ']') {
		if (*p != '"' || jt_string(p + 1, end, &close, &escaped) != JT_OK ||
			!stop_text_is_good(p + 1, close) || ++n > OVERRIDE_STOPS_MAX)
			return false;
		p = jt_space(close + 1, end);
		if (list && p < end && *p == ',')
			p = jt_space(p + 1, end);
	}
	return list || n == 1;
}

static enum reject_reason add_stop(struct row *row, struct bytes value)
{
	bool list = value.data[0] == '[';

	if (!stop_is_good(value) || !is_new(row, "stop"))
		return REJECT_BAD_SAMPLING;
	begin_member(row, "stop");
	buf_add_str(&row->request, list ? "" : "[");
	json_copy_value(value, &row->request);
	buf_add_str(&row->request, list ? "" : "]");
	return REJECT_NONE;
}

static enum reject_reason add_number(
	struct row *row, const struct job_key *key, struct bytes value)
{
	if (!override_number_is_good(key, value) || !is_new(row, key->name))
		return REJECT_BAD_SAMPLING;
	begin_member(row, key->name);
	buf_add(&row->request, value.data, value.len);
	return REJECT_NONE;
}

/* What the teachers' APIs have in these places; anything else is a mistake that
 * each of them would refuse. */
static bool shape_is_good(const char *name, struct bytes value)
{
	unsigned char first = value.data[0];

	if (strcmp(name, "tools") == 0)
		return first == '[';
	if (strcmp(name, "tool_choice") == 0)
		return first == '"' || first == '{';
	if (strcmp(name, "response_format") == 0)
		return first == '{';
	return true;
}

static enum reject_reason add_member(
	struct row *row, const char *name, struct bytes value)
{
	if (!shape_is_good(name, value) || !is_new(row, name))
		return REJECT_BAD_REQUEST;
	begin_member(row, name);
	json_copy_value(value, &row->request);
	return REJECT_NONE;
}

/* -- Columns -- */

static enum reject_reason add_sampling(struct row *row, struct bytes object)
{
	struct jscan *s = &row->scan;
	const struct job_key *key;
	enum override_kind kind;
	enum reject_reason reason = REJECT_NONE;
	struct member m;

	jscan_reset(s);
	jscan_feed(s, object.data, object.len);
	jscan_next(s);
	while (reason == REJECT_NONE && jscan_next(s) == JSCAN_KEY) {
		if (!read_member(s, object, &m))
			return REJECT_BAD_SAMPLING;
		if (m.too_long)
			return REJECT_BAD_SAMPLING;
		key = override_find(bytes_of(m.name, strlen(m.name)), &kind);
		if (!key && strcmp(m.name, "n") != 0)
			return REJECT_BAD_SAMPLING;
		if (is_null(m.value))
			continue;
		if (!key)
			return REJECT_OWN_N;
		reason = kind == OVERRIDE_STOP ? add_stop(row, m.value)
					       : add_number(row, key, m.value);
	}
	return reason;
}

static const int member_slots[] = {ROW_TOOLS, ROW_TOOL_CHOICE, ROW_RESPONSE_FORMAT};
#define N_MEMBER_SLOTS (sizeof(member_slots) / sizeof(member_slots[0]))

void request_begin(struct row *row)
{
	buf_clear(&row->request);
	row->n_requested = 0;
}

enum reject_reason request_from_columns(
	const struct prompt_rules *rules, struct row *row)
{
	static const char *const names[N_MEMBER_SLOTS] = {
		"tools", "tool_choice", "response_format"};
	const struct row_column *column = row_get(row, ROW_SAMPLING);
	enum reject_reason reason = REJECT_NONE;

	if (!rules->in_template[ROW_SAMPLING] && !row_is_empty(column))
		reason = column->type == ROW_IS_OBJECT
				 ? add_sampling(row, column->value)
				 : REJECT_BAD_SAMPLING;
	for (size_t i = 0; i < N_MEMBER_SLOTS && reason == REJECT_NONE; i++) {
		column = row_get(row, member_slots[i]);
		if (!rules->in_template[member_slots[i]] && !row_is_empty(column))
			reason = add_member(row, names[i], column->value);
	}
	return reason;
}

bool request_has_column(const struct prompt_rules *rules, int slot)
{
	bool has = slot == ROW_SAMPLING;

	for (size_t i = 0; i < N_MEMBER_SLOTS; i++)
		has = has || slot == member_slots[i];
	return has && !rules->in_template[slot];
}

void request_end(struct row *row)
{
	if (row->request.len > 0)
		buf_add_byte(&row->request, '}');
}

/* -- The batch form's body -- */

static enum reject_reason check_model(
	const struct prompt_rules *rules, struct bytes value, struct buf *scratch)
{
	if (value.data[0] != '"')
		return REJECT_OTHER_MODEL;
	buf_clear(scratch);
	json_copy_meaning(value, scratch);
	for (size_t i = 0; i < rules->n_models; i++)
		if (is_word(buf_bytes(scratch), rules->model[i]))
			return REJECT_NONE;
	return rules->n_models ? REJECT_OTHER_MODEL : REJECT_NONE;
}

/* The number of candidates that a body asks for is no more than the job's. */
static enum reject_reason check_logprobs(
	const struct prompt_rules *rules, const struct member *m)
{
	const unsigned char *next;
	unsigned char text[24];
	struct jnumber v = {0};

	if (is_word(m->value, "false"))
		return REJECT_NONE;
	if (strcmp(m->name, "logprobs") == 0)
		return is_word(m->value, "true") && rules->top_logprobs > 0
			       ? REJECT_NONE
			       : REJECT_MORE_LOGPROBS;
	if (m->value.len >= sizeof(text))
		return REJECT_MORE_LOGPROBS;
	memcpy(text, m->value.data, m->value.len);
	text[m->value.len] = ' ';
	if (jt_number(text, text + m->value.len + 1, &next, &v) != JT_OK ||
		!v.is_integer || v.integer < 0 || v.integer > rules->top_logprobs)
		return REJECT_MORE_LOGPROBS;
	return REJECT_NONE;
}

/* Members that have a place of their own in the job. */
enum own { OWN_MODEL, OWN_N, OWN_LOGPROBS, OWN_DELIVERY, OWN_NOT };

static enum own own_member(const char *name)
{
	static const struct {
		const char *name;
		enum own own;
	} known[] = {
		{"model", OWN_MODEL},
		{"n", OWN_N},
		{"logprobs", OWN_LOGPROBS},
		{"top_logprobs", OWN_LOGPROBS},
		{"prompt_logprobs", OWN_LOGPROBS},
		{"stream", OWN_DELIVERY},
		{"stream_options", OWN_DELIVERY},
		{"return_token_ids", OWN_DELIVERY},
		{"return_tokens_as_token_ids", OWN_DELIVERY},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].own;
	return OWN_NOT;
}

static enum reject_reason add_other(struct row *row, const struct member *m)
{
	bool other_name = strcmp(m->name, "max_completion_tokens") == 0;
	const char *name = other_name ? "max_tokens" : m->name;
	const struct job_key *key;
	enum override_kind kind;

	key = override_find(bytes_of(name, strlen(name)), &kind);
	switch (kind) {
	case OVERRIDE_NUMBER:
		return add_number(row, key, m->value);
	case OVERRIDE_STOP:
		return add_stop(row, m->value);
	case OVERRIDE_MEMBER:
		return add_member(row, name, m->value);
	case OVERRIDE_BAD_NAME:
		break;
	}
	return REJECT_BAD_REQUEST;
}

static enum reject_reason take_member(const struct prompt_rules *rules, struct row *row,
	const struct member *m, bool *set_aside)
{
	if (m->too_long)
		return REJECT_BAD_REQUEST;
	if (is_null(m->value))
		return REJECT_NONE;
	switch (own_member(m->name)) {
	case OWN_MODEL:
		return check_model(rules, m->value, &row->scratch);
	case OWN_N:
		*set_aside = true;
		return is_word(m->value, "1") ? REJECT_NONE : REJECT_OWN_N;
	case OWN_LOGPROBS:
		*set_aside = true;
		return check_logprobs(rules, m);
	case OWN_DELIVERY:
		*set_aside = true;
		return REJECT_NONE;
	case OWN_NOT:
		break;
	}
	return add_other(row, m);
}

/* False if the name has been there. */
static bool body_name_is_new(struct row *row, uint64_t hash, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		if (row->body_names[i] == hash)
			return false;
	row->body_names[(*n)++] = hash;
	return true;
}

enum reject_reason request_from_body(const struct prompt_rules *rules, struct row *row,
	struct bytes body, bool *set_aside)
{
	struct jscan *s = &row->scan;
	enum reject_reason reason = REJECT_NONE;
	struct member m;
	unsigned n = 0;

	*set_aside = false;
	row->body_messages = (struct turns){0};
	jscan_reset(s);
	jscan_feed(s, body.data, body.len);
	jscan_next(s);
	while (jscan_next(s) == JSCAN_KEY) {
		bool messages = is_word(s->text, "messages");

		if (n == ROW_REQUEST_MEMBERS)
			return reject_first(reason, REJECT_BAD_REQUEST);
		if (!body_name_is_new(row, hash64(s->text.data, s->text.len), &n))
			return REJECT_DUPLICATE_KEY;
		if (messages)
			turns_read(s, body.data, TURNS_OPENAI, &row->body_messages);
		else if (read_member(s, body, &m))
			reason = reject_first(
				reason, take_member(rules, row, &m, set_aside));
	}
	return reason;
}
