/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/base64.h"

#define BAD 64

static unsigned value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

static void take(struct base64 *b, unsigned char c)
{
	unsigned value = c == '=' ? 0 : value_of(c);

	b->pads += c == '=';
	/* The third and the fourth may be padding, and only padding follows it. */
	if (value == BAD || b->ended || (c == '=' && b->n < 2) ||
		(c != '=' && b->pads > 0))
		b->bad = true;
	b->bits = b->bits << 6 | (value & 63);
	b->n++;
}

/* The bytes of a whole group. */
static size_t put(struct base64 *b, unsigned char *out)
{
	size_t n = 3 - b->pads;

	if (b->bits & ((1u << 8 * b->pads) - 1)) {
		b->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(b->bits >> (16 - 8 * i));
	b->ended = b->pads > 0;
	b->bits = 0;
	b->n = b->pads = 0;
	return n;
}

size_t base64_take(struct base64 *b, struct bytes text, unsigned char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len && !b->bad; i++) {
		take(b, text.data[i]);
		if (b->n == 4 && !b->bad)
			n += put(b, out + n);
	}
	return n;
}

bool base64_whole(const struct base64 *b)
{
	return !b->bad && b->n == 0;
}
