/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include <jansson.h>

#include "coordinator/corpus_line.h"
#include "coordinator/prompt.h"

static struct prompt_rules no_rules;

static void make_rules(struct prompt_rules *rules, const char *template)
{
	struct err err;

	if (prompt_rules_init(rules, template, NULL, false, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
}

static struct corpus_line judge_bytes(
	const struct prompt_rules *rules, const void *line, size_t len)
{
	struct corpus_judge judge;
	struct corpus_line verdict;
	/* Exactly as long as the line, so that ASan sees overreads. */
	void *copy = mem_dup(line, len);

	corpus_judge_init(&judge, rules);
	corpus_line_judge(&judge, copy, len, &verdict);
	corpus_judge_release(&judge);
	free(copy);
	return verdict;
}

static struct corpus_line judge(const char *line)
{
	return judge_bytes(&no_rules, line, strlen(line));
}

/* "" for a prompt, "blank", or the reason's name. */
static const char *word_for(const struct corpus_line *verdict)
{
	return verdict->blank    ? "blank"
	       : verdict->reason ? reject_name(verdict->reason)
				 : "";
}

struct case_of {
	const char *line, *want;
};

static void check_cases(
	const struct prompt_rules *rules, const struct case_of *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct corpus_line got =
			judge_bytes(rules, cases[i].line, strlen(cases[i].line));

		if (strcmp(word_for(&got), cases[i].want) != 0)
			fail_msg("%s: '%s', not '%s'", cases[i].line, word_for(&got),
				cases[i].want);
	}
}

#define CHECK(rules, cases) check_cases(rules, cases, sizeof(cases) / sizeof(cases[0]))

static void corpus_line__knows_broken_lines_apart(void **state)
{
	static const struct case_of cases[] = {
		{"", "blank"},
		{"  \t \r", "blank"},
		{"{\"prompt\":\"x\"}", ""},
		{"  {\"prompt\" : \"x\" } \r", ""},
		{"{\"prompt\":\"x\"", "bad_json"},
		{"{\"prompt\":\"x", "bad_json"},
		{"{\"prompt\"", "bad_json"},
		{"{\"prompt\":", "bad_json"},
		{"{\"prompt\":tru", "bad_json"},
		{"{\"prompt\":\"x\",}", "bad_json"},
		{"{\"prompt\":\"x\"}}", "bad_json"},
		{"{\"prompt\":\"x\"} {\"prompt\":\"y\"}", "bad_json"},
		{"{'prompt':'x'}", "bad_json"},
		{"{\"prompt\":\"\\ud800\"}", "bad_json"},
		{"{\"prompt\":\"a\tb\"}", "bad_json"},
		{"{\"prompt\":NaN}", "bad_json"},
		{"prompt", "bad_json"},
		{"\xef\xbb\xbf{\"prompt\":\"x\"}", "bad_json"},
		{"{\"prompt\":\"caf\xe9\"}", "bad_utf8"},
		{"{\"prompt\":\"\xed\xa0\x80\"}", "bad_utf8"},
		{"{\"prompt\":\"\xc0\xaf\"}", "bad_utf8"},
		{"\xff", "bad_utf8"},
		{"[1,2]", "not_object"},
		{"[]", "not_object"},
		{"\"text\"", "not_object"},
		{"12", "not_object"},
		{"18446744073709551616", "not_object"},
		{"null", "not_object"},
		{"{}", "no_prompt"},
		{"{\"prompt\":\"x\",\"prompt\":\"y\"}", "duplicate_key"},
		{"{\"prompt\":\"x\",\"a\":1,\"\\u0061\":2}", "duplicate_key"},
		{"{\"prompt\":\"x\",\"a\":1,\"a\":", "bad_json"},
		{"{\"prompt\":\"x\",\"big\":18446744073709551616,\"n\":1e999}", ""},
	};

	(void)state;
	CHECK(&no_rules, cases);
}

static void corpus_line__caps_depth_and_columns(void **state)
{
	struct corpus_line got;
	struct buf line;

	(void)state;
	buf_init(&line, MIB(16));
	for (int depth = 63; depth <= 64; depth++) {
		buf_clear(&line);
		buf_add_str(&line, "{\"prompt\":\"x\",\"deep\":");
		buf_add_fill(&line, '[', (size_t)depth);
		buf_add_fill(&line, ']', (size_t)depth);
		buf_add_str(&line, "}");
		got = judge(buf_text(&line));
		assert_string_equal(
			word_for(&got), depth < 64 ? "" : "nested_too_deep");
	}
	for (int n = 4095; n <= 4096; n++) {
		buf_clear(&line);
		buf_add_str(&line, "{\"prompt\":\"x\"");
		for (int i = 0; i < n; i++)
			buf_printf(&line, ",\"c%d\":%d", i, i);
		got = judge(buf_text(&line));
		assert_string_equal(word_for(&got), "bad_json");
		buf_add_str(&line, "}");
		got = judge(buf_text(&line));
		assert_string_equal(word_for(&got), n == 4095 ? "" : "bad_columns");
	}
	/* The last of many columns repeats the first. */
	buf_truncate(&line, line.len - 1);
	buf_clear(&line);
	buf_add_str(&line, "{\"prompt\":\"x\"");
	for (int i = 0; i < 3000; i++)
		buf_printf(&line, ",\"c%d\":%d", i, i);
	buf_add_str(&line, ",\"c0\":1}");
	got = judge(buf_text(&line));
	assert_string_equal(word_for(&got), "duplicate_key");

	buf_clear(&line);
	buf_add_str(&line, "{\"prompt\":\"");
	buf_add_fill(&line, 'x', LIMIT_CORPUS_LINE);
	buf_add_str(&line, "\"}");
	got = judge(buf_text(&line));
	assert_string_equal(word_for(&got), "too_long");
	buf_release(&line);
}

static void corpus_line__finds_the_id(void **state)
{
	static const struct case_of cases[] = {
		{"{\"prompt\":\"x\",\"id\":\"a\"}", ""},
		{"{\"prompt\":\"x\",\"id\":0}", ""},
		{"{\"prompt\":\"x\",\"id\":null}", ""},
		{"{\"prompt\":\"x\",\"id\":\"\"}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":1.5}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":1e3}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":true}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":[1]}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":{}}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":\"a\\u0000b\"}", "bad_id"},
		{"{\"prompt\":\"x\",\"id\":\"\\u001b[31m\"}", "bad_id"},
		{"{\"prompt\":\"x\",\"custom_id\":\"\",\"id\":\"good\"}", "bad_id"},
	};
	static const char *const same[][2] = {
		{"{\"prompt\":\"x\",\"id\":\"7\"}", "{\"id\":7,\"prompt\":\"y\"}"},
		{"{\"prompt\":\"x\",\"id\":\"a\"}",
			"{\"prompt\":\"x\",\"uuid\":\"\\u0061\"}"},
		{"{\"id\":\"b\",\"uuid\":\"c\",\"custom_id\":\"a\",\"prompt\":\"x\"}",
			"{\"custom_id\":\"a\",\"prompt\":\"x\"}"},
		{"{\"custom_id\":null,\"id\":\"b\",\"prompt\":\"x\"}",
			"{\"id\":\"b\",\"prompt\":\"x\"}"},
	};
	struct corpus_line a, b;
	char line[LIMIT_PROMPT_ID + 100];

	(void)state;
	CHECK(&no_rules, cases);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = judge(same[i][0]);
		b = judge(same[i][1]);
		assert_true(corpus_line_is_prompt(&a) && corpus_line_is_prompt(&b));
		assert_memory_equal(&a.id, &b.id, sizeof(a.id));
		assert_int_not_equal(a.hash, b.hash);
	}
	for (int n = LIMIT_PROMPT_ID; n <= (int)LIMIT_PROMPT_ID + 1; n++) {
		snprintf(
			line, sizeof(line), "{\"id\":\"%0*d\",\"prompt\":\"x\"}", n, 1);
		a = judge(line);
		assert_int_equal(a.reason,
			n > (int)LIMIT_PROMPT_ID ? REJECT_BAD_ID : REJECT_NONE);
	}
	/* Without one, the line is its own id, to the byte. */
	a = judge("{\"prompt\":\"x\"}");
	b = judge("{\"prompt\": \"x\"}");
	assert_memory_not_equal(&a.id, &b.id, sizeof(a.id));
	b = judge("{\"prompt\":\"x\"}");
	assert_memory_equal(&a, &b, sizeof(a));
}

