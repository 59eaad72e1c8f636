/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "store/record.h"
#include "worker/protocol.h"

#define MESSAGES "[{\"role\":\"user\",\"content\":\"2+2?\"}]"

/* A job's terms, nothing set. */
struct setup {
	struct job_teacher teacher;
	struct job_sampling sampling;
	struct request_terms terms;
};

static void begin(struct setup *s, enum job_server server)
{
	*s = (struct setup){
		.teacher = {.name = (char *)"t0", .model = (char *)"the \"model\""},
		.sampling = {.n = 1,
			.temperature = NAN,
			.top_p = NAN,
			.top_k = JOB_UNSET_INT,
			.min_p = NAN,
			.presence_penalty = NAN,
			.repetition_penalty = NAN,
			.max_tokens = JOB_UNSET_INT,
			.seed = JOB_UNSET_INT}};
	s->teacher.extra_body = json_object();
	s->terms = (struct request_terms){
		.teacher = &s->teacher, .sampling = &s->sampling, .server = server};
}

static void end(struct setup *s)
{
	json_decref(s->teacher.extra_body);
	json_decref(s->sampling.stop);
}

static const struct protocol *chat(void)
{
	const struct protocol *p = protocol_find("openai-chat");

	assert_non_null(p);
	return p;
}

static void check_body(struct setup *s, uint64_t seed, const char *want)
{
	struct request_form form;
	struct buf out;
	struct err err;

	buf_init(&out, 65536);
	buf_add_str(&out, "before");
	if (chat()->form_init(&form, &s->terms, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_int_equal(
		chat()->write_request(
			&form, bytes_of(MESSAGES, strlen(MESSAGES)), seed, &out, &err),
		ERR_NONE);
	assert_string_equal(buf_text(&out) + strlen("before"), want);
	/* And it is JSON. */
	json_decref(json_loads(want, JSON_REJECT_DUPLICATES, NULL));
	buf_release(&out);
	request_form_release(&form);
}

static void check_refused(struct setup *s, const char *key)
{
	struct request_form form;
	struct err err = {0};

	assert_int_equal(chat()->form_init(&form, &s->terms, &err), ERR_INVALID);
	if (!strstr(err.msg, key))
		fail_msg("'%s' does not name %s", err.msg, key);
	request_form_release(&form);
}

static void openai_request__sends_nothing_that_is_not_set(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, SERVER_OPENAI);
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES "}");
	check_body(&s, 7,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"seed\":7}");
	end(&s);
}

static void openai_request__sends_31_bits_of_a_seed(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, SERVER_LLAMACPP);
	check_body(&s, 0xffffffff12345678u,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"seed\":305419896}");
	check_body(&s, 0x7fffffffffffffffu,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"seed\":2147483647}");
	check_body(&s, 0,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"seed\":0}");
	end(&s);
}

static void set_all(struct setup *s)
{
	s->sampling.temperature = 0.7;
	s->sampling.top_p = 1;
	s->sampling.presence_penalty = -0.1;
	s->sampling.max_tokens = 1024;
	s->sampling.stop = json_pack("[ss]", "###", "\n");
	s->terms.top_logprobs = 20;
}

#define COMMON "\"temperature\":0.7,\"top_p\":1.0,\"presence_penalty\":-0.1,"

