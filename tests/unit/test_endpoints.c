/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request may go: choosing, orders, what is reported. No socket is
 * opened. */
#include "unit/unit.h"

#include "worker/worker.h"

#define N 4

static struct job_teacher teachers[2] = {
	{.model = (char[]){"m"}}, {.model = (char[]){"org/other"}}};
static struct endpoint endpoints[N];
static struct task_list ready[2];
static struct worker w;
static struct held_prompt prompt;
static struct task task;

/* Two of teacher 0, two of teacher 1, that all may be asked. */
static int begin(void **state)
{
	(void)state;
	memset(endpoints, 0, sizeof(endpoints));
	memset(ready, 0, sizeof(ready));
	w = (struct worker){.endpoint = endpoints, .n_endpoints = N, .ready = ready};
	w.job.n_teachers = 2;
	w.job.teacher = teachers;
	for (uint16_t i = 0; i < N; i++) {
		endpoints[i].teacher = i / 2;
		endpoints[i].number = i % 2;
		endpoints[i].job = &teachers[i / 2];
		endpoints[i].url = "http://127.0.0.1:1/v1";
		endpoints[i].looked = true;
		endpoints[i].share = 10;
	}
	prompt = (struct held_prompt){0};
	task = (struct task){.prompt = &prompt};
	return 0;
}

static struct endpoint *choose(void)
{
	return endpoint_for(&w, &task, 1000);
}

static void endpoint__is_the_emptiest_of_the_samples_teacher(void **state)
{
	(void)state;
	assert_ptr_equal(choose(), &endpoints[0]);
	endpoints[0].in_flight = 1;
	assert_ptr_equal(choose(), &endpoints[1]);
	/* Emptiest by the part of its share: 3 of 30 is less than 2 of 10. */
	endpoints[0].in_flight = 3;
	endpoints[0].share = 30;
	endpoints[1].in_flight = 2;
	assert_ptr_equal(choose(), &endpoints[0]);
	endpoints[0].in_flight = 9;
	assert_ptr_equal(choose(), &endpoints[1]);
	/* Teachers take turns by the sample's number. */
	task.sample = 1;
	assert_ptr_equal(choose(), &endpoints[2]);
	task.sample = 2;
	assert_ptr_equal(choose(), &endpoints[1]);
	task.sample = 1023;
	endpoints[2].stopped = true;
	assert_ptr_equal(choose(), &endpoints[3]);
}

/* Prefix caches: a prompt's samples stay where the first one went. */
static void endpoint__is_that_of_the_prompts_other_samples(void **state)
{
	(void)state;
	prompt.last = &endpoints[1];
	endpoints[1].in_flight = 9;
	assert_ptr_equal(choose(), &endpoints[1]);
	/* As long as it can take one. */
	endpoints[1].in_flight = 10;
	assert_ptr_equal(choose(), &endpoints[0]);
	/* And is of the teacher whose turn it is. */
	endpoints[1].in_flight = 0;
	task.sample = 1;
	assert_ptr_equal(choose(), &endpoints[2]);
}

static void endpoint__is_none_if_nobody_can_take_one(void **state)
{
	struct endpoint *a = &endpoints[0];

	(void)state;
	endpoints[1].stopped = true;
	assert_ptr_equal(choose(), a);
	a->looked = false; /* what server it is, is not known yet */
	assert_null(choose());
	a->looked = true;
	a->in_flight = a->share;
	assert_null(choose());
	a->in_flight = a->share + 5; /* the share fell */
	assert_null(choose());
	a->in_flight = 0;
	a->share = 0;
	assert_null(choose());
	a->share = 10;
	a->health.refused = true;
	assert_null(choose());
	a->health.refused = false;
	a->health.held_until_ms = 1001;
	assert_null(choose());
	a->health.held_until_ms = 1000;
	assert_ptr_equal(choose(), a);
	/* After a hold only one, to try it out. */
	a->health.failures = 1;
	a->in_flight = 1;
	assert_null(choose());
	a->health.failures = 0;
	assert_ptr_equal(choose(), a);
	rate_set(&a->requests, 1, 1000);
	assert_null(choose());
	rate_set(&a->requests, 0, 1000);
	rate_set(&a->tokens, 1, 1000);
	assert_null(choose());
	rate_set(&a->tokens, 0, 1000);
	assert_ptr_equal(choose(), a);
}

