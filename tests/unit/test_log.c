/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/output.h"

#include "common/log.h"
#include "common/text.h"

static struct output output;

static void log_line__is_one_line_of_fields(void **state)
{
	const char *text;

	(void)state;
	log_set_level(LOG_INFO);
	output_begin(&output, STDERR_FILENO);
	log_info("lease", "lease expired", "shard=%d worker=%u", 12, 3u);
	log_warn("lease", "nothing more", "");
	text = output_end(&output);
	assert_memory_equal(text, "time=20", 7);
	text = strchr(text, ' ');
	assert_memory_equal(text,
		" level=info sys=lease msg=\"lease expired\" shard=12 worker=3\n", 60);
	text = strchr(strchr(text, '\n'), ' ');
	assert_string_equal(text, " level=warn sys=lease msg=\"nothing more\"\n");
}

static int written(enum log_level at)
{
	const char *text;
	int n = 0;

	log_set_level(at);
	output_begin(&output, STDERR_FILENO);
	log_error("s", "m", "");
	log_warn("s", "m", "");
	log_info("s", "m", "");
	log_debug("s", "m", "");
	for (text = output_end(&output); *text; text++)
		n += *text == '\n';
	return n;
}

static void log_line__heeds_the_level(void **state)
{
	(void)state;
	assert_int_equal(written(LOG_ERROR), 1);
	assert_int_equal(written(LOG_WARN), 2);
	assert_int_equal(written(LOG_INFO), 3);
	assert_int_equal(written(LOG_DEBUG), 4);
	assert_true(log_wants(LOG_DEBUG));
	log_set_level(LOG_INFO);
	assert_false(log_wants(LOG_DEBUG));
}

static void log_init__takes_the_level_from_the_environment(void **state)
{
	(void)state;
	log_set_level(LOG_INFO);
	setenv("RETORT_LOG", "debug", 1);
	log_init();
	assert_true(log_wants(LOG_DEBUG));
	setenv("RETORT_LOG", "error", 1);
	log_init();
	assert_false(log_wants(LOG_WARN));
	setenv("RETORT_LOG", "nonsense", 1);
	log_init();
	assert_false(log_wants(LOG_WARN));
	unsetenv("RETORT_LOG");
	log_set_level(LOG_INFO);
}

/* However long the fields are, there is one line, and it ends. */
static void log_line__is_cut_and_ends(void **state)
{
	static char field[3000];

	(void)state;
	log_set_level(LOG_INFO);
	for (size_t len = 1900; len < 2100; len++) {
		const char *text;

		memset(field, 'x', len);
		field[len] = '\0';
		output_begin(&output, STDERR_FILENO);
		log_info("s", "m", "%s", field);
		text = output_end(&output);
		assert_true(strlen(text) <= 2048);
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
	memset(field, 'y', sizeof(field) - 1);
	output_begin(&output, STDERR_FILENO);
	log_info("s", field, "a=%d", 1);
	assert_true(strlen(output_end(&output)) <= 2048);
}

static void check_quote(const void *s, size_t len, const char *want)
{
	assert_string_equal(log_quote_bytes(s, len).text, want);
}

static void log_quote__lets_nothing_through_that_acts(void **state)
{
	(void)state;
	check_quote("plain", 5, "\"plain\"");
	check_quote("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	check_quote("one\nlevel=error", 15, "\"one\\nlevel=error\"");
	check_quote("\x1b[31m\r\x07", 7, "\"\\x1b[31m\\x0d\\x07\"");
	check_quote("a\0b", 3, "\"a\\x00b\"");
	check_quote("\xff\xc0\xaf", 3, "\"\\xff\\xc0\\xaf\"");
	check_quote("\xe2\x80\xae", 3, "\"\\u202e\"");
	check_quote("caf\xc3\xa9", 5, "\"caf\xc3\xa9\"");
	check_quote(NULL, 0, "\"\"");
	assert_string_equal(log_quote(NULL).text, "\"\"");
	assert_string_equal(log_quote("x").text, "\"x\"");
}

/* Whatever the bytes and wherever the cut falls: quotes at both ends, valid
 * UTF-8 between, no control character, no quote that could end it early. */
static void log_quote__is_whole_at_every_length(void **state)
{
	struct chance chance = {9};

	(void)state;
	for (int i = 0; i < 4000; i++) {
		static const char *const pieces[] = {"a", "\xc3\xa9", "\xe2\x82\xac",
			"\xf0\x9f\x98\x80", "\n", "\x1b", "\"", "\\", "\xff",
			"\xe2\x80\xad"};
		char text[1200];
		struct log_quoted q;
		size_t len = 0, n;

		while (len < 400 + chance_below(&chance, 400)) {
			const char *piece = pieces[chance_below(&chance, 10)];

			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		q = log_quote_bytes(text, len);
		n = strlen(q.text);
		assert_true(n < LOG_QUOTE_MAX && n >= 2);
		assert_true(q.text[0] == '"' && q.text[n - 1] == '"');
		assert_int_equal(utf8_valid_prefix(q.text, n), n);
		assert_false(text_has_control(q.text, n));
		for (size_t at = 1; at < n - 1; at++) {
			assert_int_not_equal(q.text[at], '\n');
			if (q.text[at] == '\\')
				at++;
			else
				assert_int_not_equal(q.text[at], '"');
			assert_true(at < n - 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_line__is_one_line_of_fields),
		cmocka_unit_test(log_line__heeds_the_level),
		cmocka_unit_test(log_init__takes_the_level_from_the_environment),
		cmocka_unit_test(log_line__is_cut_and_ends),
		cmocka_unit_test(log_quote__lets_nothing_through_that_acts),
		cmocka_unit_test(log_quote__is_whole_at_every_length),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
