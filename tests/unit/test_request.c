/* SPDX-License-Identifier: Apache-2.0 */
/* What lines ask for by themselves: columns and batch bodies. */
#include "unit/prompt_rig.h"

#include "common/overrides.h"
#include "coordinator/corpus_line.h"

/* What is expected of a line; NULL: not looked at, "(none)": absent. */
struct expect {
	const char *line, *request, *messages, *reference, *extra;
};

static void check(const struct prompt_rules *rules, const struct expect *e)
{
	struct prompt p;
	struct overrides o;
	struct err err;

	prompt_init(&p);
	if (prompt_build(rules, e->line, strlen(e->line), &p, &err) != ERR_NONE)
		fail_msg("%s: %s", e->line, err.msg);
	check_text(e->line, "request", p.request, e->request);
	check_text(e->line, "messages", p.messages, e->messages);
	check_text(e->line, "reference", p.reference, e->reference);
	check_text(e->line, "extra", p.extra, e->extra);
	if (p.request.data) {
		if (overrides_read(p.request, &o, &err) != ERR_NONE)
			fail_msg("%s: %s", e->line, err.msg);
		overrides_release(&o);
	}
	prompt_release(&p);
}

/* The judge's word for a line, which the builder's must be, too. */
static void check_reject(
	const struct prompt_rules *rules, const char *line, const char *want)
{
	struct corpus_judge judge;
	struct corpus_line got;
	struct prompt p;
	struct err err = {0};

	corpus_judge_init(&judge, rules);
	corpus_line_judge(&judge, line, strlen(line), &got);
	if (strcmp(reject_name(got.reason), want) != 0)
		fail_msg("%s: '%s', not '%s'", line, reject_name(got.reason), want);
	corpus_judge_release(&judge);
	prompt_init(&p);
	assert_int_equal(prompt_build(rules, line, strlen(line), &p, &err),
		got.reason ? ERR_INVALID : ERR_NONE);
	if (got.reason && strncmp(err.msg, want, strlen(want)) != 0)
		fail_msg("%s: '%s', not '%s'", line, err.msg, want);
	prompt_release(&p);
}

#define ASK(rest) "{\"id\":1,\"prompt\":\"x\"," rest "}"