static void corpus_line__knows_every_shape(void **state)
{
	static const struct case_of cases[] = {
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", ""},
		{"{\"prompt\":\"x\"}", ""},
		{"{\"prompt\":[{\"role\":\"user\",\"content\":\"x\"}]}", ""},
		{"{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"}]}", ""},
		{"{\"conversations\":[{\"role\":\"user\",\"content\":\"x\"}]}", ""},
		{"{\"instruction\":\"x\"}", ""},
		{"{\"instruction\":\"x\",\"input\":\"y\",\"output\":\"z\"}", ""},
		{"{\"problem\":\"x\"}", ""},
		{"{\"question\":\"x\"}", ""},
		{"{\"query\":\"x\"}", ""},
		{"{\"inputs\":\"x\"}", ""},
		{"{\"messages\":null,\"question\":\"x\"}", ""},
		{"{\"prompt\":\"\",\"question\":\"x\"}", ""},
		{"{\"prompt\":\"\"}", "no_prompt"},
		{"{\"prompt\":5}", "no_prompt"},
		{"{\"question\":[\"x\"]}", "no_prompt"},
		{"{\"input\":\"x\"}", "no_prompt"},
		{"{\"text\":\"x\"}", "unsupported_shape"},
		{"{\"text\":\"x\",\"prompt\":\"y\"}", ""},
		{"{\"input_ids\":[1,2]}", "unsupported_shape"},
		{"{\"prompt_token_ids\":[1,2]}", "unsupported_shape"},
		{"{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1\",\"body\":{}}",
			"unsupported_shape"},
		{"{\"prompt\":\"x\",\"tools\":[{\"type\":\"function\"}]}", ""},
		{"{\"prompt\":\"x\",\"tools\":[ ],\"sampling\":{},\"tool_choice\":null}",
			""},
		{"{\"prompt\":\"x\",\"tools\":\"[]\"}", "bad_request"},
		{"{\"tools\":\"[]\"}", "no_prompt"},
	};

	(void)state;
	CHECK(&no_rules, cases);
}

