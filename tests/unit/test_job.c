/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/job.h"

#define MINIMAL                                                                        \
	"{\"name\":\"j\",\"corpus\":[\"p.jsonl\"],\n"                                  \
	"\"teachers\":[{\"name\":\"t\",\"url\":\"http://127.0.0.1:1/v1\",\"model\":\"m\"}]"

static enum err_code parse(const char *text, struct job *job, struct err *err)
{
	return job_parse(text, strlen(text), "/jobs/job.json", job, err);
}

/* Parses MINIMAL with `rest` behind it and expects the message. */
static void check_message(const char *rest, const char *message)
{
	char text[4096];
	struct job job;
	struct err err = {0};

	snprintf(text, sizeof(text), "%s%s}", MINIMAL, rest);
	assert_int_equal(parse(text, &job, &err), ERR_INVALID);
	assert_string_equal(err.msg, message);
}

static void job__fills_in_the_defaults(void **state)
{
	struct job job;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(MINIMAL "}", &job, &err), ERR_NONE);
	assert_string_equal(job.corpus[0], "/jobs/p.jsonl");
	assert_int_equal(job.sampling.n, 1);
	assert_false(job_has_real(job.sampling.temperature));
	assert_false(job_has_int(job.sampling.max_tokens));
	assert_int_equal(job.teacher[0].max_in_flight, 64);
	assert_int_equal(job.logits_profile, JOB_PROFILE_FINE);
	assert_false(job_has_int(job.keep_k));
	assert_false(job_has_real(job.keep_mass));
	assert_string_equal(job.teacher[0].api, "openai-chat");
	assert_string_equal(job.teacher[0].url[0], "http://127.0.0.1:1/v1");
	assert_int_equal(job.attempts, 5);
	assert_true(job.dedup_exact);
	assert_int_equal(job.scores, 63);
	assert_string_equal(job.accept, "finish_reason == 'stop' and flags is empty");
	job_release(&job);
}

static void job__reads_the_whole_of_the_documented_file(void **state)
{
	static const char text[] =
		"{\"name\":\"gsm8k-distill\",\"corpus\":[\"prompts.jsonl\"],\"system\":null,"
		"\"template\":\"{{question}}\\nPut your final answer within \\\\boxed{}.\","
		"\"teachers\":[{\"name\":\"t0\",\"api\":\"openai\",\"server\":\"auto\","
		"\"url\":[\"http://10.0.0.5:8000/v1\"],\"model\":\"teacher\","
		"\"api_key_env\":null,\"api_key_file\":null,\"extra_body\":{},"
		"\"extra_headers\":{},\"proxy\":null,\"max_in_flight\":256,"
		"\"limits\":{\"requests_per_minute\":null,\"tokens_per_minute\":null},"
		"\"timeouts\":{\"connect_s\":10,\"first_byte_s\":1800,\"total_s\":3600},"
		"\"price\":{\"prompt_usd_per_mtok\":0,\"cached_prompt_usd_per_mtok\":0,"
		"\"completion_usd_per_mtok\":0},\"logprobs_mode\":\"unknown\",\"license\":null}],"
		"\"sampling\":{\"n\":2,\"n_per_request\":1,\"temperature\":0.7,\"top_p\":1.0,"
		"\"top_k\":null,\"min_p\":null,\"presence_penalty\":null,"
		"\"repetition_penalty\":null,\"max_tokens\":1024,\"stop\":null,\"seed\":null},"
		"\"logits\":{\"top_logprobs\":20,\"required\":true},\"dedup\":{\"exact\":true},"
		"\"score\":[\"length\",\"repetition\",\"finish\",\"refusal\",\"confidence\","
		"\"answer\"],\"accept\":\"finish_reason == 'stop' and flags is empty\","
		"\"budget\":{\"usd\":null,\"tokens\":null},\"retry\":{\"attempts\":5},"
		"\"keep_raw\":\"failed\"}";
	struct job job, again;
	struct err err = {0};
	char *normal, *normal_again;

	(void)state;
	assert_int_equal(parse(text, &job, &err), ERR_NONE);
	assert_int_equal(job.top_logprobs, 20);
	assert_true(job.sampling.temperature == 0.7);
	normal = job_write(&job, false);
	assert_int_equal(
		job_parse(normal, strlen(normal), "/elsewhere/x", &again, &err),
		ERR_NONE);
	normal_again = job_write(&again, false);
	assert_string_equal(normal, normal_again);
	assert_int_equal(job_compare(&job, &again, &err), ERR_NONE);
	free(normal);
	free(normal_again);
	job_release(&job);
	job_release(&again);
}

