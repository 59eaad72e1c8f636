/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.h - the shards that a transaction touches, and their totals
 *
 * A shard's state is read once a transaction, changed in memory, and written
 * once, before the commit. After the commit the same states are what the
 * coordinator is told.
 *
 * Ownership: states are lent until the next tally_touch.
 */
#ifndef RETORT_STORE_TALLY_H
#define RETORT_STORE_TALLY_H

#include "common/wire.h"
#include "store/dataset.h"
#include "store/shard_state.h"

struct tally_entry {
	uint64_t shard;
	struct shard_state state;
};

struct tally {
	struct tally_entry *at;
	size_t n, cap;
	struct wire_shard_totals *totals;
	size_t cap_totals;
};

void tally_release(struct tally *t);

/* The shard's state, loaded or new. */
enum err_code tally_touch(struct tally *t, struct dataset *d, uint64_t shard,
	struct shard_state **out, struct err *err) MUST_CHECK;

/* Tokens and cost of an answer that was paid for, stored or not. */
void tally_add_answer(struct shard_state *s, const struct record *r);

/* Writes the states under the number of the commit to come. */
enum err_code tally_write(struct tally *t, struct dataset *d, struct err *err)
	MUST_CHECK;

/* The touched shards' totals into `out` (shard, n_shards), and forgets them;
 * lent until the next tally call. */
void tally_take(struct tally *t, struct wire_totals *out);
void tally_forget(struct tally *t);

/* Appends to `t` every stored shard that changed after commit `since`. */
enum err_code tally_load_since(
	struct tally *t, struct dataset *d, uint64_t since, struct err *err) MUST_CHECK;

#endif
