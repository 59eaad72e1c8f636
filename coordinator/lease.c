/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Live shards and leases are few (workers times a handful), so plain arrays:
 * shards in rising order, leases in the order of their epochs. */
struct lease_table {
	int64_t term_ms;
	struct lease_shard *shard;
	size_t n_shards, cap_shards;
	struct lease *lease;
	size_t n_leases, cap_leases;
};

struct lease_table *lease_table_new(int64_t term_ms)
{
	struct lease_table *t = mem_zalloc(1, sizeof(*t));

	t->term_ms = term_ms;
	return t;
}

void lease_table_free(struct lease_table *t)
{
	if (!t)
		return;
	free(t->shard);
	free(t->lease);
	free(t);
}

void lease_table_set_term(struct lease_table *t, int64_t term_ms)
{
	t->term_ms = term_ms;
}

/* The index of the first shard that is not before `shard`. */
static size_t shard_index(const struct lease_table *t, uint64_t shard)
{
	size_t low = 0, high = t->n_shards;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->shard[middle].shard < shard)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct lease_shard *lease_find_shard(struct lease_table *t, uint64_t shard)
{
	size_t i = shard_index(t, shard);

	return i < t->n_shards && t->shard[i].shard == shard ? &t->shard[i] : NULL;
}

struct lease_shard *lease_add_shard(
	struct lease_table *t, uint64_t shard, uint64_t open)
{
	size_t i = shard_index(t, shard);

	assert(!lease_find_shard(t, shard));
	MEM_GROW(t->shard, t->cap_shards, t->n_shards + 1);
	memmove(t->shard + i + 1, t->shard + i, (t->n_shards - i) * sizeof(*t->shard));
	t->shard[i] = (struct lease_shard){.shard = shard, .open = open};
	t->n_shards++;
	return &t->shard[i];
}

void lease_remove_shard(struct lease_table *t, uint64_t shard)
{
	size_t i = shard_index(t, shard);

	assert(i < t->n_shards && t->shard[i].shard == shard && !t->shard[i].leased);
	t->n_shards--;
	memmove(t->shard + i, t->shard + i + 1, (t->n_shards - i) * sizeof(*t->shard));
}

size_t lease_n_shards(const struct lease_table *t)
{
	return t->n_shards;
}

struct lease_shard *lease_shard_at(struct lease_table *t, size_t i)
{
	return &t->shard[i];
}

static uint64_t free_prompts(const struct lease_shard *s)
{
	return s->open & ~s->leased & ~s->suspect;
}

uint64_t lease_n_free(const struct lease_table *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->n_shards; i++)
		n += (uint64_t)__builtin_popcountll(free_prompts(&t->shard[i]));
	return n;
}

/* The lowest `max` bits of `bits`. */
static uint64_t lowest_bits(uint64_t bits, unsigned max)
{
	uint64_t taken = 0;

	for (; max > 0 && bits; max--) {
		uint64_t bit = bits & (0 - bits);

		taken |= bit;
		bits &= ~bit;
	}
	return taken;
}

static bool holds_suspect(const struct lease_table *t, uint32_t worker, bool *holds_any)
{
	*holds_any = false;
	for (size_t i = 0; i < t->n_leases; i++) {
		if (t->lease[i].worker != worker)
			continue;
		*holds_any = true;
		if (t->lease[i].suspect)
			return true;
	}
	return false;
}

bool lease_choose(struct lease_table *t, uint32_t worker, unsigned max,
	struct lease_choice *choice)
{
	bool holds_any;

	if (max == 0 || holds_suspect(t, worker, &holds_any))
		return false;
	for (size_t i = 0; i < t->n_shards; i++) {
		uint64_t bits = free_prompts(&t->shard[i]);

		if (!bits)
			continue;
		*choice = (struct lease_choice){
			t->shard[i].shard, lowest_bits(bits, max), false};
		return true;
	}
	for (size_t i = 0; i < t->n_shards && !holds_any; i++) {
		const struct lease_shard *s = &t->shard[i];
		uint64_t bits = s->open & ~s->leased & s->suspect;

		if (!bits)
			continue;
		*choice = (struct lease_choice){s->shard, lowest_bits(bits, 1), true};
		return true;
	}
	return false;
}

/* The index of the first lease that is not before `epoch`. */
static size_t epoch_index(const struct lease_table *t, uint64_t epoch)
{
	size_t low = 0, high = t->n_leases;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->lease[middle].epoch < epoch)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_lease(struct lease_table *t, const struct lease *lease)
{
	struct lease_shard *s = lease_find_shard(t, lease->shard);

	size_t i = epoch_index(t, lease->epoch);

	assert(s && lease->prompts && !(s->leased & lease->prompts));
	MEM_GROW(t->lease, t->cap_leases, t->n_leases + 1);
	memmove(t->lease + i + 1, t->lease + i, (t->n_leases - i) * sizeof(*t->lease));
	t->lease[i] = *lease;
	t->n_leases++;
	s->leased |= lease->prompts;
}