static void openai_request__speaks_each_servers_dialect(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, SERVER_OPENAI);
	set_all(&s);
	check_body(&s, 5,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"seed\":5," COMMON
		"\"max_completion_tokens\":1024,\"stop\":[\"###\",\"\\n\"],"
		"\"logprobs\":true,\"top_logprobs\":20}");
	end(&s);

	begin(&s, SERVER_VLLM);
	set_all(&s);
	s.sampling.top_k = -1;
	s.sampling.min_p = 0.05;
	s.sampling.repetition_penalty = 1.1;
	s.terms.prefill = true;
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES "," COMMON
		"\"max_tokens\":1024,\"stop\":[\"###\",\"\\n\"],\"logprobs\":true,"
		"\"top_logprobs\":20,\"return_tokens_as_token_ids\":true,"
		"\"return_token_ids\":true,\"top_k\":-1,\"min_p\":0.05,"
		"\"repetition_penalty\":1.1,\"continue_final_message\":true,"
		"\"add_generation_prompt\":false}");
	s.terms.top_logprobs = 0;
	s.terms.prefill = false;
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES "," COMMON
		"\"max_tokens\":1024,\"stop\":[\"###\",\"\\n\"],\"return_token_ids\":true,"
		"\"top_k\":-1,\"min_p\":0.05,\"repetition_penalty\":1.1}");
	end(&s);

	begin(&s, SERVER_LLAMACPP);
	s.sampling.top_k = 40;
	s.sampling.repetition_penalty = 1.1;
	s.terms.prefill = true;
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"top_k\":40,\"repeat_penalty\":1.1}");
	end(&s);

	begin(&s, SERVER_SGLANG);
	s.sampling.min_p = 0.1;
	s.terms.prefill = true;
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"return_token_ids\":true,\"min_p\":0.1,"
		"\"continue_final_message\":true}");
	end(&s);

	begin(&s, SERVER_TRTLLM);
	s.sampling.top_k = 40;
	s.terms.top_logprobs = 5;
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"logprobs\":true,\"top_logprobs\":5,\"top_k\":40}");
	end(&s);
}

static void openai_request__names_the_key_that_a_server_does_not_know(void **state)
{
	static const enum job_server plain[] = {SERVER_OPENAI, SERVER_OLLAMA};
	struct setup s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&s, plain[i]);
		s.sampling.top_k = 40;
		check_refused(&s, "sampling.top_k");
		s.sampling.top_k = JOB_UNSET_INT;
		s.sampling.min_p = 0.1;
		check_refused(&s, "sampling.min_p");
		s.sampling.min_p = NAN;
		s.sampling.repetition_penalty = 1.1;
		check_refused(&s, "sampling.repetition_penalty");
		check_refused(&s, job_server_name(plain[i]));
		s.sampling.repetition_penalty = NAN;
		s.terms.prefill = true;
		check_refused(&s, "prefill");
		end(&s);
	}
	begin(&s, SERVER_TRTLLM);
	s.terms.prefill = true;
	check_refused(&s, "prefill");
	end(&s);
}

static void openai_request__lets_extra_body_win(void **state)
{
	static const char *const ours[] = {
		"model", "messages", "n", "stream", "logprobs", "top_logprobs"};
	struct setup s;

	(void)state;
	begin(&s, SERVER_VLLM);
	s.sampling.temperature = 0.7;
	json_object_set_new(s.teacher.extra_body, "temperature", json_real(0.25));
	json_object_set_new(s.teacher.extra_body, "return_token_ids", json_false());
	json_object_set_new(s.teacher.extra_body, "chat_template_kwargs",
		json_pack("{sb}", "enable_thinking", 0));
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(3));
	/* A seed of its own is the one that is sent. */
	check_body(&s, 99,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"temperature\":0.25,\"return_token_ids\":false,"
		"\"chat_template_kwargs\":{\"enable_thinking\":false},\"seed\":3}");
	end(&s);

	begin(&s, SERVER_OPENAI);
	s.sampling.max_tokens = 10;
	json_object_set_new(s.teacher.extra_body, "max_tokens", json_integer(20));
	check_body(&s, SEED_NONE,
		"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
		",\"max_tokens\":20}");
	end(&s);

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		char key[64];

		begin(&s, SERVER_VLLM);
		json_object_set_new(s.teacher.extra_body, ours[i], json_true());
		snprintf(key, sizeof(key), "extra_body.%s", ours[i]);
		check_refused(&s, key);
		end(&s);
	}
}

static void check_sent(
	struct setup *s, bool takes_seed, uint64_t seed, double temperature)
{
	struct request_form form;
	struct err err;

