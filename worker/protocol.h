/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h - the ways to ask a teacher, and to read what it says
 *
 * One entry per value of a teacher's "api". The worker knows no protocol: it
 * takes the entry, makes one form per teacher, and per request writes the form
 * with that request's messages and seed. Whatever is the same for all prompts
 * is turned into text once, so that a request costs three copies.
 *
 * Pure: no I/O, no clock, no keys.
 */
#ifndef RETORT_WORKER_PROTOCOL_H
#define RETORT_WORKER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/job.h"
#include "common/overrides.h"
#include "worker/answer.h"

/* What all requests of a job to one teacher have in common. Lent while the
 * form is made. A prompt that asks for something by itself gets a form of its
 * own, with its overrides: they win over `sampling` and extra_body, and a
 * member that the protocol cannot send is ERR_INVALID, never dropped. */
struct request_terms {
	const struct job_teacher *teacher;
	const struct job_sampling *sampling;
	enum job_server server; /* what the probe found; never SERVER_AUTO */
	int64_t top_logprobs;
	bool prefill;
	const struct overrides *overrides; /* of one prompt; NULL: none */
};

struct request_form {
	struct buf head;    /* up to the messages */
	struct buf tail;    /* behind the messages, or behind the seed */
	bool takes_seed;    /* false: extra_body has one of its own, */
	uint64_t seed;      /* this; SEED_NONE if it is null or no plain number */
	double temperature; /* sent; NaN: none */
};

struct protocol {
	const char *name; /* as in the job: "openai-chat" */
	const char *path; /* behind the endpoint's url */

	/* ERR_INVALID names the job's key that this server cannot serve; the
	 * form is then empty. The caller releases it in either case. */
	enum err_code (*form_init)(struct request_form *form,
		const struct request_terms *terms, struct err *err);
	/* Appends the body. `messages` is JSON, sent as it stands; `seed` is
	 * SEED_NONE or any number, of which 31 bits are sent. */
	void (*write_request)(const struct request_form *form, struct bytes messages,
		uint64_t seed, struct buf *out);

	/* A reader reads one answer after the other: begin, feed as bytes
	 * come, end. feed says false when no further byte can change the
	 * verdict (the transfer may be stopped); end gives it. Any status's
	 * body may be read: an error's is REASON_ERROR_OBJECT. */
	struct answer_reader *(*reader_new)(void);
	void (*reader_free)(struct answer_reader *reader);
	void (*begin)(struct answer_reader *reader, const struct answer_rules *rules,
		struct answer *answer);
	bool (*feed)(struct answer_reader *reader, const void *bytes, size_t len);
	enum reason (*end)(struct answer_reader *reader);
};

/* NULL if this build has no protocol of that name. */
const struct protocol *protocol_find(const char *api);

void request_form_release(struct request_form *form);

/* What is sent for a seed: 31 bits, since some servers take an int32. */
static inline uint32_t request_seed(uint64_t seed)
{
	return (uint32_t)(seed & 0x7fffffff);
}

#endif
