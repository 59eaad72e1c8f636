/* SPDX-License-Identifier: Apache-2.0 */
/* What the teacher understands: numbers, problems, corpora; and how it shows
 * bytes that are no text. */
#include "unit/unit.h"

#include <unistd.h>

#include "deploy/teacher/decimal.h"
#include "deploy/teacher/problem.h"
#include "deploy/teacher/references.h"
#include "deploy/teacher/repair.h"

static void assert_plain(const char *text, const char *want)
{
	char plain[DECIMAL_MAX];
	bool is = decimal_plain(text, strlen(text), plain);

	assert_int_equal(is, want != NULL);
	if (want)
		assert_string_equal(plain, want);
}

static void decimal__plain_form(void **state)
{
	(void)state;
	assert_plain("1,234", "1234");
	assert_plain(" 72. ", "72");
	assert_plain("-5", "-5");
	assert_plain("$-5", "-5");
	assert_plain("-$1,000.50", "-1000.50");
	assert_plain(".75", ".75");
	assert_plain("", NULL);
	assert_plain("-", NULL);
	assert_plain("--5", NULL);
	assert_plain("1,", NULL);
	assert_plain("1.2.3", NULL);
	assert_plain("1.2,3", NULL);
	assert_plain("12 apples", NULL);
	assert_plain("5%", NULL);
	assert_plain("11111111112222222222333333333344444444445555555555", NULL);
}

static void decimal__groups_of_three(void **state)
{
	static const char *const pairs[][2] = {{"123", "123"}, {"1234", "1,234"},
		{"-1234567.5", "-1,234,567.5"}, {"-123", "-123"}, {".5", ".5"}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char text[DECIMAL_MAX];

		snprintf(text, sizeof(text), "%s", pairs[i][0]);
		decimal_group(text);
		assert_string_equal(text, pairs[i][1]);
	}
}

static void decimal__same_is_of_values(void **state)
{
	(void)state;
	assert_true(decimal_same("1,234", "1234.00"));
	assert_true(decimal_same("007", "7"));
	assert_true(decimal_same("-0", "0"));
	assert_true(decimal_same(".50", "0.5"));
	assert_true(decimal_same("Paris", "Paris"));
	assert_false(decimal_same("12.5", "12.05"));
	assert_false(decimal_same("-5", "5"));
	assert_false(decimal_same("Paris", "5"));
	assert_false(decimal_same("10", "1"));
}

static void assert_answer(const char *text, int64_t want, unsigned steps)
{
	struct problem p;

	assert_true(problem_solve(bytes_of(text, strlen(text)), &p));
	assert_int_equal(p.answer, want);
	assert_int_equal(p.n_steps, steps);
}

static void assert_no_problem(const char *text)
{
	struct problem p;

	assert_false(problem_solve(bytes_of(text, strlen(text)), &p));
}

static void problem__step_by_step(void **state)
{
	(void)state;
	assert_answer("Mia has 12 apples. How many apples does Mia have?", 12, 0);
	assert_answer("Mia has 1,200 apples. Then she buys 5 more. How many?", 1205, 1);
	assert_answer(
		"There are 3 rows of 4 chairs in the hall. Half of them are sold. "
		"It is warm! How many are there now?\nUse \\boxed{}.",
		6, 2);
	assert_answer(
		"Tom saves $7 dollars a week for 3 weeks. On the way home, Tom loses 20 "
		"of them. How many are left?",
		1, 2);
	assert_answer("Ann has 20 nuts. Ann gives 30 of them to Bo. The number of nuts "
		      "triples. How many?",
		-30, 2);
}

static void problem__what_is_none(void **state)
{
	(void)state;
	assert_no_problem("");
	assert_no_problem("Mia has 12 apples.");
	assert_no_problem("How many apples does Mia have?");
	assert_no_problem("Mia has 12 apples. Bo has 3 apples. How many?");
	assert_no_problem("Mia has 12 apples. Bo eats 3 apples daily. How many?");
	assert_no_problem(
		"Mia has 12 apples. Mia packs them into bags of 5. How many?");
	assert_no_problem("She buys 5 more. Mia has 12 apples. How many?");
	assert_no_problem("Mia has 12 apples. How many? How many?");
	assert_no_problem("Mia has 12 apples. How many in 5 days?");
	assert_no_problem("Mia has 1000000000000001 apples. How many?");
	assert_no_problem("Mia has 12.5 apples. How many?");
}