static void job__names_the_place_of_what_is_wrong(void **state)
{
	struct job job;
	struct err err = {0};

	(void)state;
	check_message(",\n  \"retires\": {}",
		"/jobs/job.json:3:3: retires: unknown key (did you mean 'retry'?)");
	check_message(",\n\"sampling\": {\"n\": 2,\n \"temprature\": 1}",
		"/jobs/job.json:4:2: sampling.temprature: unknown key (did you mean "
		"'temperature'?)");
	check_message(",\"sampling\":{\"n\":\"two\"}",
		"/jobs/job.json:2:81: sampling.n: must be an integer, not a text");
	check_message(",\"sampling\":{\"n\":0}",
		"/jobs/job.json:2:81: sampling.n: must be from 1 to 1024");
	check_message(",\"score\":[\"length\",\n\"answr\"]",
		"/jobs/job.json:3:1: score[1]: no such score (did you mean 'answer'?)");
	check_message(",\"sampling\":{\"n_per_request\":129}",
		"/jobs/job.json:2:81: sampling.n_per_request: must be from 1 to 128");
	check_message(",\"dedup\":{\"near\":4}",
		"/jobs/job.json:2:78: dedup.near: is known, but this build does "
		"not offer it (only null)");
	check_message(",\"logits\":{\"profile\":\"fin\"}",
		"/jobs/job.json:2:79: logits.profile: \"fin\" is not known (did you mean "
		"'fine'?)");
	check_message(",\"logits\":{\"keep\":{\"mass\":0}}",
		"/jobs/job.json:2:87: logits.keep.mass: must be from 0.01 to 1");
	check_message(",\"keep_raw\":\"al\"",
		"/jobs/job.json:2:69: keep_raw: must be one of none, failed");
	assert_int_equal(
		parse("{\"name\":\"j\",\"corpus\":[\"p\"]}", &job, &err), ERR_INVALID);
	assert_string_equal(err.msg, "/jobs/job.json:1:1: teachers: is missing");
	assert_int_equal(parse("{\"name\":\"j\",\n\"corpus\" [\"p\"]}", &job, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "/jobs/job.json:2:"));
	assert_int_equal(
		parse("{\"name\":\"j\",\"name\":\"k\"}", &job, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "duplicate object key"));
}

/* What a teacher that takes raw prompts has no place for. */
static void job__knows_raw_apis(void **state)
{
	static const char *const apis[][2] = {{"completions", "completions"},
		{"openai-completions", "completions"}, {"sglang", "sglang"},
		{"llamacpp", "llamacpp"}};
	struct job job;
	struct err err = {0};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		snprintf(text, sizeof(text),
			"{\"name\":\"j\",\"corpus\":[\"p\"],\"teachers\":[{\"name\":"
			"\"t\",\"model\":\"m\",\"url\":\"http://h\",\"api\":\"%s\"}]}",
			apis[i][0]);
		assert_int_equal(parse(text, &job, &err), ERR_NONE);
		assert_string_equal(job.teacher[0].api, apis[i][1]);
		assert_true(job_api_is_raw(job.teacher[0].api));
		job_release(&job);
	}
	assert_false(job_api_is_raw("openai-chat"));
#define RAW(more, rest)                                                                \
	"{\"name\":\"j\",\"corpus\":[\"p\"],\"teachers\":[{\"name\":\"t\","            \
	"\"model\":\"m\",\"url\":\"http://h\"," more "}]" rest "}"
	assert_int_equal(
		parse(RAW("\"api\":\"sglang\"", ",\"system\":\"s\""), &job, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "system: teacher 't' (api sglang) takes raw"));
	assert_int_equal(
		parse(RAW("\"api\":\"completions\"", ",\"prefill\":true"), &job, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "prefill: teacher 't' (api completions)"));
	assert_int_equal(
		parse(RAW("\"api\":\"llamacpp\",\"server\":\"vllm\"", ""), &job, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "teachers[0].server: the api llamacpp is"));
	assert_int_equal(parse(RAW("\"api\":\"sglan\"", ""), &job, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "did you mean 'sglang'?"));
	assert_int_equal(
		parse(RAW("\"api\":\"trl\"", ",\"logits\":{\"top_logprobs\":5}"), &job,
			&err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "teachers[0].api: trl only scores"));
}

