/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of the alignment proof: an answer that keeps it, and one that breaks it
 * in the smallest way. */
#include "unit/unit.h"

#include <math.h>

#include "worker/align.h"

static struct answer a;
static struct rows_verdict seen;

static void add_row(const char *text, uint32_t id, double logprob)
{
	struct rows *r = &a.rows;

	rows_grow(r);
	r->id[r->n] = id;
	r->logprob[r->n] = logprob;
	r->token_at[r->n] = (uint32_t)r->pool.len;
	r->token_len[r->n] = text ? (uint16_t)strlen(text) : TOKEN_BYTES_UNKNOWN;
	buf_add_str(&r->pool, text ? text : "");
	r->first[r->n] = r->first[r->n + 1] = r->m;
	r->n++;
}

static void add_candidate(const char *text, uint32_t id, double logprob)
{
	struct rows *r = &a.rows;

	rows_grow_candidates(r);
	r->cand_id[r->m] = id;
	r->cand_logprob[r->m] = logprob;
	r->cand_at[r->m] = (uint32_t)r->pool.len;
	r->cand_len[r->m] = text ? (uint16_t)strlen(text) : TOKEN_BYTES_UNKNOWN;
	buf_add_str(&r->pool, text ? text : "");
	r->first[r->n] = ++r->m;
}

#define NO_ID TOKEN_ID_UNKNOWN

/* Three tokens, "it is 4", and two candidates each. */
static void an_answer(bool ids)
{
	static const char *const text[] = {"it", " is", " 4"};

	answer_clear(&a);
	for (uint32_t i = 0; i < 3; i++) {
		add_row(text[i], ids ? 10 + i : NO_ID, -0.25);
		add_candidate(text[i], ids ? 10 + i : NO_ID, -0.25);
		add_candidate("no", ids ? 20 : NO_ID, -3);
	}
	buf_add_str(&a.content.text, "it is 4");
	a.content.present = true;
	a.finish = FINISH_STOP;
	a.has_rows = true;
}

static void give_ids(uint32_t n)
{
	static uint32_t at[] = {10, 11, 12, 2, 3};

	a.token_ids = (struct answer_ids){at, n, 5, true};
}

/* All of the proof; the rule that was broken. */
static enum misaligned judge(enum job_server server, uint32_t k)
{
	struct spans s;
	struct buf stream;
	enum misaligned rule;

	align_counts(&a);
	seen = rows_normalise(&a.rows, k);
	assert_int_equal(seen.reason, REASON_NONE);
	align_rows(&a, &seen, false);
	buf_init(&stream, MIB(1));
	spans_find(&a, server, false, &stream, &s);
	rule = align_settle(&a, server, buf_bytes(&stream), &s);
	/* What the answer alone tells is flagged at once. */
	assert_int_equal(
		(a.flags & FLAG_MISALIGNED) != 0, a.misaligned != MISALIGNED_NONE);
	assert_true(a.misaligned == MISALIGNED_NONE || rule <= a.misaligned);
	buf_release(&stream);
	a.token_ids = (struct answer_ids){0};
	return rule;
}

#define CHECK(rule) assert_int_equal(judge(SERVER_OPENAI, 2), rule)

static void align__lets_honest_answers_pass(void **state)
{
	(void)state;
	an_answer(true);
	CHECK(MISALIGNED_NONE);
	an_answer(false);
	a.usage.completion_tokens = 3;
	CHECK(MISALIGNED_NONE);
	assert_int_equal(a.eos_row, EOS_ROW_UNKNOWN);
	an_answer(true);
	give_ids(3);
	assert_int_equal(judge(SERVER_VLLM, 2), MISALIGNED_NONE);
	answer_clear(&a);
	assert_int_equal(judge(SERVER_VLLM, 2), MISALIGNED_NONE);
}

static void align__counts_rows_and_ids(void **state)
{
	(void)state;
	an_answer(false);
	give_ids(4); /* the end has no row */
	CHECK(MISALIGNED_NONE);
	assert_int_equal(a.eos_row, EOS_ROW_NO);
	assert_int_equal(a.rows.id[2], 12);
	an_answer(false);
	give_ids(5);
	CHECK(MISALIGNED_ROWS);
	assert_int_equal(a.rows.id[2], NO_ID); /* whose they are nobody knows */
	an_answer(false);
	give_ids(2);
	CHECK(MISALIGNED_ROWS);
	an_answer(false);
	a.finish = FINISH_LENGTH; /* nothing ended it */
	give_ids(4);
	CHECK(MISALIGNED_ROWS);
	an_answer(true);
	give_ids(3);
	a.rows.id[1] = 13;
	a.rows.cand_id[2] = 13;
	CHECK(MISALIGNED_ID);
}

