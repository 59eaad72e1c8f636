/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/final_answer.h"

#include <math.h>
#include <string.h>

#include "worker/final_text.h"

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static struct bytes trim(struct bytes s)
{
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.data[0]))
		s = bytes_of(s.data + 1, s.len - 1);
	return s;
}

static struct bytes from(struct bytes s, size_t at)
{
	return bytes_of(s.data + at, s.len - at);
}

static struct bytes first_line(struct bytes s)
{
	const unsigned char *end = s.len ? memchr(s.data, '\n', s.len) : NULL;

	return end ? bytes_of(s.data, (size_t)(end - s.data)) : s;
}

/* Rule 1. What a command at the start of s holds; false if it is cut, empty or
 * too long for an answer. Looking no further keeps the search linear. */
static bool in_braces(struct bytes s, struct bytes *out)
{
	size_t depth = 0;

	if (s.len > FINAL_ANSWER_MAX)
		s.len = FINAL_ANSWER_MAX;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '\\') {
			i++;
		} else if (s.data[i] == '{') {
			depth++;
		} else if (s.data[i] == '}' && --depth == 0) {
			*out = trim(bytes_of(s.data + 1, i - 1));
			return out->len > 0;
		}
	}
	return false;
}

static bool boxed_at(struct bytes s, struct bytes *out)
{
	size_t n;

	if (s.len > 6 && memcmp(s.data, "\\boxed", 6) == 0)
		s = from(s, 6);
	else if (s.len > 5 && memcmp(s.data, "\\fbox", 5) == 0)
		s = from(s, 5);
	else
		return false;
	while (s.len > 0 && s.data[0] == ' ')
		s = from(s, 1);
	if (s.len > 0 && s.data[0] == '{')
		return in_braces(s, out);
	for (n = 0; n < s.len && n <= FINAL_ANSWER_MAX && !is_space(s.data[n]) &&
		    s.data[n] != '$';
		n++)
		;
	*out = bytes_of(s.data, n);
	return n > 0 && n <= FINAL_ANSWER_MAX;
}

static bool last_boxed(struct bytes text, struct bytes *out)
{
	size_t len = text.len;

	while (len > 0) {
		const unsigned char *at = memrchr(text.data, '\\', len);

		if (!at)
			return false;
		len = (size_t)(at - text.data);
		if (boxed_at(from(text, len), out))
			return true;
	}
	return false;
}

/* Rule 2. */
static bool behind_hashes(struct bytes text, struct bytes *out)
{
	size_t len = text.len;

	while (len >= 4) {
		const unsigned char *at = memrchr(text.data, '#', len);

		if (!at || at - text.data < 3)
			return false;
		len = (size_t)(at - text.data);
		if (memcmp(at - 3, "####", 4) != 0)
			continue;
		*out = trim(first_line(from(text, len + 1)));
		return out->len > 0;
	}
	return false;
}

static bool is_word(const unsigned char *p, const char *lower, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] | 0x20) != (unsigned char)lower[i])
			return false;
	return true;
}

/* To the end of the sentence or line. */
static struct bytes sentence(struct bytes s)
{
	s = first_line(s);
	for (size_t i = 0; i + 1 < s.len; i++) {
		bool ends = s.data[i] == '.' || s.data[i] == ';' || s.data[i] == '!';
		bool comma = s.data[i] == ',' && i + 2 < s.len &&
			     (s.data[i + 2] | 0x20) >= 'a' &&
			     (s.data[i + 2] | 0x20) <= 'z';

		if ((ends || comma) && s.data[i + 1] == ' ')
			return bytes_of(s.data, i);
	}
	return s;
}

/* What follows "answer": "is", ':' or '=', then the value. */
static bool answer_is(struct bytes s, struct bytes *out)
{
	bool told = false;

	for (;;) {
		while (s.len > 0 && (is_space(s.data[0]) || s.data[0] == '*'))
			s = from(s, 1);
		if (s.len > 0 && (s.data[0] == ':' || s.data[0] == '='))
			s = from(s, 1);
		else if (!told && s.len > 2 && is_word(s.data, "is", 2) &&
			 (is_space(s.data[2]) || s.data[2] == ':'))
			s = from(s, 2);
		else
			break;
		told = true;
	}
	if (!told)
		return false;
	*out = trim(sentence(s));
	return out->len > 0;
}

