/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_dictionary.h"

#include <stdlib.h>

#include "common/mem.h"
#include "store/logits_columns.h"

/* What an entry costs in bits: its id, and a longer code. */
#define ENTRY_BITS 14
/* Counts from here on are sorted as equals. */
#define COUNTS 256
/* Ids are sorted by so many bits at a time. */
#define DIGIT_BITS 9
#define DIGITS (1u << DIGIT_BITS)

static void make_room(struct id_dictionary *d, size_t m, size_t slots)
{
	MEM_GROW(d->id, d->cap_id, m);
	MEM_GROW(d->count, d->cap_count, m);
	MEM_GROW(d->place, d->cap_place, m);
	MEM_GROW(d->of, d->cap_of, m);
	MEM_GROW(d->slots, d->cap_slots, slots);
	MEM_GROW(d->chosen, d->cap_chosen, m);
	MEM_GROW(d->sorted, d->cap_sorted, m);
	MEM_GROW(d->symbols, d->cap_symbols, m);
}

/* The block's ids, and how often each is there; they are numbered from 1. */
static void count(struct id_dictionary *d, const uint32_t *ids, size_t m)
{
	unsigned bits = 10;
	size_t mask;
	uint16_t *slots;
	uint32_t *id, *counts, n = 0;

	while ((size_t)1 << bits < m + m / 2)
		bits++;
	mask = ((size_t)1 << bits) - 1;
	make_room(d, m + 1, mask + 1);
	slots = d->slots;
	id = d->id;
	counts = d->count;
	memset(slots, 0, (mask + 1) * sizeof(*slots));
	memset(counts, 0, (m + 1) * sizeof(*counts));
	for (size_t i = 0; i < m; i++) {
		size_t slot = (size_t)(ids[i] * UINT32_C(0x9e3779b1)) >> (32 - bits);
		uint32_t at;

		/* What a free slot stands for is this one: whether it is new cannot be
		 * guessed, and is no branch so. */
		id[0] = ids[i];
		while (id[slots[slot]] != ids[i])
			slot = (slot + 1) & mask;
		at = slots[slot];
		n += at == 0;
		at = at ? at : n;
		slots[slot] = (uint16_t)at;
		id[at] = ids[i];
		counts[at]++;
		d->of[i] = at;
	}
	d->n_found = n;
}

/* The fewest times that an id must be there to be worth a place, by its symbol, which
 * is there of_symbol times. As a number an id costs the share of its symbol, and extra
 * bits; as a place, about its own share of the block. */
static uint32_t least_count(unsigned symbol, uint32_t of_symbol)
{
	int64_t share = 256 * (int64_t)symbol_extra(symbol) - log2_256(of_symbol);
	uint32_t low = 2, high = of_symbol + 1;

	/* What is worth it stays so with every time more. */
	while (low < high) {
		uint32_t times = low + (high - low) / 2;

		if (times * (log2_256(times) + share) > 256 * ENTRY_BITS)
			high = times;
		else
			low = times + 1;
	}
	return low;
}

/* Which ids are worth a place; how many. */
static uint32_t choose(struct id_dictionary *d, bool by_eight)
{
	uint32_t of_symbol[256] = {0}, least[256] = {0}, n = 0;

	columns_symbols(d->id + 1, d->n_found, by_eight, d->symbols + 1);
	for (uint32_t i = 1; i <= d->n_found; i++)
		of_symbol[d->symbols[i]] += d->count[i];
	d->first_place = 0;
	for (unsigned s = 0; s < SYMBOLS; s++) {
		if (of_symbol[s] == 0)
			continue;
		least[s] = least_count(s, of_symbol[s]);
		d->first_place = s + 1;
	}
	/* Without a branch: nobody can guess which are worth it. */
	for (uint32_t i = 1; i <= d->n_found; i++) {
		d->chosen[n] = i;
		n += d->count[i] >= least[d->symbols[i]];
	}
	return n;
}

/* Sorts by the part of the key from bit `shift` on; equals stay in their order. */
static void sort_by(const uint32_t *key, unsigned shift, const uint32_t *from,
	uint32_t n, uint32_t *to)
{
	uint32_t begin[DIGITS + 1] = {0};

	for (uint32_t i = 0; i < n; i++)
		begin[(key[from[i]] >> shift & (DIGITS - 1)) + 1]++;
	for (unsigned digit = 0; digit < DIGITS; digit++)
		begin[digit + 1] += begin[digit];
	for (uint32_t i = 0; i < n; i++)
		to[begin[key[from[i]] >> shift & (DIGITS - 1)]++] = from[i];
}

/* Places by falling count; and as symbols, for which the ids then are sorted. */
static void set_places(struct id_dictionary *d, uint32_t n)
{
	uint32_t begin[COUNTS + 1] = {0};

	for (uint32_t i = 0; i < n; i++) {
		uint32_t times = d->count[d->chosen[i]];

		begin[COUNTS - (times < COUNTS ? times : COUNTS - 1)]++;
	}
	for (uint32_t c = 0, at = 0; c <= COUNTS; c++) {
		uint32_t here = begin[c];

		begin[c] = at;
		at += here;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t times = d->count[d->chosen[i]];
		uint32_t place =
			begin[COUNTS - (times < COUNTS ? times : COUNTS - 1)]++;

		d->place[d->chosen[i]] = number_code(place).symbol;
	}
}

/* The chosen ids by falling count; those of one symbol by rising id. */
static void arrange(struct id_dictionary *d, uint32_t n)
{
	uint32_t *sorted = d->sorted, *other = d->chosen, all = 0;
	uint32_t most = 256 - d->first_place < 64 ? symbol_base(256 - d->first_place)
						  : DICTIONARY_MAX;

	set_places(d, n);
	for (uint32_t i = 0; i < n; i++)
		all |= d->id[d->chosen[i]];
	for (unsigned shift = 0; shift < 32 && all >> shift; shift += DIGIT_BITS) {
		sort_by(d->id, shift, other, n, sorted);
		other = sorted;
		sorted = other == d->sorted ? d->chosen : d->sorted;
	}
	sort_by(d->place, 0, other, n, sorted);
	d->n = n < most ? n : most;
	for (uint32_t i = 1; i <= d->n_found; i++)
		d->place[i] = ID_RARE;
	for (uint32_t at = 0; at < d->n; at++) {
		d->ids[at] = d->id[sorted[at]];
		d->place[sorted[at]] = at;
	}
}

void id_dictionary_build(
	struct id_dictionary *d, const uint32_t *ids, size_t m, bool by_eight)
{
	d->n_found = d->n = 0;
	d->first_place = SYMBOLS;
	if (m == 0 || m >= UINT16_MAX)
		return;
	count(d, ids, m);
	arrange(d, choose(d, by_eight));
}

void id_dictionary_release(struct id_dictionary *d)
{
	free(d->id);
	free(d->count);
	free(d->place);
	free(d->of);
	free(d->slots);
	free(d->chosen);
	free(d->sorted);
	free(d->symbols);
	*d = (struct id_dictionary){0};
}