/* Teachers that take a text or token ids as they are. */
static void corpus_line__checks_raw_prompts(void **state)
{
	static const struct case_of cases[] = {
		{"{\"prompt\":\"x\"}", ""},
		{"{\"question\":\"x\",\"answer\":\"4\"}", ""},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", ""},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
		 "{\"role\":\"assistant\",\"content\":\"y\",\"name\":\"z\"}]}",
			""},
		{"{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"},"
		 "{\"from\":\"gpt\",\"value\":\"y\"}]}",
			""},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
		 "{\"role\":\"user\",\"content\":\"y\"}]}",
			"not_raw"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
		 "{\"role\":\"assistant\",\"content\":\"y\"},"
		 "{\"role\":\"user\",\"content\":\"z\"}]}",
			"not_raw"},
		{"{\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}", "not_raw"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":"
		 "[{\"type\":\"text\",\"text\":\"x\"}]}]}",
			"not_raw"},
		{"{\"prompt\":\"x\",\"system\":\"y\"}", "not_raw"},
		{"{\"prompt\":\"x\",\"tools\":[{}]}", "not_raw"},
		{"{\"prompt\":\"x\",\"response_format\":{}}", "not_raw"},
		{"{\"prompt\":\"x\",\"tools\":null}", ""},
		{"{\"input_ids\":[1,2]}", ""},
		{"{\"prompt_token_ids\":[4294967294, 0]}", ""},
		{"{\"input_ids\":[],\"prompt_token_ids\":[7]}", ""},
		{"{\"input_ids\":[]}", "no_prompt"},
		{"{\"input_ids\":\"1 2\"}", "bad_ids"},
		{"{\"input_ids\":[1,-2]}", "bad_ids"},
		{"{\"input_ids\":[1,2.5]}", "bad_ids"},
		{"{\"input_ids\":[1,4294967295]}", "bad_ids"},
		{"{\"input_ids\":[[1,2]]}", "bad_ids"},
		{"{\"input_ids\":[1,18446744073709551616]}", "bad_ids"},
		{"{\"input_ids\":[1],\"system\":\"y\"}", "not_raw"},
	};
	struct prompt_rules rules = no_rules;

	(void)state;
	rules.some_raw = rules.all_raw = true;
	CHECK(&rules, cases);
}

