/* SPDX-License-Identifier: Apache-2.0 */
/* /tokenize as vLLM, SGLang and llama.cpp have it. */
#include "unit/unit.h"

#include <stdlib.h>

#include "worker/tokenize.h"

static struct answer_ids ids;

static bool reads(const char *body)
{
	return tokenize_read(bytes_of(body, strlen(body)), &ids);
}

static void is_beside_the_api(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {{"http://h:1/v1", "http://h:1/tokenize"},
		{"http://h:1", "http://h:1/tokenize"},
		{"http://h/a/v1", "http://h/a/tokenize"},
		{"http://h/v10", "http://h/v10/tokenize"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *url = tokenize_url(cases[i].url);

		assert_string_equal(url, cases[i].want);
		free(url);
	}
	assert_true(tokenize_has(SERVER_VLLM) && tokenize_has(SERVER_LLAMACPP));
	assert_false(tokenize_has(SERVER_OPENAI) || tokenize_has(SERVER_TRTLLM));
}

static void asks_all_of_them(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, KIB(64));
	tokenize_write("m", "a \"b\"\n", &out);
	assert_string_equal(buf_text(&out),
		"{\"model\":\"m\",\"prompt\":\"a \\\"b\\\"\\n\","
		"\"add_special_tokens\":false,\"content\":\"a \\\"b\\\"\\n\","
		"\"add_special\":false}");
	buf_release(&out);
}

static void reads_their_answers(void **state)
{
	uint64_t digest;

	(void)state;
	/* vLLM's, SGLang's. */
	assert_true(
		reads("{\"count\":3,\"max_model_len\":9,\"tokens\":[5,0,4294967294],"
		      "\"token_strs\":null}"));
	assert_int_equal(ids.n, 3);
	assert_int_equal(ids.at[2], 4294967294);
	digest = tokenize_digest(&ids);
	/* llama.cpp's, with pieces. */
	assert_true(reads("{\"tokens\":[{\"id\":5,\"piece\":\"a\"},{\"id\":0},"
			  "{\"id\":4294967294,\"piece\":[195]}]}"));
	assert_true(tokenize_digest(&ids) == digest && digest != 0);
	assert_true(reads("{\"tokens\":[5,0]}"));
	assert_true(tokenize_digest(&ids) != digest);
	assert_true(reads("{\"tokens\":[0,5]}"));
	digest = tokenize_digest(&ids);
	assert_true(reads("{\"tokens\":[5,0]}"));
	assert_true(tokenize_digest(&ids) != digest);
}

static void reads_nothing_else(void **state)
{
	static const char *const bodies[] = {"", "[]", "{}", "{\"tokens\":[]}",
		"{\"tokens\":null}", "{\"tokens\":[1,\"2\"]}", "{\"tokens\":[1.5]}",
		"{\"tokens\":[-1]}", "{\"tokens\":[4294967295]}", "{\"tokens\":[{}]}",
		"{\"tokens\":{\"id\":1}}", "{\"tokens\":[1]",
		"{\"detail\":\"Not Found\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_false(reads(bodies[i]));
		assert_int_equal(ids.n, 0);
	}
}

static int release(void **state)
{
	(void)state;
	free(ids.at);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_beside_the_api),
		cmocka_unit_test(asks_all_of_them),
		cmocka_unit_test(reads_their_answers),
		cmocka_unit_test(reads_nothing_else),
	};

	return cmocka_run_group_tests_name("tokenize", tests, NULL, release);
}
