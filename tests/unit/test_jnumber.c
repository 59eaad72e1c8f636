/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in JSON text against strtod, by all ways there are to read one:
 * near the end of the bytes and far from it, short and long. */
#include "unit/unit.h"

#include <math.h>

#include "common/jtext.h"

#define ROOM 1200

/* A random number in JSON's form; its length. */
static size_t write_number(struct chance *c, char *out, unsigned max_digits)
{
	static const char *const exponents[] = {"e", "E", "e+", "e-", "E-"};
	size_t n = 0, digits = chance_below(c, max_digits);
	uint64_t shape = chance_next(c);

	if (shape & 1)
		out[n++] = '-';
	if (shape & 2) {
		out[n++] = '0';
	} else {
		out[n++] = (char)('1' + chance_below(c, 9));
		for (size_t i = chance_below(c, digits / 2 + 1); i > 0; i--)
			out[n++] = (char)('0' + chance_below(c, 10));
	}
	if (shape & 12) {
		out[n++] = '.';
		/* Runs of zeros and nines are where rounding goes wrong. */
		for (size_t i = 0; i <= digits; i++)
			out[n++] = shape & 16   ? (char)('0' + chance_below(c, 10))
				   : shape & 32 ? '9'
				   : i < digits ? '0'
						: (char)('0' + chance_below(c, 10));
	}
	if ((shape & 0x1c0) == 0)
		n += (size_t)sprintf(out + n, "%s%u", exponents[chance_below(c, 5)],
			(unsigned)chance_below(c, 330));
	out[n] = '\0';
	return n;
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void jt_real__is_what_strtod_says(void **state)
{
	struct chance c = {2024};

	(void)state;
	for (int i = 0; i < 300000; i++) {
		char text[ROOM], *copy;
		size_t len = write_number(&c, text, i % 50 == 0 ? 480 : 24);
		size_t behind = chance_below(&c, 40);
		double want = strtod(text, NULL), got = 0;
		const unsigned char *next = NULL, *p;
		struct jnumber number;
		enum jt code;

		/* Memory of its own length, so that a byte too far is noticed. */
		copy = malloc(len + 1 + behind);
		memcpy(copy, text, len);
		memset(copy + len, ",}] e."[i % 4], 1 + behind);
		p = (const unsigned char *)copy;
		assert_int_equal(jt_real(p, p + len + 1 + behind, &next, &got), JT_OK);
		assert_ptr_equal(next, p + len);
		if (!same(got, want))
			fail_msg("%s is %.17g, not %.17g", text, want, got);
		code = jt_number(p, p + len + 1 + behind, &next, &number);
		if (!strpbrk(text, ".eE") && fabs(want) > 9.3e18) {
			assert_int_equal(code, JT_BAD);
		} else if (!isfinite(want)) {
			assert_int_equal(code, JT_BAD);
		} else if (code == JT_OK) {
			assert_true(same(number.value, want));
			assert_int_equal(number.is_integer, !strpbrk(text, ".eE"));
		} else {
			/* Between 2^63 and what the double can tell from it. */
			assert_true(fabs(want) >= 9223372036854775807.0);
		}
		assert_int_equal(jt_number_skip(p, p + len + 1 + behind, &next), JT_OK);
		assert_ptr_equal(next, p + len);
		free(copy);
	}
}

/* A number that touches the end may go on: nothing is said of it. */
static void jt_number__waits_at_every_cut(void **state)
{
	struct chance c = {11};

	(void)state;
	for (int i = 0; i < 3000; i++) {
		char text[ROOM];
		size_t len = write_number(&c, text, 60);
		const unsigned char *p = (const unsigned char *)text, *next = NULL;
		struct jnumber number;
		double real;

		for (size_t cut = 0; cut <= len; cut++) {
			assert_int_equal(jt_real(p, p + cut, &next, &real), JT_MORE);
			assert_int_equal(jt_number_skip(p, p + cut, &next), JT_MORE);
			assert_int_equal(
				jt_number(p, p + cut, &next, &number), JT_MORE);
		}
	}
}

static enum jt read_integer(const char *text, struct jnumber *out)
{
	const unsigned char *p = (const unsigned char *)text, *next;

	return jt_number(p, p + strlen(text), &next, out);
}

static void jt_number__holds_all_of_int64_and_no_more(void **state)
{
	struct jnumber n;

	(void)state;
	assert_int_equal(read_integer("9223372036854775807 ", &n), JT_OK);
	assert_true(n.is_integer && n.integer == INT64_MAX);
	assert_int_equal(read_integer("-9223372036854775808 ", &n), JT_OK);
	assert_true(n.is_integer && n.integer == INT64_MIN);
	assert_int_equal(read_integer("9223372036854775808 ", &n), JT_BAD);
	assert_int_equal(read_integer("-9223372036854775809 ", &n), JT_BAD);
	assert_int_equal(read_integer("18446744073709551616 ", &n), JT_BAD);
	assert_int_equal(read_integer("18446744073709551617 ", &n), JT_BAD);
	assert_int_equal(read_integer("99999999999999999999 ", &n), JT_BAD);
	assert_int_equal(read_integer("0 ", &n), JT_OK);
	assert_true(n.is_integer && n.integer == 0 && !signbit(n.value));
	assert_int_equal(read_integer("-0 ", &n), JT_OK);
	assert_true(n.is_integer && n.integer == 0 && signbit(n.value));
	assert_int_equal(read_integer("1.0 ", &n), JT_OK);
	assert_true(!n.is_integer && n.value == 1);
	assert_int_equal(read_integer("1e2 ", &n), JT_OK);
	assert_true(!n.is_integer && n.value == 100);
	assert_int_equal(read_integer("1e308 ", &n), JT_OK);
	assert_int_equal(read_integer("1e309 ", &n), JT_BAD);
	assert_int_equal(read_integer("0e999999999999 ", &n), JT_OK);
	assert_true(n.value == 0);
	assert_int_equal(read_integer("1e-999999999999 ", &n), JT_OK);
	assert_true(n.value == 0);
}

static void jt_number__has_a_longest_text(void **state)
{
	char text[900];
	const unsigned char *p = (const unsigned char *)text, *next;
	struct jnumber n;
	double real;

	(void)state;
	for (size_t len = 795; len < 806; len++) {
		enum jt want = len <= 800 ? JT_OK : JT_BAD;

		memset(text, '3', len);
		text[1] = '.';
		text[len] = ',';
		assert_int_equal(jt_number(p, p + len + 1, &next, &n), want);
		assert_int_equal(jt_real(p, p + len + 1, &next, &real), want);
		assert_int_equal(jt_number_skip(p, p + len + 1, &next), want);
		if (want == JT_OK)
			assert_true(same(real, strtod(text, NULL)));
	}
}

static void jt_real__refuses_what_json_does(void **state)
{
	static const char *const bad[] = {"01.5", "-01.5", "00", "1.", "-.5", ".5",
		"+1.5", "1.e5", "1.5e", "1.5e+", "--1", "-", "nan", "Infinity"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int far = 0; far < 2; far++) {
			char text[80];
			const unsigned char *p = (const unsigned char *)text,
					    *next = NULL;
			struct jnumber n;
			double real;
			size_t len;

			memset(text, ' ', sizeof(text));
			memcpy(text, bad[i], strlen(bad[i]));
			text[strlen(bad[i])] = ',';
			len = strlen(bad[i]) + 1 + (far ? 40 : 0);
			assert_int_equal(jt_real(p, p + len, &next, &real), JT_BAD);
			assert_int_equal(jt_number(p, p + len, &next, &n), JT_BAD);
			assert_int_equal(jt_number_skip(p, p + len, &next), JT_BAD);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jt_real__is_what_strtod_says),
		cmocka_unit_test(jt_number__waits_at_every_cut),
		cmocka_unit_test(jt_number__holds_all_of_int64_and_no_more),
		cmocka_unit_test(jt_number__has_a_longest_text),
		cmocka_unit_test(jt_real__refuses_what_json_does),
	};

	return cmocka_run_group_tests_name("jnumber", tests, NULL, NULL);
}