	if (chat()->form_init(&form, &s->terms, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_int_equal(form.takes_seed, takes_seed);
	if (!takes_seed)
		assert_true(form.seed == seed);
	assert_true(isnan(temperature) ? isnan(form.temperature)
				       : form.temperature == temperature);
	request_form_release(&form);
}

/* What the record says of a request is what was sent. */
static void openai_request__knows_what_extra_body_sends(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, SERVER_VLLM);
	check_sent(&s, true, SEED_NONE, (double)NAN);
	s.sampling.temperature = 0.7;
	check_sent(&s, true, SEED_NONE, 0.7);
	json_object_set_new(s.teacher.extra_body, "temperature", json_integer(1));
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(3));
	check_sent(&s, false, 3, 1);
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(INT64_MAX));
	check_sent(&s, false, INT64_MAX, 1);
	json_object_set_new(s.teacher.extra_body, "temperature", json_null());
	json_object_set_new(s.teacher.extra_body, "seed", json_null());
	check_sent(&s, false, SEED_NONE, (double)NAN);
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(-1));
	check_sent(&s, false, SEED_NONE, (double)NAN);
	json_object_set_new(s.teacher.extra_body, "seed", json_string("3"));
	check_sent(&s, false, SEED_NONE, (double)NAN);
	end(&s);
}

