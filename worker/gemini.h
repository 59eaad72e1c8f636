/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemini.h - Google's generateContent ("api": "gemini" or "vertex")
 *
 * POST /models/MODEL:generateContent below the url, with x-goog-api-key
 * (gemini: https://generativelanguage.googleapis.com/v1beta) or a bearer token
 * (vertex: https://LOC-aiplatform.googleapis.com/v1/projects/P/locations/LOC/
 * publishers/google). Streamed as :streamGenerateContent?alt=sse; there is no
 * end mark, the event with the finish reason is the last.
 *
 * Parts with `thought` are the reasoning (a summary), function calls are kept
 * as returned. Logprobs: chosenCandidates and topCandidates are two lists, with
 * token ids of the server's vocabulary and up to 20 candidates. A blocked
 * prompt is an answer of status 200 without candidates: it is kept as filtered,
 * without content, since asking again is of no use. Completion tokens are those
 * of the candidates and of the thoughts.
 */
#ifndef RETORT_WORKER_GEMINI_H
#define RETORT_WORKER_GEMINI_H

#include "worker/protocol.h"

#define GEMINI_K_MAX 20

extern const struct shape gemini_shape;

enum err_code gemini_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;

#endif
