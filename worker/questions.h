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
 *   3. Likewise, with k = 1, if every sampled token was listed so far. A server
 *      whose list is the most likely one leaves the sampled one out now and then;
 *      where it never does, though that should have happened, the sampled one
 *      takes a place of the list (vLLM's chats), and the k-th is lost.
 *   4. Then with k + 1, which gives it back; some refuse that.
 *   5. Where the protocol can score what it is given: whether this server does.
 *
 * A job that sends no temperature is not asked the second: its servers refuse to
 * be told one. The job's other sampling holds, cuts as well. Answers that come
 * besides (the job's own question) may be learned from, too. A job without logprobs
 * asks one question, for the rest. Where the job only has texts scored, the first
 * is put to a text that is to be scored, and the others are not asked.
 *
 * Pure: the caller asks, and says how it went.
 */
#ifndef RETORT_WORKER_QUESTIONS_H
#define RETORT_WORKER_QUESTIONS_H

#include "common/job.h"
#include "common/verdict.h"
#include "worker/answer.h"

/* The least that the Responses API accepts. */
#define QUESTION_TOKENS 16
#define QUESTION_SEED 1

struct question {
	uint32_t k;         /* candidates a token; 0: no logprobs */
	double temperature; /* NaN: as the job, which sends none */
	bool score;         /* a text that is given */
};

enum question_end {
	QUESTION_ANSWERED,
	QUESTION_UNREADABLE, /* accepted, and nothing to be learned */
	QUESTION_REFUSED,    /* for what it asks */
	QUESTION_FAILED      /* anything else: there is no point in going on */
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
	bool warm;       /* a temperature may be sent */
	bool only_score; /* the job's mode, */
	bool can_score;  /* or the protocol can */
	uint32_t n_kept;
	struct question_row kept[QUESTION_ROWS];
};

/* `can_score`: the protocol has a way to ask for the scores of a text. */
void questions_begin(struct questions *q, const struct job *job, bool can_score);
/* The next question; false if there is none. */
bool questions_next(struct questions *q, struct question *out);
/* How the last one went. `answer` is behind its reader; NULL unless ANSWERED. */
void questions_take(
	struct questions *q, enum question_end end, const struct answer *answer);
/* Another answer, which was asked for with the verdict's k. */
void questions_learn(struct questions *q, const struct answer *answer);

/* The fixed prompt, as JSON: one that many tokens may follow. */
struct bytes questions_messages(bool prefill);
/* The fixed tokens to be scored, likewise (raw_prompt.h). */
struct bytes questions_scored(void);
/* The sampling of a question: what it sets, to win over the job's. */
struct job_sampling questions_sampling(
	const struct question *question, const struct job_sampling *job);

#endif