/* A job that scores samples nothing. */
static void job__scores_only_what_can_be_scored(void **state)
{
	static const char *const wrong[][3] = {
		{"\"api\":\"sglang\"", "", "mode: score needs logits.top_logprobs"},
		{"\"api\":\"openai\"", ",\"logits\":{\"top_logprobs\":5}",
			"mode: teacher 't' cannot score by the api openai-chat"},
		{"\"api\":\"llamacpp\"", ",\"logits\":{\"top_logprobs\":5}",
			"mode: teacher 't' cannot score by the api llamacpp"},
		{"\"api\":\"trl\",\"server\":\"vllm\"",
			",\"logits\":{\"top_logprobs\":5}",
			"teachers[0].server: the api trl is that server's own"},
		{"\"api\":\"trl\"", "", "mode: score needs logits.top_logprobs"},
		{"\"api\":\"sglang\"",
			",\"logits\":{\"top_logprobs\":5},\"sampling\":{\"n\":2}",
			"sampling: has nothing to say"},
		{"\"api\":\"sglang\"",
			",\"logits\":{\"top_logprobs\":5},\"sampling\":{\"stop\":\"a\"}",
			"sampling: has nothing to say"},
		{"\"api\":\"sglang\"",
			",\"logits\":{\"top_logprobs\":5},\"template\":\"{{a}}\"",
			"template: is not for mode score"},
	};
	struct job job, other;
	struct err err = {0};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), RAW("%s", "%s,\"mode\":\"score\""),
			wrong[i][0], wrong[i][1]);
		assert_int_equal(parse(text, &job, &err), ERR_INVALID);
		if (!strstr(err.msg, wrong[i][2]))
			fail_msg("%s", err.msg);
	}
	assert_int_equal(
		parse(RAW("\"api\":\"sglang\"", ",\"logits\":{\"top_logprobs\":5},"
						"\"mode\":\"score\""),
			&job, &err),
		ERR_NONE);
	assert_int_equal(job.task, JOB_TASK_SCORE);
	assert_int_equal(
		parse(RAW("\"api\":\"trl\"", ",\"logits\":{\"top_logprobs\":5},"
					     "\"mode\":\"score\""),
			&other, &err),
		ERR_NONE);
	assert_true(job_api_is_raw(other.teacher[0].api));
	job_release(&other);
	assert_int_equal(
		parse(RAW("\"api\":\"sglang\"", ",\"logits\":{\"top_logprobs\":5}"),
			&other, &err),
		ERR_NONE);
	assert_int_equal(other.task, JOB_TASK_SAMPLE);
	/* Another mode is another meaning. */
	assert_int_not_equal(job_compare(&job, &other, &err), ERR_NONE);
	assert_non_null(strstr(err.msg, "mode"));
	job_release(&job);
	job_release(&other);
}

static void job__refuses_a_key_in_the_clear(void **state)
{
	static const char *const ours[] = {"127.0.0.1", "127.1.2.3:8000", "localhost",
		"localhost:80", "[::1]", "[::1]:8000"};
	static const char *const others[] = {"10.0.0.5", "127.example.com",
		"127.0.0.1.example.com", "localhost.example.com", "localhost1:80",
		"[::1].example.com"};
	char text[512];
	struct job job;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		snprintf(text, sizeof(text),
			"{\"name\":\"j\",\"corpus\":\"p\",\"teachers\":[{\"name\":\"t\","
			"\"model\":\"m\",\"url\":\"http://%s/v1\",\"api_key_env\":\"K\"}]}",
			i < 6 ? ours[i] : others[i - 6]);
		if (i < 6) {
			assert_int_equal(parse(text, &job, &err), ERR_NONE);
			job_release(&job);
		} else {
			assert_int_equal(parse(text, &job, &err), ERR_INVALID);
			assert_non_null(strstr(err.msg, "insecure_key"));
		}
	}
}

