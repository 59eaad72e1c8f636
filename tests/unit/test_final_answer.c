/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <jansson.h>

#include "worker/final_answer.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void check_found(const char *in, const char *want)
{
	struct bytes got;
	bool found = final_answer_find(text(in), &got);

	if (found != (want != NULL) ||
		(want && (got.len != strlen(want) || memcmp(got.data, want, got.len))))
		fail_msg("'%s' gives '%.*s', not '%s'", in, found ? (int)got.len : 4,
			found ? (const char *)got.data : "none", want ? want : "none");
}

static void final_answer__is_found_by_the_first_rule_that_fits(void **state)
{
	(void)state;
	check_found("so \\boxed{42}.", "42");
	check_found("first \\boxed{1}, then \\boxed{2} and no more", "2");
	check_found("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}");
	check_found("\\boxed{\\{1,2\\}}", "\\{1,2\\}");
	check_found("\\boxed {  7 } apples", "7");
	check_found("\\fbox{7}", "7");
	check_found("\\boxed 5 and 6", "5");
	check_found("$\\boxed 5$", "5");
	check_found("put it in \\boxed{}. It is 12", "12");
	check_found("\\boxed{7} but then \\boxed{8", "7");
	check_found("\\boxed{cut and 9", "9");
	check_found("10 apples\n#### 18\n", "18");
	check_found("#### 18\n#### 19 dollars  \nthe end 20", "19 dollars");
	check_found("####", "####");
	check_found("\\boxed{3}\n#### 4", "3");
	check_found("The answer is 5.", "5.");
	check_found("The final answer is: **42** apples. Bye 7", "42** apples");
	check_found("ANSWER: B", "B");
	check_found("Answer = 3.14. Then 9", "3.14");
	check_found("**Answer:** Paris\nbecause of 3 things", "Paris");
	check_found("The answer is 5, because 3 + 2 is", "5");
	check_found("The answer is (1, 2)", "(1, 2)");
	check_found("my answer was 4 of 5", "5");
	check_found("She has 3 apples and 4,500 pears.", "4,500");
	check_found("It is -7", "-7");
	check_found("from 3-7", "7");
	check_found("that is $-7", "-7");
	check_found("half, 1/2", "1/2");
	check_found("0.5 or .75", ".75");
	check_found("on 2024-05-06.", "06");
	check_found("one\ntwo\n  Paris  \n", "Paris");
	check_found("", NULL);
	check_found(" \n ", NULL);
}

/* Takes long if one of the searches is not linear. */
static void final_answer__is_found_quickly_in_hostile_texts(void **state)
{
	static const char *const pieces[] = {"\\boxed{", "\\boxed", "w", "answer",
		"answer ", "answer: ", "#", "### ", "9,", "9", "\\", "{", "$", "\n",
		"answer is\n"};
	const size_t len = 128 << 10;
	char *page = malloc(len + 16);

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct bytes got;

		for (size_t at = 0; at < len; at += strlen(pieces[i]))
			memcpy(page + at, pieces[i], strlen(pieces[i]));
		final_answer_find(bytes_of(page, len), &got);
		final_answer_of_reference(bytes_of(page, len), &got);
	}
	free(page);
}

static void check_reference(const char *in, const char *want)
{
	struct bytes got;
	bool found = final_answer_of_reference(text(in), &got);

	if (found != (want != NULL) ||
		(want && (got.len != strlen(want) || memcmp(got.data, want, got.len))))
		fail_msg("reference '%s' gives '%.*s'", in, found ? (int)got.len : 4,
			found ? (const char *)got.data : "none");
}

static void final_answer__of_a_reference(void **state)
{
	char page[2000];

	(void)state;
	check_reference("1+1=<<1+1=2>>2\n#### 2", "2");
	check_reference("so \\boxed{x^2}", "x^2");
	check_reference(" 42 \n", "42");
	check_reference("Paris, the 3rd largest", "Paris, the 3rd largest");
	check_reference("It is long.\nThe answer is 7", "7");
	check_reference("def f():\n    return 1\n", NULL);
	check_reference("", NULL);
	memset(page, 'x', sizeof(page) - 1);
	page[sizeof(page) - 1] = '\0';
	check_reference(page, NULL);
}

