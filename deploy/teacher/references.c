/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/references.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/banned.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"
#include "deploy/teacher/mix.h"

#define ANCHOR 16 /* first bytes of a question, by which it is found */
#define NONE UINT32_MAX

struct entry {
	char *question, *answer;
	size_t len;
	uint32_t next; /* with the same anchor */
};

struct references {
	struct entry *entry;
	size_t n, cap;
	uint32_t *table;
	size_t table_size;   /* a power of two */
	uint32_t short_ones; /* questions shorter than an anchor */
};

static const char *const question_names[] = {
	"question", "problem", "prompt", "instruction", "query", "text", NULL};
static const char *const answer_names[] = {"answer", "reference", "solution", "output",
	"response", "canonical_solution", NULL};

static size_t slot_of(const struct references *r, const char *text)
{
	uint64_t a, b;

	memcpy(&a, text, 8);
	memcpy(&b, text + 8, 8);
	return mix2(a, b) & (r->table_size - 1);
}

static struct bytes trimmed(struct bytes text)
{
	while (text.len > 0 && isspace(text.data[0])) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && isspace(text.data[text.len - 1]))
		text.len--;
	return text;
}

static struct bytes text_of(const json_t *value)
{
	return trimmed(bytes_of(json_string_value(value), json_string_length(value)));
}

/* The text of the last message of a role; jansson's NULL is borne. */
static struct bytes last_message(const json_t *messages, const char *role)
{
	for (size_t i = json_array_size(messages); i-- > 0;) {
		const json_t *m = json_array_get(messages, i);
		const char *its = json_string_value(json_object_get(m, "role"));

		if (its && strcmp(its, role) == 0)
			return text_of(json_object_get(m, "content"));
	}
	return bytes_of(NULL, 0);
}

/* The first of the names that the line has as a text or a number. */
static struct bytes first_of(
	const json_t *line, const char *const *names, char number[32])
{
	for (; *names; names++) {
		const json_t *value = json_object_get(line, *names);

		if (json_is_string(value))
			return text_of(value);
		if (json_is_array(value))
			return last_message(value, "user");
		if (json_is_number(value)) {
			snprintf(number, 32, "%.15g", json_number_value(value));
			return bytes_of(number, strlen(number));
		}
	}
	return bytes_of(NULL, 0);
}

bool references_boxed(struct bytes text, struct bytes *out)
{
	static const char mark[] = "\\boxed{";
	size_t len = sizeof(mark) - 1;

	for (size_t at = text.len; at-- > 0;) {
		int depth = 1;

		if (text.len - at < len || memcmp(text.data + at, mark, len) != 0)
			continue;
		for (size_t i = at + len; i < text.len; i++) {
			depth += (text.data[i] == '{') - (text.data[i] == '}');
			if (depth == 0) {
				*out = bytes_of(text.data + at + len, i - at - len);
				return true;
			}
		}
	}
	return false;
}

/* What a corpus line's answer comes down to. */
static struct bytes essence(struct bytes answer)
{
	struct bytes boxed;

	for (size_t at = answer.len; at-- > 0;)
		if (answer.len - at >= 4 && memcmp(answer.data + at, "####", 4) == 0)
			return trimmed(
				bytes_of(answer.data + at + 4, answer.len - at - 4));
	if (references_boxed(answer, &boxed))
		return trimmed(boxed);
	return answer;
}

static void add_line(struct references *r, const json_t *line)
{
	const json_t *messages = json_object_get(line, "messages");
	char number[2][32];
	struct bytes question = first_of(line, question_names, number[0]), answer;

	if (question.len == 0)
		question = last_message(messages, "user");
	answer = first_of(line, answer_names, number[1]);
	if (answer.len == 0)
		answer = last_message(messages, "assistant");
	if (question.len == 0 || answer.len == 0)
		return;
	answer = essence(answer);
	MEM_GROW(r->entry, r->cap, r->n + 1);
	r->entry[r->n++] = (struct entry){
		.question = mem_dup_text((const char *)question.data, question.len),
		.len = question.len,
		.answer = mem_dup_text((const char *)answer.data, answer.len),
		.next = NONE};
}

/* Chains every question to its anchor's slot, the first line in front. */
static void index_questions(struct references *r)
{
	r->table_size = 64;
	while (r->table_size < 2 * r->n)
		r->table_size *= 2;
	r->table = mem_alloc(r->table_size * sizeof(*r->table));
	memset(r->table, 0xff, r->table_size * sizeof(*r->table));
	r->short_ones = NONE;
	for (size_t i = r->n; i-- > 0;) {
		struct entry *e = &r->entry[i];
		uint32_t *head = e->len < ANCHOR ? &r->short_ones
						 : &r->table[slot_of(r, e->question)];

		e->next = *head;
		*head = (uint32_t)i;
	}
}

enum err_code references_load(
	const char *path, struct references **out, struct err *err)
{
	struct references *r = mem_zalloc(1, sizeof(*r));
	struct buf file;
	size_t at = 0;
	enum err_code code;

	buf_init(&file, MIB(1024));
	code = file_read(path, &file, err);
	while (code == ERR_NONE && at < file.len) {
		const char *line = (const char *)file.data + at;
		const char *end = memchr(line, '\n', file.len - at);
		size_t len = end ? (size_t)(end - line) : file.len - at;
		json_t *json = json_loadb(line, len, 0, NULL);

		if (json_is_object(json))
			add_line(r, json);
		json_decref(json);
		at += len + 1;
	}
	buf_release(&file);
	if (code == ERR_NONE && r->n == 0)
		code = err_set(err, ERR_INVALID,
			"'%s' has no line with a question and an answer", path);
	if (code != ERR_NONE) {
		references_free(r);
		return code;
	}
	index_questions(r);
	*out = r;
	return ERR_NONE;
}

void references_free(struct references *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->entry[i].question);
		free(r->entry[i].answer);
	}
	free(r->entry);
	free(r->table);
	free(r);
}

size_t references_count(const struct references *r)
{
	return r->n;
}

/* Whether e is a better match than the best so far: longer, or as long and
 * earlier in the file. */
static bool is_better(const struct entry *e, const struct entry *best)
{
	return !best || e->len > best->len || (e->len == best->len && e < best);
}

const char *references_find(const struct references *r, struct bytes prompt)
{
	const struct entry *best = NULL;

	for (size_t at = 0; at + ANCHOR <= prompt.len; at++) {
		const char *here = (const char *)prompt.data + at;
		uint32_t i = r->table[slot_of(r, here)];

		for (; i != NONE; i = r->entry[i].next) {
			const struct entry *e = &r->entry[i];

			if (is_better(e, best) && e->len <= prompt.len - at &&
				memcmp(here, e->question, e->len) == 0)
				best = e;
		}
	}
	for (uint32_t i = r->short_ones; i != NONE; i = r->entry[i].next) {
		const struct entry *e = &r->entry[i];

		if (is_better(e, best) &&
			memmem(prompt.data, prompt.len, e->question, e->len))
			best = e;
	}
	return best ? best->answer : NULL;
}
