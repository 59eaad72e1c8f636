/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.h - which worker holds which prompts, and until when
 *
 * A lease is the coordinator's promise not to give a prompt to a second worker
 * before until_ms. It covers prompts of one shard; several workers may hold
 * different prompts of one shard. PROTOCOL.md ("The life of a lease") has the
 * view from the wire.
 *
 * Suspects: a worker that dies takes down with it whatever it was working on,
 * and one of these prompts may be the reason. When holders of a shard's
 * prompts have died twice, the prompts are suspects: each is leased alone, to
 * a worker that holds nothing else. A prompt that workers go on dying on fails.
 * A crash is stronger evidence than a worker that was killed or lost: see
 * lease_points.
 *
 * Invariants:
 *   - a prompt has at most one live lease;
 *   - a shard is in the table while it has open prompts or leases;
 *   - epochs never repeat.
 *
 * Pure: no I/O, no clock. The caller passes now_ms, and writes a grant to the
 * ledger, synced, before it tells the worker.
 *
 * Ownership: the table owns its entries; pointers are lent until the next call
 * that adds or removes one.
 */
#ifndef RETORT_COORDINATOR_LEASE_H
#define RETORT_COORDINATOR_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

struct lease {
	uint64_t shard, epoch;
	uint64_t prompts; /* bit map by line; ended prompts leave it */
	uint32_t worker;
	int64_t granted_ms, until_ms;
	bool confirmed; /* its worker has named it in a BEAT */
	bool suspect;   /* one prompt, leased alone */
};

/* A shard with prompts that have not ended. */
struct lease_shard {
	uint64_t shard;
	uint64_t open;                 /* prompts that have not ended */
	uint64_t leased;               /* of these, the ones under a lease */
	uint64_t suspect;              /* of these, the ones to be leased alone */
	uint8_t deaths;                /* holders that died */
	uint8_t points[SHARD_PROMPTS]; /* evidence against a suspect */
};

struct lease_table;

struct lease_table *lease_table_new(int64_t term_ms);
void lease_table_free(struct lease_table *t);
void lease_table_set_term(struct lease_table *t, int64_t term_ms);

/* Adds a shard that is not in the table. */
struct lease_shard *lease_add_shard(
	struct lease_table *t, uint64_t shard, uint64_t open);
struct lease_shard *lease_find_shard(struct lease_table *t, uint64_t shard);
/* Removes a shard without leases. */
void lease_remove_shard(struct lease_table *t, uint64_t shard);
size_t lease_n_shards(const struct lease_table *t);
struct lease_shard *lease_shard_at(struct lease_table *t, size_t i);
/* Prompts that could be granted now to a worker that holds something. */
uint64_t lease_n_free(const struct lease_table *t);

/*
 * Chooses up to `max` prompts of one shard for a worker: the oldest shard
 * first; a suspect only for a worker that holds nothing. False if there is
 * nothing for it. Changes nothing; lease_grant does.
 */
struct lease_choice {
	uint64_t shard, prompts;
	bool suspect;
};
bool lease_choose(struct lease_table *t, uint32_t worker, unsigned max,
	struct lease_choice *choice);

/* Records a grant under a new epoch, which must be higher than all before. */
void lease_grant(struct lease_table *t, const struct lease_choice *choice,
	uint32_t worker, uint64_t epoch, int64_t now_ms);
/* A lease from before a restart of the coordinator: a full new term. */
void lease_restore(struct lease_table *t, const struct lease *lease, int64_t now_ms);

/* From now on all leases have a full term. */
void lease_begin_terms(struct lease_table *t, int64_t now_ms);

struct lease *lease_find(struct lease_table *t, uint64_t shard, uint64_t epoch);
size_t lease_n(const struct lease_table *t);
struct lease *lease_at(struct lease_table *t, size_t i);
unsigned lease_n_prompts_of(const struct lease_table *t, uint32_t worker);

/* A worker reports (shard, epoch) as held: renews it and makes it this
 * worker's. False: there is no such lease, the worker has lost it. */
bool lease_renew(struct lease_table *t, uint64_t shard, uint64_t epoch, uint32_t worker,
	int64_t now_ms);

/* A prompt has ended. If a lease is empty then, it is removed, and its epoch
 * returned; else 0. */
uint64_t lease_prompt_ended(struct lease_table *t, uint64_t shard, uint8_t line);

/* A worker gives prompts of a lease back: they are free again. True if the
 * lease is empty then, and removed. */
bool lease_give_back(
	struct lease_table *t, uint64_t shard, uint64_t epoch, uint64_t prompts);

/* Ends a lease; its prompts are free again. */
void lease_release(struct lease_table *t, uint64_t shard, uint64_t epoch);

/* The first lease that has run out, or whose worker does not seem to know it
 * (not confirmed for a whole term), or NULL. */
struct lease *lease_expired(struct lease_table *t, int64_t now_ms);

enum worker_end {
	WORKER_LEFT,   /* said BYE, or the coordinator restarted: no evidence */
	WORKER_LOST,   /* no heartbeat, or killed by a signal from outside */
	WORKER_CRASHED /* ended by itself, badly */
};

/*
 * A holder has died: counts the evidence and releases the lease. Suspects
 * whose points have reached the limit are in `convicted`, a bit map.
 */
void lease_holder_died(struct lease_table *t, uint64_t shard, uint64_t epoch,
	enum worker_end end, uint64_t *convicted);

/* Points at which a suspect fails; a crash counts two, a loss one. */
#define LEASE_POINTS_LIMIT 4
#define LEASE_DEATHS_LIMIT 2

#endif
