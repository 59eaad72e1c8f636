/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept.h - the job's `accept` filter, applied to what is stored
 *
 * The store judges each sample once, when it comes in, and keeps two bits in
 * `key` (FORMAT.md): with them, whether a sample is accepted can be told from
 * the keys of its prompt alone. When the filter changes, the bits of all
 * samples are made anew.
 *
 * It writes bits and nothing else: whoever keeps totals is told of each prompt
 * whose counts change, in the transaction that changes them.
 */
#ifndef RETORT_STORE_ACCEPT_H
#define RETORT_STORE_ACCEPT_H

#include "store/filter.h"

struct accept;

/* As filter_compile; an expression that uses `accepted` is refused. */
enum err_code accept_compile(const char *text, struct accept **out, struct err *err)
	MUST_CHECK;
void accept_free(struct accept *a);
const char *accept_text(const struct accept *a);
/* True if the head is not enough to judge a sample. */
bool accept_reads_text(const struct accept *a);

/* The bits (enum key_bit) of an offer that is not stored yet. A transaction is
 * open: the prompt's parts are read there if the offer does not bring them.
 * ERR_CORRUPT if the offer's text or prompt does not unpack. */
enum err_code accept_bits_of_offer(struct accept *a, struct dataset *d,
	const struct offer *o, uint8_t *bits, struct err *err) MUST_CHECK;

/* A prompt whose counts change. */
struct accept_change {
	struct dataset *dataset;
	uint64_t prompt, shard;
	uint32_t accepted_before, accepted_now;
	uint32_t duplicates_before, duplicates_now;
};

/* Both may be NULL; an error ends the recount. */
struct accept_recount_steps {
	enum err_code (*changed)(
		void *to, const struct accept_change *change, struct err *err);
	/* Once a transaction, in it, when its last prompt has been looked at. */
	enum err_code (*before_commit)(void *to, struct dataset *d, struct err *err);
	void *to;
};

/*
 * If `meta` holds another filter text, gives every sample its bits under `a`,
 * in transactions of a few thousand samples, and puts `a`'s text there. No
 * transaction is open before and after. Until it is finished the text in `meta`
 * is empty: readers wait, and after a crash the recount begins again. `exact` is
 * the job's dedup.exact, the same before and now.
 */
enum err_code accept_recount(struct dataset *d, const struct accept *a, bool exact,
	const struct accept_recount_steps *steps, struct err *err) MUST_CHECK;

#endif
