/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_dictionary.h - which ids of a block are frequent, by falling frequency
 *
 * An id that comes often in a block is cheaper as its place in a short list
 * than as a number. The list itself must be stored, so that only ids are in it
 * that save more than that. The order within places of equal symbol is free:
 * there ids rise, so that small differences are stored.
 *
 * Ownership: the dictionary owns its tables and keeps them from block to block.
 */
#ifndef RETORT_STORE_LOGITS_DICTIONARY_H
#define RETORT_STORE_LOGITS_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#include "store/logits_code.h"

struct id_slot {
	uint32_t id, count; /* count 0: the slot is empty */
	uint32_t place;     /* ID_RARE: not in the dictionary */
};
#define ID_RARE UINT32_MAX

struct id_dictionary {
	struct id_slot *slots;
	size_t cap_slots;
	unsigned shift;  /* 32 - log2 of the slots in use */
	uint32_t *found; /* slots taken, in the order of first appearance */
	size_t cap_found;
	struct id_slot *kept; /* while the table grows */
	size_t cap_kept;
	uint32_t n_found;
	uint32_t ids[DICTIONARY_MAX]; /* by place */
	uint32_t n;
	unsigned first_symbol; /* of places: above all symbols of rare ids */
};

/* Looks at a block's ids. */
void id_dictionary_build(struct id_dictionary *d, const uint32_t *ids, size_t m);
void id_dictionary_release(struct id_dictionary *d);

static inline uint32_t id_hash(uint32_t id)
{
	return id * UINT32_C(0x9e3779b1);
}

/* The slot of an id that was in the block. */
static inline const struct id_slot *id_slot_of(
	const struct id_dictionary *d, uint32_t id)
{
	size_t mask = ((size_t)1 << (32 - d->shift)) - 1;
	size_t at = id_hash(id) >> d->shift;

	while (d->slots[at].id != id || d->slots[at].count == 0)
		at = (at + 1) & mask;
	return &d->slots[at];
}

#endif
