/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ollama.h - Ollama's own chat ("api": "ollama")
 *
 * POST /api/chat below the url (http://host:11434). `thinking` is the reasoning;
 * rows have OpenAI's form, without ids, up to 20 candidates. Streamed as one
 * document a line; the one with "done": true is the last.
 *
 * The server cuts a prompt that is longer than its context without a word, and
 * its default context is small: options.num_ctx is always sent, as extra_body
 * has it or else large enough for max_tokens and a prompt of half as many, at
 * least OLLAMA_CONTEXT.
 *
 * Images must be data: URLs.
 */
#ifndef RETORT_WORKER_OLLAMA_H
#define RETORT_WORKER_OLLAMA_H

#include "worker/protocol.h"

#define OLLAMA_CONTEXT 8192
#define OLLAMA_K_MAX 20

extern const struct shape ollama_shape;

enum err_code ollama_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;

#endif
