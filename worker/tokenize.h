/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenize.h - which ids a server's own tokenizer has for a text
 *
 * vLLM, SGLang and llama.cpp have /tokenize beside their API. They call its fields
 * by different names; a request that has all of them is understood by each:
 *
 *   {"model": "m", "prompt": TEXT, "add_special_tokens": false,   vLLM, SGLang
 *    "content": TEXT, "add_special": false}                       llama.cpp
 *
 * and answered with {"tokens": [1, 2, 3], ...}, or with a list of {"id": 1, ...}.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_TOKENIZE_H
#define RETORT_WORKER_TOKENIZE_H

#include "common/job.h"
#include "worker/answer.h"

/* Whether a server of this kind may have it. */
bool tokenize_has(enum job_server server);
/* Its address; the caller frees it. `url` is the endpoint's: "/v1" at its end is the
 * API's. */
char *tokenize_url(const char *url);
void tokenize_write(const char *model, const char *text, struct buf *out);
/* In place of what `out` had; false if the body is no such answer. */
bool tokenize_read(struct bytes body, struct answer_ids *out);
/* One number for a list of ids, never 0. */
uint64_t tokenize_digest(const struct answer_ids *ids);

#endif
