/* SPDX-License-Identifier: Apache-2.0 */
/* prompt_build against a second implementation on jansson trees that shares
 * nothing with it. */
#include "unit/prompt_rig.h"

#include <jansson.h>

#include "coordinator/corpus_line.h"

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
	int missing = 0;

	(void)state;
	make_rules(&rules, NULL, NULL, false);
	buf_init(&text, MIB(8));
	buf_init(&line, MIB(1));
	for (size_t i = 0; i < 3; i++) {
		char *path = real_corpus(names[i]);
		unsigned n = 0;

		if (!path) {
			missing++;
			continue;
		}
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
	if (missing == 3)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt__agrees_with_the_judge_and_with_jansson),
		cmocka_unit_test(prompt__of_real_rows_are_as_jansson_builds_them),
	};

	return cmocka_run_group_tests_name("prompt_random", tests, NULL, NULL);
}
