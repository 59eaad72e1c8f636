/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - an answer's tokens with their candidates, in packed arrays
 *
 * Row i describes token i of the completion. A reader of some protocol fills
 * the arrays with what the server wrote; rows_normalise then checks them and
 * brings them into the one form that scores and encoders know.
 *
 * Invariants after rows_normalise said REASON_NONE:
 *   - the candidates of row i are first[i] to first[i + 1] - 1, by falling
 *     logprob, then rising id, then in the server's order;
 *   - no candidate's logprob is absent or above 0, no id is twice in a row;
 *   - logprob[i] is NaN where the server gave none;
 *   - rank[i] says where the sampled token stands in its list;
 *   - the list holds what the server listed, absent values left out: k, fewer
 *     or k + 1 entries; the sampled token need not be among them.
 *
 * It does not know texts or finish reasons: see spans.h.
 *
 * Ownership: the arrays are the struct's own; all positions are into `pool`.
 * `words` is lent, and stays when all else is cleared or released.
 * Memory is kept from answer to answer. Threads: none.
 */
#ifndef RETORT_WORKER_ROWS_H
#define RETORT_WORKER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/reason.h"
#include "store/logits.h"
#include "worker/words.h"

struct rows {
	uint32_t n; /* tokens */
	uint32_t m; /* candidates over all tokens */

	uint32_t *id;        /* [n] of the sampled token; TOKEN_ID_UNKNOWN */
	double *logprob;     /* [n] of the sampled token; NaN: absent */
	uint32_t *token_at;  /* [n] its bytes in the pool */
	uint16_t *token_len; /* [n] TOKEN_BYTES_UNKNOWN: not told, or not exactly */
	uint32_t *word;      /* [n] its bytes as a word (words.h), or WORD_NONE */
	uint32_t *first;     /* [n + 1] its candidates */
	uint16_t *rank;      /* [n] its place among them, from 0; ROWS_RANK_OUTSIDE:
			      * surely not listed; ROWS_RANK_UNKNOWN. Set by
			      * rows_normalise, likewise the next two. */
	double *tail;        /* [n] 1 - sum of p over the listed, at least 0;
			      * NaN: nothing listed */
	double *entropy;     /* [n] nat, the tail as one bucket; likewise */

	uint32_t *cand_id;    /* [m] TOKEN_ID_UNKNOWN */
	double *cand_logprob; /* [m] */
	uint32_t *cand_at;    /* [m] its bytes in the pool */
	uint16_t *cand_len;   /* [m] TOKEN_BYTES_UNKNOWN: not told, or, of one with
			       * an id, not exactly */
	uint32_t *cand_word;  /* [m] as `word` */

	struct buf pool;
	struct words *words; /* the caller's; NULL: words have no numbers */

	uint32_t cap_n, cap_m; /* first[] has room for cap_n + 1 */
};

/* The server's own marks for "no value" count as absent: null (a reader puts
 * NaN), NaN, both infinities, and what OpenAI (-9999) and llama.cpp
 * (-3.4028e38) write instead of minus infinity. */
#define ROWS_ABSENT_BELOW (-9999.0)
/* A rounding error above certainty is taken as certainty; more is an error. */
#define ROWS_LOGPROB_MAX 1e-4
#define ROWS_SUM_MAX 1.002
/* The sampled token's own logprob and its entry in the list are one number. */
#define ROWS_SAME_LOGPROB 0.002

#define ROWS_RANK_OUTSIDE UINT16_MAX
#define ROWS_RANK_UNKNOWN (UINT16_MAX - 1)

/* `rows` may be zeroed memory or used before. */
void rows_clear(struct rows *rows);
void rows_release(struct rows *rows);

/* For readers: room for one more row, for one more candidate. */
void rows_grow(struct rows *rows);
void rows_grow_candidates(struct rows *rows);

/* The bytes of a sampled token; false if they are not known. */
bool rows_token(const struct rows *rows, uint32_t i, struct bytes *out);
/* A token with an id and no bytes, neither its own nor in its list: how llama.cpp
 * shows the end. Behind rows_normalise. */
bool rows_shows_nothing(const struct rows *rows, uint32_t i);

struct rows_verdict {
	enum reason reason; /* REASON_NONE or REASON_BAD_LOGPROBS */
	bool partial;       /* FLAG_LOGITS_PARTIAL */
	const char *why;    /* constant; NULL if all is well */

	/* What the alignment proof asks for (align.h). */
	uint32_t n_absent;  /* candidates without a value */
	uint32_t n_twice;   /* candidates that stood there already */
	uint32_t n_short;   /* rows with fewer candidates than others, but some */
	uint32_t n_drafted; /* rows of tokens accepted from a draft */
	double sum_max;     /* the largest sum of a row's probabilities */
};

/*
 * Checks and brings into form, for k candidates asked (k > 0).
 *
 * Bad, since it cannot be what was asked for: more than k + 1 candidates in a
 * row; a logprob above ROWS_LOGPROB_MAX.
 *
 * Partial: an absent value anywhere, or a row that lists fewer than k and
 * fewer than another row does. Lists that are short in all rows alike (a small
 * vocabulary, a server with a lower cap) are not partial.
 *
 * Twice: the same id in a row, of which the more likely entry stays; or, without
 * ids, the same whole text with the same logprob in neighbouring entries, which
 * both stay (equal texts alone are fine: two ids may share one).
 *
 * The sampled token's entry is the one with its id. Without ids it is that with
 * its text whose logprob is the nearest to its own, if they are the same; a text
 * that may stand for many tokens leaves the rank unknown where it matters.
 *
 * A row without candidates whose logprob is exactly 0, where other rows have
 * candidates, is what llama.cpp writes for a token accepted from a draft: its
 * logprob is no measurement and becomes absent.
 */
struct rows_verdict rows_normalise(struct rows *rows, uint32_t k);

/* Leaves the k most likely candidates of each row, and what follows from them. Behind
 * rows_normalise. */
void rows_cut(struct rows *rows, uint32_t k);

#endif
