/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <time.h>

#include "common/clock.h"

static void check(int64_t wall_ms, const char *want)
{
	char text[25];

	memset(text, 'x', sizeof(text));
	clock_text(wall_ms, text);
	assert_string_equal(text, want);
}

static void clock_text__is_utc_to_the_millisecond(void **state)
{
	(void)state;
	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	check(0, "1970-01-01T00:00:00.000Z");
	check(1, "1970-01-01T00:00:00.001Z");
	check(999, "1970-01-01T00:00:00.999Z");
	check(1000, "1970-01-01T00:00:01.000Z");
	check(951782400000, "2000-02-29T00:00:00.000Z");
	check(1767225599999, "2025-12-31T23:59:59.999Z");
	check(2147483648000, "2038-01-19T03:14:08.000Z");
	check(253402300799999, "9999-12-31T23:59:59.999Z");
}

/* A time comes from a record, and that from anywhere. */
static void clock_text__takes_any_number(void **state)
{
	(void)state;
	check(-1, "1970-01-01T00:00:00.000Z");
	check(INT64_MIN, "1970-01-01T00:00:00.000Z");
	check(253402300800000, "9999-12-31T23:59:59.999Z");
	check(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void clock__runs_forward_in_its_units(void **state)
{
	int64_t us = clock_mono_us(), ms = clock_mono_ms(), wall = clock_wall_ms();
	int64_t last = us, now_s = time(NULL);

	(void)state;
	assert_true(ms >= us / 1000);
	assert_true(ms - us / 1000 < 60000);
	/* time() is of the last tick: it may still tell the second before. */
	assert_true(wall / 1000 <= now_s + 1 && wall / 1000 >= now_s - 60);
	for (int i = 0; i < 100000; i++) {
		int64_t now = clock_mono_us();

		assert_true(now >= last);
		last = now;
	}
	assert_true(last > us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_text__is_utc_to_the_millisecond),
		cmocka_unit_test(clock_text__takes_any_number),
		cmocka_unit_test(clock__runs_forward_in_its_units),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
