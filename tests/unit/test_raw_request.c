/* SPDX-License-Identifier: Apache-2.0 */
/* What teachers that take raw prompts are sent. */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "store/record.h"
#include "worker/protocol.h"
#include "worker/raw_prompt.h"

#define TEXT "[{\"role\":\"user\",\"content\":\"2+\\\"2\\\"?\"}]"
#define IDS "{\"input_ids\":[1,2,3]}"

struct setup {
	struct job_teacher teacher;
	struct job_sampling sampling;
	struct request_terms terms;
	const struct protocol *protocol;
};

static void begin(struct setup *s, const char *api, enum job_server server)
{
	*s = (struct setup){.teacher = {.name = (char *)"t0",
				    .api = (char *)api,
				    .model = (char *)"m"},
		.sampling = {.n = 1,
			.temperature = NAN,
			.top_p = NAN,
			.top_k = JOB_UNSET_INT,
			.min_p = NAN,
			.presence_penalty = NAN,
			.repetition_penalty = NAN,
			.max_tokens = JOB_UNSET_INT,
			.seed = JOB_UNSET_INT},
		.protocol = protocol_find(api)};
	assert_non_null(s->protocol);
	assert_true(s->protocol->raw);
	assert_true(job_api_is_raw(api));
	s->teacher.extra_body = json_object();
	s->terms = (struct request_terms){
		.teacher = &s->teacher, .sampling = &s->sampling, .server = server};
}

static void set_all(struct setup *s)
{
	s->sampling.temperature = 0.7;
	s->sampling.top_p = 0.5;
	s->sampling.presence_penalty = -0.1;
	s->sampling.max_tokens = 64;
	s->sampling.top_k = 40;
	s->sampling.min_p = 0.05;
	s->sampling.repetition_penalty = 1.1;
	s->sampling.stop = json_pack("[s]", "###");
	s->terms.top_logprobs = 20;
}

static void end(struct setup *s)
{
	json_decref(s->teacher.extra_body);
	json_decref(s->sampling.stop);
}

static void check(
	struct setup *s, const char *messages, uint64_t seed, const char *want)
{
	struct request_form form;
	struct buf out;
	struct err err = {0};
	json_t *tree;

