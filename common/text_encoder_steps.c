/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/mem.h"
#include "common/text_encoder_parts.h"

/* -- Looking for something -- */

/* Where matches are looked for in one text. As in the library, an empty match directly
 * behind the last match is none. */
struct search {
	const struct needle *needle;
	struct bytes text;
	size_t at, last_end;
	bool has_last;
};

static enum err_code next_match(
	struct search *s, size_t *start, size_t *end, struct err *err)
{
	const struct needle *n = s->needle;

	while (s->at <= s->text.len) {
		enum err_code code = ERR_NONE;

		if (n->pattern) {
			code = pattern_find(
				n->pattern, s->text, s->at, start, end, err);
		} else {
			const unsigned char *found = memmem(s->text.data + s->at,
				s->text.len - s->at, n->text, n->len);

			*start = found ? (size_t)(found - s->text.data) : 0;
			*end = *start + n->len;
			code = found ? ERR_NONE : ERR_NOT_FOUND;
		}
		if (code != ERR_NONE)
			return code;
		if (*start < *end || !s->has_last || s->last_end != *end) {
			s->at = s->last_end = *end;
			s->has_last = true;
			return ERR_NONE;
		}
		if (s->at == s->text.len)
			break;
		s->at++;
		while (s->at < s->text.len && (s->text.data[s->at] & 0xc0) == 0x80)
			s->at++;
	}
	return ERR_NOT_FOUND;
}

/* -- Normal forms -- */

static enum err_code replace_all(const struct normal_step *step, struct bytes text,
	struct buf *out, struct err *err)
{
	struct search s = {.needle = &step->needle, .text = text};
	size_t done = 0, start, end;
	enum err_code code;

	while ((code = next_match(&s, &start, &end, err)) == ERR_NONE) {
		buf_add(out, text.data + done, start - done);
		buf_add(out, step->with, step->with_len);
		done = end;
	}
	if (code != ERR_NOT_FOUND)
		return code;
	buf_add(out, text.data + done, text.len - done);
	return ERR_NONE;
}

enum err_code steps_normalise(
	struct text_encoder *e, struct bytes text, struct bytes *out, struct err *err)
{
	*out = text;
	for (size_t i = 0; i < e->n_normal && out->len > 0; i++) {
		const struct normal_step *step = &e->normal[i];
		struct buf *to = &e->text[i & 1];
		enum err_code code = ERR_NONE;

		buf_clear(to);
		if (step->kind == NORMAL_FORM) {
			code = uchar_normalise(*out, step->form, to, err);
		} else if (step->kind == NORMAL_REPLACE) {
			code = replace_all(step, *out, to, err);
		} else {
			buf_add(to, step->with, step->with_len);
			buf_add(to, out->data, out->len);
		}
		if (code != ERR_NONE)
			return code;
		if (to->over)
			return err_set(err, ERR_INVALID,
				"the text's normal form is longer than %zu MiB",
				to->max >> 20);
		*out = buf_bytes(to);
	}
	return ERR_NONE;
}

/* -- Words -- */

static void add_span(struct word_step *step, size_t start, size_t end, bool match)
{
	MEM_GROW(step->span, step->cap_spans, step->n_spans + 1);
	step->span[step->n_spans++] = (struct span){start, end, match};
}

/* The whole text, matches and what is between them. */
static enum err_code find_spans(
	struct word_step *step, struct bytes text, struct err *err)
{
	struct search s = {.needle = &step->needle, .text = text};
	size_t done = 0, start, end;
	enum err_code code;

	step->n_spans = 0;
	while ((code = next_match(&s, &start, &end, err)) == ERR_NONE) {
		if (done < start)
			add_span(step, done, start, step->invert);
		add_span(step, start, end, !step->invert);
		done = end;
	}
	if (code != ERR_NOT_FOUND)
		return code;
	if (done < text.len)
		add_span(step, done, text.len, step->invert);
	return ERR_NONE;
}

static void find_digits(struct word_step *step, struct bytes text)
{
	size_t done = 0;

	step->n_spans = 0;
	for (size_t i = 0, len; i < text.len; i += len) {
		if (!uchar_is_number(uchar_at(text.data + i, &len)))
			continue;
		if (done < i)
			add_span(step, done, i, false);
		done = i + len;
		add_span(step, i, done, true);
	}
	if (done < text.len)
		add_span(step, done, text.len, false);
}

