/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits.h - one capture's tokens and top-k logprobs (FORMAT.md, "logits")
 *
 * Row i describes token i of the completion. Candidates are sorted by falling
 * logprob, then rising id; the sampled token need not be among them. NaN means
 * absent. This first codec is exact: float32 in, the same float32 out.
 *
 * Ownership: the arrays of a decoded capture are one block, freed by
 * logits_release; for encoding they are the caller's.
 */
#ifndef RETORT_STORE_LOGITS_H
#define RETORT_STORE_LOGITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define TOKEN_ID_UNKNOWN UINT32_MAX
#define TOKEN_BYTES_UNKNOWN UINT16_MAX

struct logits {
	bool interned; /* ids are the dataset's own, not the tokenizer's */
	uint8_t mode;  /* enum logprobs_mode of record.h */
	uint16_t k_asked;
	uint32_t vocabulary;
	float temperature;                 /* NaN: not sent */
	uint64_t tokenizer, chat_template; /* digests, 0: unknown */

	uint32_t n;        /* tokens */
	uint32_t m;        /* candidates over all tokens */
	uint32_t *id;      /* [n] sampled; TOKEN_ID_UNKNOWN */
	float *logprob;    /* [n] of the sampled token */
	float *tail;       /* [n] 1 - sum of p over the listed */
	uint16_t *n_bytes; /* [n] of the token in the stream; TOKEN_BYTES_UNKNOWN */
	uint16_t *listed;  /* [n] candidates listed */
	uint32_t *ids;     /* [m] */
	float *logprobs;   /* [m] */

	void *block;
};

/* Appends the encoded capture to out. */
void logits_encode(const struct logits *l, struct buf *out);

/* Checks all lengths and the sum of `listed`, not the order of candidates. */
enum err_code logits_decode(struct bytes in, struct logits *l, struct err *err)
	MUST_CHECK;
void logits_release(struct logits *l);

#endif
