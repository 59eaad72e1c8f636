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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_weighs_nothing),
		cmocka_unit_test(a_half_and_a_quarter),
		cmocka_unit_test(both_forms_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
