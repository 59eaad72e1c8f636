/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/row.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"
#include "common/text.h"

/* Names seen in the line being read, by hash; a generation older than the
 * line's is an empty place, so that nothing has to be cleared. */
struct row_seen {
	uint64_t hash;
	uint32_t generation;
};

/* What lies open at the deepest: a number, at most a few hundred bytes. */
#define HOLD_MAX 8192

static const char *const known_names[ROW_KNOWN] = {
	[ROW_CUSTOM_ID] = "custom_id",
	[ROW_ID] = "id",
	[ROW_UUID] = "uuid",
	[ROW_MESSAGES] = "messages",
	[ROW_PROMPT] = "prompt",
	[ROW_CONVERSATIONS] = "conversations",
	[ROW_INSTRUCTION] = "instruction",
	[ROW_INPUT] = "input",
	[ROW_PROBLEM] = "problem",
	[ROW_QUESTION] = "question",
	[ROW_QUERY] = "query",
	[ROW_INPUTS] = "inputs",
	[ROW_SYSTEM] = "system",
	[ROW_REFERENCE] = "reference",
	[ROW_ANSWER] = "answer",
	[ROW_SOLUTION] = "solution",
	[ROW_OUTPUT] = "output",
	[ROW_RESPONSE] = "response",
	[ROW_TARGETS] = "targets",
	[ROW_COMPLETION] = "completion",
	[ROW_TOOLS] = "tools",
	[ROW_TOOL_CHOICE] = "tool_choice",
	[ROW_RESPONSE_FORMAT] = "response_format",
	[ROW_SAMPLING] = "sampling",
	[ROW_INPUT_IDS] = "input_ids",
	[ROW_PROMPT_TOKEN_IDS] = "prompt_token_ids",
	[ROW_PROMPT_LEN] = "prompt_len",
	[ROW_BODY] = "body",
	[ROW_METHOD] = "method",
	[ROW_URL] = "url",
	[ROW_TEXT] = "text",
};

static int find_name(const struct row_names *names, struct bytes name, uint64_t hash,
	unsigned *place)
{
	unsigned n = sizeof(names->table) / sizeof(names->table[0]);
	unsigned i = (unsigned)hash % n;

	for (; names->table[i].taken; i = (i + 1) % n) {
		int slot = names->table[i].slot;

		if (names->table[i].hash == hash && names->len[slot] == name.len &&
			memcmp(names->name[slot], name.data, name.len) == 0)
			return slot;
	}
	*place = i;
	return ROW_NO_SLOT;
}

int row_names_add(struct row_names *names, const char *name, size_t len)
{
	uint64_t hash = hash64(name, len);
	unsigned place;
	int slot = find_name(names, bytes_of(name, len), hash, &place);

	if (slot != ROW_NO_SLOT)
		return slot;
	if (names->n == ROW_SLOTS)
		return ROW_NO_SLOT;
	slot = names->n++;
	names->name[slot] = name;
	names->len[slot] = (uint32_t)len;
	names->table[place].hash = hash;
	names->table[place].slot = (int16_t)slot;
	names->table[place].taken = true;
	return slot;
}

void row_names_init(struct row_names *names)
{
	memset(names, 0, sizeof(*names));
	names->wants_turns = true;
	for (int i = 0; i < ROW_KNOWN; i++)
		row_names_add(names, known_names[i], strlen(known_names[i]));
}

void row_init(struct row *row)
{
	memset(row, 0, sizeof(*row));
	jscan_init(&row->scan, LIMIT_JSON_DEPTH, HOLD_MAX);
	row->scan.any_size = true; /* nothing here computes with a number */
	buf_init(&row->id, LIMIT_PROMPT_ID);
	/* A stop text becomes a list: two bytes more. */
	buf_init(&row->request, LIMIT_CORPUS_LINE + KIB(1));
	buf_init(&row->scratch, LIMIT_CORPUS_LINE);
	row->n_seen = 64;
	row->seen = mem_zalloc(row->n_seen, sizeof(*row->seen));
}

void row_release(struct row *row)
{
	jscan_release(&row->scan);
	buf_release(&row->id);
	buf_release(&row->request);
	buf_release(&row->scratch);
	free(row->column);
	free(row->seen);
	memset(row, 0, sizeof(*row));
}

/* A place in the table: taken by this hash, or free. */
static struct row_seen *seen_place(struct row *row, uint64_t hash)
{
	size_t i = hash & (row->n_seen - 1);

	while (row->seen[i].generation == row->generation && row->seen[i].hash != hash)
		i = (i + 1) & (row->n_seen - 1);
	return &row->seen[i];
}

static void grow_seen(struct row *row)
{
	struct row_seen *old = row->seen;
	size_t n = row->n_seen;

	row->n_seen *= 4;
	row->seen = mem_zalloc(row->n_seen, sizeof(*row->seen));
	for (size_t i = 0; i < n; i++)
		if (old[i].generation == row->generation)
			*seen_place(row, old[i].hash) = old[i];
	free(old);
}

/* False if this line has had the name already. */
static bool mark_seen(struct row *row, uint64_t hash)
{
	struct row_seen *place;

	if (row->n_columns * 2 >= row->n_seen)
		grow_seen(row);
	place = seen_place(row, hash);
	if (place->generation == row->generation)
		return false;
	*place = (struct row_seen){hash, row->generation};
	return true;
}