static void align__compares_with_usage(void **state)
{
	(void)state;
	an_answer(false);
	a.usage.completion_tokens = 4;
	CHECK(MISALIGNED_NONE);
	assert_int_equal(a.eos_row, EOS_ROW_NO);
	an_answer(false);
	a.usage.completion_tokens = 5;
	CHECK(MISALIGNED_USAGE);
	an_answer(false);
	a.usage.completion_tokens = 2;
	CHECK(MISALIGNED_USAGE);
	/* Beside ids, too. */
	an_answer(true);
	give_ids(3);
	a.usage.completion_tokens = 9;
	CHECK(MISALIGNED_USAGE);
	/* Reasoning that is counted and not shown. */
	an_answer(false);
	a.usage.completion_tokens = 103;
	a.usage.reasoning_tokens = 100;
	CHECK(MISALIGNED_NONE);
	an_answer(false);
	a.usage.completion_tokens = 105;
	a.usage.reasoning_tokens = 100;
	CHECK(MISALIGNED_USAGE);
}

static void align__compares_the_sampled_token_with_its_list(void **state)
{
	(void)state;
	for (int ids = 0; ids < 2; ids++) {
		an_answer(ids);
		a.rows.logprob[1] = -0.2515; /* rounded otherwise */
		CHECK(MISALIGNED_NONE);
		an_answer(ids);
		a.rows.logprob[1] = -0.253;
		CHECK(ids ? MISALIGNED_ENTRY : MISALIGNED_PLACE);
		/* Not listed, and less likely than all that is. */
		an_answer(ids);
		a.rows.cand_id[2] = ids ? 30 : NO_ID;
		a.rows.cand_len[2] = 2;
		a.rows.logprob[1] = -3.5;
		CHECK(MISALIGNED_NONE);
		an_answer(ids);
		a.rows.cand_id[2] = ids ? 30 : NO_ID;
		a.rows.cand_len[2] = 2;
		a.rows.logprob[1] = -2.9;
		CHECK(MISALIGNED_PLACE);
		/* Where its logprob is absent there is nothing to compare. */
		an_answer(ids);
		a.rows.cand_id[2] = ids ? 30 : NO_ID;
		a.rows.cand_len[2] = 2;
		a.rows.logprob[1] = (double)NAN;
		CHECK(MISALIGNED_NONE);
	}
	an_answer(true);
	a.rows.cand_id[2] = 30;
	a.rows.logprob[1] = -3.5;
	assert_int_equal(judge(SERVER_VLLM, 2), MISALIGNED_MISSING);
	an_answer(true); /* not even its logprob is known */
	a.rows.cand_logprob[2] = a.rows.logprob[1] = (double)NAN;
	assert_int_equal(judge(SERVER_VLLM, 2), MISALIGNED_NONE);
}

static void align__weighs_what_is_listed(void **state)
{
	(void)state;
	an_answer(true);
	a.rows.cand_logprob[2] = a.rows.logprob[1] = log(0.6);
	a.rows.cand_logprob[3] = log(0.4019);
	CHECK(MISALIGNED_NONE);
	an_answer(true);
	a.rows.cand_logprob[2] = a.rows.logprob[1] = log(0.6);
	a.rows.cand_logprob[3] = log(0.4021);
	CHECK(MISALIGNED_SUM);
	an_answer(true);
	a.rows.cand_id[3] = 11;
	CHECK(MISALIGNED_TWICE);
	an_answer(true);
	a.rows.m = a.rows.first[3] = 5;
	CHECK(MISALIGNED_SHORT);
	/* A million tokens less likely than 10^-9 have no half of all. */
	an_answer(true);
	a.rows.cand_logprob[2] = a.rows.logprob[1] = log(0.5);
	a.rows.cand_logprob[3] = log(1e-9);
	CHECK(MISALIGNED_TAIL);
	an_answer(true); /* but of 10^-6 they may */
	a.rows.cand_logprob[2] = a.rows.logprob[1] = log(0.5);
	a.rows.cand_logprob[3] = log(1e-6);
	CHECK(MISALIGNED_NONE);
	an_answer(true); /* a value is missing, and the server says so */
	a.rows.cand_logprob[2] = a.rows.logprob[1] = log(0.5);
	a.rows.cand_logprob[3] = log(1e-9);
	a.rows.cand_logprob[5] = (double)NAN;
	CHECK(MISALIGNED_NONE);
	an_answer(true); /* the last one is there because it was sampled */
	a.rows.cand_logprob[2] = log(0.5);
	a.rows.cand_id[2] = 30;
	a.rows.cand_id[3] = 11;
	a.rows.cand_logprob[3] = a.rows.logprob[1] = log(1e-9);
	CHECK(MISALIGNED_NONE);
}

