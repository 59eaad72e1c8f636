/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jwrite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/text.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

static bool must_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

/* Nonzero if one of eight bytes must be escaped. */
static uint64_t any_escaped(uint64_t v)
{
	uint64_t quote = v ^ ONES * '"', slash = v ^ ONES * '\\';

	return ((v - ONES * 0x20) & ~v & HIGHS) | ((quote - ONES) & ~quote & HIGHS) |
	       ((slash - ONES) & ~slash & HIGHS);
}

/* How many bytes from p on stand for themselves. */
static size_t plain_run(const unsigned char *p, size_t len)
{
	size_t at = 0;

	for (; len - at >= 8; at += 8) {
		uint64_t eight;

		memcpy(&eight, p + at, 8);
		if (any_escaped(eight))
			break;
	}
	while (at < len && !must_escape(p[at]))
		at++;
	return at;
}

static void escape_one(struct buf *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char shorts[] = "btn\0fr"; /* from 0x08 on; none for 0x0b */
	char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	if (c >= 0x08 && c <= 0x0d && shorts[c - 0x08])
		text[1] = shorts[c - 0x08];
	else if (c >= 0x20)
		text[1] = (char)c;
	buf_add(out, text, text[1] == 'u' ? 6 : 2);
}

static void add_valid(struct buf *out, const unsigned char *p, size_t len)
{
	while (len > 0) {
		size_t run = plain_run(p, len);

		buf_add(out, p, run);
		if (run == len)
			return;
		escape_one(out, p[run]);
		p += run + 1;
		len -= run + 1;
	}
}

void jwrite_text(struct buf *out, struct bytes text)
{
	const unsigned char *p = text.data;
	size_t left = text.len;

	buf_add_byte(out, '"');
	while (left > 0) {
		size_t valid = utf8_valid_prefix(p, left);

		add_valid(out, p, valid);
		if (valid == left)
			break;
		buf_add_str(out, "\xef\xbf\xbd");
		p += valid + 1;
		left -= valid + 1;
	}
	buf_add_byte(out, '"');
}

void jwrite_json(struct buf *out, struct bytes json)
{
	unsigned char *to = buf_reserve(out, json.len);

	if (!to || json.len == 0)
		return;
	memcpy(to, json.data, json.len);
	for (size_t i = 0; i < json.len; i++)
		if (to[i] == '\n' || to[i] == '\r')
			to[i] = ' ';
	out->len += json.len;
}

static void break_line(struct buf *out, int depth)
{
	buf_add_byte(out, '\n');
	buf_add_fill(out, ' ', 2 * (size_t)depth);
}

/* Whether what opens at p goes over several lines: it holds an object, or is
 * one, and is not empty. */
static bool is_tall(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *next = jt_space(p + 1, end);

	if (*p == '{')
		return next < end && *next != '}';
	return next < end && *next == '{';
}

void jwrite_pretty(struct buf *out, struct bytes json)
{
	const unsigned char *p = json.data, *end = p + json.len, *close;
	uint64_t tall = 0; /* by depth, the innermost in the lowest bit */
	bool escaped;
	int depth = 0;

	for (p = jt_space(p, end); p < end; p = jt_space(p, end)) {
		unsigned char c = *p++;

		if (c == '}' || c == ']') {
			depth -= (int)(tall & 1);
			if (tall & 1)
				break_line(out, depth);
			tall >>= 1;
		}
		buf_add_byte(out, c);
		if (c == '"' && jt_string(p, end, &close, &escaped) == JT_OK) {
			buf_add(out, p, (size_t)(close + 1 - p));
			p = close + 1;
		} else if (c == '{' || c == '[') {
			tall = tall << 1 | (is_tall(p - 1, end) ? 1 : 0);
			depth += (int)(tall & 1);
			if (tall & 1)
				break_line(out, depth);
		} else if (c == ',') {
			if (tall & 1)
				break_line(out, depth);
			else
				buf_add_byte(out, ' ');
		} else if (c == ':') {
			buf_add_byte(out, ' ');
		}
	}
}

#define DIGITS_MAX 20

/* Writes v's digits up to `end`; where they begin. */
static char *put_digits(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return end;
}

