/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "worker/rate.h"

static void rate__without_a_limit_allows_everything(void **state)
{
	struct rate r = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(rate_allows(&r, 5));
		rate_take(&r, 1e9);
	}
	rate_set(&r, 0, 6);
	assert_true(rate_allows(&r, 6));
}

static void rate__lets_go_while_there_is_something(void **state)
{
	struct rate r = {0};

	(void)state;
	rate_set(&r, 60, 1000); /* one a second */
	assert_false(rate_allows(&r, 1000));
	assert_true(rate_allows(&r, 1001));
	rate_take(&r, 1);
	assert_false(rate_allows(&r, 1999));
	assert_true(rate_allows(&r, 2001));
	/* What it really took is known later: 30 tokens are half a minute. */
	rate_take(&r, 30);
	assert_false(rate_allows(&r, 31999));
	assert_true(rate_allows(&r, 32001));
}

static unsigned burst(struct rate *r, int64_t now_ms)
{
	unsigned n = 0;

	for (; rate_allows(r, now_ms) && n < 100000; n++)
		rate_take(r, 1);
	return n;
}

/* Of a long pause two seconds' worth is kept, at least one request. */
static void rate__bounds_a_burst(void **state)
{
	struct rate r = {0};

	(void)state;
	rate_set(&r, 6000, 0);
	assert_int_equal(burst(&r, 3600000), 200);
	assert_int_equal(burst(&r, 3600000), 0);
	r = (struct rate){0};
	rate_set(&r, 1, 0);
	assert_int_equal(burst(&r, 3600000), 1);
}

static void rate__is_kept_over_a_long_time(void **state)
{
	static const uint64_t limits[] = {1, 7, 60, 1000, 123456, 100000000};
	struct chance c = {3};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rate r = {0};
		double taken = 0, largest = 1 + (double)limits[i] / 100, most;
		int64_t now = 0;

		rate_set(&r, limits[i], 0);
		while (now < 3600000) {
			now += (int64_t)chance_below(&c, 400);
			while (rate_allows(&r, now)) {
				double n = 1 + (double)chance_below(&c, 1000) *
						       (largest - 1) / 1000;

				rate_take(&r, n);
				taken += n;
			}
		}
		/* A burst, and the last one that went. */
		most = (double)limits[i] * (60 + 1.0 / 30) + 1 + largest;
		assert_true(taken <= most + 1);
		assert_true(taken >= 0.95 * (double)limits[i] * 60);
	}
}

/* The limit is a share that moves: nobody gets a second burst by that. */
static void rate__keeps_its_level_when_the_limit_changes(void **state)
{
	struct rate r = {0};
	unsigned n = 0;

	(void)state;
	rate_set(&r, 6000, 0);
	burst(&r, 10000);
	for (int i = 0; i < 1000; i++) {
		rate_set(&r, 6000 + (uint64_t)i % 2, 10000);
		n += burst(&r, 10000);
	}
	assert_in_range(n, 0, 1);
	/* The time since it was last looked at is not lost either. */
	r = (struct rate){0};
	for (int64_t now = 0; now <= 990; now += 10)
		rate_set(&r, 60, now);
	assert_int_equal(burst(&r, 990), 1);
	assert_true(r.level > -0.02);
	rate_set(&r, 6000, 1000);
	/* What is owed stays owed under the new limit. */
	rate_take(&r, 100);
	rate_set(&r, 60, 1000);
	assert_false(rate_allows(&r, 1000 + 98000));
	assert_true(rate_allows(&r, 1000 + 102000));
	/* What was saved under a higher limit is cut to the new one's burst. */
	r = (struct rate){0};
	rate_set(&r, 6000, 0);
	assert_true(rate_allows(&r, 10000));
	rate_set(&r, 60, 10000);
	assert_int_equal(burst(&r, 10000), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate__without_a_limit_allows_everything),
		cmocka_unit_test(rate__lets_go_while_there_is_something),
		cmocka_unit_test(rate__bounds_a_burst),
		cmocka_unit_test(rate__is_kept_over_a_long_time),
		cmocka_unit_test(rate__keeps_its_level_when_the_limit_changes),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
