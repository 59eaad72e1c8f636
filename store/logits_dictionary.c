/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_dictionary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* What an entry costs in bits: its id, and a longer table of symbols. */
#define ENTRY_BITS 14
/* Counts from here on are sorted as equals. */
#define COUNTS 256

/* About 256 * log2(x), x > 0. */
static uint32_t log2_256(uint32_t x)
{
	unsigned e = 31u - (unsigned)__builtin_clz(x);
	uint32_t below = e >= 8 ? x >> (e - 8) : x << (8 - e);

	return e * 256 + below - 256;
}

/* Slots at first, and each time they are half full four times as many. A block has
 * far fewer ids than candidates, and a small table stays in the cache. */
#define SLOT_BITS_FIRST 11

static void set_slots(struct id_dictionary *d, unsigned bits)
{
	size_t n = (size_t)1 << bits;

	MEM_GROW(d->slots, d->cap_slots, n);
	d->shift = 32 - bits;
	memset(d->slots, 0, n * sizeof(*d->slots));
}

/* The slot of the id, or the free one where it goes. */
static size_t find(const struct id_dictionary *d, uint32_t id)
{
	size_t mask = ((size_t)1 << (32 - d->shift)) - 1;
	size_t at = id_hash(id) >> d->shift;

	while (d->slots[at].count && d->slots[at].id != id)
		at = (at + 1) & mask;
	return at;
}

static void grow(struct id_dictionary *d)
{
	size_t n = d->n_found;

	MEM_GROW(d->kept, d->cap_kept, n);
	for (size_t i = 0; i < n; i++)
		d->kept[i] = d->slots[d->found[i]];
	set_slots(d, 32 - d->shift + 2);
	for (size_t i = 0; i < n; i++) {
		d->found[i] = (uint32_t)find(d, d->kept[i].id);
		d->slots[d->found[i]] = d->kept[i];
	}
}

static void count(struct id_dictionary *d, const uint32_t *ids, size_t m)
{
	set_slots(d, SLOT_BITS_FIRST);
	MEM_GROW(d->found, d->cap_found, m);
	d->n_found = 0;
	d->n = 0;
	for (size_t i = 0; i < m; i++) {
		size_t at = find(d, ids[i]);

		if (d->slots[at].count++)
			continue;
		d->slots[at].id = ids[i];
		d->slots[at].place = ID_RARE;
		d->found[d->n_found++] = (uint32_t)at;
		if (2 * (size_t)d->n_found > (size_t)1 << (32 - d->shift))
			grow(d);
	}
}

/* As a number an id costs the share of its symbol, and extra bits; as a place,
 * about its own share of the block. */
static bool is_worth_it(const struct id_slot *s, const uint32_t *of_symbol)
{
	struct number_code code = number_code(s->id);
	int64_t dearer;

	if (s->count == 1)
		return false;
	dearer = (int64_t)log2_256(s->count) + 256 * code.n_extra -
		 (int64_t)log2_256(of_symbol[code.symbol]);
	return s->count * dearer > 256 * ENTRY_BITS;
}

static void sort_rising(uint32_t *v, uint32_t n)
{
	static const uint32_t gaps[] = {57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (uint32_t i = gaps[g]; i < n; i++) {
			uint32_t moving = v[i], at = i;

			for (; at >= gaps[g] && v[at - gaps[g]] > moving; at -= gaps[g])
				v[at] = v[at - gaps[g]];
			v[at] = moving;
		}
}

/* The chosen ids by falling count; those of one symbol by rising id. */
static void arrange(struct id_dictionary *d, uint32_t *chosen, uint32_t n)
{
	uint32_t begin[COUNTS + 1] = {0}, most, end;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t c = d->slots[chosen[i]].count;

		begin[COUNTS - (c < COUNTS ? c : COUNTS - 1)]++;
	}
	for (uint32_t c = 0, at = 0; c <= COUNTS; c++) {
		uint32_t here = begin[c];

		begin[c] = at;
		at += here;
	}
	most = 256 - d->first_symbol < 64 ? symbol_base(256 - d->first_symbol)
					  : DICTIONARY_MAX;
	for (uint32_t i = 0; i < n; i++) {
		const struct id_slot *s = &d->slots[chosen[i]];
		uint32_t c = s->count < COUNTS ? s->count : COUNTS - 1;
		uint32_t place = begin[COUNTS - c]++;

		if (place < most)
			d->ids[place] = s->id;
	}
	d->n = n < most ? n : most;
	for (uint32_t at = 0; at < d->n; at = end) {
		end = at + (UINT32_C(1) << number_code(at).n_extra);
		if (end > d->n)
			end = d->n;
		sort_rising(d->ids + at, end - at);
	}
	for (uint32_t at = 0; at < d->n; at++)
		((struct id_slot *)id_slot_of(d, d->ids[at]))->place = at;
}

void id_dictionary_build(struct id_dictionary *d, const uint32_t *ids, size_t m)
{
	uint32_t of_symbol[256] = {0}, n = 0;

	count(d, ids, m);
	for (uint32_t i = 0; i < d->n_found; i++) {
		const struct id_slot *s = &d->slots[d->found[i]];

		of_symbol[number_code(s->id).symbol] += s->count;
	}
	/* The chosen move to the front of `found`. */
	d->first_symbol = 0;
	for (uint32_t i = 0; i < d->n_found; i++) {
		uint32_t at = d->found[i];
		unsigned symbol = number_code(d->slots[at].id).symbol;

		if (is_worth_it(&d->slots[at], of_symbol) && n < DICTIONARY_MAX) {
			d->found[i] = d->found[n];
			d->found[n++] = at;
		}
		/* Also above those that may turn out not to fit. */
		if (symbol >= d->first_symbol)
			d->first_symbol = symbol + 1;
	}
	arrange(d, d->found, n);
}

void id_dictionary_release(struct id_dictionary *d)
{
	free(d->slots);
	free(d->found);
	free(d->kept);
	*d = (struct id_dictionary){0};
}
