/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/think.h"

#include <string.h>

static const struct tag_pair {
	const char *open, *close;
	bool opens_in_prompt; /* may stand at the end of the prompt instead */
} pairs[] = {
	{"<think>", "</think>", true},
	{"<thinking>", "</thinking>", false},
	{"<|begin_of_thought|>", "<|end_of_thought|>", false},
};
#define N_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

#define SOLUTION_OPEN "<|begin_of_solution|>"
#define SOLUTION_CLOSE "<|end_of_solution|>"

static bool is_newline(unsigned char c)
{
	return c == '\n' || c == '\r';
}

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || is_newline(c);
}

static struct bytes without_first(struct bytes s, size_t n)
{
	return bytes_of(s.data + n, s.len - n);
}

static struct bytes trim_begin(struct bytes s)
{
	size_t n = 0;

	while (n < s.len && is_newline(s.data[n]))
		n++;
	return without_first(s, n);
}

static struct bytes trim_end(struct bytes s)
{
	while (s.len > 0 && is_newline(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool begins_with(struct bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

static bool ends_with(struct bytes s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.len >= n && memcmp(s.data + s.len - n, suffix, n) == 0;
}

/* The content behind a closing tag. */
static struct bytes content_behind(struct bytes s)
{
	s = trim_begin(s);
	if (!begins_with(s, SOLUTION_OPEN))
		return s;
	s = trim_begin(without_first(s, strlen(SOLUTION_OPEN)));
	if (ends_with(trim_end(s), SOLUTION_CLOSE)) {
		s = trim_end(s);
		s.len -= strlen(SOLUTION_CLOSE);
		s = trim_end(s);
	}
	return s;
}

/* Splits s, which begins behind the opening tag. False without a closing one. */
static bool split_at(struct bytes s, const char *close, struct think *out)
{
	const unsigned char *at = memmem(s.data, s.len, close, strlen(close));

	if (!at)
		return false;
	out->reasoning = trim_begin(trim_end(bytes_of(s.data, (size_t)(at - s.data))));
	out->content =
		content_behind(without_first(s, (size_t)(at - s.data) + strlen(close)));
	return true;
}

bool think_find(struct bytes text, struct think *out)
{
	struct bytes s = text;

	*out = (struct think){0};
	if (text.len == 0)
		return false;
	while (s.len > 0 && is_space(s.data[0]))
		s = without_first(s, 1);
	for (size_t i = 0; i < N_PAIRS; i++) {
		if (!begins_with(s, pairs[i].open))
			continue;
		s = without_first(s, strlen(pairs[i].open));
		if (!split_at(s, pairs[i].close, out)) {
			out->reasoning = trim_begin(trim_end(s));
			out->content = without_first(s, s.len);
			out->unclosed = true;
		}
		return true;
	}
	for (size_t i = 0; i < N_PAIRS; i++)
		if (pairs[i].opens_in_prompt && split_at(text, pairs[i].close, out))
			return true;
	return false;
}

void think_split(struct answer *a)
{
	struct think found;
	struct buf *content = &a->content.text;

	if (!a->content.present || a->reasoning.text.len > 0 ||
		!think_find(buf_bytes(content), &found))
		return;
	buf_clear(&a->reasoning.text);
	buf_add(&a->reasoning.text, found.reasoning.data, found.reasoning.len);
	a->reasoning.present = true;
	memmove(content->data, found.content.data, found.content.len);
	buf_truncate(content, found.content.len);
	if (found.unclosed)
		a->flags |= FLAG_UNCLOSED_REASONING;
	if (content->len == 0 && !a->tool_calls.present && !(a->flags & FLAG_REFUSED))
		a->flags |= FLAG_NO_CONTENT;
}
