/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's retry.h; making samples eligible again is test_redo.c. */
#include "unit/unit.h"

#include "worker/retry.h"

static void retry_blame__is_what_the_reason_says(void **state)
{
	static const struct {
		enum reason reason;
		enum blame before, after; /* an answer of the endpoint */
	} cases[] = {
		{REASON_RATE_LIMITED, BLAME_NONE, BLAME_NONE},
		{REASON_OVERLOADED, BLAME_NONE, BLAME_NONE},
		{REASON_DNS, BLAME_NONE, BLAME_NONE},
		{REASON_CONNECT, BLAME_NONE, BLAME_NONE},
		{REASON_CONNECTION_LOST, BLAME_SERVER, BLAME_SERVER},
		{REASON_NO_ANSWER, BLAME_SERVER, BLAME_SERVER},
		{REASON_SERVER_ERROR, BLAME_SERVER, BLAME_SERVER},
		{REASON_UNAUTHORIZED, BLAME_ENDPOINT, BLAME_ENDPOINT},
		{REASON_PAYMENT, BLAME_ENDPOINT, BLAME_ENDPOINT},
		{REASON_TLS, BLAME_ENDPOINT, BLAME_ENDPOINT},
		{REASON_NOT_FOUND, BLAME_ENDPOINT, BLAME_ANSWER},
		{REASON_REDIRECT, BLAME_ENDPOINT, BLAME_ANSWER},
		{REASON_BAD_REQUEST, BLAME_REQUEST, BLAME_REQUEST},
		{REASON_PROMPT_TOO_LONG, BLAME_REQUEST, BLAME_REQUEST},
		{REASON_TOO_LARGE, BLAME_REQUEST, BLAME_REQUEST},
		{REASON_STORE_REFUSED, BLAME_REQUEST, BLAME_REQUEST},
		{REASON_BAD_PROMPT, BLAME_REQUEST, BLAME_REQUEST},
		{REASON_TIMEOUT, BLAME_ANSWER, BLAME_ANSWER},
		{REASON_BAD_JSON, BLAME_ANSWER, BLAME_ANSWER},
		{REASON_WRONG_MODEL, BLAME_ANSWER, BLAME_ANSWER},
		{REASON_BAD_LOGPROBS, BLAME_ANSWER, BLAME_ANSWER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(retry_blame(cases[i].reason, false), cases[i].before);
		assert_int_equal(retry_blame(cases[i].reason, true), cases[i].after);
	}
}

static void retry_reason__is_what_the_status_says(void **state)
{
	static const struct {
		int status;
		const char *code;
		enum reason want;
	} cases[] = {
		{400, "", REASON_BAD_REQUEST},
		{401, "insufficient_quota", REASON_UNAUTHORIZED},
		{402, "", REASON_PAYMENT},
		{403, "", REASON_UNAUTHORIZED},
		{403, "credit_balance_too_low", REASON_PAYMENT},
		{404, "", REASON_NOT_FOUND},
		{408, "", REASON_SERVER_ERROR},
		{409, "", REASON_SERVER_ERROR},
		{413, "", REASON_PROMPT_TOO_LONG},
		{422, "", REASON_BAD_REQUEST},
		{425, "", REASON_SERVER_ERROR},
		{429, "rate_limit_exceeded", REASON_RATE_LIMITED},
		/* OpenAI's way to say that the account is empty. */
		{429, "insufficient_quota", REASON_PAYMENT},
		{429, "billing_hard_limit_reached", REASON_PAYMENT},
		{500, "", REASON_SERVER_ERROR},
		{502, "", REASON_SERVER_ERROR},
		{503, "", REASON_OVERLOADED},
		{504, "", REASON_SERVER_ERROR},
		{529, "", REASON_OVERLOADED},
		{599, "", REASON_SERVER_ERROR},
		{301, "", REASON_REDIRECT},
		{308, "", REASON_REDIRECT},
		{100, "", REASON_WRONG_SHAPE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(retry_reason_of_status(cases[i].status, cases[i].code),
			cases[i].want);
}

/* -- One endpoint -- */

static int64_t hold_of(struct health *h, double chance)
{
	health_failed(h, REASON_CONNECT, 0, 1000000, -1, chance, 1000000);
	return h->held_until_ms - 1000000;
}

static void health__holds_longer_each_time_up_to_a_bound(void **state)
{
	static const int64_t most[] = {500, 1000, 2000, 4000, 5000, 5000, 5000, 5000};
	struct health low = {0}, high = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		/* Full jitter, but never at once. */
		low.held_until_ms = high.held_until_ms = 0;
		assert_int_equal(hold_of(&low, 0), 125);
		assert_in_range(hold_of(&high, 0.999999), most[i] + 120, most[i] + 125);
	}
	for (int i = 0; i < 100; i++)
		high.held_until_ms = 0, hold_of(&high, 0.5);
	assert_int_equal(high.held_until_ms - 1000000, 125 + 2500);
	/* An answer, and it begins anew. */
	health_answered(&high);
	assert_int_equal(high.failures, 0);
	assert_in_range(hold_of(&high, 0.999999), 620, 625);
}

static void health__waits_as_long_as_the_server_asks(void **state)
{
	struct health h = {0};

	(void)state;
	health_failed(&h, REASON_RATE_LIMITED, 429, 1000, 30000, 0, 1000);
	assert_int_equal(h.held_until_ms, 31000);
	assert_int_equal(h.status, 429);
	assert_int_equal(h.reason, REASON_RATE_LIMITED);
	/* Not less than it would have waited by itself. */
	h = (struct health){0};
	health_failed(&h, REASON_RATE_LIMITED, 429, 1000, 1, 0, 1000);
	assert_int_equal(h.held_until_ms, 1125);
}

static void health__allows_one_to_try_after_a_hold(void **state)
{
	struct health h = {0};

	(void)state;
	assert_int_equal(health_allows(&h, 64, 1000), 64);
	health_failed(&h, REASON_SERVER_ERROR, 500, 900, -1, 0, 1000);
	assert_int_equal(health_allows(&h, 64, 1124), 0);
	assert_int_equal(health_allows(&h, 64, 1125), 1);
	assert_int_equal(health_allows(&h, 0, 1125), 0);
	health_answered(&h);
	assert_int_equal(health_allows(&h, 64, 1125), 64);
}

/* All that was in flight when an endpoint went down fails: one outage. */
static void health__counts_failures_from_before_a_hold_once(void **state)
{
	struct health h = {0};

	(void)state;
	health_failed(&h, REASON_CONNECT, 0, 900, -1, 0.5, 1000);
	for (int i = 0; i < 100; i++)
		health_failed(&h, REASON_CONNECT, 0, 900 + i % 100, -1, 0.5, 1001);
	assert_int_equal(h.failures, 1);
	assert_int_equal(h.held_until_ms, 1375);
	/* The one that tried it out after the hold. */
	health_failed(&h, REASON_CONNECT, 0, 1375, -1, 0.5, 1400);
	assert_int_equal(h.failures, 2);
	assert_int_equal(h.held_until_ms, 1400 + 125 + 500);
	/* An old one that fails after the hold has ended says something. */
	health_failed(&h, REASON_CONNECT, 0, 900, -1, 0.5, 9000);
	assert_int_equal(h.failures, 3);
}

static void health__of_broken_answers_is_good(void **state)
{
	struct health h = {0};

	(void)state;
	health_failed(&h, REASON_BAD_JSON, 200, 900, -1, 0.5, 1000);
	health_failed(&h, REASON_PROMPT_TOO_LONG, 413, 900, -1, 0.5, 1000);
	assert_int_equal(h.failures, 0);
	assert_int_equal(health_allows(&h, 64, 1000), 64);
	assert_int_equal(h.reason, REASON_PROMPT_TOO_LONG);
}

static void health__is_refused_until_a_person_acts(void **state)
{
	struct health h = {0};

	(void)state;
	health_failed(&h, REASON_UNAUTHORIZED, 401, 900, -1, 0.5, 1000);
	assert_true(h.refused);
	assert_int_equal(health_allows(&h, 64, 99999999), 0);
	/* A path that is not there: at the beginning, not once it has worked. */
	h = (struct health){0};
	health_failed(&h, REASON_NOT_FOUND, 404, 900, -1, 0.5, 1000);
	assert_true(h.refused);
	h = (struct health){0};
	health_answered(&h);
	health_failed(&h, REASON_NOT_FOUND, 404, 900, -1, 0.5, 1000);
	assert_false(h.refused);
}

/* The job asks for what the server does not know: every prompt would fail. */
static void health__is_refused_if_every_request_is_bad(void **state)
{
	struct health h = {0};

	(void)state;
	for (int i = 0; i < 15; i++)
		health_failed(&h, REASON_BAD_REQUEST, 400, 900, -1, 0.5, 1000);
	assert_false(h.refused);
	health_failed(&h, REASON_PROMPT_TOO_LONG, 413, 900, -1, 0.5, 1000);
	assert_false(h.refused);
	health_failed(&h, REASON_BAD_REQUEST, 400, 900, -1, 0.5, 1000);
	assert_true(h.refused);
	/* After one answer it is the prompts. */
	h = (struct health){0};
	health_answered(&h);
	for (int i = 0; i < 100; i++)
		health_failed(&h, REASON_BAD_REQUEST, 400, 900, -1, 0.5, 1000);
	assert_false(h.refused);
}

/* -- One sample -- */

static enum retry_verdict attempt(struct attempts *a, enum blame blame, bool others,
	int64_t now_ms, int64_t *delay)
{
	return retry_sample(a, blame, 3, others, 0.5, now_ms, delay);
}

static void sample__is_free_while_others_are_to_blame(void **state)
{
	struct attempts a = {0};
	int64_t delay = 99;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
			attempt(&a, BLAME_NONE, i % 2, i, &delay), RETRY_AGAIN);
		assert_int_equal(delay, 0);
		assert_int_equal(
			attempt(&a, BLAME_ENDPOINT, i % 2, i, &delay), RETRY_AGAIN);
	}
	assert_int_equal(a.made, 2000);
	assert_int_equal(a.counted + a.server, 0);
}

