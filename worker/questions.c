/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/questions.h"

#include <math.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/text.h"
#include "worker/tokens.h"

enum { PLAIN, FIND_K, WARM, CROWD, MORE, SCORE, ENOUGH };

void questions_begin(struct questions *q, const struct job *job, bool can_score)
{
	uint32_t k = (uint32_t)job->top_logprobs;
	bool only_score = job->task == JOB_TASK_SCORE;

	*q = (struct questions){.phase = k > 0 ? FIND_K : PLAIN,
		.refused_k = k + 1,
		.warm = job_has_real(job->sampling.temperature) && !only_score,
		.only_score = only_score,
		.can_score = can_score,
		.verdict = {.wanted = k, .mode = JOB_MODE_UNKNOWN}};
}

/* Between an accepted k (or 0) and a refused one: is it one of the caps that
 * servers have? Else halves. */
static uint32_t guess(uint32_t accepted, uint32_t refused)
{
	static const uint32_t caps[] = {20, 5};

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		if (accepted == caps[i])
			return accepted + 1;
		if (accepted < caps[i] && caps[i] < refused)
			return caps[i];
	}
	return accepted + (refused - accepted) / 2;
}

static uint32_t next_k(const struct questions *q)
{
	const struct verdict *v = &q->verdict;

	switch (q->phase) {
	case FIND_K:
		return q->refused_k > v->wanted ? v->wanted : guess(v->k, q->refused_k);
	case WARM:
	case SCORE:
		return v->k;
	case CROWD:
		return 1;
	case MORE:
		return v->k + 1;
	default:
		return 0;
	}
}

bool questions_next(struct questions *q, struct question *out)
{
	bool warmer = q->phase == WARM || q->phase == CROWD;

	if (q->phase == ENOUGH)
		return false;
	q->now = (struct question){.k = next_k(q),
		.temperature = !q->warm || q->phase == SCORE ? (double)NAN
			       : warmer                      ? 2
							     : 1,
		.score = q->only_score || q->phase == SCORE};
	q->verdict.asked++;
	*out = q->now;
	return true;
}

#define NO_KEY UINT64_MAX

static uint64_t key_of(const struct rows *rows, uint32_t id, uint32_t at, uint16_t len)
{
	if (id != TOKEN_ID_UNKNOWN)
		return id;
	if (len == TOKEN_BYTES_UNKNOWN)
		return NO_KEY;
	return (hash64(rows->pool.data + at, len) >> 1) | (UINT64_C(1) << 62);
}

static uint64_t sampled_key(const struct rows *rows, uint32_t i)
{
	return key_of(rows, rows->id[i], rows->token_at[i], rows->token_len[i]);
}

static uint64_t listed_key(const struct rows *rows, uint32_t c)
{
	return key_of(rows, rows->cand_id[c], rows->cand_at[c], rows->cand_len[c]);
}

static void keep_rows(struct questions *q, const struct rows *rows)
{
	q->n_kept = rows->n < QUESTION_ROWS ? rows->n : QUESTION_ROWS;
	for (uint32_t i = 0; i < q->n_kept; i++) {
		struct question_row *to = &q->kept[i];

		to->sampled = sampled_key(rows, i);
		to->n = 0;
		for (uint32_t c = rows->first[i]; c < rows->first[i + 1]; c++) {
			if (to->n == QUESTION_CANDIDATES)
				break;
			to->key[to->n] = listed_key(rows, c);
			to->logprob[to->n++] = rows->cand_logprob[c];
		}
	}
}

/* How far two answers are from what two kinds of server would give: sums over
 * candidates, nat. */
struct distance {
	double raw, processed, spread;
	unsigned n;
};

static void add_row(struct distance *d, const struct question_row *was,
	const struct rows *now, uint32_t i)
{
	double was0 = 0, now0 = 0;
	bool first = true;

	for (uint32_t k = 0; k < was->n; k++) {
		uint32_t c = now->first[i], end = now->first[i + 1];

		while (c < end && listed_key(now, c) != was->key[k])
			c++;
		if (c == end || was->key[k] == NO_KEY)
			continue;
		if (first) {
			was0 = was->logprob[k];
			now0 = now->cand_logprob[c];
			first = false;
		}
		d->raw += fabs(was->logprob[k] - now->cand_logprob[c]);
		/* Whatever was cut, distances halve. */
		d->processed += fabs(
			(was0 - was->logprob[k]) / 2 - (now0 - now->cand_logprob[c]));
		d->spread += was0 - was->logprob[k];
		d->n++;
	}
}