void lease_grant(struct lease_table *t, const struct lease_choice *choice,
	uint32_t worker, uint64_t epoch, int64_t now_ms)
{
	struct lease lease = {.shard = choice->shard,
		.epoch = epoch,
		.prompts = choice->prompts,
		.worker = worker,
		.granted_ms = now_ms,
		.until_ms = now_ms + t->term_ms,
		.suspect = choice->suspect};

	add_lease(t, &lease);
}

void lease_restore(struct lease_table *t, const struct lease *lease, int64_t now_ms)
{
	struct lease_shard *s = lease_find_shard(t, lease->shard);
	struct lease restored = *lease;

	if (!s)
		return;
	restored.prompts &= s->open & ~s->leased;
	restored.granted_ms = now_ms;
	restored.until_ms = now_ms + t->term_ms;
	restored.confirmed = false;
	/* The ledger does not tell: a suspect is always leased alone. */
	restored.suspect = !(restored.prompts & ~s->suspect);
	if (restored.prompts)
		add_lease(t, &restored);
}

void lease_begin_terms(struct lease_table *t, int64_t now_ms)
{
	for (size_t i = 0; i < t->n_leases; i++)
		t->lease[i].until_ms = now_ms + t->term_ms;
}

struct lease *lease_find(struct lease_table *t, uint64_t shard, uint64_t epoch)
{
	size_t i = epoch_index(t, epoch);

	return i < t->n_leases && t->lease[i].epoch == epoch &&
			       t->lease[i].shard == shard
		       ? &t->lease[i]
		       : NULL;
}

size_t lease_n(const struct lease_table *t)
{
	return t->n_leases;
}

struct lease *lease_at(struct lease_table *t, size_t i)
{
	return &t->lease[i];
}

unsigned lease_n_prompts_of(const struct lease_table *t, uint32_t worker)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->n_leases; i++)
		if (t->lease[i].worker == worker)
			n += (unsigned)__builtin_popcountll(t->lease[i].prompts);
	return n;
}

bool lease_renew(struct lease_table *t, uint64_t shard, uint64_t epoch, uint32_t worker,
	int64_t now_ms)
{
	struct lease *lease = lease_find(t, shard, epoch);

	if (!lease)
		return false;
	lease->worker = worker;
	lease->confirmed = true;
	lease->until_ms = now_ms + t->term_ms;
	return true;
}

static void remove_lease(struct lease_table *t, struct lease *lease)
{
	struct lease_shard *s = lease_find_shard(t, lease->shard);

	if (s)
		s->leased &= ~lease->prompts;
	t->n_leases--;
	memmove(lease, lease + 1,
		(t->n_leases - (size_t)(lease - t->lease)) * sizeof(*lease));
}

uint64_t lease_prompt_ended(struct lease_table *t, uint64_t shard, uint8_t line)
{
	struct lease_shard *s = lease_find_shard(t, shard);
	uint64_t bit = (uint64_t)1 << line;

	if (!s || !(s->open & bit))
		return 0;
	s->open &= ~bit;
	s->suspect &= ~bit;
	if (!(s->leased & bit))
		return 0;
	for (size_t i = 0; i < t->n_leases; i++) {
		struct lease *lease = &t->lease[i];
		uint64_t epoch = lease->epoch;

		if (lease->shard == shard && (lease->prompts & bit))
			return lease_give_back(t, shard, epoch, bit) ? epoch : 0;
	}
	return 0;
}

bool lease_give_back(
	struct lease_table *t, uint64_t shard, uint64_t epoch, uint64_t prompts)
{
	struct lease *lease = lease_find(t, shard, epoch);
	struct lease_shard *s = lease_find_shard(t, shard);

	if (!lease || !s)
		return false;
	s->leased &= ~(lease->prompts & prompts);
	lease->prompts &= ~prompts;
	if (lease->prompts)
		return false;
	remove_lease(t, lease);
	return true;
}

void lease_release(struct lease_table *t, uint64_t shard, uint64_t epoch)
{
	struct lease *lease = lease_find(t, shard, epoch);

	if (lease)
		remove_lease(t, lease);
}

struct lease *lease_expired(struct lease_table *t, int64_t now_ms)
{
	for (size_t i = 0; i < t->n_leases; i++) {
		struct lease *lease = &t->lease[i];

		if (now_ms >= lease->until_ms ||
			(!lease->confirmed && now_ms >= lease->granted_ms + t->term_ms))
			return lease;
	}
	return NULL;
}

void lease_holder_died(struct lease_table *t, uint64_t shard, uint64_t epoch,
	enum worker_end end, uint64_t *convicted)
{
	struct lease *lease = lease_find(t, shard, epoch);
	struct lease_shard *s = lease_find_shard(t, shard);
	unsigned points = end == WORKER_CRASHED ? 2 : end == WORKER_LOST ? 1 : 0;

	*convicted = 0;
	if (!lease || !s)
		return;
	if (lease->suspect && points > 0) {
		int line = __builtin_ctzll(lease->prompts);

		s->points[line] = (uint8_t)(s->points[line] + points);
		if (s->points[line] >= LEASE_POINTS_LIMIT)
			*convicted = lease->prompts;
	} else if (points > 0) {
		if (s->deaths < UINT8_MAX)
			s->deaths++;
		if (s->deaths >= LEASE_DEATHS_LIMIT)
			s->suspect |= lease->prompts;
	}
	remove_lease(t, lease);
}
