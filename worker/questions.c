/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/questions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "worker/tokens.h"

enum { FIND_K, WARM, ENOUGH };

void questions_begin(struct questions *q, const struct job *job)
{
	uint32_t k = (uint32_t)job->top_logprobs;

	*q = (struct questions){
		.phase = k > 0 && job->task != JOB_TASK_SCORE ? FIND_K : ENOUGH,
		.refused_k = k + 1,
		.warm = job_has_real(job->sampling.temperature),
		.verdict = {.wanted = k, .mode = LOGPROBS_UNKNOWN}};
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

bool questions_next(struct questions *q, struct question *out)
{
	const struct verdict *v = &q->verdict;

	if (q->phase == ENOUGH)
		return false;
	q->now.temperature = q->warm ? (q->phase == WARM ? 2 : 1) : (double)NAN;
	if (q->phase == WARM)
		q->now.k = v->k;
	else if (q->refused_k > v->wanted)
		q->now.k = v->wanted;
	else
		q->now.k = guess(v->k, q->refused_k);
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

static enum logprobs_mode compare(const struct questions *q, const struct rows *rows)
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
		return LOGPROBS_UNKNOWN;
	if (d.raw <= limit && d.raw * FITS_BETTER < d.processed)
		return LOGPROBS_RAW;
	if (d.processed <= limit && d.processed * FITS_BETTER < d.raw)
		return LOGPROBS_PROCESSED;
	return LOGPROBS_UNKNOWN;
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
}

static void accepted(struct questions *q, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	v->k = q->now.k;
	v->n_rows = v->least = v->most = v->n_outside = 0;
	v->drafts = false;
	q->n_kept = 0;
	if (!answer)
		return;
	questions_learn(q, answer);
	keep_rows(q, &answer->rows);
}

/* Is the largest k known now? */
static void narrow(struct questions *q)
{
	struct verdict *v = &q->verdict;

	/* Refused without logprobs, too; or the least of them, and not without. */
	if (q->refused_k == 0)
		q->phase = ENOUGH;
	if (q->refused_k != v->k + 1 || (v->k == 0 && q->now.k != 0))
		return;
	v->known = true;
	q->phase = q->warm && q->n_kept > 0 ? WARM : ENOUGH;
}

void questions_take(
	struct questions *q, enum question_end end, const struct answer *answer)
{
	struct verdict *v = &q->verdict;

	v->refused += end == QUESTION_REFUSED;
	if (end == QUESTION_FAILED) {
		q->phase = ENOUGH;
	} else if (q->phase == WARM) {
		q->phase = ENOUGH;
		if (end != QUESTION_ANSWERED)
			return;
		if (answer->rows.n > 0)
			v->mode = compare(q, &answer->rows);
		questions_learn(q, answer);
	} else {
		if (end == QUESTION_REFUSED)
			q->refused_k = q->now.k;
		else
			accepted(q, answer);
		narrow(q);
	}
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

uint32_t verdict_gives(const struct verdict *v)
{
	return v->most < v->k ? v->most : v->k;
}

void verdict_text(const struct verdict *v, char *out, size_t size)
{
	char entries[64] = "", k[16] = "?";

	if (v->wanted == 0) {
		snprintf(out, size, "no logprobs wanted%s%s",
			v->reasoning ? " reasoning" : "",
			v->prompt_ids ? " prompt-ids" : "");
		return;
	}
	if (v->n_rows == 0) {
		snprintf(out, size, "%s%s%s",
			v->known ? "no logprobs" : "logprobs unknown",
			v->reasoning ? " reasoning" : "",
			v->prompt_ids ? " prompt-ids" : "");
		return;
	}
	if (v->least == v->most)
		snprintf(entries, sizeof(entries), "%" PRIu32, v->most);
	else
		snprintf(entries, sizeof(entries), "%" PRIu32 "-%" PRIu32, v->least,
			v->most);
	if (v->known)
		snprintf(k, sizeof(k), "%" PRIu32, v->k);
	snprintf(out, size, "k=%s entries=%s %s %s %s %s%s%s%s", k, entries,
		v->ids ? "ids" : "no-ids", v->bytes ? "bytes" : "bytes-incomplete",
		v->mode == LOGPROBS_UNKNOWN ? "mode-unknown"
					    : logprobs_mode_name(v->mode),
		v->n_outside > 0 ? "sampled-not-always-listed" : "sampled-listed",
		v->reasoning ? " reasoning" : "", v->prompt_ids ? " prompt-ids" : "",
		v->drafts ? " drafts" : "");
}

/* Whether the job itself leaves fewer candidates than it asks for. */
static bool job_cuts(const struct job *job, const struct job_teacher *teacher)
{
	const struct job_sampling *s = &job->sampling;

	return job_has_int(s->top_k) || job_has_real(s->min_p) ||
	       (job_has_real(s->top_p) && s->top_p < 1) ||
	       json_object_size(teacher->extra_body) > 0;
}

static bool gives_too_few(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher)
{
	if (!v->known || !job->logits_required || verdict_gives(v) >= v->wanted)
		return false;
	return v->k < v->wanted || v->most == 0 || v->mode == LOGPROBS_RAW ||
	       !job_cuts(job, teacher);
}

bool verdict_contradicts(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher, char *why, size_t size)
{
	uint32_t gives = verdict_gives(v);

	if (gives_too_few(v, job, teacher)) {
		if (gives == 0)
			snprintf(why, size,
				"logits.top_logprobs asks for %" PRIu32
				" candidates a token, and "
				"this endpoint gives none: set it to 0, or logits.required to "
				"false",
				v->wanted);
		else
			snprintf(why, size,
				"logits.top_logprobs asks for %" PRIu32
				" candidates a token, and "
				"this endpoint gives %" PRIu32
				" at most: set it to %" PRIu32
				", or logits.required to false",
				v->wanted, gives, gives);
		return true;
	}
	if ((v->mode == LOGPROBS_RAW && teacher->logprobs_mode == JOB_MODE_PROCESSED) ||
		(v->mode == LOGPROBS_PROCESSED &&
			teacher->logprobs_mode == JOB_MODE_RAW)) {
		const char *is = logprobs_mode_name(v->mode);

		snprintf(why, size,
			"teacher '%s' is declared to give %s logprobs, and this endpoint's "
			"are %s: set its logprobs_mode to \"%s\"",
			teacher->name, v->mode == LOGPROBS_RAW ? "processed" : "raw",
			v->mode == LOGPROBS_RAW
				? "raw (the same at temperature 1 and 2)"
				: "processed (after temperature)",
			is);
		return true;
	}
	return false;
}
