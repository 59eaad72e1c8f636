/* SPDX-License-Identifier: Apache-2.0 */
/* What a few questions show of servers whose ways are known. */
#include "unit/unit.h"

#include <math.h>

#include "worker/questions.h"

#define V 64
#define N 6

/* A server, and how it answers. */
struct server {
	uint32_t cap;      /* larger k are refused */
	uint32_t entries;  /* it gives at most so many, whatever it accepts */
	bool refuses_all;  /* with or without logprobs */
	bool processed;    /* after temperature, */
	double noise;      /* and never twice the same, by so much */
	bool no_ids, adds; /* the sampled token to its list, */
	bool crowds;       /* or in place of the last one */
	bool sure;         /* always says the most likely */
	bool scores;
	bool other_words;    /* at another temperature, from the third token on */
	double scale_at_two; /* of logprobs; 0: as they should be */
	bool drafts, no_rows;
	enum question_end ends; /* all questions, if not ANSWERED */
};

static struct answer a;
static struct questions q;
static bool can_score;
static char why[VERDICT_WHY];

static double logit(uint32_t row, uint32_t id)
{
	return -(double)((id * 37 + row * 11) % V) / 4;
}

static double logprob(const struct server *s, double t, uint32_t row, uint32_t id)
{
	static double sum, sum_at;
	static uint32_t sum_row;
	double at = s->processed ? t : 1;

	/* Once a row, not once a candidate. */
	if (sum_at != at || sum_row != row) {
		sum = 0;
		sum_at = at;
		sum_row = row;
		for (uint32_t i = 0; i < V; i++)
			sum += exp(logit(row, i) / at);
	}
	return logit(row, id) / at - log(sum);
}

static void add_candidate(const struct server *s, double lp, uint32_t id)
{
	struct rows *r = &a.rows;

	rows_grow_candidates(r);
	r->cand_id[r->m] = s->no_ids ? TOKEN_ID_UNKNOWN : id;
	r->cand_logprob[r->m] = lp;
	r->cand_at[r->m] = (uint32_t)r->pool.len;
	r->cand_len[r->m] = 3;
	buf_printf(&r->pool, "t%02u", id);
	r->first[r->n] = ++r->m;
}

static void add_row(const struct server *s, const struct question *ask, uint32_t row)
{
	struct rows *r = &a.rows;
	uint32_t k = ask->k < s->entries ? ask->k : s->entries;
	/* The last of all: outside of most lists. */
	uint32_t sampled = s->other_words && ask->temperature > 1 && row >= 2 ? 1 : 63;

	while (s->sure && (sampled * 37 + row * 11) % V != 0)
		sampled--;

	rows_grow(r);
	r->id[r->n] = s->no_ids ? TOKEN_ID_UNKNOWN : sampled;
	r->token_at[r->n] = (uint32_t)r->pool.len;
	r->token_len[r->n] = 3;
	buf_printf(&r->pool, "t%02u", sampled);
	r->logprob[r->n] = logprob(s, ask->temperature, row, sampled);
	r->first[r->n] = r->first[r->n + 1] = r->m;
	r->n++;
	if (s->crowds)
		k--;
	for (uint32_t place = 0; place < k; place++) {
		uint32_t id = 0;
		double lp;

		while ((id * 37 + row * 11) % V != place)
			id++;
		lp = logprob(
			s, isnan(ask->temperature) ? 1 : ask->temperature, row, id);
		if (ask->temperature > 1 && s->scale_at_two > 0)
			lp *= s->scale_at_two;
		add_candidate(s,
			lp + (ask->temperature > 1 ? s->noise * (place % 2) : 0), id);
	}
	if (s->adds || s->crowds)
		add_candidate(s, r->logprob[r->n - 1], sampled);
}

static enum question_end ask_server(const struct server *s, const struct question *ask)
{
	if (s->ends != QUESTION_ANSWERED)
		return s->ends;
	if (s->refuses_all || ask->k > s->cap || (ask->score && !s->scores))
		return QUESTION_REFUSED;
	answer_clear(&a);
	if (ask->k > 0 && !s->no_rows) {
		for (uint32_t i = 0; i < N; i++)
			add_row(s, ask, i);
		(void)rows_normalise(&a.rows, ask->k);
	}
	a.misaligned = s->drafts ? MISALIGNED_DRAFT : MISALIGNED_NONE;
	a.prompt_token_ids.present = true;
	return QUESTION_ANSWERED;
}