/* Where the last `c` before `len` is; SIZE_MAX. */
static size_t last_of(struct bytes s, int c, size_t len)
{
	const unsigned char *at = len ? memrchr(s.data, c, len) : NULL;

	return at ? (size_t)(at - s.data) : SIZE_MAX;
}

/* Rule 3. Each 'w', the rarest of the word's letters, is looked at once. */
static bool behind_phrase(struct bytes text, struct bytes *out)
{
	size_t lower = last_of(text, 'w', text.len);
	size_t upper = last_of(text, 'W', text.len);

	while (lower != SIZE_MAX || upper != SIZE_MAX) {
		bool is_lower =
			upper == SIZE_MAX || (lower != SIZE_MAX && lower > upper);
		size_t w = is_lower ? lower : upper;

		if (is_lower)
			lower = last_of(text, 'w', w);
		else
			upper = last_of(text, 'W', w);
		if (w >= 3 && text.len - w >= 3 &&
			is_word(text.data + w - 3, "answer", 6) &&
			answer_is(from(text, w + 3), out))
			return true;
	}
	return false;
}

/* Rule 4. */
static bool last_number(struct bytes text, struct bytes *out)
{
	size_t end = text.len, begin;

	while (end > 0 && !is_digit(text.data[end - 1]))
		end--;
	if (end == 0)
		return false;
	for (begin = end - 1; begin > 0; begin--) {
		unsigned char c = text.data[begin - 1];
		bool joins = (c == ',' || c == '.' || c == '/') && begin > 1 &&
			     is_digit(text.data[begin - 2]);

		if (!is_digit(c) && !joins)
			break;
	}
	if (begin > 0 && text.data[begin - 1] == '.')
		begin--;
	if (begin > 0 && text.data[begin - 1] == '-' &&
		(begin == 1 || is_space(text.data[begin - 2]) ||
			text.data[begin - 2] == '(' || text.data[begin - 2] == '$'))
		begin--;
	*out = bytes_of(text.data + begin, end - begin);
	return true;
}

/* Rule 5. */
static bool last_line(struct bytes text, struct bytes *out)
{
	const unsigned char *newline;

	text = trim(text);
	newline = text.len ? memrchr(text.data, '\n', text.len) : NULL;
	if (newline)
		text = trim(from(text, (size_t)(newline + 1 - text.data)));
	*out = text;
	return text.len > 0 && text.len <= FINAL_ANSWER_MAX;
}

bool final_answer_find(struct bytes text, struct bytes *out)
{
	return text.len > 0 && (last_boxed(text, out) || behind_hashes(text, out) ||
				       behind_phrase(text, out) ||
				       last_number(text, out) || last_line(text, out));
}

bool final_answer_of_reference(struct bytes reference, struct bytes *out)
{
	struct bytes all = trim(reference);

	if (all.len == 0)
		return false;
	if (last_boxed(all, out) || behind_hashes(all, out))
		return true;
	if (all.len <= FINAL_ANSWER_MAX && !memchr(all.data, '\n', all.len)) {
		*out = all;
		return true;
	}
	return behind_phrase(all, out);
}

bool final_answer_number(struct bytes text, double *out)
{
	struct final_text t;

	return final_text_of(text, &t) && final_text_number(&t, out);
}

bool final_answer_equal(struct bytes a, struct bytes b)
{
	struct final_text x, y;
	double v, w;

	if (!final_text_of(a, &x) || !final_text_of(b, &y))
		return false;
	if (final_text_number(&x, &v) && final_text_number(&y, &w))
		return fabs(v - w) <= 1e-12 * fmax(fabs(v), fabs(w));
	final_text_strip(&x);
	final_text_strip(&y);
	return x.len > 0 && x.len == y.len && memcmp(x.text, y.text, x.len) == 0;
}