/* What is only scored is given. */
static void corpus_line__checks_what_is_to_be_scored(void **state)
{
	static const struct case_of cases[] = {
		{"{\"input_ids\":[1,2,3],\"prompt_len\":2}", ""},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":1,\"text\":\"x\"}", ""},
		{"{\"input_ids\":[1,2,3]}", ""},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":null}", ""},
		{"{\"text\":\"x\"}", ""},
		{"{\"input_ids\":[],\"text\":\"x\"}", ""},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":3}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":0}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":-1}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":1.5}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":1e0}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":4294967297}", "bad_prompt_len"},
		{"{\"input_ids\":[1,2,3],\"prompt_len\":\"1\"}", "bad_prompt_len"},
		{"{\"input_ids\":[1]}", "bad_ids"},
		{"{\"input_ids\":[1,\"2\"]}", "bad_ids"},
		{"{\"text\":\"\"}", "nothing_to_score"},
		{"{\"text\":5}", "nothing_to_score"},
		{"{\"prompt\":\"x\",\"completion\":\"y\"}", "nothing_to_score"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
			"nothing_to_score"},
		{"{\"text\":\"x\",\"system\":\"y\"}", "not_raw"},
	};
	struct prompt_rules rules = no_rules;

	(void)state;
	rules.some_raw = rules.all_raw = rules.scores = true;
	CHECK(&rules, cases);
}

#define LIST(list) "{\"messages\":" list "}"
#define USER "{\"role\":\"user\",\"content\":\"x\"}"

static void corpus_line__checks_messages(void **state)
{
	static const struct case_of cases[] = {
		{LIST("[" USER "]"), ""},
		{LIST("[" USER ",{\"role\":\"assistant\",\"content\":\"y\"}]"), ""},
		{LIST("[{\"role\":\"system\",\"content\":\"x\"}]"), ""},
		{LIST("[{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"role\":\"user\"}]"),
			""},
		{LIST("[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]}," USER
		      "]"),
			""},
		{LIST("[{\"role\":\"assistant\",\"tool_calls\":[{}]}," USER "]"), ""},
		{LIST("[{\"role\":\"user\",\"content\":\"x\",\"name\":{\"a\":[1]}}]"),
			""},
		{LIST("[]"), "bad_messages"},
		{LIST("\"x\""), "bad_messages"},
		{LIST("{\"role\":\"user\",\"content\":\"x\"}"), "bad_messages"},
		{LIST("5"), "bad_messages"},
		{LIST("[1e999,18446744073709551616]"), "bad_messages"},
		{LIST("[\"x\"]"), "bad_messages"},
		{LIST("[" USER ",\"x\"]"), "bad_messages"},
		{LIST("[" USER ",[1,{}]," USER "]"), "bad_messages"},
		{LIST("[{\"role\":\"assistant\",\"content\":\"y\"}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\"}]"), "bad_messages"},
		{LIST("[{\"content\":\"x\"}]"), "bad_messages"},
		{LIST("[{\"role\":\"\",\"content\":\"x\"}]"), "bad_messages"},
		{LIST("[{\"role\":1,\"content\":\"x\"}]"), "bad_messages"},
		{LIST("[{\"role\":{\"a\":1},\"content\":\"x\"}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":null}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":5}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":{}}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":[]}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":[\"x\"]}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":[[1],{}]}]"), "bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":\"x\",\"role\":\"assistant\"}]"),
			"bad_messages"},
		{LIST("[{\"role\":\"assistant\",\"content\":\"x\",\"role\":\"user\"}]"),
			"bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":\"x\",\"content\":\"y\"}]"),
			"bad_messages"},
		{LIST("[{\"role\":\"user\",\"content\":\"x\"]"), "bad_json"},
		{LIST("[" USER "}"), "bad_json"},
		{"{\"messages\":[" USER, "bad_json"},
		{"{\"messages\":[{\"role\":\"us", "bad_json"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":[{\"a\"", "bad_json"},
		{"{\"messages\":[\"x\"", "bad_json"},
		{"{\"messages\":[], \"question\":\"x\"}", "bad_messages"},
		{"{\"conversations\":[{\"from\":\"gpt\",\"value\":\"x\"}]}",
			"bad_messages"},
		{"{\"conversations\":[{\"from\":\"alien\",\"value\":\"x\"}]}",
			"bad_messages"},
		{"{\"conversations\":[{\"from\":\"human\",\"value\":[{}]}]}",
			"bad_messages"},
		{"{\"conversations\":[{\"from\":\"human\"}]}", "bad_messages"},
	};

	(void)state;
	CHECK(&no_rules, cases);
}