static void new_generation(struct row *row)
{
	if (++row->generation == 0) {
		memset(row->seen, 0, row->n_seen * sizeof(*row->seen));
		row->generation = 1;
	}
}

static enum row_type type_of(unsigned char first)
{
	switch (first) {
	case '"':
		return ROW_IS_STRING;
	case '{':
		return ROW_IS_OBJECT;
	case '[':
		return ROW_IS_ARRAY;
	case 't':
	case 'f':
		return ROW_IS_BOOL;
	case 'n':
		return ROW_IS_NULL;
	default:
		return ROW_IS_NUMBER;
	}
}

/* Reads the value behind a key: lists of messages with their turns, anything
 * else as one piece. */
static enum jscan_event read_value(struct row *row, const struct row_names *names,
	const unsigned char *line, int slot)
{
	struct jscan *s = &row->scan;

	if (names->wants_turns) {
		if (slot == ROW_MESSAGES)
			return turns_read(s, line, TURNS_OPENAI, &row->messages);
		if (slot == ROW_PROMPT)
			return turns_read(s, line, TURNS_OPENAI, &row->prompt);
		if (slot == ROW_CONVERSATIONS)
			return turns_read(s, line, TURNS_SHAREGPT, &row->conversations);
	}
	jscan_skip(s);
	return jscan_next(s);
}

/* A key has just been read; `behind` is where the piece before it ended. */
static enum jscan_event read_column(struct row *row, const struct row_names *names,
	const unsigned char *line, const unsigned char *behind,
	enum reject_reason *fault)
{
	struct jscan *s = &row->scan;
	const unsigned char *key_end = line + jscan_offset(s) - 1, *value;
	uint64_t hash = hash64(s->text.data, s->text.len);
	struct row_column *column;
	enum jscan_event event;
	unsigned place;
	int slot;

	while (*behind != '"')
		behind++;
	if (row->n_columns == ROW_COLUMNS_MAX || key_end - behind > ROW_NAME_MAX) {
		*fault = REJECT_BAD_COLUMNS;
		jscan_skip(s);
		return jscan_next(s);
	}
	if (!mark_seen(row, hash) && *fault == REJECT_NONE)
		*fault = REJECT_DUPLICATE_KEY;
	slot = find_name(names, s->text, hash, &place);
	event = read_value(row, names, line, slot);
	if (event == JSCAN_MORE || event == JSCAN_ERROR)
		return event;

	value = jt_space(key_end + 1, s->end);
	value = jt_space(value + 1, s->end);
	MEM_GROW(row->column, row->cap_columns, row->n_columns + 1);
	column = &row->column[row->n_columns];
	column->name = bytes_of(behind + 1, (size_t)(key_end - behind - 1));
	column->value = bytes_of(value, (size_t)(line + jscan_offset(s) - value));
	column->type = type_of(*value);
	column->slot = slot;
	if (slot != ROW_NO_SLOT)
		row->at[slot] = (int)row->n_columns;
	row->n_columns++;
	return event;
}

static enum jscan_event read_columns(struct row *row, const struct row_names *names,
	const unsigned char *line, enum reject_reason *fault)
{
	struct jscan *s = &row->scan;
	const unsigned char *behind = line;
	enum jscan_event event = jscan_next(s);

	if (event != JSCAN_OBJECT) {
		*fault = REJECT_NOT_OBJECT;
		return event;
	}
	while ((event = jscan_next(s)) == JSCAN_KEY) {
		event = read_column(row, names, line, behind, fault);
		if (event == JSCAN_MORE || event == JSCAN_ERROR)
			return event;
		behind = line + jscan_offset(s);
	}
	return event;
}

/* Reads on to the end of the document, which shows what the whole of it is. */
static enum jscan_event read_rest(struct jscan *s, enum jscan_event event)
{
	while (event != JSCAN_ERROR && event != JSCAN_DONE) {
		if (event == JSCAN_MORE)
			jscan_end(s);
		event = jscan_next(s);
	}
	return event;
}

enum reject_reason row_read(
	struct row *row, const struct row_names *names, const void *line, size_t len)
{
	enum reject_reason fault = REJECT_NONE;
	struct jscan *s = &row->scan;
	enum jscan_event event;

	row->n_columns = 0;
	memset(row->at, 0xff, sizeof(row->at));
	new_generation(row);
	jscan_reset(s);
	jscan_feed(s, line, len);
	event = read_columns(row, names, line, &fault);
	if (read_rest(s, event) == JSCAN_DONE)
		return fault;
	if (utf8_valid_prefix(line, len) < len)
		return REJECT_BAD_UTF8;
	if (strcmp(s->error, "nested too deep") == 0)
		return REJECT_NESTED_TOO_DEEP;
	return REJECT_BAD_JSON;
}

const struct row_column row_absent = {.slot = ROW_NO_SLOT};

bool row_holds_nothing(const struct row_column *column)
{
	const unsigned char *p;

	switch (column->type) {
	case ROW_IS_ABSENT:
	case ROW_IS_NULL:
		return true;
	case ROW_IS_STRING:
		return column->value.len == 2;
	case ROW_IS_ARRAY:
	case ROW_IS_OBJECT:
		p = jt_space(
			column->value.data + 1, column->value.data + column->value.len);
		return *p == ']' || *p == '}';
	default:
		return false;
	}
}
