/* SPDX-License-Identifier: Apache-2.0 */
/* What answers add to the calibration: rows of a distribution that is known. */
#include "unit/unit.h"

#include <math.h>

#include "worker/calibrate.h"

#define K 4
#define V 12 /* ids; their chances fall by half */

static struct answer a;
static struct chance chance;

static double chance_of(unsigned id)
{
	double sum = 0;

	for (unsigned i = 0; i < V; i++)
		sum += pow(0.5, i);
	return pow(0.5, id) / sum;
}

/* Drawn at the temperature T. */
static unsigned draw(double t)
{
	double sum = 0, u = (double)(chance_next(&chance) >> 11) * 0x1p-53;

	for (unsigned i = 0; i < V; i++)
		sum += pow(chance_of(i), 1 / t);
	for (unsigned i = 0; i < V; i++) {
		double p = pow(chance_of(i), 1 / t) / sum;

		if (u < p)
			return i;
		u -= p;
	}
	return V - 1;
}

static void add_candidate(uint32_t id)
{
	struct rows *r = &a.rows;

	rows_grow_candidates(r);
	r->cand_id[r->m] = id;
	r->cand_logprob[r->m] = log(chance_of(id));
	r->cand_at[r->m] = 0;
	r->cand_len[r->m] = TOKEN_BYTES_UNKNOWN;
	r->first[r->n] = ++r->m;
}

/* `forced`: the sampled token takes the last place if it is not among the first. */
static void add_row(uint32_t id, uint32_t k, bool forced)
{
	struct rows *r = &a.rows;

	rows_grow(r);
	r->id[r->n] = id;
	r->logprob[r->n] = log(chance_of(id));
	r->token_at[r->n] = 0;
	r->token_len[r->n] = TOKEN_BYTES_UNKNOWN;
	r->first[r->n] = r->first[r->n + 1] = r->m;
	r->n++;
	for (uint32_t i = 0; i + 1 < k; i++)
		add_candidate(i);
	if (k > 0)
		add_candidate(forced && id >= k ? id : k - 1);
}

static const struct calibrate_terms plain = {CALIBRATION_APPLIES, 1};

static struct calibration sums_of(
	const struct calibrate_terms *terms, uint32_t k, enum eos_row eos)
{
	struct calibration c = {0};

	assert_int_equal(rows_normalise(&a.rows, k).reason, REASON_NONE);
	calibrate_add(&c, terms, &a, k, eos);
	return c;
}

static void begin(void)
{
	answer_clear(&a);
	a.has_rows = true;
	a.finish = FINISH_STOP;
}

#define NANO(x) ((uint64_t)llround((x)*1e9))

static void assert_near(uint64_t got, double want)
{
	assert_true(fabs((double)got * 1e-9 - want) < 1e-6);
}

static void calibrate__sums_what_the_rows_say(void **state)
{
	double left = 1 - chance_of(0) - chance_of(1) - chance_of(2);
	struct calibration c;

	(void)state;
	begin();
	add_row(0, K, false);
	add_row(2, K, false);
	add_row(3, K, false); /* the last of the list is beyond, too */
	add_row(9, K, false);
	c = sums_of(&plain, K, EOS_ROW_NO);
	assert_int_equal(c.tokens, 4);
	assert_int_equal(c.open_ends, 1);
	assert_int_equal(c.first.hits, 1);
	assert_near(c.first.low, 4 * chance_of(0));
	assert_int_equal(c.first.low, c.first.high);
	assert_near(c.first.variance, 4 * chance_of(0) * (1 - chance_of(0)));
	assert_int_equal(c.beyond.hits, 2);
	assert_near(c.beyond.low, 4 * left);
	assert_int_equal(c.beyond.low, c.beyond.high);
	assert_near(c.beyond.variance, 4 * left * (1 - left));
	/* A list that has the sampled token in any case says the same. */
	begin();
	add_row(0, K, true);
	add_row(2, K, true);
	add_row(3, K, true);
	add_row(9, K, true);
	c = sums_of(&plain, K, EOS_ROW_YES);
	assert_int_equal(c.open_ends, 0);
	assert_int_equal(c.beyond.hits, 2);
	assert_near(c.beyond.low, 4 * left);
}

