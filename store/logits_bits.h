/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_bits.h - strings of bits
 *
 * Only for the files logits_*.c. Each byte is filled from its low bit on, and a
 * number's low bit comes first.
 */
#ifndef RETORT_STORE_LOGITS_BITS_H
#define RETORT_STORE_LOGITS_BITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

/* Bytes that are written behind the last, and that must be readable there. */
#define BITS_PAD 8

struct bit_writer {
	unsigned char *at;
	uint64_t word; /* bits that are not at `at` for good yet */
	unsigned n;    /* so many, below 8 */
};

/* `value` has no bits above its n lowest, which are at most 56. */
static inline void bits_put(struct bit_writer *w, uint64_t value, unsigned n)
{
	w->word |= value << w->n;
	w->n += n;
	/* Always writes, since when a byte is full could not be guessed. */
	put_u64(w->at, w->word);
	w->at += w->n / 8;
	w->word >>= w->n / 8 * 8;
	w->n %= 8;
}

/* Behind the last byte, which is filled with zeros. */
static inline unsigned char *bits_end(const struct bit_writer *w)
{
	return w->at + (w->n > 0);
}

/* The 57 bits or more from bit `at` on. */
static inline uint64_t bits_peek(const unsigned char *data, size_t at)
{
	return get_u64(data + at / 8) >> at % 8;
}

#endif