static void align__knows_draft_tokens(void **state)
{
	(void)state;
	an_answer(true);
	a.rows.logprob[2] = 0;
	a.rows.m = a.rows.first[3] = 4;
	CHECK(MISALIGNED_DRAFT);
	an_answer(true); /* a token without a list, but with a logprob */
	a.rows.m = a.rows.first[3] = 4;
	CHECK(MISALIGNED_NONE);
}

static void align__tells_texts_from_bytes(void **state)
{
	(void)state;
	an_answer(true);
	seen = rows_normalise(&a.rows, 2);
	align_rows(&a, &seen, true);
	assert_int_equal(a.misaligned, MISALIGNED_BYTES);
	assert_int_equal(a.flags, FLAG_MISALIGNED);
}

static void align__notes_the_first_rule_of_several(void **state)
{
	(void)state;
	an_answer(true);
	a.rows.logprob[1] = -2;
	a.rows.cand_id[5] = 12;
	a.usage.completion_tokens = 9;
	CHECK(MISALIGNED_USAGE);
}

static void align__looks_whether_spans_are_in_the_rows(void **state)
{
	static const struct {
		struct token_span reasoning, content;
		enum misaligned rule;
	} cases[] = {
		{{0, 1}, {1, 3}, MISALIGNED_NONE},
		{{0, 1}, {3, 3}, MISALIGNED_NONE},
		{{SPAN_UNKNOWN, SPAN_UNKNOWN}, {0, 3}, MISALIGNED_NONE},
		{{0, 3}, {SPAN_UNKNOWN, SPAN_UNKNOWN}, MISALIGNED_NONE},
		{{0, 1}, {1, 4}, MISALIGNED_SPANS},
		{{0, 4}, {SPAN_UNKNOWN, SPAN_UNKNOWN}, MISALIGNED_SPANS},
		{{2, 1}, {2, 3}, MISALIGNED_SPANS},
		{{0, 2}, {1, 3}, MISALIGNED_SPANS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spans s = {
			.reasoning = cases[i].reasoning, .content = cases[i].content};

		an_answer(true);
		seen = rows_normalise(&a.rows, 2);
		assert_int_equal(align_settle(&a, SERVER_OPENAI, bytes_of("", 0), &s),
			cases[i].rule);
	}
}

static void align__compares_the_tokens_with_the_texts(void **state)
{
	(void)state;
	an_answer(false);
	a.content.text.data[6] = '5';
	CHECK(MISALIGNED_TEXT);
	/* Where tokens are decoded one by one, their bytes prove nothing. */
	an_answer(true);
	a.content.text.data[6] = '5';
	assert_int_equal(judge(SERVER_VLLM, 2), MISALIGNED_NONE);
	an_answer(true);
	a.content.text.data[6] = '5';
	assert_int_equal(judge(SERVER_LLAMACPP, 2), MISALIGNED_TEXT);
}

/* -- The stream -- */

static bool explains(const char *stream, const char *reasoning, const char *content)
{
	answer_clear(&a);
	buf_add_str(&a.reasoning.text, reasoning ? reasoning : "");
	buf_add_str(&a.content.text, content ? content : "");
	a.finish = FINISH_STOP;
	return align_explains(&a, bytes_of(stream, strlen(stream)));
}

static void stream__is_the_texts_and_what_servers_strip(void **state)
{
	static const struct {
		const char *stream, *reasoning, *content;
	} fine[] = {
		{"it is 4", NULL, "it is 4"},
		{"it is 4</s>", NULL, "it is 4"},
		{" \n it is 4 <|im_end|>\n", NULL, "it is 4"},
		{"<think>\nso\n</think>\n\n4<eos>", "so", "4"},
		{"so\n</think>\n\n4", "so", "4"}, /* opened in the prompt */
		{"<think>\nso</think>4", NULL, "<think>\nso</think>4"},
		{"[THINK]so[/THINK]4[EOS]", "so", "4"},
		{"\xe2\x97\x81think\xe2\x96\xb7so\xe2\x97\x81/think\xe2\x96\xb7"
		 "4",
			"so", "4"},
		{"<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>"
		 "final<|message|>4<|return|>",
			"so", "4"},
		{"Here is my thought process: so Here is my response: 4", "so", "4"},
		{"<think>so</think>4", NULL, "4"}, /* kept back */
		{"think", NULL, "think"},
		{"<think>think</think>think", "think", "think"},
		/* A special token in the middle, which is not shown. */
		{"it<|extra_3|> is 4", NULL, "it is 4"},
		{"a < b > c", NULL, "a < b > c"},
		{"", NULL, NULL},
		{"anything", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (!explains(fine[i].stream, fine[i].reasoning, fine[i].content))
			fail_msg("not explained: %s", fine[i].stream);
}

static void stream__of_other_texts_is_noticed(void **state)
{
	static const struct {
		const char *stream, *reasoning, *content;
	} wrong[] = {
		{"it is", NULL, "it is 4"},
		{"it 4", NULL, "it is 4"},
		{"it is is 4", NULL, "it is 4"},
		{"it is 4 4", NULL, "it is 4"},
		{"it is 4..</s>", NULL, "it is 4."}, /* the last row twice */
		{"so it is 4", NULL, "it is 4"},
		{"<think>4</think>so", "so", "4"},
		{"<think>so</think>or 4", "so", "4"},
		{"<think>so</think>", "so", "4"},
		{"it is \xc3\xa9", NULL, "it is \xc3\xa8"},
		{"it is \xc3\xa9", NULL, "it is \xc3\xa9\xc3\xa8"},
		{"\xc3\xa9", NULL, "e"},
		{"e", NULL, "\xc3\xa9"},
		{"<this is too long for a tag and it is something that somebody wrote "
		 "instead>4",
			NULL, "4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (explains(wrong[i].stream, wrong[i].reasoning, wrong[i].content))
			fail_msg("explained: %s", wrong[i].stream);
}

static void stream__may_have_characters_that_cannot_be_shown(void **state)
{
	(void)state;
	/* Two halves, each of them shown alone. */
	assert_true(explains("a \xef\xbf\xbd\xef\xbf\xbd b", NULL, "a \xe2\x9c\x93 b"));
	/* Half of one, which the text cannot show, or leaves out. */
	assert_true(explains("a \xc3 b", NULL, "a \xef\xbf\xbd b"));
	assert_true(explains("a \xc3 b", NULL, "a  b"));
	assert_true(explains("ab\xc3", NULL, "ab"));
	assert_true(explains("\xe2\x9c\x93 b", NULL, "\xe2\x9c\x93 b"));
	assert_false(explains("a \xe2\x9c\x93 b", NULL, "a  b"));
	assert_false(explains("a \xef\xbf\xbd c", NULL, "a \xe2\x9c\x93 b"));
}

static void stream__may_go_on_behind_stop_words_and_tools(void **state)
{
	(void)state;
	assert_false(explains("it is 4 END more", NULL, "it is 4"));
	a.finish = FINISH_STOP_WORD;
	assert_true(align_explains(&a, bytes_of("it is 4 END more", 16)));
	assert_false(align_explains(&a, bytes_of("it was 4 END more", 17)));
	a.finish = FINISH_TOOL_CALLS;
	a.tool_calls.present = true;
	assert_true(align_explains(&a, bytes_of("{\"name\":\"f\"}", 12)));
}

static void stream__made_to_be_slow_is_given_up(void **state)
{
	const size_t n = 1u << 20;
	struct buf stream;

	(void)state;
	answer_clear(&a);
	a.finish = FINISH_STOP;
	buf_init(&stream, MIB(4));
	buf_add_fill(&stream, ' ', n);
	buf_add_fill(&a.content.text, ' ', n / 2);
	buf_add_str(&a.content.text, "x");
	/* Half a million beginnings of half a million blanks: not to the end. */
	assert_true(align_explains(&a, buf_bytes(&stream)));
	buf_release(&stream);
}

static int teardown(void **state)
{
	(void)state;
	answer_release(&a);
	return 0;
}

/* What a llama-server gives for "it is 🦩": the bird's first token ends within a
 * character and has no row, the row of its last has all of its bytes. The end has a
 * row that shows nothing. */
static void an_answer_with_a_joined_row(const char *bird, bool listed)
{
	answer_clear(&a);
	add_row("it is", 10, -0.25);
	add_candidate("it is", 10, -0.25);
	add_candidate("no", 20, -3);
	add_row(bird, 119, listed ? -1.5 : -9.0);
	add_candidate("\xa9", listed ? 119 : 120, -1.5);
	add_candidate("\xaa", 121, -1.6);
	add_row("", 2, -0.1);
	add_candidate("", 2, -0.1);
	add_candidate("\n", 30, -3);
	buf_add_str(&a.content.text, "it is");
	buf_add_str(&a.content.text, bird);
	a.content.present = true;
	a.finish = FINISH_STOP;
	a.has_rows = true;
}

#define BIRD "\xf0\x9f\xa6\xa9"

static void align__sees_tokens_without_rows_of_llamacpp(void **state)
{
	(void)state;
	an_answer_with_a_joined_row(BIRD, false);
	a.usage.completion_tokens = 4;
	assert_int_equal(judge(SERVER_LLAMACPP, 2), MISALIGNED_USAGE);
	/* Of a server that gives the end no row it would be the end. */
	an_answer_with_a_joined_row(BIRD, false);
	a.usage.completion_tokens = 4;
	CHECK(MISALIGNED_NONE);
	/* Not counted, but seen: the row has more bytes than its id. */
	an_answer_with_a_joined_row(BIRD, true);
	assert_int_equal(judge(SERVER_LLAMACPP, 2), MISALIGNED_BYTES);
	CHECK(MISALIGNED_NONE); /* others decode what they list alone */
	an_answer_with_a_joined_row("\xa9", true);
	assert_int_equal(judge(SERVER_LLAMACPP, 2), MISALIGNED_NONE);
	an_answer_with_a_joined_row("", false);
	a.usage.completion_tokens = 3;
	assert_int_equal(judge(SERVER_LLAMACPP, 2), MISALIGNED_NONE);
	assert_int_equal(a.eos_row, EOS_ROW_UNKNOWN); /* spans.h tells */
}

/* What was held back because it might become a stop word has rows without bytes,
 * and what came then has all of them: no token is missing. */
static void align__lets_held_back_rows_of_llamacpp_pass(void **state)
{
	(void)state;
	answer_clear(&a);
	add_row("it", 10, -0.25);
	add_candidate("it", 10, -0.25);
	add_row("", 11, -0.25);
	add_candidate(" is", 11, -0.25);
	add_row(" is 4", 12, -0.25);
	add_candidate(" 4", 12, -0.25);
	buf_add_str(&a.content.text, "it is 4");
	a.content.present = a.has_rows = true;
	a.finish = FINISH_LENGTH;
	a.usage.completion_tokens = 3;
	assert_int_equal(judge(SERVER_LLAMACPP, 1), MISALIGNED_NONE);
	/* A last row without bytes of its own is held back, not the end, if its id
	 * has bytes: the stop word's row was cut. */
	a.rows.n = 2;
	a.rows.first[2] = a.rows.m = 2;
	a.finish = FINISH_STOP;
	buf_clear(&a.content.text);
	buf_add_str(&a.content.text, "it");
	assert_int_equal(judge(SERVER_LLAMACPP, 1), MISALIGNED_NONE);
	assert_int_equal(a.eos_row, EOS_ROW_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(align__lets_honest_answers_pass),
		cmocka_unit_test(align__counts_rows_and_ids),
		cmocka_unit_test(align__sees_tokens_without_rows_of_llamacpp),
		cmocka_unit_test(align__lets_held_back_rows_of_llamacpp_pass),
		cmocka_unit_test(align__compares_with_usage),
		cmocka_unit_test(align__compares_the_sampled_token_with_its_list),
		cmocka_unit_test(align__weighs_what_is_listed),
		cmocka_unit_test(align__knows_draft_tokens),
		cmocka_unit_test(align__tells_texts_from_bytes),
		cmocka_unit_test(align__notes_the_first_rule_of_several),
		cmocka_unit_test(align__looks_whether_spans_are_in_the_rows),
		cmocka_unit_test(align__compares_the_tokens_with_the_texts),
		cmocka_unit_test(stream__is_the_texts_and_what_servers_strip),
		cmocka_unit_test(stream__of_other_texts_is_noticed),
		cmocka_unit_test(stream__may_have_characters_that_cannot_be_shown),
		cmocka_unit_test(stream__may_go_on_behind_stop_words_and_tools),
		cmocka_unit_test(stream__made_to_be_slow_is_given_up),
	};

	return cmocka_run_group_tests_name("align", tests, NULL, teardown);
}