/* Numbers of one distribution are the same but for rounding, and for what batching
 * does to it; a server that gives others by far fits neither. */
#define FITS 0.05        /* nat a candidate, */
#define FITS_OF_ALL 0.02 /* and this part of the distances */
#define FITS_BETTER 4
#define TELLING 0.2 /* nat between candidates, that a temperature would halve */

static enum job_logprobs_mode compare(
	const struct questions *q, const struct rows *rows)
{
	struct distance d = {0};
	double limit;

	/* As long as the same was said before. */
	for (uint32_t i = 0; i < q->n_kept && i < rows->n; i++) {
		add_row(&d, &q->kept[i], rows, i);
		if (q->kept[i].sampled == NO_KEY ||
			q->kept[i].sampled != sampled_key(rows, i))
			break;
	}
	limit = FITS * d.n + FITS_OF_ALL * d.spread;
	if (d.n < 2 || d.spread < TELLING * d.n)
		return JOB_MODE_UNKNOWN;
	if (d.raw <= limit && d.raw * FITS_BETTER < d.processed)
		return JOB_MODE_RAW;
	if (d.processed <= limit && d.processed * FITS_BETTER < d.raw)
		return JOB_MODE_PROCESSED;
	return JOB_MODE_UNKNOWN;
}

static bool tells_bytes(const struct rows *rows)
{
	struct bytes unused;

	/* The end token shows nothing, to llama.cpp's clients. */
	for (uint32_t i = 0; i < rows->n; i++)
		if (!rows_token(rows, i, &unused) && !rows_shows_nothing(rows, i))
			return false;
	return true;
}

void questions_learn(struct questions *q, const struct answer *a)
{
	struct verdict *v = &q->verdict;
	const struct rows *rows = &a->rows;

	if (a->model.present && !v->model[0])
		text_escape(a->model.text.data, a->model.text.len, v->model,
			sizeof(v->model));
	v->reasoning = v->reasoning || a->reasoning.present;
	v->prompt_ids = v->prompt_ids || a->prompt_token_ids.present;
	if (v->wanted == 0 || rows->n == 0)
		return;
	v->drafts = v->drafts || a->misaligned == MISALIGNED_DRAFT;
	v->ids = (v->n_rows == 0 || v->ids) && tokens_have_ids(rows);
	v->bytes = (v->n_rows == 0 || v->bytes) && tells_bytes(rows);
	if (v->n_rows == 0)
		v->least = UINT32_MAX;
	for (uint32_t i = 0; i < rows->n; i++) {
		uint32_t n = rows->first[i + 1] - rows->first[i];

		v->least = n < v->least ? n : v->least;
		v->most = n > v->most ? n : v->most;
		v->n_outside += n > 0 && rows->rank[i] == ROWS_RANK_OUTSIDE;
	}
	v->n_rows += rows->n;
	if (v->n_outside > 0 || v->most > v->k)
		v->crowds = VERDICT_NO;
}

/* By an answer with k = 1. If the list is the most likely token's, all of those that
 * were sampled were the most likely ones, of which the chance is the product of their
 * probabilities; 1 in 20 is not believed. */
#define TOO_LUCKY 3.0

static enum verdict_known crowds(const struct rows *rows)
{
	double luck = 0;

	for (uint32_t i = 0; i < rows->n; i++) {
		uint32_t n = rows->first[i + 1] - rows->first[i];

		if (n > 1 || rows->rank[i] == ROWS_RANK_OUTSIDE)
			return VERDICT_NO;
		if (n == 0 || rows->rank[i] != 0 || isnan(rows->logprob[i]))
			return VERDICT_UNKNOWN;
		luck -= rows->logprob[i];
	}
	return luck >= TOO_LUCKY ? VERDICT_YES : VERDICT_UNKNOWN;
}

/* Does some row have more than k? */
static bool has_more(const struct rows *rows, uint32_t k)
{
	for (uint32_t i = 0; i < rows->n; i++)
		if (rows->first[i + 1] - rows->first[i] > k)
			return true;
	return false;
}

