/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer_bodies.h - answers as servers write them, for measuring
 *
 * Compact JSON, as OpenAI, vLLM (with return_tokens_as_token_ids and
 * return_token_ids) and llama.cpp write it: their keys in their order, their
 * ways to name a token, their numbers. The same seed gives the same bytes.
 */
#ifndef RETORT_TESTS_BENCH_ANSWER_BODIES_H
#define RETORT_TESTS_BENCH_ANSWER_BODIES_H

#include "common/buf.h"

enum body_style {
	BODY_OPENAI,  /* texts and their bytes, numbers of 6 to 17 digits */
	BODY_VLLM,    /* "token_id:N" and the bytes of that; a list of ids beside */
	BODY_LLAMACPP /* ids, texts, bytes */
};

struct body_shape {
	enum body_style style;
	bool rows;   /* logprobs were asked for */
	bool spaced; /* ", " and ": ", as Python's json.dumps does */
	int tokens, k;
};

/* Appends the answer. */
void answer_body(struct buf *out, const struct body_shape *shape);

#endif
