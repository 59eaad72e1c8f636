/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anthropic.h - Anthropic's Messages API ("api": "anthropic")
 *
 * POST /messages below the url (https://api.anthropic.com/v1), x-api-key,
 * anthropic-version. Thinking blocks are the reasoning (a summary or the text,
 * as the server gives it), text blocks the content, tool_use blocks the tool
 * calls as returned; redacted thinking is left out. No logprobs, no seed, no n.
 *
 * System turns become `system`; tool turns become tool_result blocks of a user
 * turn; `tools` and `tool_choice` of a prompt are turned from OpenAI's form.
 * Everything else that a prompt or extra_body asks for goes as it stands, for
 * instance "thinking": {"type": "enabled", "budget_tokens": 8000}.
 *
 * A stream ends with message_stop. Prompt tokens are those of input and cache
 * together, cached ones those read from the cache.
 */
#ifndef RETORT_WORKER_ANTHROPIC_H
#define RETORT_WORKER_ANTHROPIC_H

#include "worker/protocol.h"

extern const struct shape anthropic_shape;

enum err_code anthropic_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;

#endif