static void job__tells_free_changes_from_new_meanings(void **state)
{
	static const struct {
		const char *was, *now;
		enum err_code want;
		const char *names;
	} cases[] = {
		{"", ",\"retry\":{\"attempts\":9},\"accept\":\"flags is empty\"",
			ERR_NONE, ""},
		{"", ",\"budget\":{\"usd\":1}", ERR_NONE, ""},
		{"", ",\"sampling\":{\"n\":2}", ERR_NONE, ""},
		{"", ",\"sampling\":{\"n_per_request\":2}", ERR_NONE, ""},
		{",\"sampling\":{\"n_per_request\":2}", "", ERR_NONE, ""},
		{",\"sampling\":{\"n\":2}", "", ERR_INVALID, "sampling.n"},
		{"", ",\"sampling\":{\"max_tokens\":9}", ERR_REFUSED,
			"sampling.max_tokens"},
		{"", ",\"dedup\":{\"exact\":false}", ERR_INVALID, "dedup.exact"},
		{"", ",\"system\":\"s\"", ERR_REFUSED, "system"},
		{"", ",\"logits\":{\"top_logprobs\":5}", ERR_REFUSED,
			"logits.top_logprobs"},
		{"", ",\"logits\":{\"profile\":\"exact\"}", ERR_REFUSED,
			"logits.profile"},
		{"", ",\"logits\":{\"profile\":\"fine\",\"keep\":null}", ERR_NONE, ""},
		{"", ",\"logits\":{\"keep\":{\"mass\":0.999}}", ERR_REFUSED,
			"logits.keep.mass"},
		{",\"logits\":{\"keep\":{\"k\":8}}", "", ERR_REFUSED, "logits.keep.k"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char a[2048], b[2048];
		struct job was, now;
		struct err err = {0};

		snprintf(a, sizeof(a), "%s%s}", MINIMAL, cases[i].was);
		snprintf(b, sizeof(b), "%s%s}", MINIMAL, cases[i].now);
		assert_int_equal(parse(a, &was, &err), ERR_NONE);
		assert_int_equal(parse(b, &now, &err), ERR_NONE);
		assert_int_equal(job_compare(&was, &now, &err), cases[i].want);
		assert_true(
			strncmp(err.msg, cases[i].names, strlen(cases[i].names)) == 0);
		job_release(&was);
		job_release(&now);
	}
}

#define TOKENIZER(value)                                                               \
	"{\"name\":\"j\",\"corpus\":\"p\",\"teachers\":[{\"name\":\"t\",\"model\":"    \
	"\"m\",\"url\":\"http://127.0.0.1:1/v1\",\n \"tokenizer\":" value "}]}"

static void job__names_a_tokenizer(void **state)
{
	static const char *const bad[] = {"7", "\"\"", "[]", "{}", "{\"file\":\"a\"}",
		"{\"file\":\"a\",\"digest\":\"12\"}",
		"{\"file\":\"a\",\"digest\":\"0123456789abcdeg\"}",
		"{\"file\":\"\",\"digest\":\"0123456789abcdef\"}",
		"{\"file\":\"a\",\"digest\":\"0123456789abcdef\",\"x\":1}"};
	struct job job, again;
	struct err err = {0};
	char text[512], *normal;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), TOKENIZER("%s"), bad[i]);
		assert_int_equal(parse(text, &job, &err), ERR_INVALID);
		assert_non_null(
			strstr(err.msg, "/jobs/job.json:2:2: teachers[0].tokenizer: "));
		job_release(&job);
	}
	assert_int_equal(parse(TOKENIZER("null"), &job, &err), ERR_NONE);
	assert_null(job.teacher[0].tokenizer);
	job_release(&job);
	assert_int_equal(parse(TOKENIZER("\"t.json\""), &job, &err), ERR_NONE);
	assert_string_equal(job.teacher[0].tokenizer, "/jobs/t.json");
	assert_int_equal(job.teacher[0].tokenizer_digest, 0);
	/* Once it has been read, the job says what it was. */
	job.teacher[0].tokenizer_digest = 0x0123456789abcdef;
	normal = job_write_public(&job);
	assert_non_null(strstr(normal, "\"tokenizer\":{\"file\":\"/jobs/t.json\","
				       "\"digest\":\"0123456789abcdef\"}"));
	assert_int_equal(parse(normal, &again, &err), ERR_NONE);
	assert_int_equal(again.teacher[0].tokenizer_digest, 0x0123456789abcdef);
	free(normal);
	/* Another place of the same file is no change; another file is. */
	free(again.teacher[0].tokenizer);
	again.teacher[0].tokenizer = strdup("/else/t.json");
	assert_int_equal(job_compare(&job, &again, &err), ERR_NONE);
	again.teacher[0].tokenizer_digest++;
	assert_int_equal(job_compare(&job, &again, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "teachers[0].tokenizer has changed"));
	free(again.teacher[0].tokenizer);
	again.teacher[0].tokenizer = NULL;
	assert_int_equal(job_compare(&job, &again, &err), ERR_REFUSED);
	job_release(&job);
	job_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(job__fills_in_the_defaults),
		cmocka_unit_test(job__reads_the_whole_of_the_documented_file),
		cmocka_unit_test(job__names_the_place_of_what_is_wrong),
		cmocka_unit_test(job__knows_raw_apis),
		cmocka_unit_test(job__scores_only_what_can_be_scored),
		cmocka_unit_test(job__refuses_a_key_in_the_clear),
		cmocka_unit_test(job__names_a_tokenizer),
		cmocka_unit_test(job__tells_free_changes_from_new_meanings),
	};

	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
