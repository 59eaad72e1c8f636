/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_request.h - asking an OpenAI-shaped chat endpoint
 *
 * What servers call things, and which fields they know, is one table in the
 * .c file. A job's key that the server at hand does not know is an error and
 * never dropped: most servers ignore unknown fields without a word, and the
 * dataset would claim a setting that was never used. extra_body can still
 * send any field; it wins over what is written here, but for the fields that
 * have a place of their own in the job.
 */
#ifndef RETORT_WORKER_OPENAI_REQUEST_H
#define RETORT_WORKER_OPENAI_REQUEST_H

#include "worker/protocol.h"

enum err_code openai_form_init(struct request_form *form,
	const struct request_terms *terms, struct err *err) MUST_CHECK;
enum err_code openai_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err);
/* One seed for all: what a server makes of it for each choice is its affair. */
enum err_code openai_write_choices(const struct request_form *form,
	struct bytes messages, uint64_t seed, unsigned n, struct buf *out,
	struct err *err);

#endif
