/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/text_encoder_parts.h"

void added_put(struct added_set *set, struct added_token token)
{
	MEM_GROW(set->at, set->cap, set->n + 1);
	token.order = (uint32_t)set->n;
	set->at[set->n++] = token;
}

void added_release(struct added_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->at[i].content);
	free(set->at);
	*set = (struct added_set){0};
}

static int compare(const void *left, const void *right)
{
	const struct added_token *a = left, *b = right;
	size_t n = a->len < b->len ? a->len : b->len;
	int order = n ? memcmp(a->content, b->content, n) : 0;

	if (order == 0)
		order = (a->len > b->len) - (a->len < b->len);
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* Of equal contents the one that came first counts. */
void added_index(struct added_set *set)
{
	size_t n = 0;

	if (set->n > 0)
		qsort(set->at, set->n, sizeof(*set->at), compare);
	for (size_t i = 0; i < set->n; i++) {
		struct added_token *t = &set->at[i];
		const struct added_token *last = n ? &set->at[n - 1] : NULL;

		if (t->len == 0 ||
			(last && last->len == t->len &&
				memcmp(last->content, t->content, t->len) == 0)) {
			free(t->content);
			continue;
		}
		set->begins[t->content[0]] = true;
		set->at[n++] = *t;
	}
	set->n = n;
}

/* The first of at[low..high) whose byte `depth` is not below `c`; all have one. */
static size_t lower_bound(
	const struct added_set *set, size_t low, size_t high, size_t depth, unsigned c)
{
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->at[middle].content[depth] < c)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest token that the text begins with. */
static const struct added_token *longest(
	const struct added_set *set, const unsigned char *p, size_t len)
{
	const struct added_token *found = NULL;
	size_t low = 0, high = set->n;

	for (size_t depth = 0; depth < len; depth++) {
		low = lower_bound(set, low, high, depth, p[depth]);
		high = lower_bound(set, low, high, depth, p[depth] + 1u);
		if (low == high)
			break;
		/* The shortest of them comes first; it may end here. */
		if (set->at[low].len == depth + 1)
			found = &set->at[low++];
	}
	return found;
}

static bool is_word_before(struct bytes text, size_t at)
{
	size_t len;

	return at > 0 &&
	       uchar_is_word(uchar_at(text.data + uchar_before(text.data, at), &len));
}

static bool is_word_behind(struct bytes text, size_t at)
{
	size_t len;

	return at < text.len && uchar_is_word(uchar_at(text.data + at, &len));
}

static size_t spaces_before(struct bytes text, size_t at)
{
	while (at > 0) {
		size_t len, before = uchar_before(text.data, at);

		if (!uchar_is_space(uchar_at(text.data + before, &len)))
			break;
		at = before;
	}
	return at;
}

static size_t spaces_behind(struct bytes text, size_t at)
{
	for (size_t len; at < text.len; at += len)
		if (!uchar_is_space(uchar_at(text.data + at, &len)))
			break;
	return at;
}

struct added_walk added_begin(const struct added_set *set, struct bytes text)
{
	return (struct added_walk){.set = set, .text = text};
}

/* The next token that counts, into w->token. */
static bool find(struct added_walk *w)
{
	struct bytes text = w->text;

	while (w->at < text.len) {
		const struct added_token *t = NULL;
		size_t start = w->at, end;

		if (w->set->begins[text.data[start]])
			t = longest(w->set, text.data + start, text.len - start);
		if (!t) {
			w->at++;
			continue;
		}
		end = w->at = start + t->len;
		if (t->single_word &&
			(is_word_before(text, start) || is_word_behind(text, end)))
			continue;
		if (t->lstrip) {
			start = spaces_before(text, start);
			if (start < w->behind)
				start = w->behind;
		}
		if (t->rstrip)
			end = spaces_behind(text, end);
		w->token = (struct stretch){start, end, t->id};
		return true;
	}
	return false;
}

bool added_next(struct added_walk *w, struct stretch *out)
{
	size_t before = w->behind;

	if (w->has_token || find(w)) {
		bool text_first = !w->has_token && before < w->token.start;

		w->has_token = text_first;
		w->behind = text_first ? w->token.start : w->token.end;
		*out = text_first ? (struct stretch){before, w->token.start, BPE_NONE}
				  : w->token;
		return true;
	}
	w->behind = w->text.len;
	*out = (struct stretch){before, w->text.len, BPE_NONE};
	return before < w->text.len;
}
