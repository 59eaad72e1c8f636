/* SPDX-License-Identifier: Apache-2.0 */
/* prompt_build against expected text; test_prompt_random.c has it against another
 * implementation. */
#include "unit/prompt_rig.h"

/* What is expected of a line; NULL: not looked at, "(none)": absent. */
struct expect {
	const char *line, *messages, *reference, *extra;
};

static void check(const struct prompt_rules *rules, const struct expect *e)
{
	struct prompt p;
	struct err err;

	prompt_init(&p);
	if (prompt_build(rules, e->line, strlen(e->line), &p, &err) != ERR_NONE)
		fail_msg("%s: %s", e->line, err.msg);
	check_text(e->line, "messages", p.messages, e->messages);
	check_text(e->line, "reference", p.reference, e->reference);
	check_text(e->line, "extra", p.extra, e->extra);
	prompt_release(&p);
}

static void check_all(
	const struct prompt_rules *rules, const struct expect *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(rules, &e[i]);
}

#define CHECK(rules, list) check_all(rules, list, sizeof(list) / sizeof(list[0]))
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define SYSTEM(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define ANSWER(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

static void prompt__takes_every_shape(void **state)
{
	static const struct expect list[] = {
		{"{\"prompt\":\"hi\"}", "[" USER("hi") "]", "(none)", "(none)"},
		{"{\"question\":\"1+1?\",\"answer\":\"2\",\"level\":5}",
			"[" USER("1+1?") "]", "2", "{\"level\":5}"},
		{"{\"problem\":\"p\",\"solution\":\"s\",\"answer\":42}",
			"[" USER("p") "]", "42", "{\"solution\":\"s\"}"},
		{"{\"instruction\":\"do\",\"input\":\"this\",\"output\":\"done\","
		 "\"system\":\"be\"}",
			"[" SYSTEM("be") "," USER("do\\n\\nthis") "]", "done",
			"(none)"},
		{"{\"instruction\":\"do\",\"input\":\"\",\"output\":\"\"}",
			"[" USER("do") "]", "(none)",
			"{\"input\":\"\",\"output\":\"\"}"},
		{"{\"query\":\"q\",\"response\":\"r\"}", "[" USER("q") "]", "r",
			"(none)"},
		{"{\"inputs\":\"i\",\"targets\":[1, \"a\"]}", "[" USER("i") "]",
			"[1,\"a\"]", "(none)"},
		{"{\"prompt\":\"p\",\"completion\":\"c\"}", "[" USER("p") "]", "c",
			"(none)"},
		{"{\"messages\":[ " USER("a") " , " ANSWER("b") " , " USER("c") "]}",
			"[" USER("a") "," ANSWER("b") "," USER("c") "]", "(none)",
			"(none)"},
		{"{\"messages\":[{\"content\":[{\"type\":\"text\", \"text\":\"x\"}],"
		 "\"role\":\"user\"}]}",
			"[{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],"
			"\"role\":\"user\"}]",
			"(none)", "(none)"},
		{"{\"prompt\":[" SYSTEM("s") "," USER("a") "],\"completion\":[" ANSWER(
			 "b") "]}",
			"[" SYSTEM("s") "," USER("a") "]", "[" ANSWER("b") "]",
			"(none)"},
		{"{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},"
		 "{\"from\":\"human\",\"value\":\"a\"},{\"value\":\"b\",\"from\":\"gpt\"},"
		 "{\"from\":\"user\",\"value\":\"c\"},{\"from\":\"tool\",\"value\":\"t\"}]}",
			"[" SYSTEM("s") "," USER("a") "," ANSWER("b") "," USER(
				"c") ",{\"role\":\"tool\",\"content\":\"t\"}]",
			"(none)", "(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	CHECK(&rules, list);
	prompt_rules_release(&rules);
}

static void prompt__puts_the_jobs_system_text_first_unless_the_row_has_one(void **state)
{
	static const struct expect list[] = {
		{"{\"prompt\":\"x\"}",
			"[" SYSTEM("be \\\"good\\\"\\n") "," USER("x") "]", NULL,
			"(none)"},
		{"{\"prompt\":\"x\",\"system\":\"own\"}",
			"[" SYSTEM("own") "," USER("x") "]", NULL, "(none)"},
		{"{\"prompt\":\"x\",\"system\":\"\"}",
			"[" SYSTEM("be \\\"good\\\"\\n") "," USER("x") "]", NULL,
			"{\"system\":\"\"}"},
		{"{\"messages\":[" USER("x") "]}",
			"[" SYSTEM("be \\\"good\\\"\\n") "," USER("x") "]", NULL,
			"(none)"},
		{"{\"messages\":[" SYSTEM("m") "," USER("x") "],\"system\":\"c\"}",
			"[" SYSTEM("m") "," USER("x") "]", NULL, "{\"system\":\"c\"}"},
		{"{\"messages\":[" USER("x") "],\"system\":\"c\"}",
			"[" SYSTEM("c") "," USER("x") "]", NULL, "(none)"},
		{"{\"messages\":[{\"role\":\"developer\",\"content\":\"d\"}," USER(
			 "x") "]}",
			"[{\"role\":\"developer\",\"content\":\"d\"}," USER("x") "]",
			NULL, NULL},
		{"{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"}],"
		 "\"system\":\"c\"}",
			"[" SYSTEM("c") "," USER("x") "]", NULL, "(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, "be \"good\"\n", false);
	CHECK(&rules, list);
	prompt_rules_release(&rules);
}

#define HUMAN "{\"from\":\"human\",\"value\":\"q\"}"

static void prompt__makes_a_trailing_answer_the_reference(void **state)
{
	static const struct expect list[] = {
		{"{\"messages\":[" USER("q") "," ANSWER("a\\n") "]}", "[" USER("q") "]",
			"a\n", "(none)"},
		/* `output` is a reference only beside other shapes. */
		{"{\"messages\":[" USER("q") "," ANSWER("a") "],\"output\":\"b\"}",
			"[" USER("q") "]", "a", "{\"output\":\"b\"}"},
		/* An explicit reference wins; then the answer must not be lost. */
		{"{\"messages\":[" USER("q") "," ANSWER("a") "],\"answer\":\"b\"}",
			"[" USER("q") "]", "b",
			"{\"messages\":[" USER("q") "," ANSWER("a") "]}"},
		/* Nor what else it says, nor an answer before it. */
		{"{\"messages\":[" USER(
			 "q") ",{\"role\":\"assistant\",\"content\":\"a\","
			      "\"reasoning_content\":\"r\"}]}",
			"[" USER("q") "]", "a",
			"{\"messages\":[" USER("q") ",{\"role\":\"assistant\","
						    "\"content\":\"a\","
						    "\"reasoning_content\":\"r\"}]}"},
		{"{\"messages\":[" USER("q") "," ANSWER("a") "," ANSWER("b") "]}",
			"[" USER("q") "]", "b",
			"{\"messages\":[" USER("q") "," ANSWER("a") "," ANSWER(
				"b") "]}"},
		{"{\"messages\":[" USER(
			 "q") ",{\"role\":\"assistant\",\"content\":null,"
			      "\"tool_calls\":[{}]}]}",
			"[" USER("q") "]", "(none)", NULL},
		{"{\"conversations\":[" HUMAN ",{\"from\":\"gpt\",\"value\":\"a\"}]}",
			"[" USER("q") "]", "a", "(none)"},
		{"{\"conversations\":[{\"from\":\"human\",\"value\":\"q\",\"weight\":1}]}",
			"[" USER("q") "]", "(none)",
			"{\"conversations\":[{\"from\":\"human\",\"value\":\"q\","
			"\"weight\":1}]}"},
		{"{\"prompt\":[" USER("q") "," ANSWER("a") "]}", "[" USER("q") "]", "a",
			"(none)"},
	};
	static const struct expect prefilled[] = {
		{"{\"messages\":[" USER("q") "," ANSWER("a") "]}",
			"[" USER("q") "," ANSWER("a") "]", "(none)", "(none)"},
		{"{\"conversations\":[" HUMAN
		 ",{\"from\":\"gpt\",\"value\":\"a\"}],\"answer\":1}",
			"[" USER("q") "," ANSWER("a") "]", "1", "(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	CHECK(&rules, list);
	prompt_rules_release(&rules);
	make_rules(&rules, NULL, NULL, true);
	CHECK(&rules, prefilled);
	prompt_rules_release(&rules);
}

static void prompt__renders_templates(void **state)
{
	static const struct expect list[] = {
		{"{\"a\":\"{{b}}\",\"b\":0.1,\"c\":true,\"d\":{\"k\": [1, \"q\\n\"]}}",
			"[" USER(
				"<{{b}}|0.1|true|{\\\"k\\\":[1,\\\"q\\\\n\\\"]}|{{b}}}} "
				"\\\\boxed{}\\n>") "]",
			"(none)",
			"{\"a\":\"{{b}}\",\"b\":0.1,\"c\":true,"
			"\"d\":{\"k\":[1,\"q\\n\"]}}"},
		{"{\"a\":\"\\u00e9\\/\\u0022\",\"b\":-1.50e+10,\"c\":false,\"d\":[]}",
			"[" USER("<\xc3\xa9/\\\"|-1.50e+10|false|[]|"
				 "\xc3\xa9/\\\"}} \\\\boxed{}\\n>") "]",
			"(none)", NULL},
		/* Used for the prompt, the id and the reference, and still there. */
		{"{\"a\":\"x\",\"b\":1,\"c\":1,\"d\":1,\"id\":\"i\",\"answer\":\"r\","
		 "\"prompt\":\"p\",\"system\":\"s\"}",
			"[" SYSTEM("s") "," USER("<x|1|1|1|x}} \\\\boxed{}\\n>") "]",
			"r", "{\"a\":\"x\",\"b\":1,\"c\":1,\"d\":1,\"prompt\":\"p\"}"},
	};
	static const struct expect named[] = {
		{"{\"id\":\"i\",\"system\":\"s\",\"answer\":\"r\"}",
			"[" USER("i s r") "]", "r",
			"{\"id\":\"i\",\"system\":\"s\",\"answer\":\"r\"}"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, "<{{a}}|{{ b }}|{{c}}|{{\td\n}}|{{a}}}} \\boxed{}\n>", NULL,
		false);
	CHECK(&rules, list);
	prompt_rules_release(&rules);
	make_rules(&rules, "{{id}} {{system}} {{answer}}", NULL, false);
	CHECK(&rules, named);
	prompt_rules_release(&rules);
}

static void prompt_rules__name_the_place_of_a_fault(void **state)
{
	static const struct {
		const char *template, *want;
	} list[] = {
		{"{{", "character 1:"},
		{"ab {{c}", "character 4:"},
		{"\xc3\xa9\xe2\x82\xac {{}}", "character 4:"},
		{"{{a}} {{  }}", "character 7:"},
		{"{{a {{b}}", "character 1:"},
		{"x{{{a}}}", "character 2:"},
	};
	struct prompt_rules rules;
	struct buf many;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		assert_int_equal(
			prompt_rules_init(&rules, list[i].template, NULL, false, &err),
			ERR_INVALID);
		if (!strstr(err.msg, list[i].want))
			fail_msg("%s: %s", list[i].template, err.msg);
	}
	buf_init(&many, KIB(4));
	for (int i = 0; i < ROW_TEMPLATE_COLUMNS; i++)
		buf_printf(&many, "{{c%d}}", i);
	make_rules(&rules, buf_text(&many), NULL, false);
	prompt_rules_release(&rules);
	buf_add_str(&many, "{{more}}");
	assert_int_equal(prompt_rules_init(&rules, buf_text(&many), NULL, false, &err),
		ERR_INVALID);
	buf_release(&many);
}

static void prompt__keeps_extra_columns_as_they_stand(void **state)
{
	static const struct expect list[] = {
		{"{\"z\":0.1,\"prompt\":\"x\",\"a\":1E400,\"n\":18446744073709551616,"
		 "\"nul\":null,\"t\" : [ 1.0 , { \"k\" : \"a b\" } ],\"u\":\"\\u4e2d\\u0000\","
		 "\"q\\\"\":-0}",
			NULL, NULL,
			"{\"z\":0.1,\"a\":1E400,\"n\":18446744073709551616,\"nul\":null,"
			"\"t\":[1.0,{\"k\":\"a b\"}],\"u\":\"\xe4\xb8\xad\\u0000\","
			"\"q\\\"\":-0}"},
		{"{\"prompt\":\"x\",\"id\":7,\"uuid\":\"u\"}", NULL, NULL,
			"{\"uuid\":\"u\"}"},
		{"{\"prompt\":\"x\",\"question\":\"y\",\"messages\":null}", NULL, NULL,
			"{\"question\":\"y\",\"messages\":null}"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	CHECK(&rules, list);
	prompt_rules_release(&rules);
}

static void prompt__has_token_ids_in_place_of_messages(void **state)
{
	static const struct expect list[] = {
		{"{\"input_ids\" : [ 1, 22 ],\"answer\":\"4\",\"level\":1}",
			"{\"input_ids\":[1,22]}", "4", "{\"level\":1}"},
		{"{\"prompt_token_ids\":[7],\"text\":\"x\"}", "{\"input_ids\":[7]}",
			"(none)", "{\"text\":\"x\"}"},
		{"{\"input_ids\":[1],\"prompt\":\"x\"}", "[" USER("x") "]", "(none)",
			"{\"input_ids\":[1]}"},
	};
	static const struct expect scored[] = {
		{"{\"input_ids\" : [ 1, 22 ],\"level\":1}",
			"{\"input_ids\":[1,22],\"prompt_len\":1}", "(none)",
			"{\"level\":1}"},
		{"{\"text\":\"\\u00e9\",\"input_ids\":[1,2,3],\"prompt_len\":2}",
			"{\"input_ids\":[1,2,3],\"prompt_len\":2,\"text\":\"\xc3\xa9\"}",
			"(none)", "(none)"},
		{"{\"text\":\"x\",\"answer\":\"y\"}", "{\"text\":\"x\"}", "y",
			"(none)"},
	};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	rules.some_raw = rules.all_raw = true;
	CHECK(&rules, list);
	rules.scores = true;
	CHECK(&rules, scored);
	prompt_rules_release(&rules);
}

static void check_id(const char *line, const char *want)
{
	struct prompt_rules rules;
	struct prompt p;

	make_rules(&rules, NULL, NULL, false);
	prompt_init(&p);
	assert_int_equal(prompt_build(&rules, line, strlen(line), &p, NULL), ERR_NONE);
	check_text(line, "id", p.id, want);
	prompt_release(&p);
	prompt_rules_release(&rules);
}

static void prompt__has_the_id_as_text(void **state)
{
	(void)state;
	check_id("{\"prompt\":\"x\",\"id\":\"\\u00e9t\\u00e9\"}", "\xc3\xa9t\xc3\xa9");
	check_id("{\"prompt\":\"x\",\"id\":-12}", "-12");
	check_id("{\"prompt\":\"x\",\"id\":18446744073709551616}",
		"18446744073709551616");
	/* XXH3-128 of the line, its high half first. */
	check_id("{\"prompt\":\"x\"}", "1380bc6e8170e5cf5d7c38447b58c3a1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt__takes_every_shape),
		cmocka_unit_test(
			prompt__puts_the_jobs_system_text_first_unless_the_row_has_one),
		cmocka_unit_test(prompt__makes_a_trailing_answer_the_reference),
		cmocka_unit_test(prompt__renders_templates),
		cmocka_unit_test(prompt_rules__name_the_place_of_a_fault),
		cmocka_unit_test(prompt__keeps_extra_columns_as_they_stand),
		cmocka_unit_test(prompt__has_the_id_as_text),
		cmocka_unit_test(prompt__has_token_ids_in_place_of_messages),
	};

	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