static void calibrate__leaves_out_what_cannot_be_compared(void **state)
{
	struct calibrate_terms none = {CALIBRATION_MODE, 1};

	(void)state;
	begin();
	add_row(0, K, false);
	add_row(0, 0, false);     /* no list */
	add_row(0, K - 2, false); /* lost two */
	add_row(0, K - 1, false); /* lost one: enough for the first three */
	a.finish = FINISH_LENGTH;
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).tokens, 2);
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).open_ends, 0);
	assert_int_equal(sums_of(&none, K, EOS_ROW_NO).tokens, 0);
	a.has_rows = false;
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).tokens, 0);
	/* One candidate may be there only because it was sampled. */
	begin();
	add_row(5, 1, true);
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).tokens, 0);
	/* k + 1 entries where the sampled one is no part of k. */
	begin();
	add_row(0, K, false);
	add_row(9, K, false);
	add_candidate(9);
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).tokens, 2);
	assert_int_equal(sums_of(&plain, K, EOS_ROW_NO).beyond.hits, 1);
	assert_near(sums_of(&plain, K, EOS_ROW_NO).beyond.low,
		2 * (1 - chance_of(0) - chance_of(1) - chance_of(2)));
}

/* 5 000 tokens drawn at T and told as they are at 1, judged with `power`. */
static struct calibration_verdict drawn(double t, double power, bool forced)
{
	struct calibrate_terms terms = {CALIBRATION_APPLIES, power};
	struct calibration c;

	chance.state = 11;
	begin();
	for (int i = 0; i < 5000; i++)
		add_row(draw(t), K, forced);
	c = sums_of(&terms, K, EOS_ROW_YES);
	return calibration_judge(&c, true);
}

static void calibrate__knows_honest_temperatures(void **state)
{
	(void)state;
	for (int forced = 0; forced < 2; forced++) {
		assert_int_equal(drawn(1, 1, forced).state, CALIBRATION_OK);
		assert_int_equal(drawn(0.7, 1 / 0.7, forced).state, CALIBRATION_OK);
		assert_int_equal(drawn(0.3, 1 / 0.3, forced).state, CALIBRATION_OK);
		/* And those that are not what was said. */
		assert_int_equal(drawn(0.7, 1, forced).state, CALIBRATION_BROKEN);
		assert_int_equal(drawn(1, 1 / 0.7, forced).state, CALIBRATION_BROKEN);
		assert_int_equal(drawn(1.4, 1, forced).state, CALIBRATION_BROKEN);
	}
}

/* -- Where it applies -- */

static struct job job;
static struct job_teacher teacher;
static enum job_server server = SERVER_VLLM;

static enum calibration_use use(const char *extra, double temperature)
{
	enum calibration_use got;

	teacher.extra_body = json_loads(extra, 0, NULL);
	assert_non_null(teacher.extra_body);
	got = calibrate_terms(&job, &teacher, server, NULL, temperature).use;
	json_decref(teacher.extra_body);
	return got;
}

static enum calibration_use use_of_prompt(const char *request)
{
	struct overrides own;
	struct err err;
	enum calibration_use got;

	assert_int_equal(overrides_read(bytes_of(request, strlen(request)), &own, &err),
		ERR_NONE);
	teacher.extra_body = NULL;
	got = calibrate_terms(&job, &teacher, server, &own, 1).use;
	overrides_release(&own);
	return got;
}

static void plain_job(void)
{
	job = (struct job){.top_logprobs = 5};
	job.sampling = (struct job_sampling){.temperature = 1,
		.top_p = 1,
		.top_k = JOB_UNSET_INT,
		.min_p = (double)NAN,
		.presence_penalty = (double)NAN,
		.repetition_penalty = (double)NAN,
		.max_tokens = JOB_UNSET_INT,
		.seed = JOB_UNSET_INT};
	teacher = (struct job_teacher){.logprobs_mode = JOB_MODE_RAW};
}

