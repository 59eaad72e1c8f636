/* SPDX-License-Identifier: Apache-2.0 */
/*
 * questions.h - a few cheap questions, and what their answers show of an endpoint
 *
 * What an endpoint says that it gives, and what it gives, are two things. Each is
 * asked for a few tokens behind one fixed prompt:
 *
 *   1. At temperature 1, with the job's k. Refused (400 and the like): with
 *      smaller k, the usual caps first, until the largest is known that is
 *      accepted. When nothing is left to ask for, without logprobs: if that is
 *      refused as well, k is not what the server dislikes.
 *   2. At temperature 2, with the k that was found. Up to the first
 *      token that is another, rows have the same text before them: raw logprobs
 *      are those of the first answer, and those after the temperature have half
 *      the distance to each other.
 *
 * A job that sends no temperature is not asked the second: its servers refuse to
 * be told one. The job's other sampling holds, cuts as well. Answers that come
 * besides (the job's own question) may be learned from, too. Where the job only has
 * texts scored, nothing is asked: the questions are for answers.
 *
 * Pure: the caller asks, and says how it went.
 */
#ifndef RETORT_WORKER_QUESTIONS_H
#define RETORT_WORKER_QUESTIONS_H

#include "common/job.h"
#include "store/record.h"
#include "worker/answer.h"

/* The least that the Responses API accepts. */
#define QUESTION_TOKENS 16
#define QUESTION_SEED 1

struct question {
	uint32_t k;         /* candidates a token; 0: no logprobs */
	double temperature; /* NaN: as the job, which sends none */
};

enum question_end {
	QUESTION_ANSWERED,
	QUESTION_UNREADABLE, /* accepted, and nothing to be learned */
	QUESTION_REFUSED,    /* for what it asks */
	QUESTION_FAILED      /* anything else: there is no point in going on */
};

struct verdict {
	uint32_t wanted;         /* the job's k */
	unsigned asked, refused; /* questions */
	bool known;              /* the largest k was found, */
	uint32_t k;              /* this; at most `wanted` */
	/* Of the answers with that k. */
	uint32_t n_rows;
	uint32_t least, most; /* candidates a row; k + 1: the sampled token was added */
	uint32_t n_outside;   /* rows whose sampled token is not listed */
	bool ids, bytes;      /* of every token; candidates: ids */
	bool reasoning;       /* a field of its own */
	bool prompt_ids, drafts; /* draft: logprob 0 and an empty list */
	enum logprobs_mode mode; /* as measured */
};

/* What is kept of the first answer: rows, the most likely candidates of each. */
#define QUESTION_ROWS 8
#define QUESTION_CANDIDATES 64
struct question_row {
	uint64_t sampled; /* one number for each token */
	uint32_t n;
	uint64_t key[QUESTION_CANDIDATES];
	double logprob[QUESTION_CANDIDATES];
};

struct questions {
	struct verdict verdict;
	int phase;
	uint32_t refused_k; /* the least; wanted + 1: none */
	struct question now;
	bool warm; /* a temperature may be sent */
	uint32_t n_kept;
	struct question_row kept[QUESTION_ROWS];
};

void questions_begin(struct questions *q, const struct job *job);
/* The next question; false if there is none. */
bool questions_next(struct questions *q, struct question *out);
/* How the last one went. `answer` is behind its reader; NULL unless ANSWERED. */
void questions_take(
	struct questions *q, enum question_end end, const struct answer *answer);
/* Another answer, which was asked for with the verdict's k. */
void questions_learn(struct questions *q, const struct answer *answer);

/* The fixed prompt, as JSON: one that many tokens may follow. */
struct bytes questions_messages(bool prefill);
/* The sampling of a question: what it sets, to win over the job's. */
struct job_sampling questions_sampling(
	const struct question *question, const struct job_sampling *job);

/* The candidates that a token comes with: the smaller of k and what was seen. */
uint32_t verdict_gives(const struct verdict *v);
/* "k=20 entries=20-21 ids bytes raw sampled-listed". */
void verdict_text(const struct verdict *v, char *out, size_t size);
/* True if the job needs or declares what the endpoint does not give, and what to do. */
bool verdict_contradicts(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher, char *why, size_t size);

#endif
