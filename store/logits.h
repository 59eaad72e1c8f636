/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits.h - one capture's tokens and top-k logprobs (FORMAT.md, "logits")
 *
 * Row i describes token i of the completion. Candidates are sorted by falling
 * logprob, ties by rising id; the sampled token need not be among them. NaN
 * means absent.
 *
 * A profile says how exactly logprobs are kept: `exact` gives every float32
 * back bit by bit; `fine` and `compact` round logprobs, and the logarithm of
 * the tail, to a grid, so that each differs by at most logits_error() nat. The
 * order is that of the exact numbers, so that rounded ones may be equal and
 * their ids fall. All other columns are exact in every profile.
 *
 * Thinning (keep_k, keep_mass) leaves out candidates at a row's end when it is
 * encoded; what they had goes into the tail, and a sampled token among them is
 * kept beside the list.
 *
 * A capture is coded in blocks of rows, each by itself, so that a range of
 * tokens can be had without the others.
 *
 * Ownership: a decoded capture owns its arrays and the scratch memory for
 * decoding the next one into the same struct; logits_release frees both. For
 * encoding, the arrays are the caller's. Threads: none.
 */
#ifndef RETORT_STORE_LOGITS_H
#define RETORT_STORE_LOGITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define TOKEN_ID_UNKNOWN UINT32_MAX
#define TOKEN_BYTES_UNKNOWN UINT16_MAX

enum logits_profile { LOGITS_EXACT = 0, LOGITS_FINE = 1, LOGITS_COMPACT = 2 };

/* "exact", "fine", "compact"; "unknown" for others. */
const char *logits_profile_name(unsigned profile);
/* How much a stored logprob may differ from what was given, in nat. */
double logits_error(unsigned profile);

struct logits {
	bool interned;   /* ids are the dataset's own, not the tokenizer's */
	uint8_t mode;    /* enum logprobs_mode of record.h */
	uint8_t profile; /* enum logits_profile */
	uint16_t k_asked;
	uint16_t keep_k; /* at most so many candidates a row; 0: all */
	float keep_mass; /* the fewest candidates that have it; 0: all */
	uint32_t vocabulary;
	float temperature;                 /* NaN: not sent */
	uint64_t tokenizer, chat_template; /* digests, 0: unknown */

	uint32_t n;        /* tokens */
	uint32_t m;        /* candidates over all tokens */
	uint32_t *id;      /* [n] sampled; TOKEN_ID_UNKNOWN */
	float *logprob;    /* [n] of the sampled token */
	float *tail;       /* [n] 1 - sum of p over the listed, 0 to 1 */
	uint16_t *n_bytes; /* [n] of the token in the stream; TOKEN_BYTES_UNKNOWN */
	uint16_t *listed;  /* [n] candidates listed */
	uint32_t *ids;     /* [m] */
	float *logprobs;   /* [m] finite */

	void *block; /* the arrays' memory */
	size_t room; /* bytes of it */
	struct logits_scratch *scratch;
};

/* What encoding keeps from one capture to the next. */
struct logits_encoder;

struct logits_encoder *logits_encoder_new(void);
void logits_encoder_free(struct logits_encoder *e);

/* Appends the encoded capture to out. Of `e` NULL one is made for this time. */
void logits_encode(struct logits_encoder *e, const struct logits *l, struct buf *out);

/*
 * Decodes all rows, or `n` of them from row `first` on (as many as there are;
 * l->n says how many). `l` must be zeroed, or from an earlier decoding, whose
 * memory is then used again. ERR_CORRUPT if any length, number or symbol is
 * not as FORMAT.md says; l then owns nothing. The order of candidates is not checked.
 */
enum err_code logits_decode(struct bytes in, struct logits *l, struct err *err)
	MUST_CHECK;
enum err_code logits_decode_range(struct bytes in, uint32_t first, uint32_t n,
	struct logits *l, struct err *err) MUST_CHECK;
/* Only what stands in the head; the arrays are NULL, n and m are of all rows. */
enum err_code logits_read_head(struct bytes in, struct logits *l, struct err *err)
	MUST_CHECK;

/* Frees what only decoding needs; the arrays stay. */
void logits_drop_scratch(struct logits *l);
void logits_release(struct logits *l);

#endif
