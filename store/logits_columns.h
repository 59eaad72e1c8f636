/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_columns.h - the loops in which decoding spends its time
 *
 * Those that read numbers have two forms, one of which does eight at a time on
 * processors with AVX2. They give the same, and stop at the same place; where a
 * symbol is wrong both say so.
 */
#ifndef RETORT_STORE_LOGITS_COLUMNS_H
#define RETORT_STORE_LOGITS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entries of the tables of symbols: base | extra bits << 32 | flags. */
#define IS_PLACE (UINT64_C(1) << 40) /* in the dictionary */
#define IS_WRONG (UINT64_C(1) << 63)

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

/* A column of n numbers; false if one of its symbols is wrong. */
bool columns_read_numbers(const uint64_t *table, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out);

/* A column of n ids: numbers, or places in the dictionary, in which every place that
 * the table's symbols can name has an entry. */
bool columns_read_ids(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, struct extra_bits *bits, uint32_t *out);

/* Ranks that are best spread at a time: those of a row are a line of the cache, which
 * is then written once. */
#define COLUMNS_TILE 16

/* The logprobs of the next `width` ranks of rows that list c candidates each, out of
 * their gaps, which come rank after rank; out is where the first of them goes in the
 * first row. keys[rows] are those of the ranks before, then of the last of these. */
void columns_spread(const uint32_t *gaps, uint32_t rows, uint32_t width, uint32_t c,
	float steps, uint32_t *keys, float *out);

#endif
