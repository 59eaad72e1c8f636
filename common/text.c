/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jrun.h"
#include "common/mem.h"

size_t utf8_sequence(const void *s, size_t len)
{
	const unsigned char *p = s;
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		need = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		need = 3;
		if (p[0] == 0xe0)
			low = 0xa0; /* overlong */
		if (p[0] == 0xed)
			high = 0x9f; /* surrogates */
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		need = 4;
		if (p[0] == 0xf0)
			low = 0x90; /* overlong */
		if (p[0] == 0xf4)
			high = 0x8f; /* above U+10FFFF */
	} else {
		return 0;
	}
	if (len < need || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

size_t utf8_valid_prefix(const void *s, size_t len)
{
	const unsigned char *p = s;
	size_t at = 0;

	while (at < len) {
		size_t n;
		uint64_t eight;

		if (len - at >= 8) {
			memcpy(&eight, p + at, 8);
			if (!(eight & 0x8080808080808080u)) {
				at += 8;
				continue;
			}
		}
		n = utf8_sequence(p + at, len - at);
		if (n == 0)
			return at;
		at += n;
	}
	return at;
}

size_t utf8_encode(uint32_t code, unsigned char out[4])
{
	if (code < 0x80) {
		out[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (unsigned char)(0xc0 | code >> 6);
		out[1] = (unsigned char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (unsigned char)(0xe0 | code >> 12);
		out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | code >> 18);
	out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (code & 0x3f));
	return 4;
}

/* The code point of a sequence that utf8_sequence called valid. */
static uint32_t decode(const unsigned char *p, size_t n)
{
	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	case 3:
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
		       (p[2] & 0x3f);
	default:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	}
}

/* What a terminal or an editor acts on instead of showing. */
static bool acts_on_terminal(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* One character at p as escaped text; returns bytes eaten. */
static size_t escape_one(
	const unsigned char *p, size_t len, bool keep_layout, char piece[16])
{
	size_t n = utf8_sequence(p, len);
	uint32_t code;

	if (n == 0) {
		snprintf(piece, 16, "\\x%02x", p[0]);
		return 1;
	}
	code = decode(p, n);
	if (keep_layout && (code == '\n' || code == '\t')) {
		piece[0] = (char)code;
		piece[1] = '\0';
	} else if (!keep_layout && (code == '"' || code == '\\')) {
		snprintf(piece, 16, "\\%c", (int)code);
	} else if (code == '\n') {
		snprintf(piece, 16, "\\n");
	} else if (code == '\t') {
		snprintf(piece, 16, "\\t");
	} else if (code < 0x80 && acts_on_terminal(code)) {
		snprintf(piece, 16, "\\x%02x", (unsigned)code);
	} else if (acts_on_terminal(code)) {
		snprintf(piece, 16, "\\u%04x", (unsigned)code);
	} else {
		memcpy(piece, p, n);
		piece[n] = '\0';
	}
	return n;
}

size_t text_escape(const void *s, size_t len, char *out, size_t size)
{
	const unsigned char *p = s;
	size_t at = 0;

	while (len > 0) {
		char piece[16];
		size_t eaten = escape_one(p, len, false, piece);
		size_t n = strlen(piece);

		if (at + n + 1 > size)
			break;
		memcpy(out + at, piece, n);
		at += n;
		p += eaten;
		len -= eaten;
	}
	out[at] = '\0';
	return at;
}

size_t text_printable(const void *s, size_t len, char *out)
{
	const unsigned char *p = s;
	size_t at = 0;

	while (len > 0) {
		char piece[16];
		size_t eaten = escape_one(p, len, true, piece);
		size_t n = strlen(piece);

		memcpy(out + at, piece, n);
		at += n;
		p += eaten;
		len -= eaten;
	}
	out[at] = '\0';
	return at;
}

bool text_begins_control(const void *s, size_t len)
{
	const unsigned char *p = s;

	if (len == 0)
		return false;
	switch (p[0]) {
	case '\t':
	case '\n':
	case '\r':
	case '\f':
		return false;
	case 0xc2: /* U+0080 to U+009F */
		return len > 1 && p[1] < 0xa0;
	case 0xe2: /* U+202D, U+202E */
		return len > 2 && p[1] == 0x80 && (p[2] == 0xad || p[2] == 0xae);
	default:
		return p[0] < 0x20 || p[0] == 0x7f;
	}
}

bool text_has_control(const void *s, size_t len)
{
	const unsigned char *p = s, *end = len ? p + len : p;

	return jrun_control(p, end) != end;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), distance;
	size_t *rows = mem_zalloc(3 * (lb + 1), sizeof(*rows));
	size_t *before = rows, *last = rows + lb + 1, *now = rows + 2 * (lb + 1);

	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *recycled = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		before = last;
		last = now;
		now = recycled;
	}
	distance = last[lb];
	free(rows);
	return distance;
}

const char *text_nearest(const char *word, const char *const *names)
{
	size_t len = strlen(word), best = len > 64 ? 0 : 1 + len / 3;
	const char *nearest = NULL;

	for (; best > 0 && *names; names++) {
		size_t d = edit_distance(word, *names);

		if (d <= best) {
			nearest = *names;
			best = d ? d - 1 : 0;
		}
	}
	return nearest;
}

void text_hex(const void *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_unhex(const char *hex, size_t hex_len, unsigned char *out, size_t out_len)
{
	if (hex_len != 2 * out_len)
		return false;
	for (size_t i = 0; i < out_len; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void text_count(double n, char out[16])
{
	if (n < 10000)
		snprintf(out, 16, "%.0f", n);
	else if (n < 1e6)
		snprintf(out, 16, "%.1fk", n / 1e3);
	else if (n < 1e9)
		snprintf(out, 16, "%.2fM", n / 1e6);
	else
		snprintf(out, 16, "%.2fG", n / 1e9);
}

void text_duration(int64_t seconds, char out[32])
{
	if (seconds < 0)
		snprintf(out, 32, "unknown");
	else if (seconds < 60)
		snprintf(out, 32, "%d s", (int)seconds);
	else if (seconds < 3600)
		snprintf(out, 32, "%d min %02d s", (int)(seconds / 60),
			(int)(seconds % 60));
	else if (seconds < 48 * 3600)
		snprintf(out, 32, "%d h %02d min", (int)(seconds / 3600),
			(int)(seconds / 60 % 60));
	else
		snprintf(out, 32, "%lld days %02d h", (long long)(seconds / 86400),
			(int)(seconds / 3600 % 24));
}
