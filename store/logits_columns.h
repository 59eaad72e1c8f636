/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_columns.h - numbers as symbols and extra bits, and back
 *
 * Only for the files logits_*.c. These are the loops in which time is spent, and each
 * has two forms, one of which does eight at a time on processors with AVX2. Both give
 * the same.
 */
#ifndef RETORT_STORE_LOGITS_COLUMNS_H
#define RETORT_STORE_LOGITS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/logits_bits.h"

/* Entries of the tables of symbols: base | extra bits << 32 | flags. */
#define IS_PLACE (UINT64_C(1) << 40) /* in the dictionary */
#define IS_SYMBOL (UINT64_C(1) << 41)

/* Bytes that may be read behind the extra bits; they are zeros. */
#define EXTRA_PAD 128

/* The extra bits, read from the low end. */
struct extra_bits {
	const unsigned char *data;
	size_t len;    /* bytes; EXTRA_PAD more follow */
	size_t at;     /* bits read; may be more than there are */
	bool by_eight; /* only where columns_by_eight() says so */
};

/* Whether this processor can read eight numbers at a time. */
bool columns_by_eight(void);

/* A column of n numbers. All symbols have an entry in the table: who read their code has
 * seen to it. */
void columns_read_numbers(const uint64_t *table, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out);

/* A column of n ids: numbers, or, from symbol `first_place` on, places in the
 * dictionary, in which every place that the symbols can name has an entry. */
void columns_read_ids(const uint64_t *table, unsigned first_place,
	const uint32_t *dictionary, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out);

/* Ranks that are best spread at a time: those of a row are a line of the cache, which
 * is then written once. */
#define COLUMNS_TILE 16

/* The logprobs of the next `width` ranks of rows that list c candidates each, out of
 * their gaps, which come rank after rank; out is where the first of them goes in the
 * first row. keys[rows] are those of the ranks before, then of the last of these. */
void columns_spread(const uint32_t *gaps, uint32_t rows, uint32_t width, uint32_t c,
	float steps, uint32_t *keys, float *out);

/* The other way. A column of n numbers; `by_eight` only where columns_by_eight() says
 * so. */
void columns_write_numbers(const uint32_t *numbers, size_t n, bool by_eight,
	unsigned char *symbols, struct bit_writer *extra);

/* Only the symbols. */
void columns_symbols(
	const uint32_t *numbers, size_t n, bool by_eight, unsigned char *symbols);

/* A column of n ids, the i-th of which has place[of[i]] in the dictionary, if that is
 * not UINT32_MAX; the symbols of places begin with first_place. */
void columns_write_ids(const uint32_t *ids, const uint32_t *of, const uint32_t *place,
	unsigned first_place, size_t n, bool by_eight, unsigned char *symbols,
	struct bit_writer *extra);

/* Keys of logprobs on a grid, as grid_key() has them. */
void columns_grid_keys(const float *logprobs, size_t n, float steps, uint32_t *keys);

/* How often each symbol is there. */
void columns_count(const unsigned char *symbols, size_t n, uint32_t counts[256]);

#endif
