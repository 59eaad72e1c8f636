/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scored.h - a sampled answer as something for another teacher to score
 *
 * A teacher of role score is given the very tokens of prompt and answer, and tells
 * its own distribution of each token of the answer: a further capture of the same
 * sample. Here is what of that decides and what changes bytes; scoring.c does it.
 *
 *   sampled answer -> its ids as a raw prompt -> (asked) -> rows -> capture c
 *   offer as it was sampled + captures + what they took -> the offer that is stored
 *
 * Pure.
 */
#ifndef RETORT_WORKER_SCORED_H
#define RETORT_WORKER_SCORED_H

#include "common/job.h"
#include "store/offer.h"
#include "store/pack.h"
#include "worker/answer.h"

/* The answer to what was only scored is what was given: its text, and its tokens. False
 * if the server scored other tokens. */
bool scored_is_given(struct bytes messages, struct answer *answer);

/* What is to be scored, and what is known of it. Zeroed memory is an empty one. */
struct scored_tokens {
	struct buf messages; /* raw_prompt.h: ids, prompt_len */
	uint32_t n;          /* tokens of the answer: the rows of capture 0 */
	uint32_t n_all;      /* with the prompt's */
	struct buf bytes;    /* theirs, one token behind the other */
	uint16_t *n_bytes;   /* [n] TOKEN_BYTES_UNKNOWN */
};

/* Takes them from an answer, behind encode_sample. NULL, or why it cannot be scored:
 * "no_tokens", "no_token_ids", "no_prompt_token_ids", "misaligned", "too_large". */
const char *scored_take(
	const struct answer *answer, bool misaligned, struct scored_tokens *out);
void scored_release(struct scored_tokens *tokens);

/*
 * Whether the rows of a readable answer, whose ids are those that were given, are of
 * these tokens: NULL, or what is wrong (constant text). As many rows as tokens; and
 * where both teachers tell a token's bytes in whole characters, most must agree: ids
 * of another tokenizer would be scored without a complaint.
 */
const char *scored_contradicts(
	const struct scored_tokens *tokens, const struct answer *answer);

/* Whether every text that both tell is the same to the byte, and there is one. */
bool scored_agrees(const struct scored_tokens *tokens, const struct answer *answer);

/* What scoring adds to an offer. */
struct scored_addition {
	struct bytes logits[OFFER_CAPTURES_MAX]; /* from 1 on; data NULL: none */
	struct bytes told;                       /* TEXT_SCORED */
	struct bytes vocabulary;                 /* entries behind the offer's own */
	uint32_t flags;
	/* Of all requests that were made for it. */
	int64_t nusd;
	uint32_t prompt_tokens, completion_tokens;
};

/* Appends the offer with the addition. False, and `out` as it was, if that would be
 * larger than LIMIT_RECORD. */
bool scored_offer(struct packer *packer, struct bytes offer,
	const struct scored_addition *add, struct buf *out);

#endif
