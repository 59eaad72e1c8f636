/* SPDX-License-Identifier: Apache-2.0 */
/* prompt_build against expected text, and against a second implementation on
 * jansson trees that shares nothing with it. */
#include "unit/folder.h"

#include <jansson.h>

#include "coordinator/corpus_line.h"
#include "coordinator/json_copy.h"
#include "coordinator/prompt.h"

static void make_rules(struct prompt_rules *rules, const char *template,
	const char *system, bool prefill)
{
	struct err err;

	if (prompt_rules_init(rules, template, system, prefill, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
}

static char *text_of(struct bytes b)
{
	return mem_dup_text(
		b.data ? (const char *)b.data : "(none)", b.data ? b.len : 6);
}

/* What is expected of a line; NULL: not looked at, "(none)": absent. */
struct expect {
	const char *line, *messages, *reference, *extra;
};

static void check_text(
	const char *line, const char *what, struct bytes got, const char *want)
{
	char *text = text_of(got);

	if (want && strcmp(text, want) != 0)
		fail_msg("%s\n%s is:     %s\nshould be: %s", line, what, text, want);
	free(text);
}

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

/*
 * The second implementation: shapes on jansson trees. It knows no columns but
 * the known ones and no templates.
 */
static const char *text_in(json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text && *text ? text : NULL;
}

static json_t *message(const char *role, json_t *content)
{
	json_t *m = json_object();

	json_object_set_new(m, "role", json_string(role));
	json_object_set_new(m, "content", content);
	return m;
}

static json_t *either(json_t *turn, const char *a, const char *b)
{
	json_t *value = json_object_get(turn, a);

	return value ? value : json_object_get(turn, b);
}

static json_t *tree_of_turns(json_t *row, bool *has_system)
{
	json_t *list = json_object_get(row, "messages"), *out = json_array(), *turn;
	size_t i, keep = 0;

	if (!json_is_array(list))
		list = json_object_get(row, "prompt");
	if (json_is_array(list)) {
		json_array_extend(out, list);
	} else {
		list = json_object_get(row, "conversations");
		json_array_foreach(list, i, turn) {
			json_t *from = either(turn, "from", "role");
			const char *name = json_string_value(from);
			const char *role = !strcmp(name, "human") ? "user"
					   : !strcmp(name, "gpt") ? "assistant"
								  : name;

			json_array_append_new(out,
				message(role,
					json_copy(either(turn, "value", "content"))));
		}
	}
	json_array_foreach(out, i, turn) {
		const char *role = json_string_value(json_object_get(turn, "role"));

		if (!strcmp(role, "system"))
			*has_system = true;
		if (strcmp(role, "assistant") != 0)
			keep = i + 1;
	}
	while (json_array_size(out) > keep)
		json_array_remove(out, keep);
	return out;
}

static json_t *tree_of_messages(json_t *row, const char *system)
{
	static const char *const texts[] = {
		"instruction", "problem", "question", "query", "inputs"};
	json_t *out = json_array(), *asked = NULL;
	bool has_system = false;
	char *joined;

	if (json_is_array(json_object_get(row, "messages")) ||
		json_is_array(json_object_get(row, "prompt")) ||
		(!text_in(row, "prompt") &&
			json_is_array(json_object_get(row, "conversations")))) {
		asked = tree_of_turns(row, &has_system);
	} else {
		const char *text = text_in(row, "prompt"), *input = NULL;

		for (size_t i = 0; !text && i < 5; i++) {
			text = text_in(row, texts[i]);
			if (text && i == 0)
				input = text_in(row, "input");
		}
		joined =
			input ? mem_printf("%s\n\n%s", text, input) : mem_dup_str(text);
		asked = json_pack("[o]", message("user", json_string(joined)));
		free(joined);
	}
	if (!has_system && text_in(row, "system"))
		json_array_append_new(
			out, message("system", json_string(text_in(row, "system"))));
	else if (!has_system && system)
		json_array_append_new(out, message("system", json_string(system)));
	json_array_extend(out, asked);
	json_decref(asked);
	return out;
}

/* A random line: columns with a meaning or without one, values of all kinds,
 * now and then broken. */
static void random_text(struct chance *c, struct buf *out)
{
	static const char *const bits[] = {"a", "word ", "\\n", "\\u00e9", "\xc3\xa9",
		"\\/", "\\ud83d\\ude00", "\\\\", "\\\"", "{{", "\\u0001", "\\t", "\x7f",
		"\\u001F", "\xe2\x82\xac", "\\u0022"};

	buf_add_byte(out, '"');
	for (uint64_t n = chance_below(c, 6); n > 0; n--)
		buf_add_str(out, bits[chance_below(c, 16)]);
	buf_add_byte(out, '"');
}

static void random_space(struct chance *c, struct buf *out)
{
	if (chance_below(c, 8) == 0)
		buf_add_str(out, chance_below(c, 2) ? " " : "\t ");
}

static void random_value(struct chance *c, struct buf *out, int depth);

static void random_turns(struct chance *c, struct buf *out)
{
	static const char *const roles[] = {
		"user", "assistant", "system", "human", "gpt"};
	bool share = chance_below(c, 2);
	uint64_t n = chance_below(c, 4);

	buf_add_byte(out, '[');
	for (uint64_t i = 0; i <= n; i++) {
		uint64_t role = chance_below(c, 12) == 0 ? chance_below(c, 5)
				: share                  ? 2 + chance_below(c, 3)
							 : chance_below(c, 3);

		buf_printf(out, "%s{\"%s\":\"%s\",", i ? "," : "",
			share ? "from" : "role", roles[role]);
		random_space(c, out);
		buf_printf(out, "\"%s\":", share ? "value" : "content");
		if (chance_below(c, 20) == 0)
			random_value(c, out, 2);
		else
			random_text(c, out);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void random_value(struct chance *c, struct buf *out, int depth)
{
	random_space(c, out);
	switch (chance_below(c, depth > 0 ? 9 : 6)) {
	case 0:
		buf_printf(out, "%d", (int)chance_below(c, 2000) - 1000);
		break;
	case 1:
		buf_add_str(out, chance_below(c, 2) ? "null" : "true");
		break;
	case 6:
		buf_add_byte(out, '[');
		random_value(c, out, depth - 1);
		buf_add_str(out, " ,");
		random_value(c, out, depth - 1);
		buf_add_byte(out, ']');
		break;
	case 7:
		buf_add_str(out, "{\"k\":");
		random_value(c, out, depth - 1);
		buf_add_byte(out, '}');
		break;
	case 8:
		random_turns(c, out);
		break;
	default:
		random_text(c, out);
	}
	random_space(c, out);
}

static void random_line(struct chance *c, struct buf *out)
{
	static const char *const names[] = {"custom_id", "id", "uuid", "messages",
		"prompt", "conversations", "instruction", "input", "problem",
		"question", "query", "inputs", "system", "reference", "answer",
		"solution", "output", "response", "targets", "completion", "tools",
		"text", "level", "pr\\u006fmpt", "other \\n"};
	uint64_t n = chance_below(c, 8), used = 0;

	buf_clear(out);
	buf_add_byte(out, '{');
	if (chance_below(c, 3) > 0) {
		buf_add_str(out, "\"question\":");
		random_text(c, out);
		buf_printf(out, ",\"level\":%d", (int)chance_below(c, 6));
		used = 1u << 9 | 1u << 22;
	}
	for (uint64_t i = 0; i <= n; i++) {
		uint64_t which = chance_below(c, 25);
		const char *name = names[which];

		/* Now and then twice. */
		if (used >> which & 1 && chance_below(c, 30) > 0)
			continue;
		used |= (uint64_t)1 << which;
		if (out->len > 1)
			buf_add_byte(out, ',');
		random_space(c, out);
		buf_printf(out, "\"%s\":", name);
		if (!strcmp(name, "messages") || !strcmp(name, "conversations"))
			random_turns(c, out);
		else if (which < 3 && chance_below(c, 5) > 0)
			buf_printf(out, "\"i%d\"", (int)chance_below(c, 100));
		else
			random_value(c, out, 2);
	}
	buf_add_byte(out, '}');
	if (chance_below(c, 10) == 0)
		out->data[chance_below(c, out->len)] = (unsigned char)chance_next(c);
	if (chance_below(c, 20) == 0)
		buf_truncate(out, chance_below(c, out->len));
}

static void check_dump(const char *line, struct bytes got, json_t *want)
{
	char *text = json_dumps(want, JSON_COMPACT);

	check_text(line, "messages", got, text);
	free(text);
}

/* True if the line was good. */
static bool check_random(const struct prompt_rules *rules, struct buf *line)
{
	struct corpus_judge judge;
	struct corpus_line verdict;
	struct prompt p;
	struct err err;
	enum err_code code;
	bool good;

	corpus_judge_init(&judge, rules);
	prompt_init(&p);
	corpus_line_judge(&judge, line->data, line->len, &verdict);
	good = corpus_line_is_prompt(&verdict);
	code = prompt_build(rules, line->data, line->len, &p, &err);
	if (good != (code == ERR_NONE))
		fail_msg("judge says %s, build says %s: %s",
			reject_name(verdict.reason), code ? err.msg : "ok",
			buf_text(line));
	if (good) {
		json_t *row = json_loadb((char *)line->data, line->len,
			JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		struct hash128 id = hash128(p.id.data, p.id.len);

		assert_non_null(row);
		assert_memory_equal(&id, &verdict.id, sizeof(id));
		if (rules->template) {
			json_t *m = json_loadb((const char *)p.messages.data,
				p.messages.len, JSON_ALLOW_NUL, NULL);

			assert_non_null(m);
			check_dump(buf_text(line), p.messages, m);
			json_decref(m);
		} else {
			json_t *m = tree_of_messages(row, rules->system);

			check_dump(buf_text(line), p.messages, m);
			json_decref(m);
		}
		if (p.extra.data) {
			json_t *extra = json_loadb(
				(const char *)p.extra.data, p.extra.len, 0, NULL);
			const char *key;
			json_t *value;

			assert_non_null(extra);
			check_dump(buf_text(line), p.extra, extra);
			json_object_foreach(extra, key, value)
				assert_true(
					json_equal(value, json_object_get(row, key)));
			json_decref(extra);
		}
		json_decref(row);
	}
	prompt_release(&p);
	corpus_judge_release(&judge);
	return good;
}

static void prompt__agrees_with_the_judge_and_with_jansson(void **state)
{
	struct chance c = {20240607};
	struct prompt_rules rules[3];
	unsigned good = 0;
	struct buf line;

	(void)state;
	buf_init(&line, MIB(1));
	make_rules(&rules[0], NULL, NULL, false);
	make_rules(&rules[1], NULL, "sys", false);
	make_rules(&rules[2], "{{question}} {{level}}", NULL, false);
	for (int i = 0; i < 6000; i++) {
		random_line(&c, &line);
		good += check_random(&rules[i % 3], &line);
	}
	/* Else the test says nothing. */
	assert_in_range(good, 1000, 5000);
	for (int i = 0; i < 3; i++)
		prompt_rules_release(&rules[i]);
	buf_release(&line);
}

static void prompt__of_real_rows_are_as_jansson_builds_them(void **state)
{
	static const char *const names[] = {"gsm8k-test.jsonl", "humaneval.jsonl",
		"self-instruct-seed-tasks.jsonl"};
	struct prompt_rules rules;
	struct buf text, line;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	buf_init(&text, MIB(8));
	buf_init(&line, MIB(1));
	for (size_t i = 0; i < 3; i++) {
		char *path = real_corpus(names[i]);
		unsigned n = 0;

		if (!path)
			skip();
		assert_int_equal(file_read(path, &text, NULL), ERR_NONE);
		for (unsigned char *p = text.data;
			n < 200 && p < text.data + text.len;) {
			unsigned char *end =
				memchr(p, '\n', (size_t)(text.data + text.len - p));

			if (!end)
				break;
			buf_clear(&line);
			buf_add(&line, p, (size_t)(end - p));
			assert_true(check_random(&rules, &line));
			p = end + 1;
			n++;
		}
		assert_true(n > 100);
		free(path);
	}
	buf_release(&text);
	buf_release(&line);
	prompt_rules_release(&rules);
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
		cmocka_unit_test(prompt__agrees_with_the_judge_and_with_jansson),
		cmocka_unit_test(prompt__of_real_rows_are_as_jansson_builds_them),
	};

	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