static void final_answer__reads_numbers_with_their_decorations(void **state)
{
	static const struct {
		const char *in;
		double want;
	} cases[] = {{"18", 18}, {"1,234", 1234}, {"1,234,567.5", 1234567.5},
		{"$5.00", 5}, {"\\$5.00", 5}, {"-3", -3},
		{"\xe2\x88\x92"
		 "3",
			-3},
		{"+3", 3}, {".5", .5}, {"50%", 50}, {"50\\%", 50}, {"1/2", .5},
		{"-1/2", -.5}, {"\\frac{1}{2}", .5}, {"\\dfrac{3}{4}", .75},
		{"\\frac12", .5}, {"-\\frac{1}{2}", -.5}, {"\\frac{-1}{2}", -.5},
		{"1\\frac{1}{2}", 1.5}, {"1 1/2", 1.5}, {"-1 1/2", -1.5},
		{"1.5e3", 1500}, {"1.5E-3", .0015}, {"1.5 \\times 10^3", 1500},
		{"1.5*10^{3}", 1500}, {"1.5 \xc3\x97 10^{-3}", .0015}, {"10^3", 1000},
		{"10^{-2}", .01}, {"18 dollars", 18}, {"18 dollars per day.", 18},
		{"5\\text{ km}", 5}, {"5km", 5}, {"5 m", 5}, {"60 km/h", 60},
		{"x = 5", 5}, {"x=5", 5}, {"3 + 4 = 7", 7}, {"**42**", 42},
		{"`42`", 42}, {"$42$", 42}, {"\\(42\\)", 42}, {"\\text{42}", 42},
		{"\\mathrm{42 cm}", 42}, {"1{,}234", 1234}, {"1\\,234", 1234},
		{"90^\\circ", 90}, {"90\xc2\xb0", 90},
		{"\xe2\x82\xac"
		 "7",
			7},
		{"\xc2\xa3"
		 "7.50",
			7.5},
		{"(5)", 5}, {"5.", 5}, {"5!", 5}, {"Janet makes 18 dollars", 18},
		{"the number 7", 7}, {"0", 0}, {"00012", 12}, {"\\boxed{12}", 12},
		{"12 \\text{ inches}", 12}, {"5th", 5}, {"\\approx 3.14", 3.14}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double got = 0;

		if (!final_answer_number(text(cases[i].in), &got) ||
			!(got - cases[i].want < 1e-12 && cases[i].want - got < 1e-12))
			fail_msg("'%s' is %g, not %g", cases[i].in, got, cases[i].want);
	}
}

static void final_answer__takes_no_other_text_for_a_number(void **state)
{
	static const char *const cases[] = {"", "Paris", "5x", "5 x", "2\\pi", "x^2",
		"x5", "\\sqrt{5}", "2^5", "1,23", "12,34,567", "1,2,3", "(1, 2)",
		"[3,4]", "3 or 4", "x > 5", "5:30", "1/0", "\\frac{1}{0}", "3i",
		"2x + 1", "-", "$", "1e999", "\\frac{x}{2}", "\\infty", "3\\sqrt{2}",
		"a1", "one", "5 y", "2(3)"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double got;

		if (final_answer_number(text(cases[i]), &got))
			fail_msg("'%s' was read as %g", cases[i], got);
	}
}