static void orders__are_taken_for_the_endpoint_they_name(void **state)
{
	struct wire_endpoint_order o[] = {
		{.teacher = 0, .endpoint = 0, .in_flight = 7, .proven = true},
		{.teacher = 1, .endpoint = 1, .in_flight = 8, .stopped = true},
		{.teacher = 1, .endpoint = 0, .in_flight = 9},
		{.teacher = 1,
			.endpoint = 1,
			.in_flight = 5,
			.requests_per_minute = 60},
		{.teacher = 9, .endpoint = 9, .in_flight = 1}, /* one too many */
	};
	struct wire_orders m = {.n_endpoints = 5, .endpoint = o};

	(void)state;
	endpoints_take_orders(&w, &m, 1000);
	assert_int_equal(endpoints[0].share, 7);
	assert_true(endpoints[0].health.answered);
	assert_int_equal(endpoints[1].share, 10);
	assert_false(endpoints[1].stopped);
	assert_int_equal(endpoints[2].share, 9);
	assert_int_equal(endpoints[3].share, 5);
	assert_false(endpoints[3].health.answered);
	assert_false(rate_allows(&endpoints[3].requests, 1000));
	assert_true(rate_allows(&endpoints[3].tokens, 1000));
	/* Not proven any more is no news: it has answered us. */
	o[0].proven = false;
	o[0].stopped = true;
	m.n_endpoints = 1;
	endpoints_take_orders(&w, &m, 1000);
	assert_true(endpoints[0].health.answered);
	assert_true(endpoints[0].stopped);
	o[0].stopped = false;
	endpoints_take_orders(&w, &m, 1000);
	assert_false(endpoints[0].stopped);
}

static void beat__tells_states_and_wishes(void **state)
{
	struct wire_beat beat = {0};
	struct endpoint *e = &endpoints[1];

	(void)state;
	ready[0].n = 40;
	*e = (struct endpoint){.number = 1,
		.job = &teachers[0],
		.looked = true,
		.in_flight = 3,
		.asked = 11,
		.answered = 12,
		.retried = 13,
		.latency_ms = 14,
		.cost_nusd = -15,
		.tokens_used = 16};
	e->health.failures = 2;
	e->health.status = 503;
	e->health.reason = REASON_OVERLOADED;
	endpoints[0].looked = false;
	endpoints[3].health.refused = true;
	endpoints[3].health.failures = 9;
	endpoints_beat(&w, &beat);
	assert_int_equal(beat.n_endpoints, N);
	assert_int_equal(beat.endpoint[0].state, ENDPOINT_NEW);
	assert_int_equal(beat.endpoint[1].state, ENDPOINT_HELD);
	assert_int_equal(beat.endpoint[2].state, ENDPOINT_UP);
	assert_int_equal(beat.endpoint[3].state, ENDPOINT_REFUSED);
	assert_int_equal(beat.endpoint[2].teacher, 1);
	assert_int_equal(beat.endpoint[2].could_use, 0);
	assert_int_equal(beat.endpoint[1].endpoint, 1);
	assert_int_equal(beat.endpoint[1].in_flight, 3);
	assert_int_equal(beat.endpoint[1].could_use, 43);
	assert_int_equal(beat.endpoint[1].status, 503);
	assert_int_equal(beat.endpoint[1].reason, REASON_OVERLOADED);
	assert_int_equal(beat.endpoint[1].asked, 11);
	assert_int_equal(beat.endpoint[1].answered, 12);
	assert_int_equal(beat.endpoint[1].retried, 13);
	assert_int_equal(beat.endpoint[1].latency_ms, 14);
	assert_int_equal(beat.endpoint[1].cost_nusd, -15);
	assert_int_equal(beat.endpoint[1].tokens, 16);
	free(beat.endpoint);
}

static bool is_right(size_t i, const char *reported)
{
	return endpoint_model_is_right(
		&endpoints[i], bytes_of(reported, strlen(reported)));
}

static void model__may_have_one_other_name_from_the_beginning(void **state)
{
	char longest[257];

	(void)state;
	assert_true(is_right(0, "m"));
	assert_true(is_right(0, ""));
	/* The first answer settles it. */
	assert_true(is_right(0, "/models/file.gguf"));
	assert_true(is_right(0, "/models/file.gguf"));
	assert_false(is_right(0, "/models/file"));
	assert_false(is_right(0, "/models/other.gguf"));
	assert_true(is_right(0, "m"));
	/* Not once it has answered by the job's name, */
	health_answered(&endpoints[1].health);
	assert_false(is_right(1, "/models/file.gguf"));
	/* and not where the server lists the job's name. */
	endpoints[2].asked_model_listed = true;
	assert_false(is_right(2, "x"));
	assert_true(is_right(2, "org/other"));
	memset(longest, 'x', 256);
	longest[256] = '\0';
	assert_false(is_right(3, longest));
	longest[255] = '\0';
	assert_true(is_right(3, longest));
	assert_true(is_right(3, longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, begin)
		TEST(endpoint__is_the_emptiest_of_the_samples_teacher),
		TEST(endpoint__is_that_of_the_prompts_other_samples),
		TEST(endpoint__is_none_if_nobody_can_take_one),
		TEST(orders__are_taken_for_the_endpoint_they_name),
		TEST(beat__tells_states_and_wishes),
		TEST(model__may_have_one_other_name_from_the_beginning),
	};

	return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