static void sample__has_so_many_attempts(void **state)
{
	struct attempts a = {0};
	int64_t delay;

	(void)state;
	assert_int_equal(attempt(&a, BLAME_ANSWER, true, 1, &delay), RETRY_AGAIN);
	assert_int_equal(delay, 100);
	assert_int_equal(attempt(&a, BLAME_NONE, true, 1, &delay), RETRY_AGAIN);
	assert_int_equal(attempt(&a, BLAME_ANSWER, true, 1, &delay), RETRY_AGAIN);
	assert_int_equal(delay, 200);
	assert_int_equal(attempt(&a, BLAME_ANSWER, true, 1, &delay), RETRY_GIVE_UP);
	a = (struct attempts){0};
	assert_int_equal(attempt(&a, BLAME_REQUEST, true, 1, &delay), RETRY_GIVE_UP);
	assert_int_equal(a.made, 1);
}

/* Failures of the server count only if it has answered others meanwhile, and
 * then a quarter. */
static void sample__that_breaks_its_server_fails_in_the_end(void **state)
{
	struct attempts a = {0};
	int64_t delay;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(attempt(&a, BLAME_SERVER, false, 1000 + i, &delay),
			RETRY_AGAIN);
	assert_int_equal(a.server, 0);
	for (int i = 1; i < 3 * RETRY_SERVER_FACTOR; i++) {
		assert_int_equal(
			attempt(&a, BLAME_SERVER, true, 2000, &delay), RETRY_AGAIN);
		assert_int_equal(delay, 200 * i);
	}
	assert_int_equal(attempt(&a, BLAME_SERVER, true, 2000, &delay), RETRY_GIVE_UP);
}

