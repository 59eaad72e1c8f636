/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the protocols whose messages have a form of their own, as
 * JSON: the order of members is nobody's promise. */
#include "unit/unit.h"

#include <jansson.h>

#include "common/limits.h"
#include "store/record.h"
#include "worker/protocol.h"
#include "worker/tree_request.h"

#define JOB_HEAD                                                                       \
	"{\"name\":\"j\",\"corpus\":\"p.jsonl\",\"teachers\":[{\"name\":\"t0\","       \
	"\"url\":\"http://h/v1\",\"model\":\"m\",\"api\":\"%s\"%s}]%s}"

struct setup {
	struct job job;
	struct overrides overrides;
	struct request_terms terms;
	const struct protocol *protocol;
};

static void setup(struct setup *s, const char *api, const char *teacher,
	const char *rest, const char *request)
{
	char text[4096];
	struct err err = {0};

	*s = (struct setup){0};
	snprintf(text, sizeof(text), JOB_HEAD, api, teacher, rest);
	if (job_parse(text, strlen(text), "/job.json", &s->job, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	s->protocol = protocol_find(s->job.teacher[0].api);
	assert_non_null(s->protocol);
	s->terms = (struct request_terms){.teacher = &s->job.teacher[0],
		.sampling = &s->job.sampling,
		.server = SERVER_OPENAI,
		.top_logprobs = s->job.top_logprobs,
		.prefill = s->job.prefill,
		.stream = protocol_streams(
			s->protocol, &s->job.teacher[0], &s->job.sampling),
		.logits_required = s->job.logits_required};
	if (!request)
		return;
	assert_int_equal(
		overrides_read(bytes_of(request, strlen(request)), &s->overrides, &err),
		ERR_NONE);
	s->terms.overrides = &s->overrides;
}

static void release(struct setup *s)
{
	overrides_release(&s->overrides);
	job_release(&s->job);
}

static void check(struct setup *s, const char *messages, const char *want)
{
	struct request_form form;
	struct err err = {0};
	struct buf out;
	json_t *got, *wanted = json_loads(want, 0, NULL);

	assert_non_null(wanted);
	buf_init(&out, MIB(1));
	if (s->protocol->form_init(&form, &s->terms, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	/* A form writes one request after the other. */
	for (int i = 0; i < 2; i++) {
		buf_clear(&out);
		if (s->protocol->write_request(&form,
			    bytes_of(messages, strlen(messages)), 77, &out,
			    &err) != ERR_NONE)
			fail_msg("%s", err.msg);
		got = json_loads(buf_text(&out), JSON_REJECT_DUPLICATES, NULL);
		if (!json_equal(got, wanted))
			fail_msg("%s\nis not\n%s", buf_text(&out), want);
		json_decref(got);
	}
	json_decref(wanted);
	request_form_release(&form);
	buf_release(&out);
	release(s);
}

static void refuse_form(struct setup *s, const char *why)
{
	struct request_form form;
	struct err err = {0};

	assert_int_equal(s->protocol->form_init(&form, &s->terms, &err), ERR_INVALID);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	release(s);
}

static void refuse_messages(struct setup *s, const char *messages, const char *why)
{
	struct request_form form;
	struct err err = {0};
	struct buf out;

	buf_init(&out, MIB(1));
	assert_int_equal(s->protocol->form_init(&form, &s->terms, &err), ERR_NONE);
	assert_int_equal(
		s->protocol->write_request(&form, bytes_of(messages, strlen(messages)),
			SEED_NONE, &out, &err),
		ERR_INVALID);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	request_form_release(&form);
	buf_release(&out);
	release(s);
}

#define TALK                                                                           \
	"[{\"role\":\"system\",\"content\":\"be brief\"},"                             \
	"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what?\"},"      \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA=="  \
	"\"}}]},"                                                                      \
	"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\","     \
	"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"            \
	"\"{\\\"a\\\":1}\"}}]},"                                                       \
	"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"             \
	"{\"role\":\"user\",\"content\":\"and?\"}]"
#define TOOLS                                                                          \
	"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","             \
	"\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}],"               \
	"\"tool_choice\":\"required\"}"

static void anthropic_requests(void **state)
{
	struct setup s;

	(void)state;
	setup(&s, "anthropic", ",\"extra_body\":{\"thinking\":{\"type\":\"enabled\"}}",
		",\"sampling\":{\"max_tokens\":100,\"temperature\":0.5,\"top_k\":7,"
		"\"stop\":\"###\"}",
		TOOLS);
	check(&s, TALK,
		"{\"model\":\"m\",\"max_tokens\":100,\"temperature\":0.5,\"top_k\":7,"
		"\"stop_sequences\":[\"###\"],\"thinking\":{\"type\":\"enabled\"},"
		"\"system\":[{\"type\":\"text\",\"text\":\"be brief\"}],"
		"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
		"\"text\":\"what?\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\","
		"\"media_type\":\"image/png\",\"data\":\"AA==\"}}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
		"\"c1\",\"name\":\"f\",\"input\":{\"a\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
		"\"tool_use_id\":\"c1\",\"content\":[{\"type\":\"text\",\"text\":\"one\"}"
		"]},{\"type\":\"text\",\"text\":\"and?\"}]}],"
		"\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":"
		"{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"any\"}}");
	setup(&s, "anthropic", ",\"stream\":true", ",\"sampling\":{\"max_tokens\":100}",
		"{\"max_tokens\":50}");
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"model\":\"m\",\"max_tokens\":50,\"stream\":true,\"messages\":"
		"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}");
	setup(&s, "anthropic", "", "", NULL);
	refuse_form(&s, "needs sampling.max_tokens");
	setup(&s, "anthropic", "", ",\"sampling\":{\"max_tokens\":9,\"seed\":4}", NULL);
	refuse_form(&s, "does not know sampling.seed");
	setup(&s, "anthropic", "",
		",\"sampling\":{\"max_tokens\":9},\"logits\":{\"top_logprobs\":5}",
		NULL);
	refuse_form(&s, "gives no logprobs");
	setup(&s, "anthropic", ",\"extra_body\":{\"system\":\"x\"}",
		",\"sampling\":{\"max_tokens\":9}", NULL);
	refuse_form(&s, "extra_body.system has a place of its own");
	setup(&s, "anthropic", "", ",\"sampling\":{\"max_tokens\":9}",
		"{\"response_format\":{\"type\":\"json_object\"}}");
	refuse_form(&s, "'response_format' is not offered");
	setup(&s, "anthropic", "", ",\"sampling\":{\"max_tokens\":9}", NULL);
	refuse_messages(&s,
		"[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]",
		"neither text nor image");
}

static void gemini_requests(void **state)
{
	struct setup s;

	(void)state;
	setup(&s, "gemini",
		",\"extra_body\":{\"generationConfig\":{\"thinkingConfig\":"
		"{\"includeThoughts\":true}}}",
		",\"sampling\":{\"max_tokens\":100,\"temperature\":1,\"top_p\":0.5,"
		"\"seed\":3,\"stop\":[\"a\",\"b\"]},\"logits\":{\"top_logprobs\":5}",
		TOOLS);
	check(&s, TALK,
		"{\"generationConfig\":{\"maxOutputTokens\":100,\"temperature\":1.0,"
		"\"topP\":0.5,\"seed\":77,\"stopSequences\":[\"a\",\"b\"],"
		"\"responseLogprobs\":true,\"logprobs\":5,\"thinkingConfig\":"
		"{\"includeThoughts\":true}},"
		"\"systemInstruction\":{\"parts\":[{\"text\":\"be brief\"}]},"
		"\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"what?\"},"
		"{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}]},"
		"{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":"
		"{\"a\":1}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":"
		"{\"name\":\"f\",\"response\":{\"result\":\"one\"}}},{\"text\":\"and?\"}]}],"
		"\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":"
		"\"d\",\"parameters\":{\"type\":\"object\"}}]}],"
		"\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\"}}}");
	setup(&s, "vertex", "", ",\"logits\":{\"top_logprobs\":21}", NULL);
	refuse_form(&s, "at most 20 logprobs");
	setup(&s, "vertex", "", ",\"logits\":{\"top_logprobs\":21,\"required\":false}",
		NULL);
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"generationConfig\":{\"responseLogprobs\":true,\"logprobs\":20,"
		"\"seed\":77},\"contents\":[{\"role\":\"user\",\"parts\":"
		"[{\"text\":\"hi\"}]}]}");
	setup(&s, "gemini", "", "",
		"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
		"{\"schema\":{\"type\":\"object\"}}},\"safetySettings\":[]}");
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"generationConfig\":{\"responseMimeType\":\"application/json\","
		"\"responseJsonSchema\":{\"type\":\"object\"},\"seed\":77},"
		"\"safetySettings\":[],\"contents\":[{\"role\":\"user\",\"parts\":"
		"[{\"text\":\"hi\"}]}]}");
	setup(&s, "gemini", "", ",\"sampling\":{\"min_p\":0.1}", NULL);
	refuse_form(&s, "does not know sampling.min_p");
	setup(&s, "gemini", "", "", NULL);
	refuse_messages(&s, "[{\"role\":\"tool\",\"content\":\"x\"}]",
		"a tool turn that answers no call");
}