static void request__comes_from_columns(void **state)
{
	static const struct expect list[] = {
		{"{\"id\":1,\"prompt\":\"x\"}", "(none)", NULL, NULL, "(none)"},
		{ASK("\"sampling\": { \"temperature\" : 0.50, \"top_p\":1,\"top_k\":-1,"
		     "\"min_p\":0.1,\"presence_penalty\":-1,\"repetition_penalty\":1.1,"
		     "\"max_tokens\":64, \"seed\":7,\"stop\" : \"#\\u0041\"}"),
			"{\"temperature\":0.50,\"top_p\":1,\"top_k\":-1,\"min_p\":0.1,"
			"\"presence_penalty\":-1,\"repetition_penalty\":1.1,"
			"\"max_tokens\":64,\"seed\":7,\"stop\":[\"#A\"]}",
			NULL, NULL, "(none)"},
		{ASK("\"sampling\":{\"stop\":[ \"a\" , \"b\\n\" ]}"),
			"{\"stop\":[\"a\",\"b\\n\"]}", NULL, NULL, "(none)"},
		{ASK("\"sampling\":{\"stop\":[ ]}"), "{\"stop\":[]}", NULL, NULL,
			"(none)"},
		/* Null is what tools write where others have a value. */
		{ASK("\"sampling\":{\"temperature\":null,\"n\":null,\"top_p\":0.5},"
		     "\"tools\":null,\"level\":3"),
			"{\"top_p\":0.5}", NULL, NULL, "{\"level\":3}"},
		{ASK("\"sampling\":{\"temperature\":null}"), "(none)", NULL, NULL,
			"(none)"},
		{ASK("\"sampling\":null"), "(none)", NULL, NULL, "(none)"},
		{ASK("\"response_format\":{ \"type\":\"json_object\" },"
		     "\"tools\":[ {\"type\":\"function\",\"function\":{\"name\":\"f\","
		     "\"parameters\":{\"maximum\":18446744073709551616}}} ],"
		     "\"tool_choice\":\"auto\",\"sampling\":{\"max_tokens\":5}"),
			"{\"max_tokens\":5,\"tools\":[{\"type\":\"function\",\"function\":"
			"{\"name\":\"f\",\"parameters\":{\"maximum\":"
			"18446744073709551616}}}],\"tool_choice\":\"auto\","
			"\"response_format\":{\"type\":\"json_object\"}}",
			NULL, NULL, "(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		check(&rules, &list[i]);
	prompt_rules_release(&rules);
}

static void request__a_templates_column_is_no_wish(void **state)
{
	static const struct expect e = {
		"{\"id\":1,\"tools\":\"a hammer\",\"sampling\":{\"seed\":1}}",
		"{\"seed\":1}",
		"[{\"role\":\"user\",\"content\":\"What is a hammer for?\"}]", NULL,
		"{\"tools\":\"a hammer\"}"};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, "What is {{tools}} for?", NULL, false);
	check(&rules, &e);
	prompt_rules_release(&rules);
}

#define BODY(members)                                                                                  \
	"{\"custom_id\":\"q\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{" members \
	"}}"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
#define SENT "[{\"role\":\"user\",\"content\":\"x\"}]"

static void request__comes_from_a_batch_body(void **state)
{
	static const struct expect list[] = {
		{BODY("\"model\":\"m\"," MESSAGES), "(none)", SENT, "(none)", "(none)"},
		{BODY(MESSAGES ",\"temperature\":0,\"max_completion_tokens\":9,"
			       "\"stop\":\"#\",\"frequency_penalty\":0.5,"
			       "\"reasoning_effort\":\"low\",\"tools\":[{}],"
			       "\"tool_choice\":{\"type\":\"function\"},\"user\":null,"
			       "\"response_format\":{\"type\":\"text\"},\"seed\":4,"
			       "\"metadata\":{\"a\":\"\\u00e4\"}"),
			"{\"temperature\":0,\"max_tokens\":9,\"stop\":[\"#\"],"
			"\"frequency_penalty\":0.5,\"reasoning_effort\":\"low\","
			"\"tools\":[{}],\"tool_choice\":{\"type\":\"function\"},"
			"\"response_format\":{\"type\":\"text\"},\"seed\":4,"
			"\"metadata\":{\"a\":\"\xc3\xa4\"}}",
			SENT, "(none)", "(none)"},
		/* What is not sent stays with the prompt. */
		{BODY("\"n\":1,\"stream\":true," MESSAGES), "(none)", SENT, "(none)",
			"{\"body\":{\"n\":1,\"stream\":true," MESSAGES "}}"},
		{BODY("\"logprobs\":false,\"top_logprobs\":5," MESSAGES), "(none)",
			SENT, NULL, NULL},
		/* A last answer is the reference, as elsewhere. */
		{"{\"custom_id\":\"q\",\"level\":2,\"body\":{\"messages\":["
		 "{\"role\":\"user\",\"content\":\"x\"},"
		 "{\"role\":\"assistant\",\"content\":\"y\"}],\"top_k\":3}}",
			"{\"top_k\":3}", SENT, "y", "{\"level\":2}"},
		{"{\"custom_id\":\"q\",\"answer\":\"42\",\"response\":\"z\",\"body\":{" MESSAGES
		 "},\"sampling\":{\"seed\":1}}",
			"{\"seed\":1}", SENT, "42", "{\"response\":\"z\"}"},
		/* A prompt's own columns come first. */
		{"{\"id\":1,\"prompt\":\"p\",\"body\":{\"a\":1},\"method\":\"GET\"}",
			"(none)", "[{\"role\":\"user\",\"content\":\"p\"}]", NULL,
			"{\"body\":{\"a\":1},\"method\":\"GET\"}"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		check(&rules, &list[i]);
	prompt_rules_release(&rules);
}

/* System text, parts with pictures, calls and their results: all as they are. */
static void request__messages_go_through_whole(void **state)
{
#define PICTURES                                                                       \
	"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"        \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":"                              \
	"\"data:image/png;base64,iVBORw0KGgo=\",\"detail\":\"low\"}},"                 \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.b/c.png\"}}]}"
#define CALLS                                                                          \
	"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\","     \
	"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"            \
	"\"{\\\"a\\\": 1.50}\"}}]}"
#define RESULT "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"7\"}"
#define SYSTEM "{\"role\":\"developer\",\"content\":\"be\"}"
#define ALL "[" SYSTEM "," PICTURES "," CALLS "," RESULT "]"
	static const struct expect list[] = {
		{"{\"id\":1,\"messages\":" ALL "}", "(none)", ALL, "(none)", "(none)"},
		{"{\"id\":1,\"prompt\":" ALL "}", "(none)", ALL, "(none)", "(none)"},
		{BODY("\"messages\":" ALL), "(none)", ALL, "(none)", "(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, "the job's", false);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		check(&rules, &list[i]);
	prompt_rules_release(&rules);
}

static void request__bad_lines_have_a_reason(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ASK("\"sampling\":{\"temperature\":11}"), "bad_sampling"},
		{ASK("\"sampling\":{\"temperature\":\"hot\"}"), "bad_sampling"},
		{ASK("\"sampling\":{\"max_tokens\":0}"), "bad_sampling"},
		{ASK("\"sampling\":{\"max_tokens\":6.5}"), "bad_sampling"},
		{ASK("\"sampling\":{\"max_token\":6}"), "bad_sampling"},
		{ASK("\"sampling\":{\"max_tokens\":6,\"max_tokens\":6}"),
			"bad_sampling"},
		{ASK("\"sampling\":{\"\\u006ea\":6}"), "bad_sampling"},
		{ASK("\"sampling\":\"greedy\""), "bad_sampling"},
		{ASK("\"sampling\":[1]"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":\"\"}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":[\"a\",\"\"]}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":[\"a\",1]}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":{}}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":5}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":\"a\\u0000\"}"), "bad_sampling"},
		{ASK("\"sampling\":{\"stop\":\"\\\\u0000\"}"), "none"},
		{ASK("\"sampling\":{\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
		     "\"8\",\"9\",\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]}"),
			"bad_sampling"},
		{ASK("\"sampling\":{\"n\":1}"), "own_n"},
		{ASK("\"tools\":{}"), "none"},
		{ASK("\"tools\":{\"a\":1}"), "bad_request"},
		{ASK("\"tools\":\"[]\""), "bad_request"},
		{ASK("\"tool_choice\":1"), "bad_request"},
		{ASK("\"response_format\":\"json\""), "bad_request"},
		{"{\"id\":1,\"tools\":5}", "no_prompt"},
		{"{\"id\":\"\",\"prompt\":\"x\",\"tools\":5}", "bad_id"},
		/* Bodies. */
		{BODY(""), "unsupported_shape"},
		{BODY("\"prompt\":\"x\""), "unsupported_shape"},
		{BODY("\"messages\":[]"), "bad_messages"},
		{BODY("\"messages\":[],\"n\":2"), "bad_messages"},
		{BODY("\"messages\":\"x\""), "bad_messages"},
		{BODY("\"n\":2," MESSAGES), "own_n"},
		{BODY("\"n\":\"1\"," MESSAGES), "own_n"},
		{BODY("\"model\":\"other\"," MESSAGES), "other_model"},
		{BODY("\"model\":5," MESSAGES), "other_model"},
		{BODY("\"model\":null," MESSAGES), "none"},
		{BODY("\"model\":\"t\\u0077o\"," MESSAGES), "none"},
		{BODY("\"logprobs\":true,\"top_logprobs\":20," MESSAGES), "none"},
		{BODY("\"logprobs\":true,\"top_logprobs\":21," MESSAGES),
			"more_logprobs"},
		{BODY("\"top_logprobs\":\"5\"," MESSAGES), "more_logprobs"},
		{BODY("\"top_logprobs\":-1," MESSAGES), "more_logprobs"},
		{BODY("\"prompt_logprobs\":21," MESSAGES), "more_logprobs"},
		{BODY("\"logprobs\":1," MESSAGES), "more_logprobs"},
		{BODY("\"temperature\":true," MESSAGES), "bad_sampling"},
		{BODY("\"max_tokens\":5,\"max_completion_tokens\":5," MESSAGES),
			"bad_sampling"},
		{BODY("\"a b\":5," MESSAGES), "bad_request"},
		{BODY("\"\":5," MESSAGES), "bad_request"},
		{BODY("\"n_per_request\":5," MESSAGES), "bad_request"},
		{BODY("\"seed\\u0000\":5," MESSAGES), "bad_request"},
		{BODY("\"a\":1,\"\\u0061\":2," MESSAGES), "duplicate_key"},
		{BODY("\"n\":1,\"n\":1," MESSAGES), "duplicate_key"},
		{BODY(MESSAGES "," MESSAGES), "duplicate_key"},
		{"{\"body\":{" MESSAGES "},\"method\":\"GET\"}", "unsupported_shape"},
		{"{\"body\":{" MESSAGES "},\"method\":5}", "unsupported_shape"},
		{"{\"body\":{" MESSAGES "},\"url\":\"/v1/embeddings\"}",
			"unsupported_shape"},
		{"{\"body\":{" MESSAGES
		 "},\"url\":\"http://a/v1/chat/completions\",\"method\":null}",
			"none"},
		{"{\"body\":{" MESSAGES ",\"tools\":[]},\"tools\":[1]}", "bad_request"},
		{"{\"body\":[]}", "no_prompt"},
	};
	struct job_teacher teachers[] = {
		{.api = (char *)"openai-chat", .model = (char *)"one"},
		{.api = (char *)"openai-chat", .model = (char *)"two"}};
	struct job job = {.teacher = teachers, .n_teachers = 2, .top_logprobs = 20};
	struct prompt_rules rules;
	struct err err;

	(void)state;
	assert_int_equal(prompt_rules_of_job(&rules, &job, &err), ERR_NONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_reject(&rules, cases[i].line, cases[i].want);
	prompt_rules_release(&rules);
	/* A job without logprobs has none for a line. */
	job.top_logprobs = 0;
	assert_int_equal(prompt_rules_of_job(&rules, &job, &err), ERR_NONE);
	check_reject(&rules, BODY("\"logprobs\":true," MESSAGES), "more_logprobs");
	check_reject(&rules, BODY("\"logprobs\":false," MESSAGES), "none");
	check_reject(&rules, BODY("\"top_logprobs\":0," MESSAGES), "none");
	prompt_rules_release(&rules);
}

static void request__has_room_for_64_members(void **state)
{
	struct prompt_rules rules;
	struct buf line;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	for (int n = 63; n <= 64; n++) {
		buf_init(&line, 65536);
		buf_add_str(&line, "{\"body\":{" MESSAGES);
		for (int i = 0; i < n; i++)
			buf_printf(&line, ",\"m%d\":%d", i, i);
		buf_add_str(&line, "}}");
		check_reject(&rules, buf_text(&line), n == 63 ? "none" : "bad_request");
		buf_release(&line);
	}
	prompt_rules_release(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__comes_from_columns),
		cmocka_unit_test(request__a_templates_column_is_no_wish),
		cmocka_unit_test(request__comes_from_a_batch_body),
		cmocka_unit_test(request__messages_go_through_whole),
		cmocka_unit_test(request__bad_lines_have_a_reason),
		cmocka_unit_test(request__has_room_for_64_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