static struct job job_of(uint32_t k)
{
	return (struct job){.top_logprobs = k,
		.logits_required = true,
		.sampling = {.temperature = 0.7,
			.top_p = (double)NAN,
			.min_p = (double)NAN,
			.top_k = JOB_UNSET_INT,
			.max_tokens = 100}};
}

static const struct verdict *ask_all(const struct server *s, const struct job *job)
{
	struct question ask;

	questions_begin(&q, job, can_score);
	for (unsigned n = 0; questions_next(&q, &ask); n++) {
		enum question_end end = ask_server(s, &ask);

		assert_true(n < 40);
		assert_true(ask.k <= (uint32_t)job->top_logprobs + 1);
		questions_take(&q, end, end == QUESTION_ANSWERED ? &a : NULL);
	}
	assert_false(questions_next(&q, &ask));
	return &q.verdict;
}

static void finds_the_largest_k(void **state)
{
	(void)state;
	for (uint32_t wanted = 1; wanted < 70; wanted++)
		for (uint32_t cap = 0; cap < 75; cap++) {
			struct server s = {.cap = cap, .entries = V};
			struct job job = job_of(wanted);
			const struct verdict *v = ask_all(&s, &job);

			assert_true(v->known);
			assert_int_equal(v->k, cap < wanted ? cap : wanted);
			assert_true(v->asked <= 11);
			assert_int_equal(v->ask, v->k);
			/* Once all are listed, it is asked whether always. */
			if (cap >= wanted)
				assert_int_equal(v->asked, v->n_outside > 0 ? 2 : 3);
			if (cap == 20 && wanted > 21)
				assert_int_equal(v->asked, v->n_outside > 0 ? 4 : 5);
		}
}

static void unknown_where_the_fault_is_elsewhere(void **state)
{
	static const struct server servers[] = {
		{.refuses_all = true}, {.ends = QUESTION_FAILED}};
	const struct job_teacher teacher = {.name = (char[]){"t"}};
	struct job job = job_of(8);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct verdict *v = ask_all(&servers[i], &job);

		assert_false(v->known);
		assert_false(verdict_contradicts(v, &job, &teacher, why));
		verdict_text(v, why);
		assert_string_equal(why, "logprobs unknown");
	}
}

static void tells_raw_from_processed(void **state)
{
	static const struct {
		struct server s;
		enum job_logprobs_mode mode;
	} cases[] = {
		{{.cap = 99, .entries = V}, JOB_MODE_RAW},
		{{.cap = 99, .entries = V, .processed = true}, JOB_MODE_PROCESSED},
		{{.cap = 99, .entries = V, .no_ids = true}, JOB_MODE_RAW},
		{{.cap = 99, .entries = V, .no_ids = true, .processed = true},
			JOB_MODE_PROCESSED},
		{{.cap = 99, .entries = V, .other_words = true}, JOB_MODE_RAW},
		{{.cap = 99, .entries = V, .noise = 0.03}, JOB_MODE_RAW},
		{{.cap = 99, .entries = V, .noise = 1.5}, JOB_MODE_UNKNOWN},
		{{.cap = 99, .entries = V, .scale_at_two = 0.75}, JOB_MODE_UNKNOWN},
		{{.cap = 99, .entries = 1}, JOB_MODE_UNKNOWN}, /* nothing to compare */
		{{.cap = 99, .entries = 1, .processed = true}, JOB_MODE_UNKNOWN},
	};
	struct job job = job_of(8);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ask_all(&cases[i].s, &job)->mode, cases[i].mode);
	/* Nothing is said about the temperature, and nothing is learned. */
	job.sampling.temperature = (double)NAN;
	assert_int_equal(ask_all(&cases[0].s, &job)->mode, JOB_MODE_UNKNOWN);
	assert_int_equal(q.verdict.asked, 1);
	assert_true(isnan(q.now.temperature));
}

