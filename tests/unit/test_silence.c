/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/silence.h"

static void it_is_said_ever_more_rarely(void **state)
{
	struct silence s = {0};
	int64_t before = 0, n = 0;

	(void)state;
	for (int64_t ms = 1000; ms <= 1000 + 3600 * 1000; ms += 100) {
		if (!silence_is_long(&s, ms))
			continue;
		if (n == 0)
			assert_int_equal(ms - 1000, SILENCE_FIRST_MS);
		else
			assert_true(ms - before >= SILENCE_FIRST_MS);
		assert_true(ms - before <= SILENCE_MOST_MS + 1000);
		before = ms;
		n++;
	}
	/* 3, 6, 12, ... 384 s, and then every 300. */
	assert_int_equal(n, 8 + (3600 - 384) / 300);
}

static void an_answer_ends_it(void **state)
{
	struct silence s = {0};

	(void)state;
	assert_false(silence_is_long(&s, 5));
	assert_true(silence_is_long(&s, 5 + SILENCE_FIRST_MS));
	silence_ends(&s);
	assert_false(silence_is_long(&s, 5 + 2 * SILENCE_FIRST_MS));
	assert_true(silence_is_long(&s, 5 + 3 * SILENCE_FIRST_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_said_ever_more_rarely),
		cmocka_unit_test(an_answer_ends_it),
	};

	return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
