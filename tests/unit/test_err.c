/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <errno.h>

#include "common/err.h"

static void err__needs_nobody_to_listen(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_CORRUPT, "x %d", 1), ERR_CORRUPT);
	errno = EIO;
	assert_int_equal(err_sys(NULL, "x"), ERR_IO);
	assert_int_equal(err_prefix(NULL, "x"), ERR_IO);
}

static void err__says_what_the_system_says(void **state)
{
	struct err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "cannot open '%s'", "f"), ERR_NOT_FOUND);
	assert_string_equal(err.msg, "cannot open 'f': No such file or directory");
	errno = EEXIST;
	assert_int_equal(err_sys(&err, "x"), ERR_EXISTS);
	assert_int_equal(err.code, ERR_EXISTS);
	errno = ENOSPC;
	assert_int_equal(err_sys(&err, "x"), ERR_IO);
}

static void err_prefix__keeps_code_and_message(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_REFUSED, "no");
	assert_int_equal(err_prefix(&err, "loading '%s'", "a"), ERR_REFUSED);
	assert_int_equal(err_prefix(&err, "run"), ERR_REFUSED);
	assert_string_equal(err.msg, "run: loading 'a': no");
	assert_int_equal(err.code, ERR_REFUSED);
}

static void err__cuts_what_is_too_long(void **state)
{
	char text[2 * ERR_MSG_MAX];
	struct err err;

	(void)state;
	for (size_t len = ERR_MSG_MAX - 40; len < sizeof(text) - 1; len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		err_set(&err, ERR_IO, "%s", text);
		assert_int_equal(
			strlen(err.msg), len < ERR_MSG_MAX ? len : ERR_MSG_MAX - 1);
		err_prefix(&err, "before");
		assert_true(strlen(err.msg) < ERR_MSG_MAX);
		assert_memory_equal(err.msg, "before: xxx", 11);
		errno = EIO;
		err_sys(&err, "%s", text);
		assert_true(strlen(err.msg) < ERR_MSG_MAX);
		err_set(&err, ERR_IO, "small");
		err_prefix(&err, "%s", text);
		assert_true(strlen(err.msg) < ERR_MSG_MAX);
	}
}

static void err_name__knows_every_code(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_N; i++) {
		assert_non_null(err_name((enum err_code)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				err_name((enum err_code)i), err_name((enum err_code)k));
	}
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_name(ERR_N), "unknown");
	assert_string_equal(err_name((enum err_code) - 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err__needs_nobody_to_listen),
		cmocka_unit_test(err__says_what_the_system_says),
		cmocka_unit_test(err_prefix__keeps_code_and_message),
		cmocka_unit_test(err__cuts_what_is_too_long),
		cmocka_unit_test(err_name__knows_every_code),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
