/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard_state.h - fences and totals of one shard (FORMAT.md, "shard")
 *
 * Kept in the same transaction as the records it counts, so that the two
 * never differ, and reported as absolute values.
 *
 * A fence gives one epoch the right to a set of the shard's prompts. A later
 * lease takes its prompts over, and only those: two workers may hold
 * different prompts of one shard.
 *
 * Pure.
 */
#ifndef RETORT_STORE_SHARD_STATE_H
#define RETORT_STORE_SHARD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"

struct shard_fence {
	uint64_t prompts; /* bit map by line */
	uint64_t epoch;
};

struct shard_state {
	uint64_t commit; /* of the last change */
	uint32_t accepted, duplicates, truncated, fenced;
	/* After the corpus was indexed anew prompts stand in other shards: this one
	 * has given prompts away, or has taken over those of these lines. */
	bool moved;
	uint64_t adopted;
	uint64_t prompt_tokens, cached_prompt_tokens, completion_tokens,
		reasoning_tokens;
	int64_t cost_nusd;
	uint16_t committed[SHARD_PROMPTS]; /* live samples by line */
	uint32_t n_fences;
	struct shard_fence fence[SHARD_PROMPTS]; /* disjoint, none empty */
};

#define SHARD_STATE_MAX (76 + 2 * SHARD_PROMPTS + 4 + 16 * SHARD_PROMPTS)
size_t shard_state_encode(
	const struct shard_state *s, unsigned char out[SHARD_STATE_MAX]);
enum err_code shard_state_decode(
	struct bytes in, struct shard_state *s, struct err *err) MUST_CHECK;

/* Gives `epoch` the right to `prompts`. False, with nothing changed, if one of
 * them belongs to a later epoch. Doing it again changes nothing. */
bool shard_raise_fence(struct shard_state *s, uint64_t epoch, uint64_t prompts);

/* Whether `epoch` has the right to the prompt at `line`. */
bool shard_may_write(const struct shard_state *s, uint64_t epoch, uint8_t line);

#endif
