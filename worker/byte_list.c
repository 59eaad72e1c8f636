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

enum jt byte_list_read(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct buf *out)
{
	p = jt_space(p + 1, end);
	if (p < end && *p == ']') {
		*next = p + 1;
		return JT_OK;
	}
	for (;;) {
		struct jnumber n;
		enum jt got;

		p = jt_space(p, end);
		if (p == end)
			return JT_MORE;
		got = jt_number(p, end, &p, &n);
		if (got != JT_OK)
			return got;
		if (!n.is_integer || n.integer < 0 || n.integer > 255)
			return JT_BAD;
		buf_add_byte(out, (unsigned char)n.integer);
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
