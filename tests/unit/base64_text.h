/* SPDX-License-Identifier: Apache-2.0 */
/* base64_text.h - bytes as base64, for tests of what reads it */
#ifndef RETORT_TESTS_UNIT_BASE64_TEXT_H
#define RETORT_TESTS_UNIT_BASE64_TEXT_H

#include "common/buf.h"

static inline void base64_text(struct buf *out, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
				     "xyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned group = 0;
		char four[4];

		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < have ? bytes[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			four[j] = j <= have ? digits[group >> (18 - 6 * j) & 63] : '=';
		buf_add(out, four, 4);
	}
}

#endif