	buf_init(&out, 65536);
	if (s->protocol->form_init(&form, &s->terms, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	if (s->protocol->write_request(&form, bytes_of(messages, strlen(messages)),
		    seed, &out, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_text(&out), want);
	tree = json_loads(buf_text(&out), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(tree);
	json_decref(tree);
	buf_release(&out);
	request_form_release(&form);
}

static void check_own(struct setup *s, const char *request, const char *want)
{
	struct overrides o;
	struct err err;

	if (overrides_read(bytes_of(request, strlen(request)), &o, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	s->terms.overrides = &o;
	check(s, IDS, SEED_NONE, want);
	s->terms.overrides = NULL;
	overrides_release(&o);
}

static void check_refused(struct setup *s, const char *names)
{
	struct request_form form;
	struct err err = {0};

	assert_int_equal(s->protocol->form_init(&form, &s->terms, &err), ERR_INVALID);
	if (!strstr(err.msg, names))
		fail_msg("'%s' does not name %s", err.msg, names);
	assert_int_equal(form.head.len, 0);
	request_form_release(&form);
}

static void raw_request__sends_nothing_that_is_not_set(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, "completions", SERVER_OPENAI);
	check(&s, TEXT, SEED_NONE, "{\"model\":\"m\",\"prompt\":\"2+\\\"2\\\"?\"}");
	check(&s, IDS, 7, "{\"model\":\"m\",\"seed\":7,\"prompt\":[1,2,3]}");
	end(&s);
	begin(&s, "sglang", SERVER_SGLANG);
	check(&s, TEXT, SEED_NONE,
		"{\"sampling_params\":{\"n\":1},\"stream\":false,"
		"\"return_logprob\":false,\"text\":\"2+\\\"2\\\"?\"}");
	check(&s, IDS, 0xffffffff12345678u,
		"{\"sampling_params\":{\"n\":1,\"sampling_seed\":305419896},"
		"\"stream\":false,\"return_logprob\":false,\"input_ids\":[1,2,3]}");
	end(&s);
	begin(&s, "llamacpp", SERVER_LLAMACPP);
	check(&s, TEXT, SEED_NONE,
		"{\"model\":\"m\",\"stream\":false,\"return_tokens\":true,"
		"\"prompt\":\"2+\\\"2\\\"?\"}");
	check(&s, IDS, 7,
		"{\"model\":\"m\",\"stream\":false,\"return_tokens\":true,\"seed\":7,"
		"\"prompt\":[1,2,3]}");
	end(&s);
}

#define SAMPLED(max_tokens, repetition)                                                \
	"\"temperature\":0.7,\"top_p\":0.5,\"presence_penalty\":-0.1,\"" max_tokens    \
	"\":64,\"stop\":[\"###\"],\"top_k\":40,\"min_p\":0.05,\"" repetition "\":1.1"

static void raw_request__has_each_servers_names(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, "completions", SERVER_VLLM);
	set_all(&s);
	check(&s, IDS, 5,
		"{\"model\":\"m\",\"logprobs\":20,\"return_tokens_as_token_ids\":true,"
		"\"return_token_ids\":true," SAMPLED(
			"max_tokens", "repetition_penalty") ",\"seed\":5,"
							    "\"prompt\":[1,2,3]}");
	s.terms.stream = true;
	s.terms.top_logprobs = 0;
	check(&s, IDS, SEED_NONE,
		"{\"model\":\"m\",\"return_token_ids\":true,\"stream\":true,"
		"\"stream_options\":{\"include_usage\":true}," SAMPLED(
			"max_tokens", "repetition_penalty") ",\"prompt\":[1,2,3]}");
	end(&s);

	begin(&s, "completions", SERVER_LLAMACPP);
	set_all(&s);
	check(&s, IDS, SEED_NONE,
		"{\"model\":\"m\",\"logprobs\":20," SAMPLED(
			"max_tokens", "repeat_penalty") ",\"prompt\":[1,2,3]}");
	end(&s);

	begin(&s, "sglang", SERVER_SGLANG);
	set_all(&s);
	check(&s, IDS, 5,
		"{\"sampling_params\":{\"n\":1," SAMPLED("max_new_tokens",
			"repetition_penalty") ",\"sampling_seed\":5},\"stream\":false,"
					      "\"return_logprob\":true,"
					      "\"top_logprobs_num\":20,"
					      "\"logprob_start_len\":-1,"
					      "\"return_text_in_logprobs\":false,"
					      "\"input_ids\":[1,2,3]}");
	end(&s);

	begin(&s, "llamacpp", SERVER_LLAMACPP);
	set_all(&s);
	check(&s, IDS, 5,
		"{\"model\":\"m\",\"stream\":false,\"return_tokens\":true,\"n_probs\":20,"
		"\"post_sampling_probs\":false," SAMPLED(
			"n_predict", "repeat_penalty") ",\"seed\":5,"
						       "\"prompt\":[1,2,3]}");
	end(&s);
}

static void raw_request__asks_what_a_teacher_thinks_of_a_text(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, "completions", SERVER_VLLM);
	s.terms.score = true;
	s.terms.top_logprobs = 20;
	check(&s, "{\"input_ids\":[1,2,3],\"prompt_len\":2,\"text\":\"a\"}", SEED_NONE,
		"{\"model\":\"m\",\"max_tokens\":1,\"prompt_logprobs\":20,"
		"\"return_token_ids\":true,\"prompt\":[1,2,3]}");
	check(&s, "{\"text\":\"a\"}", SEED_NONE,
		"{\"model\":\"m\",\"max_tokens\":1,\"prompt_logprobs\":20,"
		"\"return_token_ids\":true,\"prompt\":\"a\"}");
	s.terms.server = SERVER_OPENAI;
	check_refused(&s, "cannot score");
	end(&s);
	begin(&s, "sglang", SERVER_SGLANG);
	s.terms.score = true;
	s.terms.top_logprobs = 20;
	check(&s, "{\"input_ids\":[1,2,3],\"prompt_len\":2}", SEED_NONE,
		"{\"sampling_params\":{\"n\":1,\"max_new_tokens\":0},\"stream\":false,"
		"\"return_logprob\":true,\"top_logprobs_num\":20,"
		"\"logprob_start_len\":0,\"return_text_in_logprobs\":false,"
		"\"input_ids\":[1,2,3]}");
	end(&s);
}

static void raw_request__has_trl_score_ids(void **state)
{
	struct request_form form;
	struct err err = {0};
	struct setup s;
	struct buf out;

	(void)state;
	begin(&s, "trl", SERVER_OPENAI);
	s.terms.score = true;
	s.terms.top_logprobs = 20;
	check(&s, "{\"input_ids\":[1,2,3],\"prompt_len\":2,\"text\":\"a\"}", 7,
		"{\"top_logprobs\":20,\"temperature\":1.0,\"response_format\":\"binary\","
		"\"sequences\":[[1,2,3]],\"prompt_lengths\":[2]}");
	check(&s, IDS, SEED_NONE,
		"{\"top_logprobs\":20,\"temperature\":1.0,\"response_format\":\"binary\","
		"\"sequences\":[[1,2,3]],\"prompt_lengths\":[1]}");
	check_own(&s, "{\"temperature\":2,\"priority\":1}",
		"{\"top_logprobs\":20,\"temperature\":2.0,\"response_format\":\"binary\","
		"\"priority\":1,\"sequences\":[[1,2,3]],\"prompt_lengths\":[1]}");
	/* A text has no ids that we know of. */
	buf_init(&out, 1000);
	assert_int_equal(s.protocol->form_init(&form, &s.terms, &err), ERR_NONE);
	assert_int_equal(
		s.protocol->write_request(
			&form, bytes_of("{\"text\":\"a\"}", 12), SEED_NONE, &out, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.msg, "input_ids"));
	request_form_release(&form);
	buf_release(&out);
	/* What the server would leave out without a word. */
	s.sampling.top_p = 0.5;
	check_refused(&s, "top_p");
	s.sampling.top_p = NAN;
	s.sampling.max_tokens = 5;
	check_refused(&s, "max_tokens");
	s.sampling.max_tokens = JOB_UNSET_INT;
	s.sampling.seed = 5;
	check_refused(&s, "seed");
	end(&s);
}

static void raw_request__names_what_it_cannot_send(void **state)
{
	static const struct {
		const char *api;
		enum job_server server;
		const char *member;
	} ours[] = {{"completions", SERVER_VLLM, "prompt"},
		{"completions", SERVER_VLLM, "echo"},
		{"completions", SERVER_VLLM, "best_of"},
		{"sglang", SERVER_SGLANG, "input_ids"},
		{"sglang", SERVER_SGLANG, "return_logprob"},
		{"sglang", SERVER_SGLANG, "sampling_params"},
		{"llamacpp", SERVER_LLAMACPP, "post_sampling_probs"},
		{"llamacpp", SERVER_LLAMACPP, "n_probs"},
		{"trl", SERVER_OPENAI, "sequences"},
		{"trl", SERVER_OPENAI, "response_format"}};
	struct setup s;

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		begin(&s, ours[i].api, ours[i].server);
		json_object_set_new(s.teacher.extra_body, ours[i].member, json_true());
		check_refused(&s, ours[i].member);
		end(&s);
	}
	begin(&s, "completions", SERVER_OPENAI);
	s.sampling.top_k = 3;
	check_refused(&s, "sampling.top_k");
	s.sampling.top_k = JOB_UNSET_INT;
	s.sampling.min_p = 0.5;
	check_refused(&s, "sampling.min_p");
	s.sampling.min_p = NAN;
	s.sampling.repetition_penalty = 0.5;
	check_refused(&s, "sampling.repetition_penalty");
	s.sampling.repetition_penalty = NAN;
	s.terms.prefill = true;
	check_refused(&s, "prefill");
	end(&s);
}

static void raw_request__lets_extra_body_win(void **state)
{
	struct request_form form;
	struct setup s;
	struct err err;

	(void)state;
	begin(&s, "sglang", SERVER_SGLANG);
	s.sampling.temperature = 0.7;
	json_object_set_new(s.teacher.extra_body, "lora_path", json_string("l"));
	json_object_set_new(s.teacher.extra_body, "sampling_params",
		json_pack("{s:f,s:i}", "temperature", 1.0, "sampling_seed", 3));
	check(&s, IDS, 99,
		"{\"sampling_params\":{\"n\":1,\"temperature\":1.0,"
		"\"sampling_seed\":3},\"stream\":false,\"return_logprob\":false,"
		"\"lora_path\":\"l\",\"input_ids\":[1,2,3]}");
	assert_int_equal(s.protocol->form_init(&form, &s.terms, &err), ERR_NONE);
	assert_false(form.takes_seed);
	assert_int_equal(form.seed, 3);
	assert_true(form.temperature == 1);
	request_form_release(&form);
	json_object_set_new(
		s.teacher.extra_body, "sampling_params", json_pack("{s:i}", "n", 2));
	check_refused(&s, "sampling_params");
	end(&s);

	begin(&s, "completions", SERVER_VLLM);
	s.sampling.temperature = 0.7;
	json_object_set_new(s.teacher.extra_body, "temperature", json_real(0.25));
	json_object_set_new(s.teacher.extra_body, "return_token_ids", json_false());
	check(&s, IDS, SEED_NONE,
		"{\"model\":\"m\",\"return_token_ids\":false,\"temperature\":0.25,"
		"\"prompt\":[1,2,3]}");
	end(&s);
}

static void raw_request__a_prompts_own_wishes_win(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, "sglang", SERVER_SGLANG);
	set_all(&s);
	s.terms.top_logprobs = 0;
	check_own(&s,
		"{\"temperature\":0.25,\"max_tokens\":5,\"stop\":[],\"rid\":1.50}",
		"{\"sampling_params\":{\"n\":1,\"temperature\":0.25,\"top_p\":0.5,"
		"\"presence_penalty\":-0.1,\"max_new_tokens\":5,\"top_k\":40,"
		"\"min_p\":0.05,\"repetition_penalty\":1.1},\"stream\":false,"
		"\"return_logprob\":false,\"rid\":1.50,\"input_ids\":[1,2,3]}");
	end(&s);
	begin(&s, "llamacpp", SERVER_LLAMACPP);
	json_object_set_new(s.teacher.extra_body, "grammar", json_string("a"));
	json_object_set_new(s.teacher.extra_body, "seed", json_integer(3));
	check_own(&s, "{\"grammar\":\"b\",\"seed\":4}",
		"{\"model\":\"m\",\"stream\":false,\"return_tokens\":true,\"grammar\":\"b\","
		"\"prompt\":[1,2,3]}");
	end(&s);
}

static void raw_request__refuses_wishes_that_are_no_prompts(void **state)
{
	static const char *const requests[][2] = {{"{\"tools\":[]}", "'tools'"},
		{"{\"prompt\":\"x\"}", "'prompt'"}, {"{\"echo\":true}", "'echo'"},
		{"{\"top_k\":7}", "sampling.top_k"}};
	struct overrides o;
	struct setup s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const char *text = requests[i][0];

		begin(&s, "completions", SERVER_OPENAI);
		assert_int_equal(overrides_read(bytes_of(text, strlen(text)), &o, &err),
			ERR_NONE);
		s.terms.overrides = &o;
		check_refused(&s, requests[i][1]);
		overrides_release(&o);
		end(&s);
	}
}