/* The last one of a run has no others that could clear it. */
static void sample__that_is_alone_is_blamed_after_a_time(void **state)
{
	struct attempts a = {0};
	int64_t delay;

	(void)state;
	attempt(&a, BLAME_SERVER, false, 1000, &delay);
	attempt(&a, BLAME_SERVER, false, 1000 + RETRY_ALONE_MS - 1, &delay);
	assert_int_equal(a.server, 0);
	/* Something else between: the time begins anew. */
	attempt(&a, BLAME_NONE, false, 1000 + RETRY_ALONE_MS, &delay);
	attempt(&a, BLAME_SERVER, false, 1000 + RETRY_ALONE_MS + 1, &delay);
	assert_int_equal(a.server, 0);
	attempt(&a, BLAME_SERVER, false, 1000 + 2 * RETRY_ALONE_MS + 1, &delay);
	assert_int_equal(a.server, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(attempt(&a, BLAME_SERVER, false,
					 2000 + 2 * RETRY_ALONE_MS, &delay),
			RETRY_AGAIN);
	assert_int_equal(
		attempt(&a, BLAME_SERVER, false, 2000 + 2 * RETRY_ALONE_MS, &delay),
		RETRY_GIVE_UP);
}

static void retry_after__reads_numbers_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		bool is_ms;
		int64_t want;
	} cases[] = {
		{"5", false, 5000},
		{"0", false, 0},
		{"1.5", false, 1500},
		{" 2 ", false, 2000},
		{"2\t", false, 2000},
		{"120", false, 120000},
		{"120.001", false, -1},
		{"3600", false, -1},
		{"1500", true, 1500},
		{"120000", true, 120000},
		{"120001", true, -1},
		{"", false, -1},
		{" ", false, -1},
		{"-1", false, -1},
		{"5s", false, -1},
		{"5, 6", false, -1},
		{"soon", false, -1},
		{"inf", false, -1},
		{"nan", false, -1},
		{"1e400", false, -1},
		{"Wed, 21 Oct 2026 07:28:00 GMT", false, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			retry_after(cases[i].text, cases[i].is_ms), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_blame__is_what_the_reason_says),
		cmocka_unit_test(retry_reason__is_what_the_status_says),
		cmocka_unit_test(health__holds_longer_each_time_up_to_a_bound),
		cmocka_unit_test(health__waits_as_long_as_the_server_asks),
		cmocka_unit_test(health__allows_one_to_try_after_a_hold),
		cmocka_unit_test(health__counts_failures_from_before_a_hold_once),
		cmocka_unit_test(health__of_broken_answers_is_good),
		cmocka_unit_test(health__is_refused_until_a_person_acts),
		cmocka_unit_test(health__is_refused_if_every_request_is_bad),
		cmocka_unit_test(sample__is_free_while_others_are_to_blame),
		cmocka_unit_test(sample__has_so_many_attempts),
		cmocka_unit_test(sample__that_breaks_its_server_fails_in_the_end),
		cmocka_unit_test(sample__that_is_alone_is_blamed_after_a_time),
		cmocka_unit_test(retry_after__reads_numbers_and_nothing_else),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
