/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/output.h"

#include "common/options.h"

static struct {
	bool flag;
	const char *text;
	int64_t number, any;
	double real;
	struct option_list list;
} got;

static const struct option options[] = {
	{"verbose", 'v', OPTION_FLAG, NULL, "say more", &got.flag, 0, 0},
	{"output", 'o', OPTION_TEXT, "FILE", "where to", &got.text, 0, 0},
	{"port", 'p', OPTION_INTEGER, "PORT", "which port", &got.number, 1, 65535},
	{"any", 0, OPTION_INTEGER, "N", "any number", &got.any, 0, 0},
	{"rate", 0, OPTION_REAL, "R", "a share", &got.real, 0, 1},
	{"where", 'w', OPTION_LIST, "EXPR", "again and again", &got.list, 0, 0},
};

static struct command_line line;
static struct output output;

/* Reads the words behind the command's name; the exit code, or -1 for go on. */
static int read_words(const char *const *words, int n)
{
	const char *argv[100] = {"retort test"};
	int code = -1;
	bool go_on;

	memset(&got, 0, sizeof(got));
	line = (struct command_line){"retort test", "RUN [OTHER]", "Tests.", options,
		sizeof(options) / sizeof(options[0]), 1, 2, {NULL}, 0};
	for (int i = 0; i < n; i++)
		argv[i + 1] = words[i];
	output_begin(&output, STDERR_FILENO);
	go_on = options_read(&line, n + 1, (char **)(uintptr_t)argv, &code);
	output_end(&output);
	assert_int_equal(go_on, code == -1);
	return code;
}

