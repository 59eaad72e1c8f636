/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.h - from a readable answer to the offer that the store writes
 *
 * The last pure step of a sample's way through the worker: spans, scores,
 * fingerprint, packed texts and encoded logits, in one buffer that is sent as
 * it is and kept until the store has answered.
 *
 * Ownership: the encoder owns its scratch memory. Threads: one.
 */
#ifndef RETORT_WORKER_ENCODE_H
#define RETORT_WORKER_ENCODE_H

#include "common/job.h"
#include "store/pack.h"
#include "store/record.h"
#include "worker/answer.h"
#include "worker/tokens.h"

struct encoder;

struct encoder *encoder_new(void);
void encoder_free(struct encoder *e);
/* The dataset's dictionaries, as the store gives them (OPENED). */
struct packer *encoder_packer(struct encoder *e);

/* The prompt as the lease brought it. */
struct encode_prompt {
	struct bytes id, messages;
	struct bytes reference, extra, request; /* data NULL: none */
};

struct encode_terms {
	const struct job *job;
	enum job_server server;
	/* Filled in by the caller: key, shard, epoch, settings, teacher,
	 * endpoint, created_at_ms, latency_ms, attempts, seed, wasted_*. */
	struct record head;
	const struct encode_prompt *prompt;
	bool with_prompt; /* the store does not have the prompt's text yet */
	const char *endpoint, *worker, *request_id;
	bool interned;      /* ids are the dataset's own (tokens.h) */
	bool tells_ids;     /* some are the teacher's, whose bytes are worth telling */
	int64_t cost_nusd;  /* of this answer; encode_cost, or a part of it */
	double temperature; /* sent; NaN: none */
};

/* Whose rows a capture has. */
struct capture_terms {
	const struct job *job;
	uint16_t teacher;
	uint32_t settings;
	uint8_t mode; /* enum logprobs_mode */
	bool interned;
	double temperature; /* sent; NaN: none */
};

/* Appends an answer's rows, or its ids alone, as the dataset has them. False: it has
 * neither. */
bool encode_capture(struct encoder *e, const struct capture_terms *terms,
	const struct answer *answer, struct buf *out);

/*
 * Appends the offer to `out`. The answer is behind think_split; its rows have
 * their ids. `head` is what went into the offer. False if the offer would be
 * larger than LIMIT_RECORD; out is then as it was.
 */
bool encode_sample(struct encoder *e, const struct encode_terms *terms,
	const struct answer *answer, struct tokens *tokens, struct record *head,
	struct buf *out);

/* 10^-9 USD. */
int64_t encode_cost(const struct job_teacher *t, const struct answer_usage *usage);

#endif
