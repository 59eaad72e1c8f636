/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal.h - a sample as a causal model trains on it: one sequence, rows at positions
 *
 * A dataset's row j describes token j of the completion. A causal model's output
 * at position i is its distribution of the token at position i + 1. So with a prompt
 * of P tokens row j belongs to position P + j - 1: CAUSAL_NEXT, and what every loss
 * that compares logits[i] with row i wants. CAUSAL_SAME puts it one later, at the
 * token that it describes, for programs that shift by themselves; with others a
 * student learns to repeat its input.
 *
 * Every position gets exactly k candidates. What is listed beyond k goes, the least
 * probable first, and so does a candidate without an id: its probability is the tail's,
 * as that of all that is not listed. What lacks is filled with other ids at a logprob of
 * CAUSAL_NOTHING, whose probability is 0 in float32 and which no arithmetic makes
 * infinite or NaN (a loss that multiplies by a mask keeps a NaN), also in float16.
 * Positions without a row are filled alike.
 *
 * Pure. Ownership: the arrays are the struct causal's, reused from sample to sample,
 * freed by causal_release.
 */
#ifndef RETORT_STORE_CAUSAL_H
#define RETORT_STORE_CAUSAL_H

#include "store/logits.h"

#define CAUSAL_NOTHING (-1000.0f)
#define CAUSAL_IGNORE (-100) /* a label that no loss counts */

enum causal_shift { CAUSAL_NEXT, CAUSAL_SAME };

enum causal_labels {
	CAUSAL_LABELS_TOKENS, /* the token, from the completion on */
	CAUSAL_LABELS_ROWS    /* and only where there is a row */
};

struct causal_rules {
	uint32_t k; /* candidates a position */
	enum causal_shift shift;
	enum causal_labels labels;
	uint32_t length; /* positions; 0: as many as the sample has */
	bool normalise;  /* a position's listed candidates sum to 1: no tail */
	bool with_misaligned;
};

/* Why a sample cannot be one, or CAUSAL_PLACED. */
enum causal_verdict {
	CAUSAL_PLACED,
	CAUSAL_MISALIGNED,    /* flagged so, and not asked for */
	CAUSAL_NO_LOGITS,     /* no row lists a candidate */
	CAUSAL_INTERNED,      /* its ids are the dataset's own */
	CAUSAL_NO_PROMPT_IDS, /* the server did not tell them */
	CAUSAL_BAD_IDS,       /* a token's id is unknown or has more than 31 bits */
	CAUSAL_NO_ROOM,       /* the prompt takes all of `length` */
	CAUSAL_VERDICTS
};

struct causal {
	uint32_t n;                  /* positions */
	uint32_t rows;               /* of them with a row */
	uint32_t unknown;            /* candidates left out for want of an id */
	int64_t *input_ids, *labels; /* [n] */
	int32_t *attention_mask;     /* [n] 1; 0 where only `length` asks for it */
	uint32_t *len;               /* [n] k, for writers of lists */
	int32_t *ids;                /* [n][k] by falling logprob */
	float *logprobs;             /* [n][k] */
	int32_t *mask;               /* [n][k] 1: listed by the teacher, 0: filled */

	size_t cap, cap_entries;
	unsigned char *taken; /* [k] scratch */
	uint32_t cap_taken;
};

/* `flags` are the record's, `prompt_ids` u32 little-endian or without data, `l` NULL
 * if there is no capture. `out` is zeroed at first. */
enum causal_verdict causal_place(const struct causal_rules *rules, uint32_t flags,
	struct bytes prompt_ids, const struct logits *l, struct causal *out);
void causal_release(struct causal *c);

/* "misaligned": for the manifest; and for people. */
const char *causal_verdict_name(enum causal_verdict verdict);
const char *causal_verdict_text(enum causal_verdict verdict);

#endif