static void openai_request__passes_on_what_a_server_samples_with(void **state)
{
	static const struct {
		enum job_server server;
		const char *fields;
	} servers[] = {
		{SERVER_VLLM, ",\"return_token_ids\":true,\"top_k\":40,\"min_p\":0.05,"
			      "\"repetition_penalty\":1.1}"},
		{SERVER_SGLANG,
			",\"return_token_ids\":true,\"top_k\":40,\"min_p\":0.05,"
			"\"repetition_penalty\":1.1}"},
		{SERVER_TRTLLM,
			",\"top_k\":40,\"min_p\":0.05,\"repetition_penalty\":1.1}"},
		{SERVER_LLAMACPP,
			",\"top_k\":40,\"min_p\":0.05,\"repeat_penalty\":1.1}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct setup s;
		char want[512];

		begin(&s, servers[i].server);
		s.sampling.top_k = 40;
		s.sampling.min_p = 0.05;
		s.sampling.repetition_penalty = 1.1;
		snprintf(want, sizeof(want),
			"{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES
			",\"seed\":7%s",
			servers[i].fields);
		check_body(&s, 7, want);
		end(&s);
	}
}

static void protocol__is_found_by_its_name(void **state)
{
	(void)state;
	assert_string_equal(chat()->path, "/chat/completions");
	assert_null(protocol_find("openai"));
	assert_null(protocol_find(""));
}

static bool matches(const char *asked, const char *reported)
{
	return model_matches(
		bytes_of(asked, strlen(asked)), bytes_of(reported, strlen(reported)));
}

static void model_matches__allows_dates_paths_and_endings(void **state)
{
	static const char *const same[][2] = {{"gpt-4o", "gpt-4o"},
		{"gpt-4o", "gpt-4o-2024-08-06"}, {"gpt-4o-2024-08-06", "gpt-4o"},
		{"deepseek-chat", "deepseek-chat-0324"},
		{"gemini-1.5-pro", "gemini-1.5-pro-002"},
		{"Qwen/Qwen3-32B", "Qwen3-32B"}, {"teacher", "/models/teacher"},
		{"llama3", "llama3:latest"}, {"m", "/data/m.gguf"},
		{"a/m", "b/m-20250101"}};
	static const char *const other[][2] = {{"gpt-4o", "gpt-4o-mini"},
		{"llama-3", "llama-3-405b"}, {"claude-3", "claude-3-5"}, {"a", "b"},
		{"gpt-4o", ""}, {"", "gpt-4o"}, {"gpt-4o", "gpt-4o2024"}, {"x/", "y/"},
		{"m", "m-20a4"}};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (!matches(same[i][0], same[i][1]))
			fail_msg("%s is not %s", same[i][0], same[i][1]);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (matches(other[i][0], other[i][1]))
			fail_msg("%s is %s", other[i][0], other[i][1]);
}

static void answer_body_max__follows_the_rule(void **state)
{
	(void)state;
	assert_int_equal(answer_body_max(1024, 20, false, 0), MIB(1) + 1024 * 21 * 160);
	assert_int_equal(answer_body_max(1024, 0, false, 0), MIB(1) + 1024 * 160);
	assert_int_equal(
		answer_body_max(1024, 0, false, 500), MIB(1) + 1024 * 160 + 500 * 8);
	assert_int_equal(answer_body_max(JOB_UNSET_INT, 0, false, 0), LIMIT_BODY);
	assert_int_equal(
		answer_body_max(LIMIT_MAX_TOKENS, LIMIT_TOP_K, false, 9), LIMIT_BODY);
	assert_int_equal(answer_body_max(1, 0, false, SIZE_MAX), LIMIT_BODY);
}

/* The body of a prompt that asks for something by itself. */
static void check_own_body(struct setup *s, const char *request, const char *want)
{
	struct overrides o;
	struct err err;

	if (overrides_read(bytes_of(request, strlen(request)), &o, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	s->terms.overrides = &o;
	check_body(s, SEED_NONE, want);
	s->terms.overrides = NULL;
	overrides_release(&o);
}

#define OWN_HEAD "{\"model\":\"the \\\"model\\\"\",\"messages\":" MESSAGES

static void openai_request__a_prompts_own_wishes_win(void **state)
{
	struct request_form form;
	struct overrides o;
	struct setup s;
	struct err err = {0};

	(void)state;
	begin(&s, SERVER_VLLM);
	set_all(&s);
	s.terms.top_logprobs = 0;
	json_object_set_new(s.teacher.extra_body, "temperature", json_real(0.1));
	json_object_set_new(s.teacher.extra_body, "tool_choice", json_string("none"));
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(3));
	check_own_body(&s,
		"{\"temperature\":0.25,\"max_tokens\":5,\"stop\":[],\"top_k\":7,"
		"\"tools\":[1.10,1e400],\"tool_choice\":\"auto\"}",
		OWN_HEAD ",\"temperature\":0.25,\"top_p\":1.0,"
			 "\"presence_penalty\":-0.1,\"return_token_ids\":true,"
			 "\"seed\":3,\"max_tokens\":5,\"top_k\":7,"
			 "\"tools\":[1.10,1e400],\"tool_choice\":\"auto\"}");
	/* A seed of its own is made anew for each sample. */
	check_own_body(&s, "{\"seed\":9}",
		OWN_HEAD ",\"temperature\":0.1,\"top_p\":1.0,"
			 "\"presence_penalty\":-0.1,\"max_tokens\":1024,"
			 "\"stop\":[\"###\",\"\\n\"],\"return_token_ids\":true,"
			 "\"tool_choice\":\"none\"}");
	assert_int_equal(
		overrides_read(bytes_of("{\"seed\":9,\"top_p\":0.5}", 22), &o, &err),
		ERR_NONE);
	s.terms.overrides = &o;
	assert_int_equal(chat()->form_init(&form, &s.terms, &err), ERR_NONE);
	assert_true(form.takes_seed);
	assert_true(form.temperature == 0.1);
	request_form_release(&form);
	overrides_release(&o);
	end(&s);

	begin(&s, SERVER_OPENAI);
	json_object_set_new(s.teacher.extra_body, "max_tokens", json_integer(3));
	check_own_body(
		&s, "{\"max_tokens\":5}", OWN_HEAD ",\"max_completion_tokens\":5}");
	check_own_body(
		&s, "{\"tools\":[]}", OWN_HEAD ",\"max_tokens\":3,\"tools\":[]}");
	end(&s);
	begin(&s, SERVER_OPENAI);
	check_own_body(&s, "{\"tools\":[]}", OWN_HEAD ",\"tools\":[]}");
	end(&s);
}

static void openai_request__refuses_wishes_that_it_cannot_send(void **state)
{
	static const struct {
		const char *request, *names;
	} cases[] = {
		{"{\"top_k\":7}", "sampling.top_k"},
		{"{\"stream\":true}", "'stream'"},
		{"{\"messages\":[]}", "'messages'"},
		{"{\"top_logprobs\":3}", "'top_logprobs'"},
	};
	struct overrides o;
	struct setup s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&s, SERVER_OPENAI);
		assert_int_equal(overrides_read(bytes_of(cases[i].request,
							strlen(cases[i].request)),
					 &o, &err),
			ERR_NONE);
		s.terms.overrides = &o;
		check_refused(&s, cases[i].names);
		overrides_release(&o);
		end(&s);
	}
}

