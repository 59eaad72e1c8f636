/* SPDX-License-Identifier: Apache-2.0 */
/* The shards in work: loaded from the ledger when prompts of them are wanted,
 * saved now and then, forgotten when they have ended. */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "coordinator/coordinator.h"

static size_t live_index(const struct coordinator *c, uint64_t shard)
{
	size_t low = 0, high = c->n_live;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->live[middle]->row.shard < shard)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct live *live_find(struct coordinator *c, uint64_t shard)
{
	size_t i = live_index(c, shard);

	return i < c->n_live && c->live[i]->row.shard == shard ? c->live[i] : NULL;
}

/* What is still to be asked. The prompts of a retired shard stand in another. */
static uint64_t open_prompts(const struct shard_row *r)
{
	return r->state == SHARD_RETIRED ? 0 : r->present & ~r->ended;
}

struct live *live_load(struct coordinator *c, uint64_t shard)
{
	struct live *live = live_find(c, shard);
	struct lease_shard *s;
	size_t i;

	if (live)
		return live;
	live = mem_zalloc(1, sizeof(*live));
	if (ledger_load_shard(c->l, shard, &live->row) != ERR_NONE) {
		free(live);
		return NULL;
	}
	live->saved = live->row;
	i = live_index(c, shard);
	MEM_GROW(c->live, c->cap_live, c->n_live + 1);
	memmove(c->live + i + 1, c->live + i, (c->n_live - i) * sizeof(*c->live));
	c->live[i] = live;
	c->n_live++;
	shard_row_count(&live->row, c->l->totals.n);
	s = lease_add_shard(c->leases, shard, open_prompts(&live->row));
	s->deaths = live->row.deaths;
	ledger_load_suspects(c->l, s);
	return live;
}

void live_changed(struct coordinator *c, struct live *live)
{
	struct lease_shard *s = lease_find_shard(c->leases, live->row.shard);
	uint64_t was_open = s->open, ended;

	shard_row_count(&live->row, c->l->totals.n);
	ended = was_open & live->row.ended;
	while (ended) {
		int line = __builtin_ctzll(ended);
		uint64_t epoch =
			lease_prompt_ended(c->leases, live->row.shard, (uint8_t)line);

		if (epoch)
			ledger_remove_lease(c->l, epoch);
		ended &= ended - 1;
	}
	/* What was ended and is not any more: a sample is to be asked again. */
	s = lease_find_shard(c->leases, live->row.shard);
	s->open |= open_prompts(&live->row);
}

static void forget(struct coordinator *c, size_t i)
{
	lease_remove_shard(c->leases, c->live[i]->row.shard);
	free(c->live[i]);
	c->n_live--;
	memmove(c->live + i, c->live + i + 1, (c->n_live - i) * sizeof(*c->live));
}

/* Shards kept beside those under a lease; others wait in the ledger. */
#define LIVE_MAX 2048

void live_save(struct coordinator *c)
{
	for (size_t i = c->n_live; i-- > 0;) {
		struct live *live = c->live[i];
		struct lease_shard *s = lease_find_shard(c->leases, live->row.shard);

		live->row.deaths = s->deaths;
		if (memcmp(&live->row, &live->saved, sizeof(live->row)) != 0) {
			ledger_save_shard(c->l, &live->saved, &live->row);
			live->saved = live->row;
		}
		if (s->leased)
			continue;
		if (live->row.state == SHARD_PENDING && c->n_live > LIVE_MAX &&
			live->row.shard < c->next_pending)
			c->next_pending = live->row.shard;
		if (live->row.state != SHARD_PENDING || c->n_live > LIVE_MAX)
			forget(c, i);
	}
	if (c->seen_commit > c->l->totals.store_commit) {
		c->l->totals.store_commit = c->seen_commit;
		c->l->totals_changed = true;
	}
}

/* The totals, and what shards have gathered since they were saved. */
struct budget_use live_budget_use(struct coordinator *c)
{
	const struct totals *t = &c->l->totals;
	struct budget_use use = {.nusd = t->cost_nusd,
		.tokens = (uint64_t)(t->prompt_tokens + t->completion_tokens),
		.samples = (uint64_t)t->samples_committed};

	for (size_t i = 0; i < c->n_live; i++) {
		const struct shard_row *now = &c->live[i]->row;
		const struct shard_row *saved = &c->live[i]->saved;

		use.nusd += now->cost_nusd - saved->cost_nusd;
		use.tokens +=
			(uint64_t)(now->prompt_tokens - saved->prompt_tokens +
				   now->completion_tokens - saved->completion_tokens);
		use.samples +=
			(uint64_t)(now->samples_committed - saved->samples_committed);
	}
	for (size_t i = 0; i < lease_n(c->leases); i++)
		use.samples_out +=
			(uint64_t)t->n *
			(uint64_t)__builtin_popcountll(lease_at(c->leases, i)->prompts);
	return use;
}

void live_refill(struct coordinator *c, uint64_t prompts)
{
	uint64_t shard;

	while (lease_n_free(c->leases) < prompts &&
		ledger_next_pending(c->l, c->next_pending, &shard)) {
		c->next_pending = shard + 1;
		live_load(c, shard);
	}
}

bool live_all_ended(struct coordinator *c)
{
	uint64_t shard;

	for (size_t i = 0; i < c->n_live; i++)
		if (c->live[i]->row.state == SHARD_PENDING)
			return false;
	return !ledger_next_pending(c->l, c->next_pending, &shard);
}