void jwrite_u64(struct buf *out, uint64_t v)
{
	char text[DIGITS_MAX], *end = text + sizeof(text), *from = put_digits(end, v);

	buf_add(out, from, (size_t)(end - from));
}

void jwrite_i64(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_add_byte(out, '-');
	jwrite_u64(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void jwrite_nano(struct buf *out, int64_t v)
{
	uint64_t all = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	uint32_t fraction = (uint32_t)(all % 1000000000);
	char text[16];
	size_t len;

	if (v < 0)
		buf_add_byte(out, '-');
	jwrite_u64(out, all / 1000000000);
	if (fraction == 0)
		return;
	len = (size_t)snprintf(text, sizeof(text), ".%09u", fraction);
	while (text[len - 1] == '0')
		len--;
	buf_add(out, text, len);
}

/* Exact in a double. */
static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

/* The fast lane is for 10^-7 to 10^9: nearly all there is. */
#define FAST_MIN 1e-7
#define FAST_BELOW 1e9

/* n / 10^places, rounded once. */
static double unscale(uint32_t n, int places)
{
	return places >= 0 ? (double)n / powers[places] : (double)n * powers[-places];
}

/* Whether rounding a double to float32 gives what rounding the exact number
 * would: it does unless the double lies at the middle between two floats. */
static bool rounds_alike(double v)
{
	uint64_t bits;
	uint32_t low;

	memcpy(&bits, &v, sizeof(bits));
	low = (uint32_t)(bits & 0x1fffffff);
	return low < 0x0fffffff || low > 0x10000001;
}

/* floor(log10(v)) */
static int decimal_exponent(double v)
{
	int e = 0;

	if (v >= 1) {
		while (v >= powers[e + 1])
			e++;
		return e;
	}
	/* v * 10^-e >= 1; the product may round up to 1 only if it is 1. */
	while (v * powers[-e] < 1)
		e--;
	return e;
}

/* The fewest digits that read back as v; value = digits * 10^-places. */
static bool shortest_digits(float v, uint32_t *digits, int *places)
{
	int e = decimal_exponent((double)v);

	for (int precision = 6; precision <= 9; precision++) {
		int k = precision - 1 - e;
		double scaled = k >= 0 ? (double)v * powers[k] : (double)v / powers[-k];
		uint32_t n = (uint32_t)(scaled + 0.5);
		double back = unscale(n, k);

		if ((float)back != v || !rounds_alike(back))
			continue;
		while (n % 10 == 0) {
			n /= 10;
			k--;
		}
		*digits = n;
		*places = k;
		return true;
	}
	return false;
}

/* digits * 10^-places without an exponent; at most 9 + 15 characters. */
static void add_fixed(struct buf *out, uint32_t digits, int places)
{
	char text[40], room[DIGITS_MAX],
		*number = put_digits(room + DIGITS_MAX, digits);
	int len = (int)(room + DIGITS_MAX - number), at = 0;

	if (places <= 0) {
		buf_add(out, number, (size_t)len);
		buf_add_fill(out, '0', (size_t)-places);
		return;
	}
	if (len <= places) {
		text[at++] = '0';
		text[at++] = '.';
		for (int i = len; i < places; i++)
			text[at++] = '0';
		memcpy(text + at, number, (size_t)len);
	} else {
		memcpy(text, number, (size_t)(len - places));
		text[len - places] = '.';
		memcpy(text + len - places + 1, number + len - places, (size_t)places);
		at = 1;
	}
	buf_add(out, text, (size_t)(at + len));
}

static void add_slowly(struct buf *out, float v)
{
	char text[32];

	for (int precision = 6; precision <= 9; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	buf_add_str(out, text);
}

void jwrite_f32(struct buf *out, float v)
{
	float size = fabsf(v);
	uint32_t digits;
	int places;

	if (!isfinite(v)) {
		buf_add_str(out, "null");
		return;
	}
	if (v == 0) {
		buf_add_str(out, signbit(v) ? "-0.0" : "0");
		return;
	}
	if ((double)size < FAST_MIN || (double)size >= FAST_BELOW ||
		!shortest_digits(size, &digits, &places)) {
		add_slowly(out, v);
		return;
	}
	if (v < 0)
		buf_add_byte(out, '-');
	add_fixed(out, digits, places);
}
