/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/fields.h"
#include "store/filter.h"

static struct settings_cache no_settings;
static struct sample sample;

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

/* The sample that the tests look at. */
static int make_sample(void **state)
{
	struct record head = {.key = {.prompt = 7, .sample = 2, .revision = 1},
		.finish = FINISH_STOP_WORD,
		.flags = FLAG_LOOPING,
		.prompt_tokens = 20,
		.cached_prompt_tokens = COUNT_UNKNOWN,
		.completion_tokens = 100,
		.reasoning_tokens = 0,
		.cost_nusd = 1500000,
		.created_at_ms = 1767225600123, /* 2026-01-01T00:00:00.123Z */
		.seed = SEED_NONE,
		.attempts = 3,
		.latency_ms = 250,
		.misaligned = MISALIGNED_SHORT,
		.eos_row = EOS_ROW_UNKNOWN,
		.logprobs_mode = LOGPROBS_RAW,
		.reasoning = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.content = {0, 9}};
	struct sections texts = {0}, prompt = {0};

	(void)state;
	for (int i = 0; i < SCORE_SLOTS; i++)
		head.score[i] = NAN;
	head.score[SCORE_ANSWER] = 1;
	head.score[SCORE_REPETITION] = 0.7f;
	texts.at[TEXT_CONTENT] = text("it's 4\nthe end");
	texts.at[TEXT_MODEL] = text("m");
	texts.at[TEXT_REFUSAL] = text("");
	texts.at[TEXT_TOOL_CALLS] = text("[]");
	prompt.at[PROMPT_ID] = text("gsm-7");
	prompt.at[PROMPT_MESSAGES] = text("[{\"role\":\"user\",\"content\":\"2+2?\"}]");
	prompt.at[PROMPT_REFERENCE] = text("4");
	prompt.at[PROMPT_REQUEST] = text("{\"temperature\":0.2,\"stop\":[]}");
	prompt.at[PROMPT_EXTRA] = text(
		"{\"level\":\"4\", \"year\":2024, \"score\":0.5, \"ok\":true, \"gone\":null,"
		"\"big\":12345678901234567890, \"id\":9007199254740993,"
		"\"tags\":[\"alg\\u0065bra\", 3], \"none\":[ ], \"odd name\":\"x\","
		"\"deep\":{\"er\":{\"still\":\"here\"}}, \"twice\":1, \"twice\":2,"
		"\"e\\u0073c\":\"a\\\"b\", \"empty\":\"\", \"obj\":{ }, \"na-me\":1}");
	sample_init(&sample, NULL, &no_settings);
	sample_from_parts(&sample, &head, &texts, &prompt);
	return 0;
}

static int drop_sample(void **state)
{
	(void)state;
	sample_release(&sample);
	return 0;
}

static bool verdict(const char *expression, bool as_duplicate)
{
	struct filter *f;
	struct err err;
	bool passes;

	if (filter_compile(expression, &f, NULL, &err) != ERR_NONE)
		fail_msg("%s: %s", expression, err.msg);
	assert_int_equal(
		filter_passes(f, &sample, as_duplicate, &passes, &err), ERR_NONE);
	filter_free(f);
	return passes;
}

