/* SPDX-License-Identifier: Apache-2.0 */
/* What Python's texts can do. */
#include <string.h>

#include "common/jinja_run.h"
#include "common/limits.h"
#include "common/uchar.h"

static bool is_stripped(struct bytes one, const struct bytes *chars)
{
	size_t len;

	if (!chars)
		return uchar_is_python_space(uchar_at(one.data, &len));
	return memmem(chars->data, chars->len, one.data, one.len) != NULL;
}

struct bytes text_strip(struct bytes text, const struct bytes *chars, int sides)
{
	size_t len;

	while ((sides & STRIP_LEFT) && text.len > 0) {
		uchar_at(text.data, &len);
		if (!is_stripped(bytes_of(text.data, len), chars))
			break;
		text = bytes_of(text.data + len, text.len - len);
	}
	while ((sides & STRIP_RIGHT) && text.len > 0) {
		size_t last = uchar_before(text.data, text.len);

		if (!is_stripped(bytes_of(text.data + last, text.len - last), chars))
			break;
		text.len = last;
	}
	return text;
}

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct value text_to_case(struct run *r, struct bytes text, enum text_case to)
{
	struct buf out;
	struct value v;
	bool in_word = false;

	buf_init(&out, LIMIT_RENDERED);
	for (size_t i = 0; i < text.len && !r->failed; i++) {
		unsigned char c = text.data[i], low = c >= 'A' && c <= 'Z' ? c | 32 : c;
		bool up = to == CASE_UPPER || (to == CASE_CAPITALIZE && i == 0) ||
			  (to == CASE_TITLE && !in_word);

		if (c >= 0x80)
			run_fail(r,
				"upper and lower case of other letters than a to z are "
				"not offered");
		in_word = is_letter(c);
		buf_add_byte(&out, up && low >= 'a' && low <= 'z'
					   ? (unsigned char)(low - 32)
					   : low);
	}
	v = run_text(r, out.data, out.len);
	buf_release(&out);
	return v;
}

/* An empty text is found before each character, and at the end. */
struct value text_replace(struct run *r, struct bytes text, struct bytes what,
	struct bytes with, json_int_t count)
{
	struct buf out;
	struct value v;
	size_t at = 0;

	buf_init(&out, LIMIT_RENDERED);
	while (count != 0 && run_step(r, 1)) {
		const unsigned char *found =
			what.len ? memmem(text.data + at, text.len - at, what.data,
					   what.len)
				 : text.data + at;
		size_t len = 0;

		if (!found)
			break;
		buf_add(&out, text.data + at, (size_t)(found - text.data) - at);
		buf_add(&out, with.data, with.len);
		at = (size_t)(found - text.data) + what.len;
		count -= count > 0;
		if (what.len)
			continue;
		if (at == text.len)
			break;
		uchar_at(text.data + at, &len);
		buf_add(&out, text.data + at, len);
		at += len;
	}
	buf_add(&out, text.data + at, text.len - at);
	if (out.over)
		run_fail(r, "the text is longer than %zu MiB", out.max >> 20);
	v = run_text(r, out.data, out.len);
	buf_release(&out);
	return v;
}

/* At white space: runs of it part, and none is at the ends. */
static void split_at_space(
	struct run *r, struct bytes text, json_int_t most, struct value list)
{
	for (;;) {
		size_t end = 0, len;

		text = text_strip(text, NULL, STRIP_LEFT);
		if (text.len == 0 || r->failed)
			return;
		if (most == 0) {
			run_append(r, list, run_text(r, text.data, text.len));
			return;
		}
		while (end < text.len &&
			!uchar_is_python_space(uchar_at(text.data + end, &len)))
			end += len;
		run_append(r, list, run_text(r, text.data, end));
		text = bytes_of(text.data + end, text.len - end);
		most -= most > 0;
	}
}

struct value text_split(
	struct run *r, struct bytes text, const struct bytes *by, json_int_t most)
{
	struct value list = run_list(r, LIST_PLAIN);

	if (!by) {
		split_at_space(r, text, most, list);
		return list;
	}
	if (by->len == 0)
		return run_fail(r, "a text cannot be split at nothing");
	for (; !r->failed; most -= most > 0) {
		const unsigned char *found =
			most ? memmem(text.data, text.len, by->data, by->len) : NULL;
		size_t end = found ? (size_t)(found - text.data) : text.len;

		run_append(r, list, run_text(r, text.data, end));
		if (!found)
			break;
		text = bytes_of(text.data + end + by->len, text.len - end - by->len);
	}
	return list;
}
