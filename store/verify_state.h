/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_state.h - what the parts of a verification share, inside verify_*.c
 */
#ifndef RETORT_STORE_VERIFY_STATE_H
#define RETORT_STORE_VERIFY_STATE_H

#include "store/bitmap.h"
#include "store/filter.h"
#include "store/shard_state.h"
#include "store/verify.h"

/* What the records say about a shard. */
struct shard_sum {
	uint64_t shard;
	uint32_t accepted, duplicates, truncated;
	uint64_t prompt_tokens, completion_tokens;
	int64_t cost_nusd;
	uint32_t n_prompts;
	uint16_t live[SHARD_PROMPTS]; /* of its prompts, in order of their numbers */
};

struct verify {
	struct dataset *d;
	verify_tell tell;
	void *to;
	struct verify_counts *counts;
	struct err *err;

	uint64_t last_sequence, last_prompt;
	bool exact;
	struct filter *accept; /* NULL: the bits cannot be judged from heads */

	struct bitmap records;      /* that are there */
	struct bitmap named;        /* by a key */
	uint64_t captures_due;      /* over all records */
	unsigned char *prompt_kind; /* by prompt sequence: 0, or 1 + enum prompt_kind */
	struct shard_sum *shard;
	size_t n_shards, cap_shards;
};

/* Counts a finding and tells it. */
void verify_say(struct verify *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What a step answered: ERR_NONE and ERR_CORRUPT go on, the latter with what is
 * in v->err as a finding that begins with "what". Others end the walk. */
enum err_code verify_take(struct verify *v, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* In one view: meta, key, record, prompt_key, shard, raw, vocab. */
enum err_code verify_meta(struct verify *v) MUST_CHECK;
enum err_code verify_records(struct verify *v) MUST_CHECK;
enum err_code verify_keys(struct verify *v) MUST_CHECK;
enum err_code verify_shards(struct verify *v) MUST_CHECK;
enum err_code verify_raw(struct verify *v) MUST_CHECK;
enum err_code verify_vocabulary(struct verify *v) MUST_CHECK;
/* In views that are renewed: text with logits, prompt. */
enum err_code verify_samples(struct verify *v) MUST_CHECK;
enum err_code verify_prompts(struct verify *v) MUST_CHECK;
/* The files beside a snapshot. */
void verify_manifest(struct verify *v, const char *dir);

/* The sums of a shard, made if there are none. */
struct shard_sum *verify_shard_sum(struct verify *v, uint64_t shard);

#endif