static void says_what_is_given(void **state)
{
	struct server s = {.cap = 5, .entries = V, .adds = true};
	struct job job = job_of(8);
	const struct verdict *v = ask_all(&s, &job);

	(void)state;
	assert_int_equal(v->n_outside, 0);
	assert_int_equal(v->most, 6);
	assert_int_equal(verdict_gives(v), 5);
	verdict_text(v, why);
	assert_string_equal(
		why, "k=5 entries=6 ids bytes raw sampled-listed prompt-ids");
	s = (struct server){.cap = 20, .entries = 4, .no_ids = true, .drafts = true};
	v = ask_all(&s, &job);
	assert_int_equal(v->k, 8);
	assert_int_equal(verdict_gives(v), 4);
	verdict_text(v, why);
	assert_string_equal(why, "k=8 entries=4 no-ids bytes raw "
				 "sampled-not-always-listed prompt-ids drafts");
	/* Accepted and ignored, or unreadable. */
	s = (struct server){.cap = 20, .no_rows = true};
	assert_int_equal(verdict_gives(ask_all(&s, &job)), 0);
	verdict_text(&q.verdict, why);
	assert_string_equal(why, "no logprobs prompt-ids");
	s = (struct server){.ends = QUESTION_UNREADABLE};
	assert_true(ask_all(&s, &job)->known);
	assert_int_equal(q.verdict.n_rows, 0);
	/* Another answer says more. */
	s = (struct server){.cap = 20, .entries = V};
	assert_int_equal(
		ask_server(&s, &(struct question){8, 1, false}), QUESTION_ANSWERED);
	questions_learn(&q, &a);
	assert_int_equal(verdict_gives(&q.verdict), 8);
	/* Nothing is asked for but the rest. */
	job.top_logprobs = 0;
	assert_int_equal(ask_all(&s, &job)->asked, 1);
	assert_true(q.verdict.prompt_ids && q.verdict.k == 0);
	s.refuses_all = true;
	assert_int_equal(ask_all(&s, &job)->asked, 1);
	assert_int_equal(q.verdict.refused, 1);
}

/* The sampled token takes a place: one more gives it back, if that is accepted. */
static void asks_for_one_more(void **state)
{
	struct server s = {.cap = 20, .entries = V, .crowds = true};
	struct job job = job_of(8);
	const struct verdict *v = ask_all(&s, &job);

	(void)state;
	assert_int_equal(v->crowds, VERDICT_YES);
	assert_int_equal(v->k, 8);
	assert_int_equal(v->ask, 9);
	assert_int_equal(v->asked, 4);
	assert_int_equal(verdict_asks(v, (uint32_t)job.top_logprobs), 9);
	verdict_text(v, why);
	assert_non_null(strstr(why, "sampled-listed sampled-takes-a-place"));
	/* At its cap the server refuses it. */
	job = job_of(20);
	v = ask_all(&s, &job);
	assert_int_equal(v->ask, 20);
	assert_int_equal(v->refused, 1);
	assert_int_equal(verdict_asks(v, (uint32_t)job.top_logprobs), 20);
	/* Below the job's k it need not be tried. */
	job = job_of(21);
	v = ask_all(&s, &job);
	assert_int_equal(v->ask, 20);
	assert_int_equal(v->crowds, VERDICT_YES);
	/* Lists of one candidate. */
	job = job_of(1);
	assert_int_equal(ask_all(&s, &job)->ask, 2);
	/* What lists the sampled token besides, or leaves it out, has all k. */
	s = (struct server){.cap = 99, .entries = V, .adds = true};
	job = job_of(8);
	assert_int_equal(ask_all(&s, &job)->ask, 8);
	s = (struct server){.cap = 99, .entries = V};
	job = job_of(V); /* all of them are listed, but for k = 1 */
	assert_int_equal(ask_all(&s, &job)->crowds, VERDICT_NO);
	assert_int_equal(q.verdict.ask, V);
	/* The most likely token each time: no luck where it is nearly certain, and not
	 * believed where it is not. */
	s.sure = true;
	assert_int_equal(ask_all(&s, &job)->crowds, VERDICT_YES);
	assert_int_equal(q.verdict.ask, V); /* there are no more */
	s.processed = true;
	s.ends = QUESTION_UNREADABLE;
	assert_int_equal(ask_all(&s, &job)->crowds, VERDICT_UNKNOWN);
}

static void asks_for_scores(void **state)
{
	struct server s = {.cap = 20, .entries = V};
	struct job job = job_of(8);

	(void)state;
	can_score = true;
	assert_int_equal(ask_all(&s, &job)->scores, VERDICT_NO);
	assert_int_equal(q.verdict.refused, 1);
	s.scores = true;
	assert_int_equal(ask_all(&s, &job)->scores, VERDICT_YES);
	assert_true(q.now.score && isnan(q.now.temperature));
	assert_int_equal(q.now.k, 8);
	assert_int_equal(q.verdict.refused, 0);
	/* Of a job that only scores, all is asked so: how many candidates, no more. */
	can_score = false;
	job.task = JOB_TASK_SCORE;
	job.top_logprobs = 30;
	assert_int_equal(ask_all(&s, &job)->k, 20);
	assert_int_equal(q.verdict.scores, VERDICT_YES);
	assert_true(q.now.score);
	s.scores = false;
	assert_false(ask_all(&s, &job)->known);
	assert_int_equal(q.verdict.scores, VERDICT_UNKNOWN);
}

