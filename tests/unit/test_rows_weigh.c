/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "worker/rows_weigh.h"

static void nothing_weighs_nothing(void **state)
{
	struct weight w = rows_weigh(NULL, 0);

	(void)state;
	assert_true(w.sum == 0 && w.entropy == 0);
}

static void a_half_and_a_quarter(void **state)
{
	const double logprob[] = {-0.69314718055994531, -1.3862943611198906};
	struct weight w = rows_weigh(logprob, 2);

	(void)state;
	assert_true(fabs(w.sum - 0.75) < 1e-15);
	assert_true(fabs(w.entropy - 0.69314718055994531) < 1e-15);
}

/* Of every length, from certainty to what has no place among doubles. */
static void both_forms_agree(void **state)
{
#if ROWS_WEIGH_HAS_AVX2
	double logprob[67];

	(void)state;
	if (jrun_best() != JRUN_AVX2)
		return;
	for (uint32_t round = 0; round < 2000; round++)
		for (uint32_t n = 0; n < 67; n += 1 + round % 5) {
			struct weight a, b;

			for (uint32_t i = 0; i < n; i++)
				logprob[i] = -(double)(i * i * (round % 97)) / 31 -
					     (double)(round * 7 + i) / 5000;
			a = rows_weigh_portable(logprob, n);
			b = rows_weigh_avx2(logprob, n);
			assert_true(fabs(a.sum - b.sum) <= 1e-14 * a.sum);
			assert_true(
				fabs(a.entropy - b.entropy) <= 1e-14 * (1 + a.entropy));
		}
#else
	(void)state;
#endif
}

static void a_tail_is_one_bucket(void **state)
{
	const double tail[] = {0.25, 0, (double)NAN, 1, 0.5};
	double entropy[] = {1, 2, (double)NAN, 3, (double)NAN};

	(void)state;
	rows_weigh_tails(tail, 5, entropy);
	assert_true(fabs(entropy[0] - 1.34657359027997264) < 1e-15);
	assert_true(entropy[1] == 2 && entropy[3] == 3);
	assert_true(isnan(entropy[2]) && isnan(entropy[4]));
}

static void both_forms_agree_on_tails(void **state)
{
#if ROWS_WEIGH_HAS_AVX2
	double tail[66], a[66], b[66];

	(void)state;
	if (jrun_best() != JRUN_AVX2)
		return;
	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t n = round % 67;

		for (uint32_t i = 0; i < n; i++) {
			tail[i] = i % 7 == 0
					  ? 0
					  : ldexp(1 + i / 66., -1 - (int)(round % 60));
			tail[i] = i % 11 == 5 ? (double)NAN : tail[i];
			a[i] = b[i] = round / 500.;
		}
		rows_weigh_tails_portable(tail, n, a);
		rows_weigh_tails_avx2(tail, n, b);
		for (uint32_t i = 0; i < n; i++)
			assert_true(fabs(a[i] - b[i]) <= 1e-14 * (1 + a[i]));
	}
#else
	(void)state;
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_weighs_nothing),
		cmocka_unit_test(a_half_and_a_quarter),
		cmocka_unit_test(both_forms_agree),
		cmocka_unit_test(a_tail_is_one_bucket),
		cmocka_unit_test(both_forms_agree_on_tails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
