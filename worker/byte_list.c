/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/byte_list.h"

#define ONES(n) ((uint32_t)('0' + (n) % 10))
#define TENS(n) ((uint32_t)('0' + (n) / 10 % 10))
#define HUNDREDS(n) ((uint32_t)('0' + (n) / 100))
#define COMMA ((uint32_t)',')

#define TEXT1(n) (ONES(n) | COMMA << 8)
#define TEXT2(n) (TENS(n) | ONES(n) << 8 | COMMA << 16)
#define TEXT3(n) (HUNDREDS(n) | TENS(n) << 8 | ONES(n) << 16 | COMMA << 24)

#define B(n)                                                                           \
	{                                                                              \
		(n) < 10    ? TEXT1(n)                                                 \
		: (n) < 100 ? TEXT2(n)                                                 \
			    : TEXT3(n),                                                \
			(n) < 10    ? 2                                                \
			: (n) < 100 ? 3                                                \
				    : 4                                                \
	}
#define B4(n) B(n), B((n) + 1), B((n) + 2), B((n) + 3)
#define B16(n) B4(n), B4((n) + 4), B4((n) + 8), B4((n) + 12)
#define B64(n) B16(n), B16((n) + 16), B16((n) + 32), B16((n) + 48)

const struct byte_text byte_texts[256] = {B64(0), B64(64), B64(128), B64(192)};

const unsigned char *byte_list_spells_spaced(const unsigned char *text, size_t n,
	const unsigned char *p, const unsigned char *end)
{
	const struct byte_text *b;

	if ((size_t)(end - p) < 5 * n + 4)
		return NULL;
	for (size_t i = 0; i + 1 < n; i++) {
		b = &byte_texts[text[i]];
		if ((get_u32(p) ^ b->text) << (32 - 8 * b->len) || p[b->len] != ' ')
			return NULL;
		p += b->len + 1;
	}
	return byte_list_spells(text + n - 1, 1, p, end);
}

/* A short number with its end; false if it is anything else. */
static inline bool read_short(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, unsigned *value)
{
	unsigned v;

	if (end - p < 4 || *p < '0' || *p > '9')
		return false;
	v = *p++ - (unsigned)'0';
	for (int i = 0; i < 2 && v > 0 && *p >= '0' && *p <= '9'; i++)
		v = v * 10 + (*p++ - (unsigned)'0');
	*next = p;
	*value = v;
	return *p == ',' || *p == ']' || *p == ' ';
}

static enum jt read_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, unsigned *value)
{
	struct jnumber n;
	enum jt got;

	if (read_short(p, end, next, value))
		return *value > 255 ? JT_BAD : JT_OK;
	got = jt_number(p, end, next, &n);
	if (got != JT_OK)
		return got;
	if (!n.is_integer || n.integer < 0 || n.integer > 255)
		return JT_BAD;
	*value = (unsigned)n.integer;
	return JT_OK;
}

enum jt byte_list_read(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct buf *out)
{
	p = jt_space(p + 1, end);
	if (p < end && *p == ']') {
		*next = p + 1;
		return JT_OK;
	}
	for (;;) {
		unsigned value;
		enum jt got;

		p = jt_space(p, end);
		if (p == end)
			return JT_MORE;
		got = read_number(p, end, &p, &value);
		if (got != JT_OK)
			return got;
		buf_add_byte(out, (unsigned char)value);
		p = jt_space(p, end);
		if (p == end)
			return JT_MORE;
		if (*p == ']') {
			*next = p + 1;
			return JT_OK;
		}
		if (*p++ != ',')
			return JT_BAD;
	}
}
