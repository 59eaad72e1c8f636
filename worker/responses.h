/* SPDX-License-Identifier: Apache-2.0 */
/*
 * responses.h - OpenAI's Responses API ("api": "openai-responses")
 *
 * POST /responses below the url. Of the items of `output`, the text of messages
 * is the content, reasoning_text (open-weight servers) or else summary_text is
 * the reasoning, function calls are kept as returned. Rows have OpenAI's form,
 * without ids, up to 20 candidates, and cover the content only.
 *
 * A stream brings the whole response again with its last event
 * (response.completed, .incomplete or .failed); only that is read, and so such a
 * stream is never cut early.
 */
#ifndef RETORT_WORKER_RESPONSES_H
#define RETORT_WORKER_RESPONSES_H

#include "worker/protocol.h"

#define RESPONSES_K_MAX 20

extern const struct shape responses_shape;

enum err_code responses_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;

#endif
