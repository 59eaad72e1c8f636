/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/reason.h"

/* Numbers are in ledgers and messages, names in filters and scripts. */
static const struct {
	int number;
	const char *name;
} pinned[] = {{0, "none"}, {1, "connect"}, {2, "dns"}, {3, "tls"}, {4, "rate_limited"},
	{5, "overloaded"}, {6, "server_error"}, {7, "unauthorized"}, {8, "payment"},
	{9, "not_found"}, {10, "redirect"}, {11, "no_answer"}, {12, "connection_lost"},
	{13, "cannot_give"}, {20, "bad_request"}, {21, "prompt_too_long"},
	{30, "timeout"}, {31, "body_cut"}, {32, "body_too_long"}, {33, "bad_headers"},
	{34, "encoded_body"}, {40, "bad_json"}, {41, "bad_text"}, {42, "wrong_shape"},
	{43, "error_object"}, {44, "no_choices"}, {45, "empty"},
	{46, "no_finish_reason"}, {47, "unknown_finish_reason"}, {48, "aborted"},
	{49, "wrong_model"}, {50, "bad_usage"}, {51, "logprobs_missing"},
	{52, "bad_logprobs"}, {53, "secret_echo"}, {60, "too_large"},
	{61, "store_refused"}, {62, "worker_crash"}, {63, "bad_prompt"}};

static void reason__numbers_and_names_never_change(void **state)
{
	size_t n = sizeof(pinned) / sizeof(pinned[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		enum reason reason = (enum reason)pinned[i].number;

		assert_string_equal(reason_name(reason), pinned[i].name);
		assert_int_equal(reason_by_name(pinned[i].name), reason);
		assert_true(i == 0 || *reason_meaning(reason));
	}
	for (int number = 0; number < 300; number++) {
		enum reason reason = (enum reason)number;
		bool known = false;

		for (size_t i = 0; i < n; i++)
			known = known || pinned[i].number == number;
		/* A new reason belongs into the list above. */
		if (!known) {
			assert_string_equal(reason_name(reason), "unknown");
			assert_string_equal(reason_meaning(reason), "");
		}
	}
}

static void reason_by_name__knows_no_others(void **state)
{
	(void)state;
	assert_int_equal(reason_by_name("unknown"), REASON_N);
	assert_int_equal(reason_by_name(""), REASON_N);
	assert_int_equal(reason_by_name("Timeout"), REASON_N);
	assert_int_equal(reason_by_name("rate_limited "), REASON_N);
	assert_string_equal(reason_name(REASON_N), "unknown");
	assert_string_equal(reason_name((enum reason) - 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason__numbers_and_names_never_change),
		cmocka_unit_test(reason_by_name__knows_no_others),
	};

	return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