static void raw_prompt__is_one_text_or_ids(void **state)
{
	static const struct {
		const char *messages;
		int kind; /* -1: none */
		const char *value;
	} cases[] = {
		{TEXT, RAW_TEXT, "\"2+\\\"2\\\"?\""},
		{"[{\"content\":\"\",\"role\":\"user\"}]", RAW_TEXT, "\"\""},
		{IDS, RAW_IDS, "[1,2,3]"},
		{"[]", -1, NULL},
		{"[{\"role\":\"user\"}]", -1, NULL},
		{"[{\"role\":\"user\",\"content\":null}]", -1, NULL},
		{"[{\"role\":\"user\",\"content\":[]}]", -1, NULL},
		{"[{\"role\":\"user\",\"content\":\"a\"},"
		 "{\"role\":\"user\",\"content\":\"b\"}]",
			-1, NULL},
		{"{}", -1, NULL},
		{"{\"input_ids\":\"a\"}", -1, NULL},
		{"", -1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *m = cases[i].messages;
		struct raw_prompt p;
		bool found = raw_prompt_read(bytes_of(m, strlen(m)), &p);

		if (found != (cases[i].kind >= 0))
			fail_msg("%s", m);
		if (!found)
			continue;
		assert_int_equal(p.kind, cases[i].kind);
		assert_int_equal(p.value.len, strlen(cases[i].value));
		assert_memory_equal(p.value.data, cases[i].value, p.value.len);
	}
}

static void raw_prompt__ids_are_numbers(void **state)
{
	static const char *const bad[] = {"", "[", "[1", "[1,]", "[-1]", "[1.5]",
		"[\"a\"]", "[4294967295]", "[null]"};
	struct answer_ids ids = {0};

	(void)state;
	assert_true(raw_prompt_ids(bytes_of("[7,0,4294967294]", 16), &ids));
	assert_int_equal(ids.n, 3);
	assert_int_equal(ids.at[0], 7);
	assert_int_equal(ids.at[2], 4294967294u);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (raw_prompt_ids(bytes_of(bad[i], strlen(bad[i])), &ids))
			fail_msg("%s", bad[i]);
	free(ids.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_request__sends_nothing_that_is_not_set),
		cmocka_unit_test(raw_request__has_each_servers_names),
		cmocka_unit_test(raw_request__asks_what_a_teacher_thinks_of_a_text),
		cmocka_unit_test(raw_request__has_trl_score_ids),
		cmocka_unit_test(raw_request__names_what_it_cannot_send),
		cmocka_unit_test(raw_request__lets_extra_body_win),
		cmocka_unit_test(raw_request__a_prompts_own_wishes_win),
		cmocka_unit_test(raw_request__refuses_wishes_that_are_no_prompts),
		cmocka_unit_test(raw_prompt__is_one_text_or_ids),
		cmocka_unit_test(raw_prompt__ids_are_numbers),
	};

	return cmocka_run_group_tests_name("raw_request", tests, NULL, NULL);
}