static void final_answer__compares_by_value_and_else_by_text(void **state)
{
	static const char *const equal[][2] = {{"18", "18.0"}, {"1/2", "0.5"},
		{"\\frac{1}{2}", "0.50"}, {"50%", "50"}, {"Paris", "paris."},
		{"**Paris**", "Paris"}, {"(B)", "B"}, {"[b]", "B"},
		{"\\text{Yes}", "yes"}, {"\\left(1, 2\\right)", "(1,2)"},
		{"\\sqrt2", "\\sqrt{2}"}, {"\\frac{x}{2}", "\\dfrac{x}{2}"},
		{"x = 2y", "2y"}, {"x \\in [0, 1)", "x\\in[0,1)"},
		{"\\mathrm{d}x", "dx"}, {"1\\frac{1}{3}", "4/3"}, {"3 \\pi", "3\\pi"},
		{"5 km", "5"}, {"$18", "18 dollars"}, {"1e3", "1000"}, {"-0", "0"},
		{"It\xe2\x80\x99s", "it's"}};
	static const char *const different[][2] = {{"18", "19"},
		{"10000000", "10000001"}, {"0.5", "0.50001"}, {"[1,2]", "(1,2)"},
		{"A", "B"}, {"x^2", "x^3"}, {"5x", "5"}, {"\\sqrt{5}", "5"}, {"", ""},
		{"yes", "no"}, {"2\\pi", "2"}, {"-5", "5"}, {"3 or 4", "3"}};

	(void)state;
	for (size_t i = 0; i < sizeof(equal) / sizeof(equal[0]); i++)
		if (!final_answer_equal(text(equal[i][0]), text(equal[i][1])) ||
			!final_answer_equal(text(equal[i][1]), text(equal[i][0])))
			fail_msg("'%s' is not '%s'", equal[i][0], equal[i][1]);
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		if (final_answer_equal(text(different[i][0]), text(different[i][1])))
			fail_msg("'%s' is '%s'", different[i][0], different[i][1]);
}

/* The references of GSM8K */

static bool right(const char *content, const char *reference)
{
	struct bytes want, got;

	return final_answer_of_reference(text(reference), &want) &&
	       final_answer_find(text(content), &got) && final_answer_equal(got, want);
}

/* "1234567" as "1,234,567". */
static void with_commas(long number, char out[64])
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%ld", number < 0 ? -number : number);
	int to = 0;

	if (number < 0)
		out[to++] = '-';
	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			out[to++] = ',';
		out[to++] = digits[i];
	}
	out[to] = '\0';
}

static void check_gsm8k(const char *reference)
{
	static const char *const right_forms[] = {"%ld", "\\boxed{%ld}",
		"\\boxed{%ld.00}", "The answer is $%ld.", "#### %ld",
		"So she makes %ld dollars.", "**Answer:** %ld apples"};
	long value = 0;
	char content[256], commas[64];
	const char *at = strstr(reference, "#### ");

	assert_non_null(at);
	for (const char *p = at + 5; *p; p++)
		if (*p >= '0' && *p <= '9')
			value = value * 10 + (*p - '0');
	if (at[5] == '-')
		value = -value;
	if (!right(reference, reference))
		fail_msg("not equal to itself: %s", at);
	for (size_t i = 0; i < sizeof(right_forms) / sizeof(right_forms[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(content, sizeof(content), right_forms[i], value);
		if (!right(content, reference))
			fail_msg("'%s' is wrong for %s", content, at);
		snprintf(content, sizeof(content), right_forms[i], value + 1);
		if (right(content, reference))
			fail_msg("'%s' is right for %s", content, at);
#pragma GCC diagnostic pop
	}
	with_commas(value, commas);
	snprintf(content, sizeof(content), "\\boxed{\\$%s}", commas);
	if (!right(content, reference))
		fail_msg("'%s' is wrong for %s", content, at);
}

static void final_answer__agrees_with_every_reference_of_gsm8k(void **state)
{
	FILE *f = fopen(CORPORA "/gsm8k-test.jsonl", "r");
	char line[65536];
	int n = 0;

	(void)state;
	if (!f) {
		print_message(
			"skipped: %s is not there\n", CORPORA "/gsm8k-test.jsonl");
		skip();
	}
	while (fgets(line, sizeof(line), f)) {
		json_t *row = json_loads(line, 0, NULL);

		assert_non_null(row);
		check_gsm8k(json_string_value(json_object_get(row, "answer")));
		json_decref(row);
		n++;
	}
	fclose(f);
	assert_int_equal(n, 1319);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(final_answer__is_found_by_the_first_rule_that_fits),
		cmocka_unit_test(final_answer__of_a_reference),
		cmocka_unit_test(final_answer__is_found_quickly_in_hostile_texts),
		cmocka_unit_test(final_answer__reads_numbers_with_their_decorations),
		cmocka_unit_test(final_answer__takes_no_other_text_for_a_number),
		cmocka_unit_test(final_answer__compares_by_value_and_else_by_text),
		cmocka_unit_test(final_answer__agrees_with_every_reference_of_gsm8k),
	};

	return cmocka_run_group_tests_name("final_answer", tests, NULL, NULL);
}
