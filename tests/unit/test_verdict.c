/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as JSON, there and back; what they say is tested with the questions. */
#include "unit/unit.h"

#include <stdlib.h>

#include "common/verdict.h"

static struct verdict one(void)
{
	struct verdict v = {.wanted = 20,
		.asked = 5,
		.refused = 2,
		.known = true,
		.k = 20,
		.ask = 21,
		.n_rows = 32,
		.least = 20,
		.most = 21,
		.n_outside = 3,
		.crowds = VERDICT_YES,
		.ids = true,
		.reasoning = true,
		.mode = JOB_MODE_RAW,
		.scores = VERDICT_NO,
		.rate_headers = true,
		.tokenizer = 0x0123456789abcdef};

	memcpy(v.model, "a \\\"model\\\"", 12);
	return v;
}

static bool reads(const char *text)
{
	struct verdict v;

	return verdict_read(bytes_of(text, strlen(text)), &v);
}

static void comes_back_as_it_went(void **state)
{
	struct verdict v = one(), back, none = {0};
	char *text = verdict_write(&v), *again;

	(void)state;
	assert_true(verdict_read(bytes_of(text, strlen(text)), &back));
	again = verdict_write(&back);
	assert_string_equal(text, again);
	assert_int_equal(back.k, 20);
	assert_int_equal(back.ask, 21);
	assert_int_equal(back.crowds, VERDICT_YES);
	assert_int_equal(back.scores, VERDICT_NO);
	assert_true(back.tokenizer == v.tokenizer && back.ids && !back.bytes);
	assert_string_equal(back.model, v.model);
	assert_non_null(strstr(text, "\"text\":\"k=20 entries=20-21 ids "));
	free(text);
	free(again);
	text = verdict_write(&none);
	assert_true(reads(text));
	free(text);
}

/* Whoever sends it: nothing else is taken for a verdict. */
static void reads_nothing_else(void **state)
{
	static const struct {
		const char *was, *is;
	} changes[] = {
		{"\"largest_k\":20", "\"largest_k\":21"},
		{"\"largest_k\":20", "\"largest_k\":-1"},
		{"\"largest_k\":20", "\"largest_k\":\"x\""},
		{"\"ask\":21", "\"ask\":22"},
		{"\"wanted\":20", "\"wanted\":99999"},
		{"\"candidates\":[20,21]", "\"candidates\":[20]"},
		{"\"candidates\":[20,21]", "\"candidates\":null"},
		{"\"known\":true", "\"known\":1"},
		{"\"logprobs_mode\":\"raw\"", "\"logprobs_mode\":\"rare\""},
		{"\"tokenizer\":\"0123", "\"tokenizer\":\"X123"},
		{"\"prompt_logprobs\":false", "\"prompt_logprobs\":0"},
		{"\"model\":\"a", "\"model\":\"\\u001b"},
		{"\"model\":\"a", "\"model\":\"\\n"},
		{"\"model\":\"a", "\"named\":\"a"},
		{"\"rows\":32", "\"rows\":2"},
	};
	struct verdict v = one();
	char *text = verdict_write(&v), changed[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *at = strstr(text, changes[i].was);

		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
			changes[i].is, at + strlen(changes[i].was));
		assert_false(reads(changed));
	}
	assert_false(reads(""));
	assert_false(reads("[]"));
	assert_false(reads("{}"));
	free(text);
}

/* The longest text there can be, and a name that only just fits. */
static void fits(void **state)
{
	struct verdict v = one(), back;
	char text[VERDICT_TEXT], *json;

	(void)state;
	v = (struct verdict){.wanted = 1024,
		.known = true,
		.k = 1024,
		.ask = 1024,
		.n_rows = 9,
		.least = 1000,
		.most = 1025,
		.n_outside = 1,
		.crowds = VERDICT_YES,
		.reasoning = true,
		.prompt_ids = true,
		.drafts = true,
		.scores = VERDICT_YES,
		.rate_headers = true,
		.tokenizer = UINT64_MAX,
		.mode = JOB_MODE_PROCESSED};
	memset(v.model, 'm', VERDICT_MODEL - 1);
	verdict_text(&v, text);
	assert_non_null(strstr(text, " tokenizer=ffffffffffffffff"));
	json = verdict_write(&v);
	assert_true(verdict_read(bytes_of(json, strlen(json)), &back));
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_went),
		cmocka_unit_test(reads_nothing_else),
		cmocka_unit_test(fits),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
