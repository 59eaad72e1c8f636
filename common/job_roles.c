/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked for samples, and who scores them. */
#include <stdio.h>
#include <string.h>

#include "common/job_keys.h"

static bool is_scorer(const struct job *job, size_t teacher)
{
	return job->teacher[teacher].role == JOB_ROLE_SCORE;
}

size_t job_n_scorers(const struct job *job)
{
	size_t n = 0;

	for (size_t t = 0; t < job->n_teachers; t++)
		n += is_scorer(job, t);
	return n;
}

size_t job_n_samplers(const struct job *job)
{
	return job->n_teachers - job_n_scorers(job);
}

/* The i-th teacher of a role; the first teacher if there is none. */
static size_t find(const struct job *job, bool scorer, size_t i)
{
	for (size_t t = 0; t < job->n_teachers; t++)
		if (is_scorer(job, t) == scorer && i-- == 0)
			return t;
	return 0;
}

size_t job_sampler(const struct job *job, uint32_t sample)
{
	size_t n = job_n_samplers(job);

	return n > 0 ? find(job, false, sample % n) : 0;
}

size_t job_scorer(const struct job *job, size_t i)
{
	return find(job, true, i);
}

bool job_teacher_scores(const struct job *job, size_t teacher)
{
	return job->task == JOB_TASK_SCORE || is_scorer(job, teacher);
}

static bool differs(const struct job_teacher *a, const struct job_teacher *b)
{
	return a->tokenizer_digest != 0 && b->tokenizer_digest != 0 &&
	       a->tokenizer_digest != b->tokenizer_digest;
}

static bool has_other_tokenizer(const struct job *job, size_t scorer)
{
	for (size_t t = 0; t < job->n_teachers; t++)
		if (!is_scorer(job, t) &&
			differs(&job->teacher[scorer], &job->teacher[t]))
			return true;
	return false;
}

enum err_code job_tokenizers_agree(
	const char *path, const struct job *job, struct err *err)
{
	char place[1024], key[64];

	for (size_t i = 0; i < job->n_teachers; i++) {
		if (!is_scorer(job, i) || !has_other_tokenizer(job, i))
			continue;
		snprintf(key, sizeof(key), "teachers[%zu].tokenizer", i);
		job_place(path, key, place, sizeof(place));
		return err_set(err, ERR_INVALID,
			"%s: %s: is another than that of the teachers whose samples "
			"'%s' is to score, so that the same ids are other tokens",
			place, key, job->teacher[i].name);
	}
	return ERR_NONE;
}

int64_t job_teacher_k(const struct job *job, size_t teacher)
{
	const struct job_teacher *t = &job->teacher[teacher];

	return is_scorer(job, teacher) && job_has_int(t->top_logprobs)
		       ? t->top_logprobs
		       : job->top_logprobs;
}

static bool complain(struct job_reader *r, size_t i, const char *key, const char *why,
	const struct job_teacher *t)
{
	char path[64];

	snprintf(path, sizeof(path), "teachers[%zu].%s", i, key);
	return job_complain(r, path, "teacher '%s' %s", t->name, why);
}

static bool scorer_is_consistent(struct job_reader *r, const struct job *job, size_t i)
{
	const struct job_teacher *t = &job->teacher[i];

	if (job->task == JOB_TASK_SCORE)
		return complain(r, i, "role",
			"needs no role where mode is score: every teacher scores", t);
	if (!job_api_scores(t->api))
		return complain(r, i, "role",
			"cannot score by its api; completions (of vLLM), sglang and trl can",
			t);
	if (job_teacher_k(job, i) == 0)
		return complain(r, i, "role",
			"is asked for no candidates; say how many a token in its "
			"logits.top_logprobs",
			t);
	if (t->stream == JOB_STREAM_YES)
		return complain(r, i, "stream",
			"only scores, and scores do not come as a stream; leave this out",
			t);
	return true;
}

/* What is to be scored are token ids, so that a sampler must tell them. */
static bool sampler_is_consistent(struct job_reader *r, const struct job *job, size_t i)
{
	const struct job_teacher *t = &job->teacher[i];

	if (!job_api_tells_ids(t->api))
		return complain(r, i, "api",
			"gives no token ids by this api, and without them nobody can "
			"score what it says; openai-chat and completions (of vLLM), sglang "
			"and llamacpp do",
			t);
	if (t->server == SERVER_OPENAI || t->server == SERVER_OLLAMA ||
		t->server == SERVER_TRTLLM)
		return complain(r, i, "server",
			"gives no token ids, and without them nobody can score what it "
			"says",
			t);
	return true;
}

bool job_roles_are_consistent(struct job_reader *r, const struct job *job)
{
	size_t n = job_n_scorers(job);

	for (size_t i = 0; i < job->n_teachers; i++)
		if (!is_scorer(job, i) && job_has_int(job->teacher[i].top_logprobs))
			return complain(r, i, "logits.top_logprobs",
				"samples, and the job's own logits say what it is asked for; "
				"this is for role score",
				&job->teacher[i]);
	if (n == 0)
		return true;
	if (n > JOB_SCORERS_MAX)
		return job_complain(r, "teachers", "have more than %d of role score",
			JOB_SCORERS_MAX);
	for (size_t i = 0; i < job->n_teachers; i++)
		if (is_scorer(job, i) && !scorer_is_consistent(r, job, i))
			return false;
	if (n == job->n_teachers)
		return job_complain(r, "teachers",
			"all have role score, so that nobody says what they could score; "
			"to score what the corpus has, set mode to score");
	for (size_t i = 0; i < job->n_teachers; i++)
		if (!is_scorer(job, i) && !sampler_is_consistent(r, job, i))
			return false;
	return true;
}