static void accepted(struct questions *q, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	v->k = v->ask = q->now.k;
	v->n_rows = v->least = v->most = v->n_outside = 0;
	v->crowds = VERDICT_UNKNOWN;
	v->drafts = false;
	q->n_kept = 0;
	if (!answer)
		return;
	questions_learn(q, answer);
	keep_rows(q, &answer->rows);
	if (q->only_score && answer->rows.n > 0)
		v->scores = VERDICT_YES;
}

/* What is asked next, once the largest k is known. */
static int behind(const struct questions *q, int phase)
{
	const struct verdict *v = &q->verdict;
	bool lists = v->k > 0 && v->n_rows > 0 && !q->only_score;

	if (phase < WARM && q->warm && q->n_kept > 0)
		return WARM;
	if (phase < CROWD && lists && v->crowds == VERDICT_UNKNOWN)
		return CROWD;
	if (phase < MORE && v->crowds == VERDICT_YES && v->k == v->wanted &&
		v->k < LIMIT_TOP_K)
		return MORE;
	if (phase < SCORE && lists && q->can_score)
		return SCORE;
	return ENOUGH;
}

static void take_k(
	struct questions *q, enum question_end end, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	if (end == QUESTION_REFUSED)
		q->refused_k = q->now.k;
	else
		accepted(q, answer);
	/* Refused without logprobs, too; or the least of them, and not without. */
	if (q->refused_k == 0)
		q->phase = ENOUGH;
	if (q->refused_k != v->k + 1 || (v->k == 0 && q->now.k != 0))
		return;
	v->known = true;
	q->phase = behind(q, FIND_K);
}

/* With other rows than those that the verdict is about. */
static void learn_besides(struct questions *q, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	if (q->phase == PLAIN) {
		questions_learn(q, answer);
	} else if (q->phase == CROWD) {
		v->crowds = crowds(&answer->rows);
	} else if (q->phase == MORE) {
		if (has_more(&answer->rows, v->k))
			v->ask = v->k + 1;
	} else if (q->phase == SCORE) {
		v->scores = answer->rows.n > 0 ? VERDICT_YES : VERDICT_NO;
	}
}

void questions_take(
	struct questions *q, enum question_end end, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	v->refused += end == QUESTION_REFUSED;
	if (end == QUESTION_FAILED) {
		q->phase = ENOUGH;
		return;
	}
	if (q->phase == FIND_K) {
		take_k(q, end, answer);
		return;
	}
	if (end == QUESTION_REFUSED && q->phase == SCORE)
		v->scores = VERDICT_NO;
	if (end == QUESTION_ANSWERED && q->phase == WARM) {
		if (answer->rows.n > 0)
			v->mode = compare(q, &answer->rows);
		questions_learn(q, answer);
	} else if (end == QUESTION_ANSWERED) {
		learn_besides(q, answer);
	}
	q->phase = behind(q, q->phase);
}

struct bytes questions_messages(bool prefill)
{
	static const char plain[] =
		"[{\"role\":\"user\",\"content\":\"Name any animal, plant or place.\"}]";
	static const char begun[] =
		"[{\"role\":\"user\",\"content\":\"Name any animal, plant or place.\"},"
		"{\"role\":\"assistant\",\"content\":\"I name\"}]";

	return prefill ? bytes_of(begun, sizeof(begun) - 1)
		       : bytes_of(plain, sizeof(plain) - 1);
}

struct bytes questions_scored(void)
{
	/* Every vocabulary has them. */
	static const char ids[] =
		"{\"input_ids\":[100,101,102,103,104,105,106,107,108,109,110,111],"
		"\"prompt_len\":1}";

	return bytes_of(ids, sizeof(ids) - 1);
}

struct job_sampling questions_sampling(
	const struct question *question, const struct job_sampling *job)
{
	int64_t most = job->max_tokens;

	return (struct job_sampling){.n = 1,
		.n_per_request = 1,
		.temperature = question->temperature,
		.top_p = (double)NAN,
		.top_k = JOB_UNSET_INT,
		.min_p = (double)NAN,
		.presence_penalty = (double)NAN,
		.repetition_penalty = (double)NAN,
		.max_tokens = job_has_int(most) && most < QUESTION_TOKENS
				      ? most
				      : QUESTION_TOKENS,
		.seed = JOB_UNSET_INT};
}
