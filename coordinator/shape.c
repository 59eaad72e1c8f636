/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/shape.h"

#include <string.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "common/text.h"
#include "coordinator/json_copy.h"
#include "coordinator/request.h"

/* The first of `slots` (ended by ROW_NO_SLOT) that holds something. */
static int first_filled(const struct row *row, const int *slots)
{
	while (*slots != ROW_NO_SLOT && row_is_empty(row_get(row, *slots)))
		slots++;
	return *slots;
}

static int first_text(const struct row *row, const int *slots)
{
	for (; *slots != ROW_NO_SLOT; slots++) {
		const struct row_column *column = row_get(row, *slots);

		if (column->type == ROW_IS_STRING && !row_is_empty(column))
			break;
	}
	return *slots;
}

static bool is_integer(struct bytes text)
{
	for (size_t i = text.data[0] == '-'; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static void derive_id(struct buf *id, const void *line, size_t len)
{
	struct hash128 h = hash128(line, len);
	unsigned char bytes[16];
	char hex[33];

	put_u64_be(bytes, h.high);
	put_u64_be(bytes + 8, h.low);
	text_hex(bytes, sizeof(bytes), hex);
	buf_add(id, hex, 32);
}

static enum reject_reason find_id(
	struct row *row, const void *line, size_t len, struct shape *out)
{
	static const int slots[] = {ROW_CUSTOM_ID, ROW_ID, ROW_UUID, ROW_NO_SLOT};
	const struct row_column *column;
	const int *slot = slots;

	/* Null is what tools write for "none"; "" is a mistake. */
	while (*slot != ROW_NO_SLOT && row_get(row, *slot)->type <= ROW_IS_NULL)
		slot++;
	out->id = *slot;
	buf_clear(&row->id);
	if (*slot == ROW_NO_SLOT) {
		derive_id(&row->id, line, len);
		return REJECT_NONE;
	}
	column = row_get(row, *slot);
	if (column->type == ROW_IS_STRING)
		json_copy_meaning(column->value, &row->id);
	else if (column->type == ROW_IS_NUMBER && is_integer(column->value))
		buf_add(&row->id, column->value.data, column->value.len);
	if (row->id.over || row->id.len == 0 ||
		text_has_control(row->id.data, row->id.len))
		return REJECT_BAD_ID;
	return REJECT_NONE;
}

static enum reject_reason find_template(
	const struct prompt_rules *rules, const struct row *row, struct shape *out)
{
	size_t text = rules->literals.len, most = text;

	out->kind = SHAPE_TEMPLATE;
	for (size_t i = 1; i < rules->n_pieces; i++) {
		const struct row_column *column = row_get(row, rules->piece[i].slot);

		if (column->type <= ROW_IS_NULL)
			return REJECT_MISSING_COLUMN;
		text += column->type != ROW_IS_STRING || !row_is_empty(column);
		/* Nested values are escaped once more. */
		most += 2 * column->value.len;
		if (most > PROMPT_TEXT_MAX)
			return REJECT_TOO_LONG;
	}
	return text > 0 ? REJECT_NONE : REJECT_MISSING_COLUMN;
}

static enum reject_reason find_turns(
	struct shape *out, int slot, enum shape_kind kind, const struct turns *turns)
{
	out->kind = kind;
	out->asked = slot;
	out->turns = turns;
	return turns->bad ? REJECT_BAD_MESSAGES : REJECT_NONE;
}

/* True if the column is absent, or a text with such an end. */
static bool ends_with(const struct row_column *column, const char *end)
{
	size_t len = strlen(end);

	if (column->type <= ROW_IS_NULL)
		return true;
	return column->type == ROW_IS_STRING && column->value.len >= len + 2 &&
	       memcmp(column->value.data + column->value.len - 1 - len, end, len) == 0;
}

static enum reject_reason find_batch(
	const struct prompt_rules *rules, struct row *row, struct shape *out)
{
	const struct row_column *method = row_get(row, ROW_METHOD);
	enum reject_reason reason;

	if (!ends_with(method, "POST") ||
		(method->type == ROW_IS_STRING &&
			method->value.len != strlen("POST") + 2))
		return REJECT_UNSUPPORTED_SHAPE;
	if (!ends_with(row_get(row, ROW_URL), "/chat/completions"))
		return REJECT_UNSUPPORTED_SHAPE;
	out->batch = true;
	reason = request_from_body(
		rules, row, row_get(row, ROW_BODY)->value, &out->set_aside);
	if (!row->body_messages.text.data && !row->body_messages.bad)
		return reject_first(reason, REJECT_UNSUPPORTED_SHAPE);
	return reject_first(
		reason, find_turns(out, ROW_BODY, SHAPE_MESSAGES, &row->body_messages));
}

/* The list's own brackets and numbers; that each is an id is the scanner's to say. */
static bool are_ids(struct jscan *s, struct bytes list, size_t *count)
{
	enum jscan_event event;
	size_t n = 0;

	jscan_reset(s);
	jscan_feed(s, list.data, list.len);
	if (jscan_next(s) != JSCAN_ARRAY)
		return false;
	while ((event = jscan_next(s)) == JSCAN_NUMBER && s->number.is_integer &&
		s->number.integer >= 0 && s->number.integer < UINT32_MAX)
		n++;
	*count = n;
	return event == JSCAN_ARRAY_END && n > 0;
}

/* Nothing tells the distribution of the first token, so that it is the prompt's. */
static enum reject_reason find_prompt_len(
	const struct row *row, size_t n, struct shape *out)
{
	const struct row_column *column = row_get(row, ROW_PROMPT_LEN);
	uint64_t len = 0;

	out->prompt_len = 1;
	if (n < 2)
		return REJECT_BAD_IDS;
	if (column->type <= ROW_IS_NULL)
		return REJECT_NONE;
	if (column->type != ROW_IS_NUMBER || !is_integer(column->value) ||
		column->value.len > 9 || column->value.data[0] == '-')
		return REJECT_BAD_PROMPT_LEN;
	for (size_t i = 0; i < column->value.len; i++)
		len = len * 10 + (uint64_t)(column->value.data[i] - '0');
	out->prompt_len = (uint32_t)len;
	return len >= 1 && len < n ? REJECT_NONE : REJECT_BAD_PROMPT_LEN;
}

static enum reject_reason find_ids(
	const struct prompt_rules *rules, struct row *row, struct shape *out)
{
	size_t n;

	out->kind = SHAPE_IDS;
	if (!rules->all_raw)
		return REJECT_UNSUPPORTED_SHAPE;
	if (!are_ids(&row->scan, row_get(row, out->asked)->value, &n))
		return REJECT_BAD_IDS;
	return rules->scores ? find_prompt_len(row, n, out) : REJECT_NONE;
}

/* What a teacher only scores. */
static enum reject_reason find_given(
	const struct prompt_rules *rules, struct row *row, struct shape *out)
{
	static const int ids[] = {ROW_INPUT_IDS, ROW_NO_SLOT};
	static const int text[] = {ROW_TEXT, ROW_NO_SLOT};

	out->asked = first_filled(row, ids);
	if (out->asked != ROW_NO_SLOT)
		return find_ids(rules, row, out);
	out->kind = SHAPE_GIVEN;
	out->asked = first_text(row, text);
	return out->asked != ROW_NO_SLOT ? REJECT_NONE : REJECT_NOTHING_TO_SCORE;
}

static enum reject_reason find_asked(
	const struct prompt_rules *rules, struct row *row, struct shape *out)
{
	static const int texts[] = {ROW_INSTRUCTION, ROW_PROBLEM, ROW_QUESTION,
		ROW_QUERY, ROW_INPUTS, ROW_NO_SLOT};
	static const int prompt[] = {ROW_PROMPT, ROW_NO_SLOT};
	static const int input[] = {ROW_INPUT, ROW_NO_SLOT};
	static const int ids[] = {ROW_INPUT_IDS, ROW_PROMPT_TOKEN_IDS, ROW_NO_SLOT};

	if (rules->scores)
		return find_given(rules, row, out);
	if (row_get(row, ROW_MESSAGES)->type > ROW_IS_NULL)
		return find_turns(out, ROW_MESSAGES, SHAPE_MESSAGES, &row->messages);
	if (row_get(row, ROW_PROMPT)->type == ROW_IS_ARRAY)
		return find_turns(out, ROW_PROMPT, SHAPE_MESSAGES, &row->prompt);
	out->kind = SHAPE_TEXT;
	out->asked = first_text(row, prompt);
	if (out->asked != ROW_NO_SLOT)
		return REJECT_NONE;
	if (row_get(row, ROW_CONVERSATIONS)->type > ROW_IS_NULL)
		return find_turns(
			out, ROW_CONVERSATIONS, SHAPE_SHAREGPT, &row->conversations);
	out->asked = first_text(row, texts);
	if (out->asked == ROW_INSTRUCTION)
		out->input = first_text(row, input);
	if (out->asked != ROW_NO_SLOT)
		return REJECT_NONE;
	if (row_get(row, ROW_BODY)->type == ROW_IS_OBJECT)
		return find_batch(rules, row, out);
	out->asked = first_filled(row, ids);
	if (out->asked != ROW_NO_SLOT)
		return find_ids(rules, row, out);
	if (row_get(row, ROW_TEXT)->type == ROW_IS_STRING)
		return REJECT_UNSUPPORTED_SHAPE;
	return REJECT_NO_PROMPT;
}

/* What the teachers that take raw prompts can be asked. Tools and the like are not
 * for them, and a template's system text was refused with the job. */
static enum reject_reason check_raw(
	const struct prompt_rules *rules, const struct row *row, const struct shape *s)
{
	static const int tools[] = {
		ROW_TOOLS, ROW_TOOL_CHOICE, ROW_RESPONSE_FORMAT, ROW_NO_SLOT};

	if (!rules->some_raw)
		return REJECT_NONE;
	if (s->system != ROW_NO_SLOT || (s->turns && !s->turns->is_one_text))
		return REJECT_NOT_RAW;
	for (const int *slot = tools; *slot != ROW_NO_SLOT; slot++)
		if (!rules->in_template[*slot] &&
			row_get(row, *slot)->type > ROW_IS_NULL)
			return REJECT_NOT_RAW;
	return REJECT_NONE;
}

/* The row's own system text, unless its messages bring one. */
static void find_system(
	const struct prompt_rules *rules, const struct row *row, struct shape *out)
{
	static const int slots[] = {ROW_SYSTEM, ROW_NO_SLOT};

	if (rules->in_template[ROW_SYSTEM] || (out->turns && out->turns->has_system))
		return;
	out->system = first_text(row, slots);
}

static void find_reference(
	const struct prompt_rules *rules, const struct row *row, struct shape *out)
{
	static const int plain[] = {
		ROW_REFERENCE, ROW_ANSWER, ROW_SOLUTION, ROW_NO_SLOT};
	static const int alias[] = {
		ROW_OUTPUT, ROW_RESPONSE, ROW_TARGETS, ROW_COMPLETION, ROW_NO_SLOT};

	out->reference = first_filled(row, plain);
	if (out->reference == ROW_NO_SLOT && out->asked != ROW_MESSAGES &&
		out->asked != ROW_CONVERSATIONS && !out->batch)
		out->reference = first_filled(row, alias);
	if (out->reference == ROW_NO_SLOT && out->turns && !rules->prefill &&
		out->turns->n_behind > 0 && out->turns->last.content.data)
		out->answer_turn = &out->turns->last;
}

enum reject_reason shape_find(const struct prompt_rules *rules, struct row *row,
	const void *line, size_t len, struct shape *out)
{
	enum reject_reason reason;

	*out = (struct shape){.asked = ROW_NO_SLOT,
		.input = ROW_NO_SLOT,
		.system = ROW_NO_SLOT,
		.id = ROW_NO_SLOT,
		.reference = ROW_NO_SLOT};
	reason = find_id(row, line, len, out);
	if (reason != REJECT_NONE)
		return reason;
	request_begin(row);
	reason = rules->template ? find_template(rules, row, out)
				 : find_asked(rules, row, out);
	reason = reject_first(reason, request_from_columns(rules, row));
	request_end(row);
	if (reason != REJECT_NONE)
		return reason;
	find_system(rules, row, out);
	find_reference(rules, row, out);
	return check_raw(rules, row, out);
}