/* Words longer and more of them than there is room for. */
static void problem__bears_anything(void **state)
{
	struct chance chance = {42};
	char text[4096];

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = chance_below(&chance, sizeof(text));
		struct problem p;

		for (size_t j = 0; j < len; j++)
			text[j] = "hasow 0123456789.?\n,#_$(\xc3\0mnyore"[chance_below(
				&chance, 33)];
		problem_solve(bytes_of(text, len), &p);
	}
}

static void assert_repaired(const char *raw, size_t len, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	repair_text(bytes_of(raw, len), &out);
	assert_bytes_equal(buf_bytes(&out), want);
	buf_release(&out);
}

#define FFFD "\xef\xbf\xbd"

static void repair__one_mark_for_each_part(void **state)
{
	(void)state;
	assert_repaired("plain", 5, "plain");
	assert_repaired("\xc3", 1, FFFD);
	assert_repaired("a\xc3(", 3, "a" FFFD "(");
	assert_repaired("\xe2\x9c", 2, FFFD);
	assert_repaired("\xf0\x9f\x8e", 3, FFFD);
	assert_repaired("\xc0\xaf", 2, FFFD FFFD);
	assert_repaired("\xed\xa0\x80", 3, FFFD FFFD FFFD);
	assert_repaired("\xf0\x80\x80\x41", 4, FFFD FFFD FFFD "A");
	assert_repaired("\xe2\x9c\xe2\x9c\x93", 5, FFFD "\xe2\x9c\x93");
	assert_repaired("\xff\xfe", 2, FFFD FFFD);
}

static const char corpus[] =
	"{\"question\": \"How long is a rope of two parts?\", \"answer\": \"So\\n#### 1,200\"}\n"
	"not JSON at all\n"
	"{\"problem\": \"How long is a rope of two parts? And a chain?\", \"solution\": "
	"\"It is \\\\boxed{4{5}}.\"}\n"
	"{\"messages\": [{\"role\": \"user\", \"content\": \"tiny\"}, {\"role\": "
	"\"assistant\", \"content\": \"9\"}]}\n"
	"{\"question\": \"How long is a rope of two parts?\", \"answer\": \"later line\"}\n"
	"{\"question\": \"No answer here\"}\n"
	"{\"instruction\": \"A number for an answer, please\", \"output\": 17.5}";

static struct references *load(void)
{
	char path[] = "/tmp/retort-unit-XXXXXX";
	struct references *r = NULL;
	struct err err;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, corpus, sizeof(corpus) - 1), sizeof(corpus) - 1);
	close(fd);
	assert_int_equal(references_load(path, &r, &err), ERR_NONE);
	unlink(path);
	return r;
}

static void assert_found(
	const struct references *r, const char *prompt, const char *want)
{
	const char *got = references_find(r, bytes_of(prompt, strlen(prompt)));

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void references__the_longest_question_counts(void **state)
{
	struct references *r = load();

	(void)state;
	assert_int_equal(references_count(r), 5);
	assert_found(r, "How long is a rope of two parts?", "1,200");
	assert_found(r, "Please: How long is a rope of two parts?\nBox it.", "1,200");
	assert_found(r, "How long is a rope of two parts? And a chain?\n", "4{5}");
	assert_found(r, "a tiny question", "9");
	assert_found(r, "A number for an answer, please!", "17.5");
	assert_found(r, "No answer here", NULL);
	assert_found(r, "", NULL);
	references_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal__plain_form),
		cmocka_unit_test(decimal__groups_of_three),
		cmocka_unit_test(decimal__same_is_of_values),
		cmocka_unit_test(problem__step_by_step),
		cmocka_unit_test(problem__what_is_none),
		cmocka_unit_test(problem__bears_anything),
		cmocka_unit_test(repair__one_mark_for_each_part),
		cmocka_unit_test(references__the_longest_question_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