/* Joins a match to what is before it, or all neighbours of one kind. */
static void join_forward(struct word_step *step, bool contiguous)
{
	bool last = false;
	size_t n = 0;

	for (size_t i = 0; i < step->n_spans; i++) {
		struct span s = step->span[i];
		bool joins = contiguous ? s.match == last : s.match && !last;

		last = s.match;
		if (joins && n > 0)
			step->span[n - 1].end = s.end;
		else
			step->span[n++] = s;
	}
	step->n_spans = n;
}

static void join_backward(struct word_step *step)
{
	bool last = false;
	size_t n = step->n_spans;

	for (size_t i = step->n_spans; i-- > 0;) {
		struct span s = step->span[i];
		bool joins = s.match && !last;

		last = s.match;
		if (joins && n < step->n_spans)
			step->span[n].start = s.start;
		else
			step->span[--n] = s;
	}
	step->n_spans -= n;
	if (n > 0)
		memmove(step->span, step->span + n,
			step->n_spans * sizeof(*step->span));
}

static void behave(struct word_step *step)
{
	size_t n = 0;

	switch (step->behavior) {
	case SPLIT_REMOVED:
		for (size_t i = 0; i < step->n_spans; i++)
			if (!step->span[i].match)
				step->span[n++] = step->span[i];
		step->n_spans = n;
		break;
	case SPLIT_ISOLATED:
		break;
	case SPLIT_WITH_PREVIOUS:
		join_forward(step, false);
		break;
	case SPLIT_WITH_NEXT:
		join_backward(step);
		break;
	case SPLIT_CONTIGUOUS:
		join_forward(step, true);
		break;
	}
}

static bool begins_with(struct bytes text, const char *with, size_t len)
{
	return text.len >= len && memcmp(text.data, with, len) == 0;
}

/* Puts a sign before the text, which is copied into the step's room. */
static struct bytes put_before(
	struct word_step *step, const char *sign, size_t len, struct bytes text)
{
	buf_clear(&step->room);
	buf_add(&step->room, sign, len);
	buf_add(&step->room, text.data, text.len);
	return buf_bytes(&step->room);
}

/* Blanks become the sign, and one may come before them. */
static struct bytes write_signs(struct word_step *step, struct bytes text, bool first)
{
	const char *sign = step->needle.text;
	size_t len = step->needle.len;
	bool prepend = step->scheme == PREPEND_ALWAYS ||
		       (step->scheme == PREPEND_FIRST && first);

	buf_clear(&step->room);
	if (prepend && text.data[0] != ' ' && !begins_with(text, sign, len))
		buf_add(&step->room, sign, len);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == ' ')
			buf_add(&step->room, sign, len);
		else
			buf_add_byte(&step->room, text.data[i]);
	}
	return buf_bytes(&step->room);
}

/* What one step makes of a text: *text as it is then, and the spans of it. */
static enum err_code split(
	struct word_step *step, struct bytes *text, bool first, struct err *err)
{
	enum err_code code = ERR_NONE;

	if (step->kind == WORD_METASPACE)
		*text = write_signs(step, *text, first);
	else if (step->kind == WORD_BYTE_LEVEL && step->prefix_space &&
		 text->data[0] != ' ')
		*text = put_before(step, " ", 1, *text);
	if (step->room.over)
		return err_set(err, ERR_INVALID, "a stretch is longer than %zu MiB",
			step->room.max >> 20);
	if (step->kind == WORD_DIGITS) {
		find_digits(step, *text);
	} else if (step->splits) {
		code = find_spans(step, *text, err);
	} else {
		step->n_spans = 0;
		add_span(step, 0, text->len, false);
	}
	if (code == ERR_NONE)
		behave(step);
	return code;
}

static enum err_code do_steps(struct text_encoder *e, size_t i, struct bytes text,
	bool first, struct buf *ids, struct err *err)
{
	struct word_step *step;
	enum err_code code;

	if (text.len == 0)
		return ERR_NONE;
	if (i == e->n_words) {
		bpe_encode(&e->bpe, text, ids);
		return ERR_NONE;
	}
	step = &e->word[i];
	code = split(step, &text, first, err);
	for (size_t s = 0; s < step->n_spans && code == ERR_NONE; s++) {
		struct span at = step->span[s];

		code = do_steps(e, i + 1,
			bytes_of(text.data + at.start, at.end - at.start),
			first && at.start == 0, ids, err);
	}
	return code;
}

enum err_code steps_encode(struct text_encoder *e, struct bytes text, bool first,
	struct buf *ids, struct err *err)
{
	return do_steps(e, 0, text, first, ids, err);
}
