/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - what an endpoint gives, as a few cheap questions have shown it
 *
 * A worker asks (worker/questions.h); the coordinator keeps the verdict, shows it
 * and holds it against the job; `retort check` prints it. What was not seen is
 * unknown, never assumed.
 *
 * As JSON it travels from worker to coordinator and stands in the ledger, in the
 * column `gives` of the view `endpoints`:
 *
 *   text                   the whole in one line, as verdict_text writes it
 *   questions, refused     how many were asked, and refused for what they ask
 *   wanted                 the job's k; 0: no logprobs
 *   known, largest_k       whether the largest k was found that is accepted; it
 *   gives                  candidates a token: the smaller of k and what was seen
 *   ask                    candidates to ask for, so that k are right: k or k + 1
 *   candidates             [least, most] of a row; rows: how many were looked at
 *   rows_sampled_outside   of those, in how many the sampled token is not listed
 *   sampled_takes_a_place  of the list's k: true, false or null
 *   token_ids, token_bytes of every token
 *   logprobs_mode          raw, processed or unknown, as measured
 *   reasoning_field, prompt_token_ids, draft_tokens
 *   prompt_logprobs        whether it scores what it is given: true, false or null
 *   rate_headers           whether it tells its rate limits in headers
 *   tokenizer              16 hex digits of the ids of a fixed text, or null
 *   model                  as it names itself, escaped
 *
 * Pure. No memory is owned.
 */
#ifndef RETORT_COMMON_VERDICT_H
#define RETORT_COMMON_VERDICT_H

#include "common/job.h"

enum verdict_known { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_YES };

#define VERDICT_MODEL 256

/* What a server's tokenizer is shown: scripts, digits, blanks, signs. Without NUL, in
 * normal form C, and what no tokenizer has to guess at. */
extern const char verdict_tokenized[];

struct verdict {
	uint32_t wanted;         /* the job's k */
	unsigned asked, refused; /* questions */
	bool known;              /* the largest k was found, */
	uint32_t k;              /* this; at most `wanted` */
	uint32_t ask;            /* k, or k + 1 */
	/* Of the answers with that k. */
	uint32_t n_rows;
	uint32_t least, most; /* candidates a row; k + 1: the sampled token was added */
	uint32_t n_outside;   /* rows whose sampled token is not listed */
	enum verdict_known crowds;   /* the sampled token takes a place of the list's */
	bool ids, bytes;             /* of every token; candidates: ids */
	bool reasoning;              /* a field of its own */
	bool prompt_ids, drafts;     /* draft: logprob 0 and an empty list */
	enum job_logprobs_mode mode; /* as measured */
	enum verdict_known scores;   /* what it is given */
	bool rate_headers;
	uint64_t tokenizer;        /* digest; 0: unknown */
	char model[VERDICT_MODEL]; /* escaped; "": not told */
};

/* "unknown", "raw", "processed". */
const char *verdict_mode_name(enum job_logprobs_mode mode);

/* The candidates that a token comes with: the smaller of k and what was seen. */
uint32_t verdict_gives(const struct verdict *v);
/* "k=20 entries=20-21 ids bytes raw sampled-listed". */
#define VERDICT_TEXT 256
void verdict_text(const struct verdict *v, char out[VERDICT_TEXT]);

/* A new reference. */
json_t *verdict_json(const struct verdict *v);
/* The same as text; the caller frees it. */
char *verdict_write(const struct verdict *v);
/* False if it is not what verdict_write writes. */
bool verdict_read(struct bytes text, struct verdict *out);

/* True if the job needs or declares what the endpoint does not give; `why` says so,
 * and what to do. */
#define VERDICT_WHY 400
bool verdict_contradicts(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher, char why[VERDICT_WHY]);
/* Candidates to ask this endpoint for, of which so many are wanted. */
uint32_t verdict_asks(const struct verdict *v, uint32_t wanted);

#endif
