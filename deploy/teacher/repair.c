/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/repair.h"

#include <stdbool.h>

#include "common/text.h"

/* Bytes that a sequence beginning with `first` has, and the range of its
 * second byte; 0 if nothing can begin with it. */
static size_t sequence_of(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0;
		if (first == 0xed)
			*high = 0x9f;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90;
		if (first == 0xf4)
			*high = 0x8f;
		return 4;
	}
	return 0;
}

/* Length of the maximal part of a sequence that begins at p. */
static size_t broken_part(const unsigned char *p, size_t len)
{
	unsigned char low, high;
	size_t want = sequence_of(p[0], &low, &high), n = 1;

	while (n < want && n < len && p[n] >= low && p[n] <= high) {
		n++;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

void repair_text(struct bytes raw, struct buf *out)
{
	const unsigned char *p = raw.data;
	size_t left = raw.len;

	while (left > 0) {
		size_t n = utf8_valid_prefix(p, left);

		buf_add(out, p, n);
		p += n;
		left -= n;
		if (left > 0) {
			buf_add_str(out, "\xef\xbf\xbd");
			n = broken_part(p, left);
			p += n;
			left -= n;
		}
	}
}
