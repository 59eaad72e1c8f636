/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_dictionary.h - which ids of a block are frequent, by falling frequency
 *
 * Only for the files logits_*.c. An id that comes often in a block is cheaper as
 * its place in a short list than as a number. The list itself must be stored, so
 * that only ids are in it that save more than that. The order within places of
 * equal symbol is free: there ids rise, so that small differences are stored.
 *
 * Ownership: the dictionary owns its tables and keeps them from block to block.
 */
#ifndef RETORT_STORE_LOGITS_DICTIONARY_H
#define RETORT_STORE_LOGITS_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>

#include "store/logits_code.h"

#define ID_RARE UINT32_MAX

struct id_dictionary {
	/* The block's ids in the order of their first appearance, from 1 on, how often
	 * each is there, and its place in the list, or ID_RARE. */
	uint32_t *id, *count, *place; /* [1 + n_found] */
	uint32_t n_found;
	uint32_t *of;                 /* [m] which of them each candidate has */
	uint32_t ids[DICTIONARY_MAX]; /* by place */
	uint32_t n;
	unsigned first_place; /* its symbol: above those of all ids of the block */
	/* Scratch: a hash table, of which id is there, or 0; chosen ones, sorted. */
	uint16_t *slots;
	uint32_t *chosen, *sorted;
	unsigned char *symbols; /* of the ids */
	size_t cap_id, cap_count, cap_place, cap_of, cap_slots, cap_chosen, cap_sorted,
		cap_symbols;
};

/* Looks at a block's ids; of UINT16_MAX candidates or more none is in the list, and
 * `of` and `place` are not there. `by_eight` as in logits_columns.h. */
void id_dictionary_build(
	struct id_dictionary *d, const uint32_t *ids, size_t m, bool by_eight);
void id_dictionary_release(struct id_dictionary *d);

#endif