static void filter__gives_the_verdict_that_it_reads_like(void **state)
{
	static const struct {
		const char *expression;
		bool want;
	} cases[] = {
		{"scores.answer >= 1", true},
		{"scores.answer > 1", false},
		{"1 <= scores.answer", true},
		{"finish_reason == 'stop'", true},
		{"finish_reason != \"stop\"", false},
		{"finish_reason in ('length', 'stop')", true},
		{"finish_reason not in ('length')", true},
		{"content contains 'x'", false},
		{"content contains \"it's\"", true},
		{"content contains 'it\\'s'", true},
		{"content contains '\\nthe'", true},
		{"content not contains 'x'", true},
		{"content contains ''", true},
		{"'4' in content", true},
		{"content starts with 'it'", true},
		{"content ends with 'end'", true},
		{"content not ends with 'end'", false},
		{"content ends with 'longer than the content is'", false},
		{"id == 'gsm-7' and reference == '4'", true},
		{"prompt contains '2+2?'", true},
		{"tool_calls == '[]'", true},
		{"model > 'a' and model < 'n'", true},
		{"flags is empty", false},
		{"flags is not empty", true},
		{"'looping' in flags", true},
		{"'truncated' in flags", false},
		{"'truncated' not in flags", true},
		{"flags contains 'looping'", true},
		{"'duplicate' in flags", false},
		{"duplicate_of is null", true},
		/* Absent values: only null and empty see them. */
		{"reasoning is null", true},
		{"reasoning is not null", false},
		{"reasoning is empty", true},
		{"reasoning == 'x'", false},
		{"reasoning != 'x'", false},
		{"not (reasoning == 'x')", true},
		{"reasoning in ('x')", false},
		{"reasoning not in ('x')", false},
		{"reasoning contains 'x'", false},
		{"reasoning not contains 'x'", false},
		{"scores.entropy < 100", false},
		{"scores.entropy >= 100", false},
		{"scores.entropy != 100", false},
		{"usage.cached_prompt_tokens is null", true},
		{"provenance.seed is null", true},
		{"provenance.teacher is null", true},
		{"eos_row is null", true},
		{"eos_row == true", false},
		{"not eos_row", true},
		{"spans.reasoning is null and spans.content is not null", true},
		/* Empty is not absent. */
		{"refusal is not null and refusal is empty", true},
		{"tool_calls is empty", false},
		{"content is not empty", true},
		/* Numbers. */
		{"prompt_no == 7 and sample == 2 and revision == 1", true},
		{"usage.completion_tokens > usage.prompt_tokens", true},
		{"usage.reasoning_tokens == 0", true},
		{"usage.reasoning_tokens == -0.0", true},
		{"provenance.cost_usd == 0.0015", true},
		{"provenance.cost_usd < 1.6e-3", true},
		{"provenance.latency_ms in (1, 250)", true},
		{"provenance.attempts == 3", true},
		{"provenance.created_at >= '2026-01-01'", true},
		{"provenance.created_at starts with '2026-01-01T00:00:00.123Z'", true},
		{"logprobs_mode == 'raw'", true},
		/* 0.7f is below 0.7, and still the 0.7 that was meant. */
		{"scores.repetition == 0.7", true},
		{"scores.repetition >= 0.7", true},
		{"scores.repetition in (0.7)", true},
		{"scores.repetition > 0.7", false},
		/* The corpus's own columns. */
		{"request.temperature < 0.5 and request is not null", true},
		{"request.top_p is null", true},
		{"request.stop is empty", true},
		{"extra.level in ('4','5')", true},
		{"extra.level == 4", false},
		{"extra.level != 4", true},
		{"extra.level < 5", false},
		{"extra.year >= 2024", true},
		{"extra.year == '2024'", false},
		{"extra.score == 0.5", true},
		{"extra.ok", true},
		{"extra.ok == true", true},
		{"extra.ok != false", true},
		{"extra.level", false},
		{"extra.gone is null", true},
		{"extra.gone != 1", false},
		{"extra.missing is null", true},
		{"extra.missing.too is null", true},
		{"extra.level.deeper is null", true},
		{"extra.id == 9007199254740993", true},
		{"extra.id == 9007199254740992", false},
		{"extra.big > 1e19", true},
		{"extra.deep.er.still == 'here'", true},
		{"extra.deep is not null and extra.deep is not empty", true},
		{"extra.deep == 'here'", false},
		{"extra.deep != 'here'", true},
		{"extra.'odd name' == 'x'", true},
		{"extra.\"odd name\" == 'x'", true},
		{"extra.na-me == 1", true},
		{"extra.esc == 'a\"b'", true},
		{"extra.twice == 2", true},
		{"extra.tags contains 'algebra'", true},
		{"'algebra' in extra.tags", true},
		{"3 in extra.tags and '3' not in extra.tags", true},
		{"extra.tags contains 'alg'", false},
		{"extra.level contains '4'", true},
		{"extra.year contains 'x'", false},
		{"extra.none is empty and extra.obj is empty and extra.empty is empty",
			true},
		{"extra.tags is empty", false},
		{"extra.empty is not null", true},
		{"extra.level == reference", true},
		{"reference == extra.level", true},
		{"extra is not null", true},
		/* Structure. */
		{"true", true},
		{"false or true and false", false},
		{"(false or true) and false", false},
		{"true or false and false", true},
		{"(true or false) and false", false},
		{"not true or true", true},
		{"not (true or true)", false},
		{"not not true", true},
		{"not sample == 2", false},
		{"not 'looping' in flags", false},
		{"\t( \n true )\r", true},
		{"'a' == 'a'", true},
		{"accepted", false},
		{"1 == 1.0", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (verdict(cases[i].expression, false) != cases[i].want)
			fail_msg("%s: want %d", cases[i].expression, cases[i].want);
}

static void filter__knows_the_rule_that_was_broken(void **state)
{
	(void)state;
	assert_true(verdict("misaligned_rule is null", false)); /* not flagged */
	sample.head.flags |= FLAG_MISALIGNED;
	assert_true(verdict("misaligned_rule == 'list_short'", false));
	assert_false(verdict("misaligned_rule == 'sum_above_one'", false));
	assert_false(verdict("misaligned_rule is null", false));
	sample.head.misaligned = MISALIGNED_N; /* a later version's */
	assert_true(verdict("misaligned_rule is null", false));
	sample.head.misaligned = MISALIGNED_SHORT;
	sample.head.flags &= ~(uint32_t)FLAG_MISALIGNED;
	/* All its names are known to the filter. */
	for (unsigned rule = 1; rule < MISALIGNED_N; rule++) {
		const char *const *choice = field_find("misaligned_rule")->choices;

		while (*choice &&
			strcmp(*choice, misaligned_name((enum misaligned)rule)) != 0)
			choice++;
		assert_non_null(*choice);
	}
}

static void filter__sees_a_duplicate_when_told_that_it_is_one(void **state)
{
	struct filter *f;
	struct err err;
	uint8_t bits;

	(void)state;
	assert_true(verdict("'duplicate' in flags", true));
	assert_false(verdict("duplicate_of is null", true));
	assert_int_equal(filter_compile("'duplicate' not in flags", &f, NULL, &err), 0);
	assert_int_equal(filter_needs(f), NEEDS_DUPLICATE);
	assert_int_equal(filter_bits(f, &sample, &bits, &err), ERR_NONE);
	assert_int_equal(bits, KEY_PASSES);
	filter_free(f);
	assert_int_equal(filter_compile("sample == 2", &f, NULL, &err), 0);
	assert_int_equal(filter_needs(f), 0);
	assert_int_equal(filter_bits(f, &sample, &bits, &err), ERR_NONE);
	assert_int_equal(bits, KEY_PASSES | KEY_PASSES_AS_DUPLICATE);
	filter_free(f);
}

static void filter__tells_what_it_reads(void **state)
{
	static const struct {
		const char *expression;
		unsigned want;
	} cases[] = {
		{"scores.answer >= 1 and finish_reason == 'stop'", 0},
		{"content contains 'x'", NEEDS_TEXT},
		{"extra.a == 1 or model == 'm'", NEEDS_TEXT | NEEDS_PROMPT},
		{"flags is empty", NEEDS_DUPLICATE},
		{"provenance.teacher == 't0'", NEEDS_SETTINGS},
		{"accepted", NEEDS_ACCEPTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter *f;

		assert_int_equal(
			filter_compile(cases[i].expression, &f, NULL, NULL), 0);
		assert_int_equal(filter_needs(f), cases[i].want);
		filter_free(f);
	}
}

static void filter__names_the_column_of_what_is_wrong(void **state)
{
	static const struct {
		const char *expression, *want;
	} cases[] = {
		{"", "column 1: the expression is empty"},
		{"  ", "column 1: the expression is empty"},
		{"scores.answer >= 1 and finish_reson == 'stop'",
			"column 24: unknown name 'finish_reson' (did you mean "
			"'finish_reason'?)"},
		{"answer >= 1", "column 1: unknown name 'answer' (did you mean "
				"'scores.answer'?)"},
		{"xyzzy == 1",
			"column 1: unknown name 'xyzzy'; the corpus's own columns "
			"are under 'extra'"},
		{"scores > 1",
			"column 1: 'scores' is a group of fields; name one of them"},
		{"usage.tokens > 1",
			"column 1: unknown name 'usage.tokens'; the corpus's "
			"own columns are under 'extra'"},
		{"token_ids is null",
			"column 1: 'token_ids' is a column of the logits, "
			"which filters do not read"},
		{"content == 'caf\xc3\xa9' and modl == 'x'",
			"column 23: unknown name 'modl' (did you mean 'model'?)"},
		{"scores.answer >= 'x'",
			"column 18: scores.answer is a number, 'x' is text"},
		{"content > 1", "column 11: content is text, 1 is a number"},
		{"sample == true", "column 11: sample is a number, true is a boolean"},
		{"sample in (1, 'x')", "column 15: sample is a number, 'x' is text"},
		{"eos_row < true", "column 11: booleans have no order"},
		{"extra.ok < true", "column 12: booleans have no order"},
		{"flags == 'truncated'",
			"column 1: flags is a list: write 'truncated' in "
			"flags, or flags is empty"},
		{"flags is null", "column 1: flags is never null: write 'is empty'"},
		{"'truncatd' in flags",
			"column 1: there is no flag 'truncatd' (did you mean 'truncated'?)"},
		{"3 in flags", "column 1: flags is a list of flags, 3 is a number"},
		{"duplicate_of == 3",
			"column 1: duplicate_of can only be tested with 'is null'"},
		{"extra == 'x'", "column 1: extra can only be tested with 'is null'"},
		{"sample is empty",
			"column 1: sample is a number and never empty: write 'is null'"},
		{"'x' is null", "column 1: 'x' is a constant and never null"},
		{"'x' is empty", "column 1: 'x' is a constant and never empty"},
		{"sample contains 1",
			"column 1: sample is a number and contains nothing"},
		{"content contains 1", "column 18: content is text, 1 is a number"},
		{"sample starts with '1'", "column 1: sample is a number, not text"},
		{"content", "column 1: content is text, not a condition"},
		{"'x' and true", "column 1: 'x' is text, not a condition"},
		{"finish_reason == 'stopp'",
			"column 18: finish_reason is never 'stopp' "
			"(did you mean 'stop'?)"},
		{"sample == null", "column 11: nothing equals null; write 'is null' or "
				   "'is not null'"},
		{"sample in (1, null)",
			"column 15: nothing equals null; write 'is null' or "
			"'is not null'"},
		{"sample = 1", "column 8: unknown sign '=' (did you mean '=='?)"},
		{"true && true", "column 6: unknown sign '&&' (did you mean 'and'?)"},
		{"true || true", "column 6: unknown sign '||' (did you mean 'or'?)"},
		{"!true", "column 1: unknown sign '!' (did you mean 'not'?)"},
		{"sample <> 1", "column 8: unknown sign '<>' (did you mean '!='?)"},
		{"sample # 1", "column 8: unknown sign '#'"},
		{"true \xc2\xa7", "column 6: unknown sign '\xc2\xa7'"},
		{"true AND true",
			"column 6: expected an operator, not 'AND' (did you mean 'and'?)"},
		{"content Contains 'x'",
			"column 9: expected an operator, not 'Contains' "
			"(did you mean 'contains'?)"},
		{"true true", "column 6: expected 'and', 'or' or the end, not 'true'"},
		{"true 'x'", "column 6: expected 'and', 'or' or the end, not ''x''"},
		{"true)", "column 5: expected 'and', 'or' or the end, not ')'"},
		{"(true", "column 6: expected 'and', 'or' or ')', not the end"},
		{"(true no",
			"column 7: expected an operator, not 'no' (did you mean 'not'?)"},
		{"true and", "column 9: expected a name or a constant, not the end"},
		{"sample ==", "column 10: expected a name or a constant, not the end"},
		{"sample == and",
			"column 11: expected a name or a constant, not 'and'"},
		{"sample in 3", "column 11: expected a name, or a list of constants in "
				"brackets, not '3'"},
		{"sample in ()", "column 12: expected a constant, not ')'"},
		{"sample in (prompt_no)",
			"column 12: expected a constant, not 'prompt_no'"},
		{"sample in (1 2)", "column 14: expected ',' or ')', not '2'"},
		{"sample is 3", "column 11: expected 'null' or 'empty', not '3'"},
		{"sample not 3",
			"column 12: expected 'in', 'contains', 'starts' or 'ends', not '3'"},
		{"content starts 'x'", "column 16: expected 'with', not ''x''"},
		{"content == 'x", "column 12: this text has no closing quote"},
		{"content == 'x\\q'",
			"column 14: unknown escape; known are \\' \\\" \\\\ "
			"\\n and \\t"},
		{"sample == 1x", "column 11: this is not a number"},
		{"sample == -", "column 11: this is not a number"},
		{"sample == 01", "column 11: this is not a number"},
		{"sample == 1.2.3", "column 11: this is not a number"},
		{"extra. == 1", "column 7: a name is missing behind the dot"},
		{"content == '\xff'", "column 13: this is not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter *f;
		struct err err = {0};
		size_t column = 0, told = 0;

		if (filter_compile(cases[i].expression, &f, &column, &err) !=
			ERR_INVALID)
			fail_msg("%s: compiles", cases[i].expression);
		assert_string_equal(err.msg, cases[i].want);
		assert_int_equal(sscanf(err.msg, "column %zu:", &told), 1);
		assert_int_equal(column, told);
		assert_null(f);
	}
}

static void filter__has_caps(void **state)
{
	char *long_text = mem_alloc(LIMIT_FILTER_TEXT + 64);
	struct filter *f;
	struct err err;
	size_t at = 0;

	(void)state;
	for (int i = 0; i < LIMIT_FILTER_DEPTH; i++)
		long_text[at++] = '(';
	at += (size_t)sprintf(long_text + at, "true");
	for (int i = 0; i < LIMIT_FILTER_DEPTH; i++)
		long_text[at++] = ')';
	long_text[at] = '\0';
	assert_int_equal(filter_compile(long_text, &f, NULL, &err), ERR_NONE);
	filter_free(f);
	memmove(long_text + 4, long_text, at + 1);
	memcpy(long_text, "not ", 4);
	assert_int_equal(filter_compile(long_text, &f, NULL, &err), ERR_INVALID);
	assert_string_equal(err.msg, "column 68: nested more than 64 deep");

	/* A chain is not depth. */
	at = (size_t)sprintf(long_text, "true");
	while (at + 9 <= LIMIT_FILTER_TEXT)
		at += (size_t)sprintf(long_text + at, " and true");
	assert_int_equal(filter_compile(long_text, &f, NULL, &err), ERR_NONE);
	filter_free(f);
	sprintf(long_text + at, " and true");
	assert_int_equal(filter_compile(long_text, &f, NULL, &err), ERR_INVALID);
	free(long_text);
}

static void filter__points_at_a_column(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	filter_point_at("a ==\nb", 6, &out);
	assert_string_equal(buf_text(&out), "  a == b\n       ^\n");
	buf_clear(&out);
	filter_point_at("\xc3\xa9 == \x1b", 6, &out);
	assert_string_equal(buf_text(&out), "  \xc3\xa9 ==  \n       ^\n");
	buf_clear(&out);
	filter_point_at("", 1, &out);
	assert_string_equal(buf_text(&out), "  \n  ^\n");
	buf_release(&out);
}

/* Random expressions of the grammar, and broken ones. */
static const char *const pieces[] = {"(", ")", " and ", " or ", " not ",
	" == ", " != ", " < ", " in ", " is ", " null", " empty", " contains ",
	" starts with ", "'x'", "'stop'", "('4', '5')", "1", "-0.5", "1e3", "true",
	"false", "sample", "finish_reason", "scores.answer", "scores.entropy",
	"reasoning", "content", "extra.level", "extra.deep.er", "extra.tags", "flags",
	"'looping'", "eos_row", "reference", ".", ",", "'", "\\", "\xc3", "%"};
#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

static const char *pick(struct chance *c, const char *const *from, size_t n)
{
	return from[chance_below(c, n)];
}

static void add_test(struct chance *c, struct buf *out)
{
	static const char *const tests[] = {"sample == 2", "content contains 'the'",
		"reasoning is null", "reasoning != 'x'", "scores.answer >= 0.5",
		"extra.level in ('4', \"5\")", "extra.year not in (1, 2)",
		"flags is empty", "'looping' in flags",
		"extra.deep.er.still starts with 'he'", "eos_row",
		"extra.tags contains 'algebra'", "true", "extra.'odd name' == 'x'",
		"content ends with '\\'\\\\\\n'", "provenance.cost_usd < 1e-7"};

	buf_add_str(out, pick(c, tests, sizeof(tests) / sizeof(tests[0])));
}

static void add_expression(struct chance *c, int depth, struct buf *out)
{
	switch (depth == 0 ? 0 : chance_below(c, 5)) {
	case 0:
		add_test(c, out);
		break;
	case 1:
		buf_add_str(out, "not ");
		add_expression(c, depth - 1, out);
		break;
	case 2:
		buf_add_str(out, "(");
		add_expression(c, depth - 1, out);
		buf_add_str(out, ")");
		break;
	default:
		add_expression(c, depth - 1, out);
		buf_add_str(out, chance_below(c, 2) ? " and " : " or ");
		add_expression(c, depth - 1, out);
		break;
	}
}

static void check_same_when_printed(const char *expression)
{
	struct filter *f;
	struct buf printed;
	bool passes;

	buf_init(&printed, MIB(4));
	if (filter_compile(expression, &f, NULL, NULL) != ERR_NONE)
		fail_msg("%s: does not compile", expression);
	for (int as_duplicate = 0; as_duplicate < 2; as_duplicate++) {
		assert_int_equal(
			filter_passes(f, &sample, as_duplicate, &passes, NULL), 0);
		buf_clear(&printed);
		filter_print(f, &printed);
		if (verdict(buf_text(&printed), as_duplicate) != passes)
			fail_msg("%s\n%s: differ", expression, buf_text(&printed));
	}
	filter_free(f);
	buf_release(&printed);
}

static void filter__means_the_same_when_printed(void **state)
{
	struct chance chance = {20260101};
	struct buf expression;

	(void)state;
	buf_init(&expression, MIB(1));
	for (int i = 0; i < 3000; i++) {
		buf_clear(&expression);
		add_expression(&chance, 5, &expression);
		check_same_when_printed(buf_text(&expression));
	}
	buf_release(&expression);
}

static void filter__survives_nonsense(void **state)
{
	struct chance chance = {42};
	struct buf expression, shown;

	(void)state;
	buf_init(&expression, 4096);
	buf_init(&shown, 65536);
	for (int i = 0; i < 20000; i++) {
		struct filter *f;
		size_t column = 1;
		bool passes;

		buf_clear(&expression);
		for (uint64_t n = chance_below(&chance, 9); n > 0; n--)
			buf_add_str(&expression, pick(&chance, pieces, N_PIECES));
		if (filter_compile(buf_text(&expression), &f, &column, NULL) ==
			ERR_NONE)
			assert_int_equal(
				filter_passes(f, &sample, false, &passes, NULL), 0);
		filter_free(f);
		buf_clear(&shown);
		filter_point_at(buf_text(&expression), column, &shown);
	}
	buf_release(&expression);
	buf_release(&shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter__gives_the_verdict_that_it_reads_like),
		cmocka_unit_test(filter__knows_the_rule_that_was_broken),
		cmocka_unit_test(filter__sees_a_duplicate_when_told_that_it_is_one),
		cmocka_unit_test(filter__tells_what_it_reads),
		cmocka_unit_test(filter__names_the_column_of_what_is_wrong),
		cmocka_unit_test(filter__has_caps),
		cmocka_unit_test(filter__points_at_a_column),
		cmocka_unit_test(filter__means_the_same_when_printed),
		cmocka_unit_test(filter__survives_nonsense),
	};

	return cmocka_run_group_tests(tests, make_sample, drop_sample);
}
