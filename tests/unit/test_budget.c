/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "coordinator/budget.h"

static void budget__is_none_where_the_job_sets_none(void **state)
{
	struct budget b = budget_of((double)NAN, INT64_MIN);
	struct budget_use use = {INT64_MAX - 1, UINT64_MAX - 1, 1, 1000000};

	(void)state;
	assert_false(budget_is_set(&b));
	assert_false(budget_is_spent(&b, &use));
	assert_true(budget_allows(&b, &use));
	b = budget_of(2.5, INT64_MIN);
	assert_true(budget_is_set(&b));
	assert_int_equal(b.max_nusd, 2500000000);
	assert_true(b.max_tokens == UINT64_MAX);
	b = budget_of((double)NAN, 7);
	assert_true(budget_is_set(&b));
	assert_true(b.max_nusd == INT64_MAX);
	assert_int_equal(b.max_tokens, 7);
	/* To the nearest, not down: 1.001 * 1e9 is a little less. */
	assert_int_equal(budget_of(1.001, 0).max_nusd, 1001000000);
}

static void budget__is_spent_when_it_is_reached(void **state)
{
	struct budget money = budget_of(1e-6, INT64_MIN);
	struct budget tokens = budget_of((double)NAN, 1000);

	(void)state;
	assert_false(budget_is_spent(&money, &(struct budget_use){.nusd = 999}));
	assert_true(budget_is_spent(&money, &(struct budget_use){.nusd = 1000}));
	assert_false(budget_is_spent(&money, &(struct budget_use){.tokens = 9999}));
	assert_false(budget_is_spent(&tokens, &(struct budget_use){.tokens = 999}));
	assert_true(budget_is_spent(&tokens, &(struct budget_use){.tokens = 1000}));
	assert_false(budget_is_spent(&tokens, &(struct budget_use){.nusd = 999999}));
	/* Nothing more is granted then, also when nobody has anything. */
	assert_false(budget_allows(&money, &(struct budget_use){.nusd = 1000}));
	assert_false(budget_allows(&tokens, &(struct budget_use){.tokens = 1000}));
}

/* Of money or of tokens, the first that is reached. */
static void budget__of_zero_lets_nothing_out(void **state)
{
	struct budget b = budget_of(0, INT64_MIN);
	struct budget_use none = {0};

	(void)state;
	assert_true(budget_is_set(&b));
	assert_true(budget_is_spent(&b, &none));
	assert_false(budget_allows(&b, &none));
	b = budget_of(1, 0);
	assert_false(budget_allows(&b, &none));
}

/* One prompt may always be out: else a budget below the highest price of a
 * sample would never be used. */
static void budget__lets_one_out_whatever_it_may_cost(void **state)
{
	struct budget b = budget_of(1e-6, 100);
	struct budget_use use = {.nusd = 999, .tokens = 99};

	(void)state;
	b.sample_nusd = 1000000;
	b.sample_tokens = 1000000;
	assert_true(budget_allows(&b, &use));
	use.samples_out = 1;
	assert_false(budget_allows(&b, &use));
}

static void budget__begins_with_the_highest_price(void **state)
{
	struct budget b = budget_of(1e-6, INT64_MIN); /* 1000 */
	struct budget_use use = {0};

	(void)state;
	b.sample_nusd = 100;
	use.samples_out = 9;
	assert_true(budget_allows(&b, &use));
	use.samples_out = 10;
	assert_false(budget_allows(&b, &use));
	/* A thousand that cost nearly nothing: the average is what counts. */
	use = (struct budget_use){.nusd = 600, .samples = 996, .samples_out = 300};
	assert_true(budget_allows(&b, &use)); /* 600 + 300 * 1 */
	use.samples_out = 400;
	assert_false(budget_allows(&b, &use));
}

static void budget__counts_tokens_as_it_counts_money(void **state)
{
	struct budget b = budget_of((double)NAN, 1000);
	struct budget_use use = {.samples_out = 9};

	(void)state;
	b.sample_tokens = 100;
	assert_true(budget_allows(&b, &use));
	use.samples_out = 10;
	assert_false(budget_allows(&b, &use));
	/* Both must hold. */
	b.max_nusd = 1000;
	b.sample_nusd = 900;
	use.samples_out = 2;
	assert_false(budget_allows(&b, &use));
	use.samples_out = 1;
	assert_true(budget_allows(&b, &use));
}

/* Samples of one price, granted eight at a time as long as it is allowed: the
 * budget is used, and not passed by more than what was out. */
static void budget__is_used_and_passed_by_about_one_grant(void **state)
{
	static const struct {
		int64_t budget, price, most;
	} cases[] = {
		{1000000, 10, 10},
		{1000000, 10, 10000},
		{1000000, 999, 1000},
		{1000000, 50000, 50000},
		{5, 10, 10},
		{1000, 0, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct budget b = {cases[i].budget, UINT64_MAX, cases[i].most, 0};
		struct budget_use use = {0};

		for (int round = 0; round < 200000; round++) {
			while (use.samples_out < 64 && budget_allows(&b, &use))
				use.samples_out++;
			if (use.samples_out == 0)
				break;
			use.samples_out--;
			use.samples++;
			use.nusd += cases[i].price;
		}
		use.nusd += cases[i].price * (int64_t)use.samples_out;
		assert_true(use.nusd < cases[i].budget + cases[i].price);
		if (cases[i].price > 0)
			assert_true(use.nusd >= cases[i].budget);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__is_none_where_the_job_sets_none),
		cmocka_unit_test(budget__is_spent_when_it_is_reached),
		cmocka_unit_test(budget__of_zero_lets_nothing_out),
		cmocka_unit_test(budget__lets_one_out_whatever_it_may_cost),
		cmocka_unit_test(budget__begins_with_the_highest_price),
		cmocka_unit_test(budget__counts_tokens_as_it_counts_money),
		cmocka_unit_test(budget__is_used_and_passed_by_about_one_grant),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
