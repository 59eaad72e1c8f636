/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h - the ways to ask a teacher, and to read what it says
 *
 * One entry per value of a teacher's "api". The worker knows no protocol: it
 * takes the entry, makes one form per endpoint, and per request writes the form
 * with that request's messages and seed; the reader (reader.h) reads the answer
 * by the entry's shape. Whatever is the same for all prompts is turned into
 * text once, so that an OpenAI-shaped request costs three copies.
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
#include "worker/shape.h"

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
	bool stream, logits_required;      /* protocol_streams */
	bool score;     /* what is given is scored, nothing sampled */
	bool needs_ids; /* others score the answers: their token ids must be told */
};

struct tree_api;
struct request_form {
	struct buf head; /* up to the messages */
	struct buf tail; /* behind the messages, or behind the seed */
	json_t *tree;    /* instead of both: tree_request.h */
	const struct tree_api *api;
	bool takes_seed;    /* false: extra_body has one of its own, */
	uint64_t seed;      /* this; SEED_NONE if it is null or no plain number */
	double temperature; /* sent; NaN: none */
	unsigned choices;   /* samples that one request may ask for; 0: one */
};

/* Where the key goes. */
enum protocol_auth { AUTH_BEARER, AUTH_X_API_KEY, AUTH_X_GOOG_API_KEY };

struct protocol {
	const char *name; /* as in the job: "openai-chat" */
	/* Behind the endpoint's url; "{model}" stands for the model's name. */
	const char *path, *stream_path;
	const char *models_path;    /* lists the models, or says that nothing does */
	const char *const *headers; /* name, value, ..., NULL; or NULL */
	enum protocol_auth auth;
	enum job_server server; /* what speaks it; SERVER_AUTO: to be found out */
	bool raw;               /* takes raw prompts only (raw_prompt.h) */
	const struct shape *shape;

	/* ERR_INVALID names the job's key that this server cannot serve; the
	 * form is then empty. The caller releases it in either case. */
	enum err_code (*form_init)(struct request_form *form,
		const struct request_terms *terms, struct err *err);
	/* Appends the body. `messages` is JSON in OpenAI's form; `seed` is
	 * SEED_NONE or any number, of which 31 bits are sent. ERR_INVALID: this
	 * protocol cannot say what the messages say. */
	enum err_code (*write_request)(const struct request_form *form,
		struct bytes messages, uint64_t seed, struct buf *out, struct err *err);
	/* The same for n samples at once, 1 < n <= form->choices; NULL where no
	 * server of this protocol has it. */
	enum err_code (*write_choices)(const struct request_form *form,
		struct bytes messages, uint64_t seed, unsigned n, struct buf *out,
		struct err *err);
};

/* NULL if this build has no protocol of that name. */
const struct protocol *protocol_find(const char *api);

/* Answers of so many tokens and more are asked for as a stream, unless the job
 * says otherwise: what degenerates can be cut, and silence is no riddle.
 * Several answers to one request never come as a stream. */
#define PROTOCOL_STREAM_FROM_TOKENS 4096
bool protocol_streams(const struct protocol *p, const struct job_teacher *teacher,
	const struct job_sampling *sampling);

/* The whole address to ask; the caller frees it. */
char *protocol_url(
	const struct protocol *p, const char *url, const char *model, bool stream);

void request_form_release(struct request_form *form);

/* The error of a server that tells none, where needs_ids. */
enum err_code request_without_ids(const struct request_terms *terms, struct err *err);

/* What is sent for a seed: 31 bits, since some servers take an int32. */
static inline uint32_t request_seed(uint64_t seed)
{
	return (uint32_t)(seed & 0x7fffffff);
}

#endif
