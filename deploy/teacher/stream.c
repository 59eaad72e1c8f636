/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/stream.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(17))

/* What of a choice is shared out over the events. */
struct share {
	const char *text;
	size_t len, at;
};

static void write_event(struct buf *out, const json_t *event)
{
	char *text = json_dumps(event, DUMP_FLAGS);

	buf_add_str(out, "data: ");
	if (text)
		buf_add_str(out, text);
	buf_add_str(out, "\n\n");
	free(text);
}

/* The next piece of a text, up to `part` of `parts`; NULL if it is empty. */
static json_t *next_piece(struct share *s, size_t part, size_t parts)
{
	size_t to = s->len * part / parts, from = s->at;

	while (to < s->len && ((unsigned char)s->text[to] & 0xc0) == 0x80)
		to++;
	if (to <= from)
		return NULL;
	s->at = to;
	return json_stringn(s->text + from, to - from);
}

static json_t *chunk(const json_t *base, const json_t *index, json_t *delta,
	json_t *logprobs, json_t *finish)
{
	json_t *event = json_copy((json_t *)base);
	json_t *choice = json_pack("{s:O,s:o,s:o,s:o}", "index", index, "delta", delta,
		"logprobs", logprobs ? logprobs : json_null(), "finish_reason",
		finish ? finish : json_null());

	json_object_set_new(event, "choices", json_pack("[o]", choice));
	return event;
}

static const char *reasoning_key(const json_t *message)
{
	return json_object_get(message, "reasoning_content") ? "reasoning_content"
							     : "reasoning";
}

static struct share share_of(const json_t *message, const char *key)
{
	const json_t *text = json_object_get(message, key);

	return (struct share){json_string_value(text), json_string_length(text), 0};
}

static json_t *slice(const json_t *list, size_t from, size_t to)
{
	json_t *out = json_array();

	for (size_t i = from; i < to && i < json_array_size(list); i++)
		json_array_append(out, json_array_get(list, i));
	return out;
}

/* What the events of one choice share out: of n, the first n_reasoning have the
 * reasoning's text, those from first_content on the content's. */
struct shares {
	const char *reasoning_key;
	struct share reasoning, content;
	const json_t *rows, *ids;
	size_t n, n_reasoning, first_content;
};

static struct shares shares_of(const json_t *choice)
{
	const json_t *message = json_object_get(choice, "message");
	const char *key = reasoning_key(message);
	struct shares s = {.reasoning_key = key,
		.reasoning = share_of(message, key),
		.content = share_of(message, "content"),
		.rows = json_object_get(json_object_get(choice, "logprobs"), "content"),
		.ids = json_object_get(choice, "token_ids")};
	size_t all = s.reasoning.len + s.content.len;
	size_t n_rows = json_array_size(s.rows), n_ids = json_array_size(s.ids);

	s.n = n_rows > n_ids ? n_rows : n_ids;
	if (s.n == 0)
		s.n = all / STREAM_PIECE + 1;
	if (s.reasoning.len == 0)
		return s;
	s.n_reasoning = s.n * s.reasoning.len / all;
	if (s.content.len > 0 && s.n_reasoning == s.n)
		s.n_reasoning--;
	if (s.n_reasoning == 0)
		s.n_reasoning = 1;
	s.first_content = s.n > 1 ? s.n_reasoning : 0;
	return s;
}

static json_t *delta_of(struct shares *s, size_t i)
{
	json_t *delta = json_object(), *piece = NULL;

	if (i < s->n_reasoning)
		piece = next_piece(&s->reasoning, i + 1, s->n_reasoning);
	if (piece)
		json_object_set_new(delta, s->reasoning_key, piece);
	piece = NULL;
	if (i >= s->first_content && s->n > s->first_content)
		piece = next_piece(
			&s->content, i + 1 - s->first_content, s->n - s->first_content);
	if (piece)
		json_object_set_new(delta, "content", piece);
	return delta;
}

static void write_tokens(struct buf *out, const json_t *base, const json_t *choice)
{
	struct shares s = shares_of(choice);

	for (size_t i = 0; i < s.n; i++) {
		json_t *rows =
			s.rows ? json_pack("{s:o}", "content", slice(s.rows, i, i + 1))
			       : NULL;
		json_t *event = chunk(base, json_object_get(choice, "index"),
			delta_of(&s, i), rows, NULL);

		if (s.ids)
			json_object_set_new(
				json_array_get(json_object_get(event, "choices"), 0),
				"token_ids", slice(s.ids, i, i + 1));
		write_event(out, event);
		json_decref(event);
	}
}

static void write_choice(struct buf *out, const json_t *base, const json_t *choice,
	const json_t *prompt_ids)
{
	static const char *const behind[] = {"stop_reason", "matched_stop", NULL};
	const json_t *index = json_object_get(choice, "index");
	json_t *finish = json_object_get(choice, "finish_reason");
	json_t *event = chunk(base, index,
		json_pack("{s:s,s:s}", "role", "assistant", "content", ""), NULL, NULL);

	if (prompt_ids)
		json_object_set(event, "prompt_token_ids", (json_t *)prompt_ids);
	write_event(out, event);
	json_decref(event);
	write_tokens(out, base, choice);
	event = chunk(base, index, json_object(), NULL, json_incref(finish));
	for (int i = 0; behind[i]; i++)
		if (json_object_get(choice, behind[i]))
			json_object_set(
				json_array_get(json_object_get(event, "choices"), 0),
				behind[i], json_object_get(choice, behind[i]));
	write_event(out, event);
	json_decref(event);
}

static void write_all(struct buf *out, json_t *answer, bool with_usage)
{
	json_t *choices = json_incref(json_object_get(answer, "choices"));
	json_t *usage = json_incref(json_object_get(answer, "usage"));
	json_t *prompt_ids = json_incref(json_object_get(answer, "prompt_token_ids"));
	json_t *choice;
	size_t i;

	json_object_del(answer, "usage");
	json_object_del(answer, "prompt_token_ids");
	json_object_set_new(answer, "object", json_string("chat.completion.chunk"));
	json_object_set_new(answer, "choices", json_array());
	json_array_foreach(choices, i, choice)
		write_choice(out, answer, choice, prompt_ids);
	if (with_usage && usage) {
		json_object_set(answer, "usage", usage);
		write_event(out, answer);
	}
	buf_add_str(out, "data: [DONE]\n\n");
	json_decref(choices);
	json_decref(usage);
	json_decref(prompt_ids);
}

/* As it is; its line ends would end the event. */
static void write_unreadable(struct buf *out, struct bytes whole)
{
	buf_add_str(out, "data: ");
	for (size_t i = 0; i < whole.len; i++) {
		buf_add_byte(out, whole.data[i]);
		if (whole.data[i] == '\n')
			buf_add_str(out, "data: ");
	}
	buf_add_str(out, "\n\ndata: [DONE]\n\n");
}

void stream_write(struct bytes whole, bool with_usage, struct buf *out)
{
	json_t *answer = json_loadb(
		(const char *)whole.data, whole.len, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_array(json_object_get(answer, "choices")))
		write_all(out, answer, with_usage);
	else
		write_unreadable(out, whole);
	json_decref(answer);
}
