/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - other ways to read an answer, to measure ours against
 *
 * A peer takes out of a body what our reader does: the texts, the finish
 * reason, the usage, the token ids, and of every row and candidate the logprob
 * and the id or the bytes, into packed arrays. It knows the layout in advance
 * and may count on a body that is well-formed: its arrays have room for
 * whatever the body can hold before it is timed. C and C++.
 */
#ifndef RETORT_TESTS_BENCH_PEER_H
#define RETORT_TESTS_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PEER_NO_ID UINT32_MAX

struct peer_text {
	char *at;
	size_t len;
};

/* Positions are into the pool. */
struct peer_answer {
	struct peer_text content, reasoning, finish, model;
	uint32_t prompt_tokens, completion_tokens;
	uint32_t n_ids, n, m;
	uint32_t *ids; /* the list token_ids */

	uint32_t *id; /* PEER_NO_ID where there is none */
	double *logprob;
	uint32_t *token_at;
	uint16_t *token_len; /* 0 where the id says it */
	uint32_t *first;     /* [n + 1] */

	uint32_t *cand_id;
	double *cand_logprob;
	uint32_t *cand_at;
	uint16_t *cand_len;

	unsigned char *pool;
	size_t pool_len;
};

/* What names a token. */
enum peer_ids {
	PEER_BYTES,     /* its bytes */
	PEER_ID_TEXTS,  /* "token_id:N"; the bytes are those of that text */
	PEER_ID_MEMBERS /* a member "id" and the bytes */
};

/* All of them false if the body is not as agreed. */
bool peer_jansson(
	const char *body, size_t len, enum peer_ids ids, struct peer_answer *out);

/* Needs simdjson_padding() bytes behind the body. */
bool peer_simdjson(
	const char *body, size_t len, enum peer_ids ids, struct peer_answer *out);
size_t peer_simdjson_padding(void);
/* What it runs on, "icelake" or the like. */
const char *peer_simdjson_name(void);

#ifdef __cplusplus
}
#endif

#endif
