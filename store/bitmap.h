/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bitmap.h - a set of sequence numbers, one bit each
 *
 * Ownership: bitmap_release frees it. What is out of range is not in the set
 * and cannot be added.
 */
#ifndef RETORT_STORE_BITMAP_H
#define RETORT_STORE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/mem.h"

struct bitmap {
	uint64_t *words;
	uint64_t n; /* numbers 0 to n - 1 */
};

static inline void bitmap_init(struct bitmap *b, uint64_t last)
{
	b->n = last + 1;
	b->words = mem_zalloc((size_t)(last / 64 + 1), sizeof(*b->words));
}

static inline void bitmap_release(struct bitmap *b)
{
	free(b->words);
	*b = (struct bitmap){0};
}

static inline bool bitmap_has(const struct bitmap *b, uint64_t i)
{
	return i < b->n && (b->words[i / 64] >> i % 64 & 1);
}

/* False if it was there already, or is out of range. */
static inline bool bitmap_add(struct bitmap *b, uint64_t i)
{
	if (i >= b->n || bitmap_has(b, i))
		return false;
	b->words[i / 64] |= (uint64_t)1 << i % 64;
	return true;
}

#endif
