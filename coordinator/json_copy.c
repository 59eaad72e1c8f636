/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/json_copy.h"

#include <string.h>

#include "common/jtext.h"
#include "common/text.h"

/* One character that string text cannot hold as it is. */
static void add_escape(unsigned char c, struct buf *out)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	static const char digits[] = "0123456789ABCDEF";
	unsigned char code[6] = {'\\', 'u', '0', '0', (unsigned char)digits[c >> 4],
		(unsigned char)digits[c & 15]};

	if (c >= 0x20) {
		code[1] = c;
		buf_add(out, code, 2);
	} else if (letters[c]) {
		code[1] = (unsigned char)letters[c];
		buf_add(out, code, 2);
	} else {
		buf_add(out, code, 6);
	}
}

void json_copy_escaped(const void *text, size_t len, struct buf *out)
{
	const unsigned char *p = text, *end = p + len, *run = p;

	for (; p < end; p++) {
		if (*p >= 0x20 && *p != '"' && *p != '\\')
			continue;
		buf_add(out, run, (size_t)(p - run));
		add_escape(*p, out);
		run = p + 1;
	}
	buf_add(out, run, (size_t)(end - run));
}

/* The checked \u escape at p; returns what is behind it. */
static const unsigned char *copy_unicode(const unsigned char *p, struct buf *out)
{
	unsigned char bytes[2], meant[4];
	struct buf code = {.data = meant, .cap = sizeof(meant), .max = sizeof(meant)};
	size_t len = 6;

	if (text_unhex((const char *)p + 2, 4, bytes, 2) && (bytes[0] & 0xfc) == 0xd8)
		len = 12;
	jt_unescape(p, p + len, &code);
	json_copy_escaped(meant, code.len, out);
	return p + len;
}

void json_copy_string(struct bytes text, struct buf *out)
{
	const unsigned char *p = text.data, *end = p + text.len, *slash;

	while ((slash = memchr(p, '\\', (size_t)(end - p)))) {
		buf_add(out, p, (size_t)(slash - p));
		switch (slash[1]) {
		case 'u':
			p = copy_unicode(slash, out);
			break;
		case '/':
			buf_add_byte(out, '/');
			p = slash + 2;
			break;
		default:
			buf_add(out, slash, 2);
			p = slash + 2;
		}
	}
	buf_add(out, p, (size_t)(end - p));
}

void json_copy_value(struct bytes value, struct buf *out)
{
	const unsigned char *p = value.data, *end = p + value.len, *from, *close;
	bool escaped;

	while ((p = jt_space(p, end)) < end) {
		from = p;
		if (*p == '"' && jt_string(p + 1, end, &close, &escaped) == JT_OK) {
			p = close + 1;
			if (escaped) {
				buf_add_byte(out, '"');
				json_copy_string(
					bytes_of(from + 1, (size_t)(close - from - 1)),
					out);
				from = close;
			}
		} else {
			for (p++; p<end && * p> ' ' && *p != '"'; p++)
				;
		}
		buf_add(out, from, (size_t)(p - from));
	}
}

void json_copy_meaning(struct bytes value, struct buf *out)
{
	jt_unescape(value.data + 1, value.data + value.len - 1, out);
}
