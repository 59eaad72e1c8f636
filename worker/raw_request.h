/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_request.h - asking endpoints that take a text or token ids as they are
 *
 *   completions  POST {url}/completions, OpenAI's older API as OpenAI, vLLM,
 *                SGLang, llama.cpp and others have it; {"prompt": ...}
 *   sglang       POST {url}/generate; {"text": ...} or {"input_ids": ...}, and
 *                sampling in an object of its own
 *   llamacpp     POST {url}/completion; {"prompt": ...}
 *   trl          POST {url}/get_sequence_logprobs/; {"sequences": [ids],
 *                "prompt_lengths": [n]}. Only scores, and only token ids.
 *
 * No chat template is applied, by nobody: a text is what the model reads, after
 * the server's own special tokens for a beginning.
 *
 * What is the same for all is in raw_request.c: names for the job's
 * sampling, extra_body, a prompt's own wishes. A job's key that the server at
 * hand does not know is an error, as in openai_request.h. The prompt stands last
 * in the request.
 */
#ifndef RETORT_WORKER_RAW_REQUEST_H
#define RETORT_WORKER_RAW_REQUEST_H

#include <jansson.h>

#include "worker/protocol.h"

enum err_code completions_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;
enum err_code sglang_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;
enum err_code llamacpp_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;
enum err_code trl_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;

/* ERR_INVALID: the messages are no raw prompt (raw_prompt.h). */
enum err_code completions_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err);
enum err_code sglang_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err);
enum err_code llamacpp_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err);
enum err_code trl_write_request(const struct request_form *form, struct bytes messages,
	uint64_t seed, struct buf *out, struct err *err);

/* -- For these only from here on -- */

/* What a server calls things; NULL: it knows no such thing. */
struct raw_names {
	const char *max_tokens, *top_k, *min_p, *repetition_penalty;
	const char *sampling; /* the object that all sampling is in; NULL: none */
	const char *seed;
	const char *text, *ids;  /* the prompt */
	const char *const *ours; /* members that only retort sets, up to NULL */
};

/* `body` has what the protocol itself says, at least one member, and, if sampling
 * has an object of its own, that too, with at least one. Taken over. */
enum err_code raw_form_init(struct request_form *form, const struct raw_names *names,
	const struct request_terms *terms, json_t *body, struct err *err) MUST_CHECK;
enum err_code raw_write_request(const struct request_form *form,
	const struct raw_names *names, struct bytes messages, uint64_t seed,
	struct buf *out, struct err *err);

#endif
