/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of single values, which jscan and the fast lane share. */
#include "unit/unit.h"

#include <math.h>

#include "common/jtext.h"

static void jt_skip__finds_the_end_or_asks_for_more(void **state)
{
	static const char text[] = "{\"a\":[1,2.5,\"x\\n\"],\"b\":{\"c\":null}} rest";
	const unsigned char *p = (const unsigned char *)text, *next;
	size_t whole = strlen(text) - strlen(" rest");

	(void)state;
	assert_int_equal(jt_skip(p, p + strlen(text), &next, 8), JT_OK);
	assert_ptr_equal(next, p + whole);
	for (size_t len = 0; len < whole; len++)
		assert_int_equal(jt_skip(p, p + len, &next, 8), JT_MORE);
	assert_int_equal(jt_skip(p, p + whole, &next, 1), JT_BAD);
}

static void jt_number_skip__checks_the_form_but_not_the_size(void **state)
{
	static const char *const good[] = {"0", "-0", "12", "1.5", "1e5", "1E-5",
		"-2.5e+3", "18446744073709551615", "-9223372036854775809", "1e400",
		"0.0e999"};
	static const char *const bad[] = {
		"01", "-01", "1.", "-", "1e", "1e+", ".5", "+1", "a", "-a", "1.e5"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "%s,", good[i]);
		const unsigned char *p = (const unsigned char *)text, *next = NULL;

		assert_int_equal(jt_number_skip(p, p + len, &next), JT_OK);
		assert_ptr_equal(next, p + len - 1);
		for (int n = 0; n < len; n++)
			assert_int_equal(jt_number_skip(p, p + n, &next), JT_MORE);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "%s,", bad[i]);
		const unsigned char *p = (const unsigned char *)text, *next;

		assert_int_equal(jt_number_skip(p, p + len, &next), JT_BAD);
	}
}

static void jt_real__is_an_infinity_beyond_the_range(void **state)
{
	static const struct {
		const char *text;
		double want;
	} cases[] = {{"0.5,", 0.5}, {"-0.1,", -0.1}, {"1e400,", HUGE_VAL},
		{"-1e999,", -HUGE_VAL}, {"1e-400,", 0}, {"-9999.0,", -9999},
		{"9223372036854775808,", 9223372036854775808.0},
		{"-340282346638528859811704183484516925440,", -0x1.fffffep+127},
		{"-3.4028234663852886e+38,", -0x1.fffffep+127}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const unsigned char *p = (const unsigned char *)cases[i].text, *next;
		size_t len = strlen(cases[i].text);
		double got;

		assert_int_equal(jt_real(p, p + len, &next, &got), JT_OK);
		assert_true(got == cases[i].want);
		assert_ptr_equal(next, p + len - 1);
		for (size_t n = 0; n < len; n++)
			assert_int_equal(jt_real(p, p + n, &next, &got), JT_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jt_skip__finds_the_end_or_asks_for_more),
		cmocka_unit_test(jt_number_skip__checks_the_form_but_not_the_size),
		cmocka_unit_test(jt_real__is_an_infinity_beyond_the_range),
	};

	return cmocka_run_group_tests_name("jtext", tests, NULL, NULL);
}
