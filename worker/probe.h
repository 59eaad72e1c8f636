/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - a few questions to each endpoint of a job, and what it gives
 *
 * For `retort check`: the questions of questions.h, then a prompt of the corpus
 * as the job would ask it, with the largest k that the endpoint accepts. The
 * same requests, readers and rules that a worker uses, once, before anything is
 * paid for in bulk.
 */
#ifndef RETORT_WORKER_PROBE_H
#define RETORT_WORKER_PROBE_H

#include "common/job.h"
#include "common/reason.h"
#include "worker/answer.h"
#include "worker/questions.h"

struct probe_result {
	const char *teacher, *url; /* lent from the job */
	enum reason reason;        /* REASON_NONE: it answered, readably */
	int status;
	char detail[400]; /* what went wrong, escaped */
	struct verdict verdict;
	enum job_server server;
	unsigned choices; /* samples that one request may ask for */
	bool model_listed;
	char model[256]; /* as reported, escaped */
	int64_t latency_ms;
	struct answer_usage usage;
	uint32_t flags; /* enum sample_flag */
	enum finish finish;
	enum eos_row eos_row; /* of the answer to the job's question */
	uint32_t reasoning_len, content_len;
	uint32_t tokens;          /* rows */
	uint32_t k_least, k_most; /* candidates a row */
	bool token_ids, token_bytes;
	size_t body_bytes;  /* of the answer */
	size_t offer_bytes; /* of the sample as it would be stored */
};

/* Asks each endpoint `messages` (JSON). `results` has one entry an endpoint,
 * in the job's order. Waits at most wait_s. ERR_INVALID: a key is missing. */
enum err_code probe_endpoints(const struct job *job, struct bytes messages,
	int64_t wait_s, struct probe_result *results, struct err *err) MUST_CHECK;

#endif
