/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/find_prompt.h"
#include "store/reader.h"
#include "store/show.h"

static struct maker maker;
static struct reader *reader;
static struct buf out;

/* A text that would clear the screen and set the window's title. */
#define NASTY "\x1b[2J\x1b]0;title\x07 \xe2\x80\xae"

static const struct made samples[] = {
	{.prompt = 12,
		.reasoning = "think " NASTY,
		.content = "say " NASTY "\nmore",
		.tool_calls = "[\""
			      "\\u001b[2J"
			      "\"]",
		.reference = NASTY,
		.n_tokens = 4,
		.k = 3,
		.with_bytes = true},
	{.prompt = 12, .sample = 1, .content = "two", .n_tokens = 2, .k = 0},
};

static int begin(void **state)
{
	struct reader_query query = {0};
	struct err err;

	(void)state;
	maker_begin(&maker);
	maker_store(&maker, samples, 2);
	must(reader_open(maker.d, &query, &reader, &err), &err);
	buf_init(&out, MIB(1));
	return 0;
}

static int end(void **state)
{
	(void)state;
	reader_close(reader);
	buf_release(&out);
	maker_end(&maker);
	return 0;
}

static struct sample *next(void)
{
	struct sample *s;
	struct err err;

	must(reader_next(reader, &s, &err), &err);
	return s;
}

static void assert_says(const char *text)
{
	if (!strstr(buf_text(&out), text))
		fail_msg("no \"%s\" in:\n%s", text, buf_text(&out));
}

static void show__passes_on_nothing_that_a_terminal_obeys(void **state)
{
	struct show_options options = {.logits = true};
	struct sample *s = next();
	struct err err;

	(void)state;
	must(show_sample(&options, s, &out, &err), &err);
	must(show_line(&options, s, &out, &err), &err);
	for (size_t i = 0; i < out.len; i++)
		assert_true(out.data[i] >= 0x20 || out.data[i] == '\n' ||
			    out.data[i] == '\t');
	assert_null(strstr(buf_text(&out), "\xe2\x80\xae"));
	assert_says("p-12  prompt 12  sample 0  revision 0  accepted");
	assert_says("what is \"12\"?");
	assert_says("-- reasoning --\nthink \\x1b[2J");
	assert_says("\\x07 \\u202e\nmore\n");
	assert_says("-- tokens --");
	assert_says("-- least certain --");
	assert_says("4 tokens, top 3, logprobs raw");
}

static void show__colours_only_when_asked(void **state)
{
	struct show_options options = {.colour = true, .logits = true};
	struct err err;

	(void)state;
	must(show_sample(&options, next(), &out, &err), &err);
	assert_says("\x1b[38;5;");
	assert_says("probability: ");
	/* Of its own sequences, only colours and bold. */
	for (char *at = strchr(buf_text(&out), '\x1b'); at; at = strchr(at + 1, '\x1b'))
		assert_true(strncmp(at, "\x1b[38;5;", 7) == 0 ||
			    strncmp(at, "\x1b[0m", 4) == 0 ||
			    strncmp(at, "\x1b[1m", 4) == 0);
}

static void show__copes_with_tokens_that_nobody_told(void **state)
{
	struct show_options options = {.logits = true};
	struct err err;

	(void)state;
	next();
	must(show_sample(&options, next(), &out, &err), &err);
	assert_says("#0[?]#1[?]");
	assert_null(strstr(buf_text(&out), "least certain"));
}

static void show__names_the_rule_that_was_broken(void **state)
{
	struct show_options options = {0};
	struct sample *s = next();
	struct err err;

	(void)state;
	must(show_sample(&options, s, &out, &err), &err);
	assert_null(strstr(buf_text(&out), "list_short"));
	s->head.flags |= FLAG_MISALIGNED;
	must(show_sample(&options, s, &out, &err), &err);
	assert_says("flags: misaligned (list_short)");
}

static void find_prompt__takes_ids_before_numbers(void **state)
{
	uint64_t prompt = 0;
	struct err err;

	(void)state;
	must(find_prompt(maker.d, "p-12", &prompt, &err), &err);
	assert_int_equal(prompt, 12);
	prompt = 0;
	must(find_prompt(maker.d, "12", &prompt, &err), &err);
	assert_int_equal(prompt, 12);
	assert_int_equal(find_prompt(maker.d, "13", &prompt, &err), ERR_NOT_FOUND);
	assert_int_equal(find_prompt(maker.d, "p-1", &prompt, &err), ERR_NOT_FOUND);
	assert_int_equal(find_prompt(maker.d, "", &prompt, &err), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			show__passes_on_nothing_that_a_terminal_obeys, begin, end),
		cmocka_unit_test_setup_teardown(
			show__colours_only_when_asked, begin, end),
		cmocka_unit_test_setup_teardown(
			show__copes_with_tokens_that_nobody_told, begin, end),
		cmocka_unit_test_setup_teardown(
			show__names_the_rule_that_was_broken, begin, end),
		cmocka_unit_test_setup_teardown(
			find_prompt__takes_ids_before_numbers, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