static void terms__say_where_it_applies(void **state)
{
	static const char *const cuts[] = {"{\"top_k\":20}", "{\"top_p\":0.9}",
		"{\"min_p\":0.1}", "{\"frequency_penalty\":0.5}",
		"{\"repetition_penalty\":1.1}", "{\"logit_bias\":{\"5\":-100}}",
		"{\"tools\":[]}", "{\"guided_json\":\"{}\"}", "{\"options\":{}}",
		"{\"top_k\":\"20\"}"};
	static const char *const harmless[] = {"{}", "{\"top_k\":-1}", "{\"top_k\":0}",
		"{\"top_p\":1}", "{\"top_p\":1.0}", "{\"repetition_penalty\":1}",
		"{\"user\":\"me\"}", "{\"logit_bias\":null}",
		"{\"chat_template_kwargs\":{\"enable_thinking\":false}}"};

	(void)state;
	plain_job();
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (use(cuts[i], 1) != CALIBRATION_CUTS)
			fail_msg("%s", cuts[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (use(harmless[i], 1) != CALIBRATION_APPLIES)
			fail_msg("%s", harmless[i]);
	assert_int_equal(use("{}", 0.7), CALIBRATION_APPLIES);
	assert_int_equal(use("{}", 0), CALIBRATION_TEMPERATURE);
	assert_int_equal(use("{}", 1.5), CALIBRATION_TEMPERATURE);
	assert_int_equal(use("{}", (double)NAN), CALIBRATION_TEMPERATURE);
	teacher.extra_body = NULL;
	assert_true(calibrate_terms(&job, &teacher, server, NULL, 0.5).power == 2);
	teacher.logprobs_mode = JOB_MODE_PROCESSED;
	assert_int_equal(use("{}", 1.5), CALIBRATION_APPLIES);
	assert_int_equal(use("{}", 0), CALIBRATION_TEMPERATURE);
	teacher.extra_body = NULL;
	assert_true(calibrate_terms(&job, &teacher, server, NULL, 0.5).power == 1);
	teacher.logprobs_mode = JOB_MODE_UNKNOWN;
	assert_int_equal(use("{}", 1), CALIBRATION_MODE);
	teacher.logprobs_mode = JOB_MODE_RAW;
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	job.task = JOB_TASK_SCORE; /* what was given is nobody's draw */
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	job.top_logprobs = 1;
	assert_int_equal(use("{}", 1), CALIBRATION_NO_LISTS);
}

static void terms__look_at_the_jobs_sampling(void **state)
{
	(void)state;
	plain_job();
	job.sampling.top_p = 0.95;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	plain_job();
	job.sampling.top_p = (double)NAN; /* not sent */
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	job.sampling.top_k = 50;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	job.sampling.top_k = -1;
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	job.sampling.min_p = 0.05;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	plain_job();
	job.sampling.presence_penalty = -0.5;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	job.sampling.presence_penalty = 0;
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	job.sampling.repetition_penalty = 1.05;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
}

static void terms__know_servers_that_cut_unless_told(void **state)
{
	(void)state;
	plain_job();
	server = SERVER_LLAMACPP; /* top_k and min_p are missing */
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	assert_int_equal(use("{\"top_k\":0}", 1), CALIBRATION_CUTS);
	assert_int_equal(use("{\"top_k\":null,\"min_p\":0}", 1), CALIBRATION_CUTS);
	assert_int_equal(use("{\"top_k\":0,\"min_p\":0}", 1), CALIBRATION_APPLIES);
	assert_int_equal(use("{\"top_k\":9,\"min_p\":0}", 1), CALIBRATION_CUTS);
	job.sampling.top_k = 0;
	job.sampling.min_p = 0;
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	job.sampling.top_p = (double)NAN;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	assert_int_equal(use_of_prompt("{\"top_p\":1}"), CALIBRATION_APPLIES);
	server = SERVER_OLLAMA;
	plain_job();
	job.sampling.top_k = 0;
	assert_int_equal(use("{}", 1), CALIBRATION_CUTS);
	job.sampling.repetition_penalty = 1;
	assert_int_equal(use("{}", 1), CALIBRATION_APPLIES);
	server = SERVER_VLLM;
}

static void terms__look_at_what_a_prompt_asks_for(void **state)
{
	(void)state;
	plain_job();
	assert_int_equal(use_of_prompt("{\"user\":\"me\"}"), CALIBRATION_APPLIES);
	assert_int_equal(use_of_prompt("{\"max_tokens\":5}"), CALIBRATION_APPLIES);
	assert_int_equal(use_of_prompt("{\"top_p\":0.5}"), CALIBRATION_CUTS);
	assert_int_equal(use_of_prompt("{\"tools\":[{}]}"), CALIBRATION_CUTS);
	assert_int_equal(
		use_of_prompt("{\"response_format\":{\"type\":\"json_object\"}}"),
		CALIBRATION_CUTS);
}

/* What was passed over was so because of what it is. */
static void calibrate__doubts_where_rows_are_missing(void **state)
{
	struct calibration c;
	struct rows *r = &a.rows;

	(void)state;
	begin();
	add_row(0, K, false);
	add_row(2, 0, false);
	r->logprob[1] = (double)NAN;
	r->token_len[1] = 0;
	add_row(3, K, false);
	c = sums_of(&plain, K, EOS_ROW_YES);
	assert_int_equal(c.tokens, 2);
	assert_int_equal(c.open_ends, 5);
}

static int teardown(void **state)
{
	(void)state;
	answer_release(&a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calibrate__sums_what_the_rows_say),
		cmocka_unit_test(calibrate__leaves_out_what_cannot_be_compared),
		cmocka_unit_test(calibrate__knows_honest_temperatures),
		cmocka_unit_test(terms__say_where_it_applies),
		cmocka_unit_test(terms__look_at_the_jobs_sampling),
		cmocka_unit_test(terms__know_servers_that_cut_unless_told),
		cmocka_unit_test(terms__look_at_what_a_prompt_asks_for),
		cmocka_unit_test(calibrate__doubts_where_rows_are_missing),
	};

	return cmocka_run_group_tests_name("calibrate", tests, NULL, teardown);
}
