/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "coordinator/credit.h"

#define MOST 12

static uint64_t may_have(const struct credit_share *s)
{
	uint32_t known = s->keeps_to > s->in_flight ? s->keeps_to : s->in_flight;

	return known > s->granted ? known : s->granted;
}

/* The worker reports: it has heard of its share, and has so many in flight. */
static void report(struct credit_share *s, uint32_t in_flight)
{
	s->keeps_to = s->granted;
	s->in_flight = in_flight;
}

static uint64_t sum_of(const struct credit_share *s, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += may_have(&s[i]);
	return sum;
}

static void check(struct credit_share *s, size_t n, uint32_t max, const uint32_t *want)
{
	credit_divide(s, n, max);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s[i].granted, want[i]);
}

static void credit__is_whole_for_one_worker(void **state)
{
	struct credit_share s[] = {{1, 0, 0, 0, 0}};

	(void)state;
	check(s, 1, 256, (uint32_t[]){256});
	s[0].could_use = 1000;
	check(s, 1, 256, (uint32_t[]){256});
	credit_divide(NULL, 0, 256);
}

static void credit__serves_small_wishes_whole_and_divides_the_rest(void **state)
{
	struct credit_share a[] = {
		{1, 100, 0, 0, 0}, {2, 5, 0, 0, 0}, {3, 100, 0, 0, 0}};
	struct credit_share b[] = {{1, 9, 0, 0, 0}, {2, 9, 0, 0, 0}, {3, 9, 0, 0, 0}};
	/* Wishes that are all met leave some over: evenly. */
	struct credit_share c[] = {{1, 1, 0, 0, 0}, {2, 4, 0, 0, 0}};

	(void)state;
	check(a, 3, 65, (uint32_t[]){30, 5, 30});
	check(b, 3, 10, (uint32_t[]){3, 3, 4});
	check(c, 2, 15, (uint32_t[]){6, 9});
}

/* A worker that has not said what it could use gets one, to show it. */
static void credit__gives_a_new_worker_one_to_begin_with(void **state)
{
	struct credit_share s[] = {
		{1, 100, 20, 20, 20}, {2, 100, 20, 20, 20}, {3, 0, 0, 0, 0}};
	struct credit_share few[] = {{1, 9, 0, 0, 0}, {2, 9, 0, 0, 0}, {3, 9, 0, 0, 0}};

	(void)state;
	/* Nothing is free before the others are down to their shares. */
	check(s, 3, 40, (uint32_t[]){19, 20, 0});
	report(&s[0], 19);
	check(s, 3, 40, (uint32_t[]){19, 20, 1});
	/* Fewer than workers: nobody gets two. */
	check(few, 3, 2, (uint32_t[]){0, 1, 1});
}

static void credit__moves_only_what_was_given_up(void **state)
{
	struct credit_share s[] = {{1, 50, 50, 50, 50}, {2, 50, 0, 0, 0}};

	(void)state;
	check(s, 2, 50, (uint32_t[]){25, 0});
	/* A report from before it heard of its share frees nothing. */
	s[0].in_flight = 3;
	check(s, 2, 50, (uint32_t[]){25, 0});
	report(&s[0], 40);
	check(s, 2, 50, (uint32_t[]){25, 10});
	/* The second has not heard of the ten. */
	report(&s[0], 10);
	check(s, 2, 50, (uint32_t[]){25, 10});
	report(&s[1], 10);
	check(s, 2, 50, (uint32_t[]){25, 25});
	/* It is settled: nothing moves any more. */
	report(&s[1], 25);
	check(s, 2, 50, (uint32_t[]){25, 25});
	/* The first wants less: the second gets what is over. */
	s[0].could_use = 5;
	check(s, 2, 50, (uint32_t[]){5, 25});
	report(&s[0], 3);
	check(s, 2, 50, (uint32_t[]){5, 45});
}

static void credit__follows_a_limit_that_falls(void **state)
{
	struct credit_share s[] = {{1, 50, 50, 50, 50}, {2, 50, 50, 50, 50}};

	(void)state;
	check(s, 2, 10, (uint32_t[]){5, 5});
	assert_int_equal(sum_of(s, 2), 100);
	report(&s[0], 5);
	report(&s[1], 5);
	check(s, 2, 12, (uint32_t[]){6, 6});
}

/* A worker as it is, of which the coordinator knows by reports only. */
struct real {
	uint32_t share, in_flight;
};

static void step(struct chance *c, struct real *w, struct credit_share *s, uint32_t max)
{
	switch (chance_below(c, 4)) {
	case 0: /* its orders arrive */
		w->share = s->granted;
		break;
	case 1: /* requests end */
		w->in_flight -= (uint32_t)chance_below(c, w->in_flight + 1);
		break;
	case 2: /* others begin */
		if (w->in_flight < w->share)
			w->in_flight +=
				(uint32_t)chance_below(c, w->share - w->in_flight + 1);
		break;
	default: /* it reports */
		s->could_use = (uint32_t)chance_below(c, 2 * max);
		s->in_flight = w->in_flight;
		s->keeps_to = w->share;
	}
}

/* Whenever reports and orders arrive: there are never more requests in flight than
 * the limit says. */
static void credit__never_passes_the_limit(void **state)
{
	struct chance c = {11};

	(void)state;
	for (int run = 0; run < 2000; run++) {
		struct credit_share s[MOST] = {0};
		struct real real[MOST] = {0};
		size_t n = 1 + chance_below(&c, MOST);
		uint32_t max = 1 + (uint32_t)chance_below(&c, 60);

		for (size_t i = 0; i < n; i++)
			s[i].worker = (uint32_t)i;
		for (int round = 0; round < 100; round++) {
			size_t who = chance_below(&c, n);
			uint64_t in_flight = 0;

			step(&c, &real[who], &s[who], max);
			credit_divide(s, n, max);
			assert_true(sum_of(s, n) <= max);
			for (size_t i = 0; i < n; i++)
				in_flight += real[i].in_flight;
			assert_true(in_flight <= max);
		}
		/* When all have heard and are idle, all of it is given out. */
		for (size_t i = 0; i < n; i++)
			report(&s[i], 0);
		credit_divide(s, n, max);
		for (size_t i = 0; i < n; i++)
			report(&s[i], 0);
		credit_divide(s, n, max);
		assert_int_equal(sum_of(s, n), max);
		for (size_t i = 0; i < n && max >= n; i++)
			assert_true(s[i].granted > 0);
	}
}

static void credit_rate__is_in_proportion(void **state)
{
	(void)state;
	assert_int_equal(credit_rate(0, 5, 10), 0);
	assert_int_equal(credit_rate(600, 5, 10), 300);
	assert_int_equal(credit_rate(600, 10, 10), 600);
	assert_int_equal(credit_rate(600, 0, 0), 600);
	/* 0 would mean that there is no limit. */
	assert_int_equal(credit_rate(600, 0, 10), 1);
	assert_int_equal(credit_rate(3, 1, 10), 1);
	assert_int_equal(credit_rate(10000000000, 16000, 16384), 9765625000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credit__is_whole_for_one_worker),
		cmocka_unit_test(
			credit__serves_small_wishes_whole_and_divides_the_rest),
		cmocka_unit_test(credit__gives_a_new_worker_one_to_begin_with),
		cmocka_unit_test(credit__moves_only_what_was_given_up),
		cmocka_unit_test(credit__follows_a_limit_that_falls),
		cmocka_unit_test(credit__never_passes_the_limit),
		cmocka_unit_test(credit_rate__is_in_proportion),
	};

	return cmocka_run_group_tests_name("credit", tests, NULL, NULL);
}