static void ollama_requests(void **state)
{
	struct setup s;

	(void)state;
	setup(&s, "ollama", "",
		",\"sampling\":{\"max_tokens\":100,\"temperature\":1,\"min_p\":0.1,"
		"\"repetition_penalty\":1.5,\"seed\":3},"
		"\"logits\":{\"top_logprobs\":5}",
		NULL);
	check(&s, TALK,
		"{\"model\":\"m\",\"stream\":false,\"logprobs\":true,\"top_logprobs\":5,"
		"\"options\":{\"num_ctx\":8192,\"num_predict\":100,\"temperature\":1.0,"
		"\"min_p\":0.1,\"repeat_penalty\":1.5,\"seed\":77},"
		"\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
		"{\"role\":\"user\",\"content\":\"what?\",\"images\":[\"AA==\"]},"
		"{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"c1\","
		"\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
		"{\"a\":1}}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
		"\"one\"},{\"role\":\"user\",\"content\":\"and?\"}]}");
	/* The context is what extra_body says, or holds the answer. */
	setup(&s, "ollama",
		",\"stream\":true,\"extra_body\":{\"options\":{\"num_ctx\":512},"
		"\"think\":true}",
		",\"sampling\":{\"max_tokens\":100000}", NULL);
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"model\":\"m\",\"stream\":true,\"think\":true,\"options\":"
		"{\"num_ctx\":512,\"num_predict\":100000,\"seed\":77},\"messages\":"
		"[{\"role\":\"user\",\"content\":\"hi\"}]}");
	setup(&s, "ollama", "", ",\"sampling\":{\"max_tokens\":100000}",
		"{\"response_format\":{\"type\":\"json_object\"}}");
	s.terms.stream = false;
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"model\":\"m\",\"stream\":false,\"format\":\"json\",\"options\":"
		"{\"num_ctx\":150000,\"num_predict\":100000,\"seed\":77},\"messages\":"
		"[{\"role\":\"user\",\"content\":\"hi\"}]}");
	setup(&s, "ollama", "", "", NULL);
	refuse_messages(&s,
		"[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
		"{\"url\":\"http://h/x.png\"}}]}]",
		"as a data: URL");
}

