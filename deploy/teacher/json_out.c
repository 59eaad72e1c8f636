/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/json_out.h"

#include <stdio.h>
#include <string.h>

static void escape_one(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(b, "\\\"", 2);
		break;
	case '\\':
		buf_add(b, "\\\\", 2);
		break;
	case '\n':
		buf_add(b, "\\n", 2);
		break;
	case '\t':
		buf_add(b, "\\t", 2);
		break;
	default:
		buf_printf(b, "\\u%04x", c);
	}
}

void json_out_escaped(struct buf *b, struct bytes text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_add(b, text.data + from, i - from);
		escape_one(b, c);
		from = i + 1;
	}
	buf_add(b, text.data + from, text.len - from);
}

void json_out_text(struct buf *b, struct bytes text)
{
	buf_add_byte(b, '"');
	json_out_escaped(b, text);
	buf_add_byte(b, '"');
}

void json_out_str(struct buf *b, const char *s)
{
	json_out_text(b, bytes_of(s, strlen(s)));
}

void json_out_bytes(struct buf *b, struct bytes bytes)
{
	buf_add_byte(b, '[');
	for (size_t i = 0; i < bytes.len; i++)
		buf_printf(b, "%s%u", i ? "," : "", bytes.data[i]);
	buf_add_byte(b, ']');
}