static void corpus_line__asks_for_the_templates_columns(void **state)
{
	static const struct case_of cases[] = {
		{"{\"a\":\"x\",\"b\":1}", ""},
		{"{\"a\":\"\",\"b\":false}", ""},
		{"{\"a\":{\"c\":1},\"b\":[]}", ""},
		{"{\"a\":\"x\",\"b\":null}", "missing_column"},
		{"{\"a\":\"x\"}", "missing_column"},
		{"{\"prompt\":\"x\"}", "missing_column"},
		{"{\"a\":\"x\",\"b\":1,\"messages\":5}", ""},
		{"{\"a\":\"x\",\"b\":1,\"tools\":[1]}", ""},
		{"{\"a\":\"x\",\"b\":1,\"tools\":1}", "bad_request"},
		{"{\"a\":\"\",\"b\":\"\"}", "missing_column"},
	};
	static const struct case_of uses_tools[] = {{"{\"tools\":1}", ""}};
	struct prompt_rules rules;

	(void)state;
	make_rules(&rules, "{{a}}{{ b }}{{a}}");
	CHECK(&rules, cases);
	prompt_rules_release(&rules);
	make_rules(&rules, "{{tools}}");
	CHECK(&rules, uses_tools);
	prompt_rules_release(&rules);
}

static void corpus_line__bounds_what_a_template_makes_of_a_line(void **state)
{
	struct prompt_rules rules;
	struct corpus_line got;
	struct buf line;

	(void)state;
	make_rules(&rules, "{{a}} {{a}} {{a}} {{a}} {{a}}");
	buf_init(&line, MIB(8));
	buf_add_str(&line, "{\"a\":\"");
	buf_add_fill(&line, 'x', MIB(2));
	buf_add_str(&line, "\"}");
	got = judge_bytes(&rules, line.data, line.len);
	assert_string_equal(word_for(&got), "too_long");
	buf_release(&line);
	prompt_rules_release(&rules);
}

static void reject__has_a_name_and_a_hint_for_each(void **state)
{
	(void)state;
	for (int i = 0; i < REJECT_N; i++) {
		assert_non_null(reject_name((enum reject_reason)i));
		assert_true(strlen(reject_hint((enum reject_reason)i)) > 10);
	}
}

/* Real files, where they are: every line of them is a prompt. */
static void corpus_line__accepts_published_corpora(void **state)
{
	static const struct {
		const char *name;
		unsigned n;
	} files[] = {
		{"gsm8k-test.jsonl", 1319},
		{"gsm8k-train.jsonl", 7473},
		{"humaneval.jsonl", 164},
		{"self-instruct-seed-tasks.jsonl", 175},
	};

	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = real_corpus(files[i].name);
		struct buf text;
		unsigned good = 0;

		if (!path)
			continue;
		seen++;
		buf_init(&text, MIB(64));
		assert_int_equal(file_read(path, &text, NULL), ERR_NONE);
		for (unsigned char *p = text.data, *end = p + text.len; p < end;) {
			unsigned char *stop = memchr(p, '\n', (size_t)(end - p));
			size_t len = (size_t)((stop ? stop : end) - p);
			struct corpus_line got = judge_bytes(&no_rules, p, len);

			good += corpus_line_is_prompt(&got);
			p += len + 1;
		}
		assert_int_equal(good, files[i].n);
		buf_release(&text);
		free(path);
	}
	if (seen == 0)
		skip();
}

static int make_no_rules(void **state)
{
	(void)state;
	make_rules(&no_rules, NULL);
	return 0;
}

static int release_no_rules(void **state)
{
	(void)state;
	prompt_rules_release(&no_rules);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_line__knows_broken_lines_apart),
		cmocka_unit_test(corpus_line__caps_depth_and_columns),
		cmocka_unit_test(corpus_line__finds_the_id),
		cmocka_unit_test(corpus_line__knows_every_shape),
		cmocka_unit_test(corpus_line__checks_raw_prompts),
		cmocka_unit_test(corpus_line__checks_what_is_to_be_scored),
		cmocka_unit_test(corpus_line__checks_messages),
		cmocka_unit_test(corpus_line__asks_for_the_templates_columns),
		cmocka_unit_test(corpus_line__bounds_what_a_template_makes_of_a_line),
		cmocka_unit_test(reject__has_a_name_and_a_hint_for_each),
		cmocka_unit_test(corpus_line__accepts_published_corpora),
	};

	return cmocka_run_group_tests_name(
		"corpus_line", tests, make_no_rules, release_no_rules);
}