#define READ(...)                                                                      \
	read_words((const char *const[]){__VA_ARGS__},                                 \
		(int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void options__come_in_all_their_forms(void **state)
{
	(void)state;
	assert_int_equal(
		READ("run", "--verbose", "--output", "a", "--port=80", "--rate", "0.25",
			"--where=x == 'y'", "-w", "z", "-wq"),
		-1);
	assert_true(got.flag);
	assert_string_equal(got.text, "a");
	assert_int_equal(got.number, 80);
	assert_true(got.real == 0.25);
	assert_int_equal(got.list.n, 3);
	/* Only the first = is the option's. */
	assert_string_equal(got.list.at[0], "x == 'y'");
	assert_string_equal(got.list.at[1], "z");
	assert_string_equal(got.list.at[2], "q");
	assert_int_equal(line.n_operands, 1);
	assert_string_equal(line.operand[0], "run");
	assert_int_equal(READ("-v", "-o", "-", "-p8", "run"), -1);
	assert_string_equal(got.text, "-");
	assert_int_equal(got.number, 8);
	/* What looks like an option may be a value. */
	assert_int_equal(READ("--output", "--verbose", "run"), -1);
	assert_string_equal(got.text, "--verbose");
	assert_false(got.flag);
	assert_int_equal(READ("--output=", "run"), -1);
	assert_string_equal(got.text, "");
	/* The last one counts. */
	assert_int_equal(READ("run", "-p1", "-p2"), -1);
	assert_int_equal(got.number, 2);
}

static void options__end_at_two_dashes(void **state)
{
	(void)state;
	assert_int_equal(READ("--", "--verbose", "--help"), -1);
	assert_false(got.flag);
	assert_int_equal(line.n_operands, 2);
	assert_string_equal(line.operand[0], "--verbose");
	assert_string_equal(line.operand[1], "--help");
	assert_int_equal(READ("--", "--"), -1);
	assert_string_equal(line.operand[0], "--");
	/* A dash alone is no option. */
	assert_int_equal(READ("-"), -1);
	assert_string_equal(line.operand[0], "-");
}

static void options__count_operands(void **state)
{
	(void)state;
	assert_int_equal(READ("--verbose"), EXIT_USAGE);
	assert_non_null(
		strstr(output.text, "usage: retort test [options] RUN [OTHER]"));
	assert_int_equal(READ("a", "b"), -1);
	assert_int_equal(READ("a", "b", "c\x1b[2J"), EXIT_USAGE);
	assert_non_null(strstr(output.text, "unexpected argument \"c\\x1b[2J\""));
}

static void check_number(const char *word, int64_t want)
{
	char arg[64];

	snprintf(arg, sizeof(arg), "--any=%s", word);
	assert_int_equal(READ("run", arg), -1);
	assert_true(got.any == want);
}

static void options__check_numbers(void **state)
{
	static const char *const bad_ports[] = {"0", "65536", "-1", "", "x", "8x", "8 ",
		"0x50", "1.5", "1e3", "9223372036854775808", "-9223372036854775809",
		"99999999999999999999999"};
	static const char *const bad_rates[] = {
		"-0.1", "1.1", "nan", "inf", "-inf", "", "0.5x", "1e999", "x"};

	(void)state;
	check_number("9223372036854775807", INT64_MAX);
	check_number("-9223372036854775808", INT64_MIN);
	check_number("-5", -5);
	check_number("007", 7);
	assert_int_equal(READ("run", "--any=9223372036854775808"), EXIT_USAGE);
	assert_int_equal(READ("run", "-p1"), -1);
	assert_int_equal(READ("run", "-p65535"), -1);
	assert_int_equal(READ("run", "--rate=0"), -1);
	assert_int_equal(READ("run", "--rate=1"), -1);
	for (size_t i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++) {
		assert_int_equal(READ("run", "--port", bad_ports[i]), EXIT_USAGE);
		assert_non_null(
			strstr(output.text, "is not a number from 1 to 65535\n"));
		assert_int_equal(got.number, 0);
	}
	for (size_t i = 0; i < sizeof(bad_rates) / sizeof(bad_rates[0]); i++) {
		assert_int_equal(READ("run", "--rate", bad_rates[i]), EXIT_USAGE);
		assert_non_null(strstr(output.text, "--rate: "));
	}
}

static void options__name_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(READ("run", "--prot", "80"), EXIT_USAGE);
	assert_string_equal(output.text,
		"retort test: unknown option \"--prot\" (did you mean --port?); see retort "
		"test --help\n");
	assert_int_equal(READ("run", "--verbos=1"), EXIT_USAGE);
	assert_non_null(strstr(output.text, "did you mean --verbose?"));
	assert_int_equal(READ("run", "--hepl"), EXIT_USAGE);
	assert_non_null(strstr(output.text, "did you mean --help?"));
	assert_int_equal(READ("run", "--xyzzyxyz"), EXIT_USAGE);
	assert_null(strstr(output.text, "did you mean"));
	assert_int_equal(READ("run", "-x"), EXIT_USAGE);
	assert_int_equal(READ("run", "--=80"), EXIT_USAGE);
	/* A prefix is not the option. */
	assert_int_equal(READ("run", "--verb"), EXIT_USAGE);
}

static void options__need_values_where_they_have_them(void **state)
{
	(void)state;
	assert_int_equal(READ("run", "--port"), EXIT_USAGE);
	assert_non_null(strstr(output.text, "--port needs a value (PORT)"));
	assert_int_equal(READ("run", "-o"), EXIT_USAGE);
	assert_int_equal(READ("run", "--verbose=yes"), EXIT_USAGE);
	assert_non_null(strstr(output.text, "--verbose takes no value"));
	assert_int_equal(READ("run", "-vv"), EXIT_USAGE);
}

static void options__hold_a_list_of_64(void **state)
{
	const char *words[66] = {"run"};

	(void)state;
	for (int i = 1; i < 66; i++)
		words[i] = "-wx";
	assert_int_equal(read_words(words, 65), -1);
	assert_int_equal(got.list.n, 64);
	assert_int_equal(read_words(words, 66), EXIT_USAGE);
	assert_non_null(strstr(output.text, "more than 64 times"));
}

static void options__help_lists_them_all(void **state)
{
	static struct output out;
	const char *argv[] = {"retort test", "--nonsense=1", "--help"};
	int code = -1;
	const char *text;

	(void)state;
	line = (struct command_line){"retort test", "RUN", "Tests.", options,
		sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	output_begin(&out, STDOUT_FILENO);
	/* Errors come in the order of the words. */
	argv[1] = "-h";
	assert_false(options_read(&line, 2, (char **)(uintptr_t)argv, &code));
	text = output_end(&out);
	assert_int_equal(code, EXIT_OK);
	assert_memory_equal(text, "usage: retort test [options] RUN\n\nTests.\n", 41);
	assert_non_null(strstr(text, "  -v, --verbose "));
	assert_non_null(strstr(text, "  -p, --port PORT "));
	assert_non_null(strstr(text, "      --any N "));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_non_null(strstr(text, options[i].help));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options__come_in_all_their_forms),
		cmocka_unit_test(options__end_at_two_dashes),
		cmocka_unit_test(options__count_operands),
		cmocka_unit_test(options__check_numbers),
		cmocka_unit_test(options__name_the_nearest),
		cmocka_unit_test(options__need_values_where_they_have_them),
		cmocka_unit_test(options__hold_a_list_of_64),
		cmocka_unit_test(options__help_lists_them_all),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
