/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "coordinator/credit.h"

#define MOST 12

static uint64_t may_have(const struct credit_share *s)
{
	return s->in_flight > s->granted ? s->in_flight : s->granted;
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
	struct credit_share s[] = {{1, 0, 0, 0}};

	(void)state;
	check(s, 1, 256, (uint32_t[]){256});
	s[0].could_use = 1000;
	check(s, 1, 256, (uint32_t[]){256});
	credit_divide(NULL, 0, 256);
}

static void credit__serves_small_wishes_whole_and_divides_the_rest(void **state)
{
	struct credit_share a[] = {{1, 100, 0, 0}, {2, 5, 0, 0}, {3, 100, 0, 0}};
	struct credit_share b[] = {{1, 9, 0, 0}, {2, 9, 0, 0}, {3, 9, 0, 0}};
	/* Wishes that are all met leave some over: evenly. */
	struct credit_share c[] = {{1, 1, 0, 0}, {2, 4, 0, 0}};

	(void)state;
	check(a, 3, 65, (uint32_t[]){30, 5, 30});
	check(b, 3, 10, (uint32_t[]){3, 3, 4});
	check(c, 2, 15, (uint32_t[]){6, 9});
}

/* A worker that has not said what it could use gets one, to show it. */
static void credit__gives_a_new_worker_one_to_begin_with(void **state)
{
	struct credit_share s[] = {{1, 100, 20, 20}, {2, 100, 20, 20}, {3, 0, 0, 0}};
	struct credit_share few[] = {{1, 9, 0, 0}, {2, 9, 0, 0}, {3, 9, 0, 0}};

	(void)state;
	/* Nothing is free before the others are down to their shares. */
	check(s, 3, 40, (uint32_t[]){19, 20, 0});
	s[0].in_flight = 19;
	check(s, 3, 40, (uint32_t[]){19, 20, 1});
	/* Fewer than workers: nobody gets two. */
	check(few, 3, 2, (uint32_t[]){0, 1, 1});
}

static void credit__moves_only_what_was_given_up(void **state)
{
	struct credit_share s[] = {{1, 50, 50, 50}, {2, 50, 0, 0}};

	(void)state;
	check(s, 2, 50, (uint32_t[]){25, 0});
	s[0].in_flight = 40;
	check(s, 2, 50, (uint32_t[]){25, 10});
	s[0].in_flight = 10;
	check(s, 2, 50, (uint32_t[]){25, 25});
	/* It is settled: nothing moves any more. */
	s[1].in_flight = 25;
	check(s, 2, 50, (uint32_t[]){25, 25});
	/* The first wants less: the second gets what is over. */
	s[0].could_use = 5;
	check(s, 2, 50, (uint32_t[]){5, 40});
	s[0].in_flight = 3;
	check(s, 2, 50, (uint32_t[]){5, 45});
}

static void credit__follows_a_limit_that_falls(void **state)
{
	struct credit_share s[] = {{1, 50, 50, 50}, {2, 50, 50, 50}};

	(void)state;
	check(s, 2, 10, (uint32_t[]){5, 5});
	assert_int_equal(sum_of(s, 2), 100);
	s[0].in_flight = s[1].in_flight = 5;
	check(s, 2, 12, (uint32_t[]){6, 6});
}

/* Whatever workers report, in any order: what they may have in flight by what
 * was told and reported never grows past the limit. */
static void credit__never_passes_the_limit(void **state)
{
	struct chance c = {11};

	(void)state;
	for (int run = 0; run < 2000; run++) {
		struct credit_share s[MOST] = {0};
		size_t n = 1 + chance_below(&c, MOST);
		uint32_t max = 1 + (uint32_t)chance_below(&c, 60);

		for (size_t i = 0; i < n; i++)
			s[i].worker = (uint32_t)i;
		for (int step = 0; step < 60; step++) {
			struct credit_share *w = &s[chance_below(&c, n)];

			w->could_use = (uint32_t)chance_below(&c, 2 * max);
			if (w->in_flight > w->granted) /* it only falls */
				w->in_flight -= (uint32_t)chance_below(
					&c, w->in_flight - w->granted + 1);
			else
				w->in_flight =
					(uint32_t)chance_below(&c, w->granted + 1);
			credit_divide(s, n, max);
			assert_true(sum_of(s, n) <= max);
		}
		/* When all are down to their shares, all of it is given out. */
		for (size_t i = 0; i < n; i++)
			s[i].in_flight = 0;
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