static void openai_request__asks_for_several_where_the_server_has_it(void **state)
{
	static const struct {
		enum job_server server;
		unsigned choices;
	} cases[] = {{SERVER_OPENAI, 4}, {SERVER_VLLM, 4}, {SERVER_SGLANG, 4},
		{SERVER_TRTLLM, 4}, {SERVER_LLAMACPP, 1}, {SERVER_OLLAMA, 1}};
	struct bytes messages = bytes_of(MESSAGES, strlen(MESSAGES));
	struct request_form form;
	struct buf out;
	struct setup s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&s, cases[i].server);
		s.sampling.n_per_request = 4;
		assert_int_equal(chat()->form_init(&form, &s.terms, &err), ERR_NONE);
		assert_int_equal(form.choices, cases[i].choices);
		request_form_release(&form);
		end(&s);
	}
	begin(&s, SERVER_OPENAI);
	s.sampling.n_per_request = 128;
	s.sampling.temperature = 0.7;
	assert_int_equal(chat()->form_init(&form, &s.terms, &err), ERR_NONE);
	buf_init(&out, 65536);
	assert_int_equal(
		chat()->write_choices(&form, messages, 7, 128, &out, &err), ERR_NONE);
	assert_string_equal(
		buf_text(&out), OWN_HEAD ",\"seed\":7,\"n\":128,\"temperature\":0.7}");
	buf_clear(&out);
	assert_int_equal(
		chat()->write_choices(&form, messages, SEED_NONE, 2, &out, &err),
		ERR_NONE);
	assert_string_equal(buf_text(&out), OWN_HEAD ",\"n\":2,\"temperature\":0.7}");
	buf_release(&out);
	request_form_release(&form);
	/* An answer to several is never a stream. */
	s.sampling.n_per_request = 2;
	s.teacher.stream = JOB_STREAM_YES;
	assert_false(protocol_streams(chat(), &s.teacher, &s.sampling));
	s.sampling.n_per_request = 1;
	assert_true(protocol_streams(chat(), &s.teacher, &s.sampling));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openai_request__sends_nothing_that_is_not_set),
		cmocka_unit_test(openai_request__sends_31_bits_of_a_seed),
		cmocka_unit_test(openai_request__speaks_each_servers_dialect),
		cmocka_unit_test(
			openai_request__names_the_key_that_a_server_does_not_know),
		cmocka_unit_test(openai_request__lets_extra_body_win),
		cmocka_unit_test(openai_request__knows_what_extra_body_sends),
		cmocka_unit_test(openai_request__passes_on_what_a_server_samples_with),
		cmocka_unit_test(protocol__is_found_by_its_name),
		cmocka_unit_test(model_matches__allows_dates_paths_and_endings),
		cmocka_unit_test(answer_body_max__follows_the_rule),
		cmocka_unit_test(openai_request__a_prompts_own_wishes_win),
		cmocka_unit_test(openai_request__refuses_wishes_that_it_cannot_send),
		cmocka_unit_test(
			openai_request__asks_for_several_where_the_server_has_it),
	};

	return cmocka_run_group_tests_name("openai_request", tests, NULL, NULL);
}
