/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/row.h"

#include <assert.h>
#include <string.h>

#include "deploy/teacher/mix.h"

#define V VOCABULARY_SIZE

/* Puts candidate `from` of the slot at `rank`. */
static void place(
	const struct slot *slot, unsigned from, unsigned rank, struct row *out)
{
	out->id[rank] = slot->id[from];
	out->next[rank] = slot->next[from];
	out->sets[rank] = slot->loops ? STATE_LOOP : 0;
}

/* The candidates of a slot in the order of their ranks. */
static const uint8_t *order_of(
	const struct profiles *profiles, const struct slot *slot, uint32_t state)
{
	static const uint8_t as_written[CHOICES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
	static const uint8_t other_first[2] = {1, 0};

	switch (slot->role) {
	case SLOT_DECISION:
		return profiles->decision_order;
	case SLOT_ANSWER:
		return state & STATE_WRONG ? other_first : as_written;
	case SLOT_BRANCH:
		return profiles->branch_order[(state & STATE_LOOP) != 0];
	default:
		return as_written;
	}
}

static unsigned profile_of(const struct slot *slot, uint32_t state)
{
	if (slot->role == SLOT_DECISION)
		return PROFILE_DECISION;
	if (slot->role == SLOT_BRANCH)
		return state & STATE_LOOP ? PROFILE_BRANCH_LOOPING : PROFILE_BRANCH;
	return 8u * slot->family + slot->n - 1;
}

void teacher_row_read(const struct profiles *profiles, const struct script *script,
	uint32_t state, struct row *out)
{
	const struct slot *slot = &script->slot[state >> 2];
	const uint8_t *order = order_of(profiles, slot, state);

	assert(state >> 2 < script->n);
	out->profile = profile_of(slot, state);
	out->n = slot->n;
	for (unsigned r = 0; r < slot->n; r++) {
		place(slot, order[r], r, out);
		if (slot->role == SLOT_DECISION && order[r] == 1)
			out->sets[r] |= STATE_WRONG;
	}
}

uint32_t teacher_row_next(const struct row *row, uint32_t state, unsigned id)
{
	unsigned c = 0;
	uint32_t flags = state & (STATE_WRONG | STATE_LOOP);

	if (id == ID_EOS)
		return STATE_END;
	for (unsigned r = 0; r < row->n; r++)
		if (row->id[r] == id)
			c = r;
	flags |= row->sets[c];
	if (row->next[c] == SLOT_STOP)
		return (state & ~3u) | flags;
	return (uint32_t)row->next[c] << 2 | flags;
}

/* The inverse of an odd number modulo V: each step doubles the right bits. */
static uint32_t inverse_of(uint32_t odd)
{
	uint32_t x = odd;

	for (int i = 0; i < 4; i++)
		x *= 2 - odd * x;
	return x & (V - 1);
}

static uint32_t place_of(const struct order *o, unsigned id)
{
	return (id - o->add) * o->inverse & (V - 1);
}

void order_init(struct order *o, uint64_t key, uint32_t state, const struct row *row)
{
	uint64_t h = mix3(key, MIX_ORDER, state);

	o->mul = (uint32_t)(h & (V - 1)) | 1;
	o->add = (uint32_t)(h >> 32) & (V - 1);
	o->inverse = inverse_of(o->mul);
	o->n = row->n;
	memcpy(o->id, row->id, sizeof(o->id));
	for (unsigned i = 0; i < row->n; i++) {
		uint16_t at = (uint16_t)place_of(o, row->id[i]);
		unsigned j = i;

		for (; j > 0 && o->skip[j - 1] > at; j--)
			o->skip[j] = o->skip[j - 1];
		o->skip[j] = at;
	}
}

unsigned order_id(const struct order *o, unsigned rank)
{
	uint32_t i;

	if (rank < o->n)
		return o->id[rank];
	i = rank - o->n;
	for (unsigned j = 0; j < o->n && o->skip[j] <= i; j++)
		i++;
	return (o->mul * i + o->add) & (V - 1);
}

unsigned order_rank(const struct order *o, unsigned id)
{
	uint32_t i = place_of(o, id);
	unsigned before = 0;

	for (unsigned r = 0; r < o->n; r++)
		if (o->id[r] == id)
			return r;
	for (; before < o->n && o->skip[before] < i; before++)
		continue;
	return o->n + i - before;
}

void order_list(const struct order *o, unsigned k, uint16_t *id)
{
	unsigned r = 0, skipped = 0;
	uint32_t next = o->add;

	for (; r < k && r < o->n; r++)
		id[r] = o->id[r];
	for (uint32_t i = 0; r < k; i++, next += o->mul) {
		if (skipped < o->n && o->skip[skipped] == i) {
			skipped++;
			continue;
		}
		id[r++] = (uint16_t)(next & (V - 1));
	}
}