static void responses_requests(void **state)
{
	struct setup s;

	(void)state;
	setup(&s, "openai-responses", "",
		",\"sampling\":{\"max_tokens\":100},\"logits\":{\"top_logprobs\":5}",
		TOOLS);
	check(&s, TALK,
		"{\"model\":\"m\",\"store\":false,\"max_output_tokens\":100,"
		"\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":5,"
		"\"input\":[{\"role\":\"system\",\"content\":\"be brief\"},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
		"\"what?\"},{\"type\":\"input_image\",\"image_url\":"
		"\"data:image/png;base64,AA==\"}]},"
		"{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\","
		"\"arguments\":\"{\\\"a\\\":1}\"},"
		"{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"one\"},"
		"{\"role\":\"user\",\"content\":\"and?\"}],"
		"\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
		"\"parameters\":{\"type\":\"object\"}}],\"tool_choice\":\"required\"}");
	setup(&s, "openai-responses", ",\"stream\":false", "",
		"{\"reasoning_effort\":\"low\",\"response_format\":{\"type\":"
		"\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{}}}}");
	check(&s, "[{\"role\":\"user\",\"content\":\"hi\"}]",
		"{\"model\":\"m\",\"store\":false,\"reasoning\":{\"effort\":\"low\"},"
		"\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"x\",\"schema\":"
		"{}}},\"input\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
	setup(&s, "openai-responses", "", ",\"sampling\":{\"stop\":\"x\"}", NULL);
	refuse_form(&s, "does not know sampling.stop");
}

static void data_urls(void **state)
{
	const char *data;
	char type[12];

	(void)state;
	assert_true(data_url_split("data:image/png;base64,AB", type, 12, &data));
	assert_string_equal(type, "image/png");
	assert_string_equal(data, "AB");
	assert_true(data_url_split("data:text/x;a=b;base64,", type, 12, &data));
	assert_string_equal(type, "text/x");
	assert_string_equal(data, "");
	/* A long type is cut, not overrun. */
	assert_true(data_url_split(
		"data:image/vnd.something-long;base64,AB", type, 12, &data));
	assert_int_equal(strlen(type), 11);
	assert_false(data_url_split("http://h/x,;base64,", type, 12, &data));
	assert_false(data_url_split("data:image/png,AB", type, 12, &data));
	assert_false(data_url_split("data:,", type, 12, &data));
	assert_false(data_url_split("data:", type, 12, &data));
}

static void addresses(void **state)
{
	struct {
		const char *api, *want, *streamed;
	} cases[] = {
		{"openai-chat", "u/chat/completions", "u/chat/completions"},
		{"anthropic", "u/messages", "u/messages"},
		{"gemini", "u/models/m:generateContent",
			"u/models/m:streamGenerateContent?alt=sse"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct protocol *p = protocol_find(cases[i].api);
		char *whole = protocol_url(p, "u", "m", false);
		char *streamed = protocol_url(p, "u", "m", true);

		assert_string_equal(whole, cases[i].want);
		assert_string_equal(streamed, cases[i].streamed);
		free(whole);
		free(streamed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anthropic_requests),
		cmocka_unit_test(gemini_requests),
		cmocka_unit_test(ollama_requests),
		cmocka_unit_test(responses_requests),
		cmocka_unit_test(data_urls),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests_name("tree_request", tests, NULL, NULL);
}