static bool contradicts(const struct server *s, const struct job *job, int64_t mode)
{
	const struct job_teacher teacher = {
		.name = (char[]){"t"}, .logprobs_mode = mode};

	return verdict_contradicts(ask_all(s, job), job, &teacher, why);
}

static void says_what_to_do(void **state)
{
	const struct server full = {.cap = 99, .entries = V},
			    warm = {.cap = 99, .entries = V, .processed = true},
			    less = {.cap = 5, .entries = V},
			    fewer = {.cap = 99, .entries = 5},
			    cut = {.cap = 99, .entries = 5, .processed = true},
			    drafted = {.cap = 99, .entries = V, .drafts = true},
			    none = {.cap = 0}, silent = {.cap = 99, .no_rows = true};
	struct job job = job_of(8);

	(void)state;
	assert_false(contradicts(&full, &job, JOB_MODE_UNKNOWN));
	assert_false(contradicts(&full, &job, JOB_MODE_RAW));
	assert_false(contradicts(&warm, &job, JOB_MODE_PROCESSED));
	assert_true(contradicts(&full, &job, JOB_MODE_PROCESSED));
	assert_non_null(strstr(why, "logprobs_mode to \"raw\""));
	assert_true(contradicts(&warm, &job, JOB_MODE_RAW));
	assert_non_null(strstr(why, "logprobs_mode to \"processed\""));
	assert_true(contradicts(&less, &job, JOB_MODE_UNKNOWN));
	assert_non_null(strstr(why, "set it to 5,"));
	assert_true(contradicts(&fewer, &job, JOB_MODE_UNKNOWN));
	assert_true(contradicts(&cut, &job, JOB_MODE_UNKNOWN));
	assert_true(contradicts(&none, &job, JOB_MODE_UNKNOWN));
	assert_non_null(strstr(why, "gives none"));
	assert_true(contradicts(&silent, &job, JOB_MODE_UNKNOWN));
	/* The job's own cuts shorten such lists, and no others. */
	job.sampling.top_k = 5;
	assert_false(contradicts(&cut, &job, JOB_MODE_UNKNOWN));
	assert_true(contradicts(&fewer, &job, JOB_MODE_UNKNOWN));
	assert_true(contradicts(&less, &job, JOB_MODE_UNKNOWN));
	job.logits_required = false;
	assert_false(contradicts(&less, &job, JOB_MODE_UNKNOWN));
	assert_true(contradicts(&warm, &job, JOB_MODE_RAW));
	assert_false(contradicts(&drafted, &job, JOB_MODE_UNKNOWN));
	job.logits_required = true;
	assert_true(contradicts(&drafted, &job, JOB_MODE_UNKNOWN));
	assert_non_null(strstr(why, "speculatively"));
}

static void the_job_may_say_less(void **state)
{
	struct job job = job_of(8);
	struct question ask = {8, 2, false};
	struct job_sampling s = questions_sampling(&ask, &job.sampling);

	(void)state;
	assert_int_equal(s.max_tokens, QUESTION_TOKENS);
	assert_true(s.temperature == 2 && isnan(s.top_p) && !job_has_int(s.top_k));
	job.sampling.max_tokens = 3;
	assert_int_equal(questions_sampling(&ask, &job.sampling).max_tokens, 3);
	job.sampling.max_tokens = JOB_UNSET_INT;
	assert_int_equal(
		questions_sampling(&ask, &job.sampling).max_tokens, QUESTION_TOKENS);
}

static int release(void **state)
{
	(void)state;
	answer_release(&a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_largest_k),
		cmocka_unit_test(unknown_where_the_fault_is_elsewhere),
		cmocka_unit_test(tells_raw_from_processed),
		cmocka_unit_test(says_what_is_given),
		cmocka_unit_test(asks_for_one_more),
		cmocka_unit_test(asks_for_scores),
		cmocka_unit_test(says_what_to_do),
		cmocka_unit_test(the_job_may_say_less),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
