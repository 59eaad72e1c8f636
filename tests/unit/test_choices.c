/* SPDX-License-Identifier: Apache-2.0 */
/* Several answers to one request: read, judged one by one, and what was told once
 * divided among them. */
#include "unit/unit.h"

#include <stdlib.h>

#include "common/mem.h"
#include "worker/choices.h"
#include "worker/openai_shape.h"
#include "worker/reader.h"

#define MOST 4

struct several {
	struct answer a[MOST];
	struct reader *reader;
	struct answer_rules rules;
	unsigned n;
};

static void begin(struct several *s, unsigned n, uint32_t k)
{
	*s = (struct several){.n = n,
		.reader = reader_new(),
		.rules = {.top_logprobs = k,
			.logits_required = k > 0,
			.body_max = MIB(1),
			.n_choices = n}};
}

static void end(struct several *s)
{
	for (unsigned i = 0; i < MOST; i++)
		answer_release(&s->a[i]);
	reader_free(s->reader);
}

/* Reads a body in two pieces. */
static enum reason read_cut(struct several *s, const char *body, size_t cut)
{
	size_t len = strlen(body);
	/* Exactly as long as the pieces, so that ASan sees overreads. */
	char *head = mem_dup(body, cut), *rest = mem_dup(body + cut, len - cut);
	enum reason reason;

	for (unsigned i = 0; i + 1 < s->n; i++)
		s->a[i].next = &s->a[i + 1];
	reader_begin(s->reader, &openai_shape, &s->rules, &s->a[0]);
	if (reader_feed(s->reader, head, cut))
		reader_feed(s->reader, rest, len - cut);
	reason = reader_end(s->reader);
	free(head);
	free(rest);
	return reason;
}

static enum reason read_whole(struct several *s, const char *body)
{
	return read_cut(s, body, strlen(body) / 2);
}

static struct answer *by_index(struct several *s, uint32_t index)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->a[i].index == index)
			return &s->a[i];
	fail_msg("no answer has number %u", index);
	return NULL;
}

static void check_text(const struct answer_text *t, const char *want)
{
	assert_true(t->present);
	assert_int_equal(t->text.len, strlen(want));
	assert_memory_equal(t->text.data, want, strlen(want));
}

#define ROW(token, logprob)                                                            \
	"{\"token\":\"" token "\",\"logprob\":" logprob                                \
	",\"top_logprobs\":[{\"token\":\"" token "\",\"logprob\":" logprob "}]}"
/* The index stands before, between or behind what it is for. */
#define FIRST                                                                          \
	"{\"index\":0,\"message\":{\"content\":\"one\",\"reasoning\":\"r1\"},"         \
	"\"finish_reason\":\"stop\",\"token_ids\":[7,8],"                              \
	"\"logprobs\":{\"content\":[" ROW("one", "-0.5") "," ROW("x", "-1") "]}}"
#define SECOND                                                                             \
	"{\"finish_reason\":\"length\",\"token_ids\":[9],\"logprobs\":{\"content\":[" ROW( \
		"two", "-0.25") "]},\"index\":1,\"message\":{\"content\":\"two\"}}"
#define THIRD                                                                                 \
	"{\"logprobs\":{\"content\":[" ROW("3", "-2") "," ROW("4", "-3") "," ROW("5",         \
		"-4") "]},\"message\":{\"tool_calls\":[{\"id\":\"c\"}],"                      \
		      "\"reasoning_content\":\"r3\",\"content\":null},\"token_ids\":[1,2,3]," \
		      "\"finish_reason\":\"tool_calls\",\"index\":2}"
#define TOLD                                                                           \
	"\"model\":\"m\",\"id\":\"q\",\"system_fingerprint\":\"f\","                   \
	"\"prompt_token_ids\":[4,5],\"usage\":{\"prompt_tokens\":11,"                  \
	"\"completion_tokens\":6,\"prompt_tokens_details\":{\"cached_tokens\":4},"     \
	"\"completion_tokens_details\":{\"reasoning_tokens\":3}}"
#define BODY(choices) "{" TOLD ",\"choices\":[" choices "]}"

static void check_three(struct several *s)
{
	const struct answer *one = by_index(s, 0), *two = by_index(s, 1),
			    *three = by_index(s, 2);

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s->a[i].verdict, REASON_NONE);
		check_text(&s->a[i].model, "m");
		check_text(&s->a[i].id, "q");
		check_text(&s->a[i].system_fingerprint, "f");
		assert_int_equal(s->a[i].flags & FLAG_NO_USAGE, 0);
		assert_int_equal(s->a[i].misaligned, MISALIGNED_NONE);
	}
	check_text(&one->content, "one");
	check_text(&one->reasoning, "r1");
	check_text(&two->content, "two");
	assert_false(two->reasoning.present);
	check_text(&three->reasoning, "r3");
	assert_false(three->content.present);
	check_text(&three->tool_calls, "[{\"id\":\"c\"}]");
	assert_false(one->tool_calls.present);
	assert_int_equal(one->finish, FINISH_STOP);
	assert_int_equal(two->finish, FINISH_LENGTH);
	assert_int_equal(two->flags & FLAG_TRUNCATED, FLAG_TRUNCATED);
	assert_int_equal(three->finish, FINISH_TOOL_CALLS);
	assert_int_equal(one->rows.n, 2);
	assert_int_equal(two->rows.n, 1);
	assert_int_equal(three->rows.n, 3);
	assert_true(two->rows.logprob[0] == -0.25);
	assert_true(three->rows.logprob[2] == -4);
	assert_int_equal(three->token_ids.at[2], 3);
	assert_int_equal(one->usage.prompt_tokens, 11);
	assert_int_equal(two->usage.prompt_tokens, 0);
	assert_int_equal(one->usage.cached_prompt_tokens, 4);
	assert_int_equal(three->usage.cached_prompt_tokens, 0);
	assert_int_equal(one->usage.completion_tokens, 2);
	assert_int_equal(two->usage.completion_tokens, 1);
	assert_int_equal(three->usage.completion_tokens, 3);
	/* By the bytes of reasoning: 2, 0 and 2. */
	assert_int_equal(one->usage.reasoning_tokens, 2);
	assert_int_equal(two->usage.reasoning_tokens, 0);
	assert_int_equal(three->usage.reasoning_tokens, 1);
}

static void choices__come_in_any_order_and_in_any_pieces(void **state)
{
	static const char *const bodies[] = {
		BODY(FIRST "," SECOND "," THIRD),
		BODY(THIRD "," FIRST "," SECOND),
		"{\"choices\":[" SECOND "," THIRD "," FIRST "]," TOLD "}",
	};
	struct several s;

	(void)state;
	begin(&s, 3, 1);
	for (size_t i = 0; i < 3; i++) {
		for (size_t cut = 0; cut <= strlen(bodies[i]); cut++) {
			enum reason reason = read_cut(&s, bodies[i], cut);

			if (reason != REASON_NONE)
				fail_msg("body %zu cut at %zu: %s (%s)", i, cut,
					reason_name(reason), s.a[0].why);
			check_three(&s);
		}
	}
	end(&s);
}

static void choices__that_are_not_those_asked_for_are_no_answer(void **state)
{
	static const struct {
		const char *choices, *why;
	} cases[] = {
		{"", "there is no choice"},
		{FIRST, "fewer"},
		{FIRST "," SECOND, "fewer"},
		{FIRST "," SECOND "," THIRD "," FIRST, "more"},
		{FIRST "," SECOND "," SECOND, "two choices have one number"},
		{FIRST "," SECOND ",{\"index\":3,\"message\":{\"content\":\"x\"},"
		       "\"finish_reason\":\"stop\"}",
			"no number"},
		{FIRST "," SECOND ",{\"index\":-1,\"message\":{\"content\":\"x\"},"
		       "\"finish_reason\":\"stop\"}",
			"no number"},
		{FIRST "," SECOND ",{\"index\":2.0,\"message\":{\"content\":\"x\"},"
		       "\"finish_reason\":\"stop\"}",
			"no number"},
		{FIRST "," SECOND
		       ",{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}",
			"no number"},
	};
	struct several s;
	struct buf body;

	(void)state;
	buf_init(&body, MIB(1));
	begin(&s, 3, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&body);
		buf_printf(&body, "{" TOLD ",\"choices\":[%s]}", cases[i].choices);
		assert_int_equal(read_whole(&s, buf_text(&body)), REASON_NO_CHOICES);
		if (!strstr(s.a[0].why, cases[i].why))
			fail_msg("%s: '%s'", cases[i].choices, s.a[0].why);
		/* What it has cost is known all the same, once. */
		assert_int_equal(s.a[0].usage.completion_tokens, 6);
		assert_int_equal(s.a[1].usage.completion_tokens, COUNT_UNKNOWN);
	}
	assert_int_equal(read_whole(&s, BODY("5")), REASON_WRONG_SHAPE);
	assert_int_equal(
		read_whole(&s, BODY(FIRST "," SECOND "," THIRD) "x"), REASON_BAD_JSON);
	assert_int_equal(read_whole(&s, "{\"error\":{\"message\":\"no\"}}"),
		REASON_ERROR_OBJECT);
	assert_int_equal(
		read_whole(&s, "{\"usage\":{\"prompt_tokens\":-1},\"choices\":[" FIRST
			       "," SECOND "," THIRD "]}"),
		REASON_BAD_USAGE);
	/* And then a good one again. */
	assert_int_equal(read_whole(&s, BODY(FIRST "," SECOND "," THIRD)), REASON_NONE);
	buf_release(&body);
	end(&s);
}

/* A choice that cannot be read is one sample less, not three. */
static void choices__are_judged_one_by_one(void **state)
{
	static const struct {
		const char *choice;
		enum reason reason;
	} cases[] = {
		{"{\"index\":1,\"message\":{\"content\":\"x\"}}", REASON_NO_FINISH},
		{"{\"index\":1,\"finish_reason\":\"stop\"}", REASON_WRONG_SHAPE},
		{"{\"index\":1,\"message\":{\"content\":5},\"finish_reason\":\"stop\"}",
			REASON_WRONG_SHAPE},
		{"{\"index\":1,\"message\":{\"content\":\"\"},\"finish_reason\":"
		 "\"stop\"}",
			REASON_EMPTY},
		{"{\"index\":1,\"message\":{\"content\":\"\\u0007\"},"
		 "\"finish_reason\":\"stop\"}",
			REASON_BAD_TEXT},
		{"{\"index\":1,\"message\":{\"content\":\"x\"},\"finish_reason\":"
		 "\"stop\",\"logprobs\":null}",
			REASON_LOGPROBS_MISSING},
		{"{\"index\":1,\"message\":{\"content\":\"x\"},\"finish_reason\":"
		 "\"stop\",\"logprobs\":{\"content\":[" ROW("x", "0.5") "]}}",
			REASON_BAD_LOGPROBS},
		{"{\"index\":1,\"message\":{\"content\":\"x\"},\"finish_reason\":"
		 "\"stop\",\"logprobs\":{\"content\":[{\"token\":\"x\",\"logprob\":-1,"
		 "\"top_logprobs\":[{\"logprob\":-1}]}]}}",
			REASON_WRONG_SHAPE},
	};
	struct several s;
	struct buf body;

	(void)state;
	buf_init(&body, MIB(1));
	begin(&s, 3, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&body);
		buf_printf(&body, "{" TOLD ",\"choices\":[%s,%s,%s]}", THIRD,
			cases[i].choice, FIRST);
		assert_int_equal(read_whole(&s, buf_text(&body)), REASON_NONE);
		if (by_index(&s, 1)->verdict != cases[i].reason)
			fail_msg("%s: %s", cases[i].choice,
				reason_name(by_index(&s, 1)->verdict));
		assert_non_null(by_index(&s, 1)->why);
		assert_int_equal(by_index(&s, 0)->verdict, REASON_NONE);
		assert_int_equal(by_index(&s, 2)->verdict, REASON_NONE);
		check_text(&by_index(&s, 0)->reasoning, "r1");
		assert_int_equal(s.a[0].usage.completion_tokens +
					 s.a[1].usage.completion_tokens +
					 s.a[2].usage.completion_tokens,
			6);
	}
	buf_release(&body);
	end(&s);
}

static void choices__usage_that_is_not_told_is_told_to_nobody(void **state)
{
	struct several s;

	(void)state;
	begin(&s, 3, 0);
	assert_int_equal(
		read_whole(&s, "{\"choices\":[" FIRST "," SECOND "," THIRD "]}"),
		REASON_NONE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s.a[i].usage.prompt_tokens, COUNT_UNKNOWN);
		assert_int_equal(s.a[i].usage.completion_tokens, COUNT_UNKNOWN);
		assert_int_equal(s.a[i].flags & FLAG_NO_USAGE, FLAG_NO_USAGE);
	}
	end(&s);
}

/* One choice asked for is what it always was. */
static void choices__one_needs_no_number(void **state)
{
	struct several s;

	(void)state;
	begin(&s, 1, 0);
	assert_int_equal(
		read_whole(&s, "{\"choices\":[{\"message\":{\"content\":\"x\"},"
			       "\"finish_reason\":\"stop\"}]}"),
		REASON_NONE);
	assert_int_equal(read_whole(&s, BODY(SECOND)), REASON_NO_CHOICES);
	assert_int_equal(read_whole(&s, BODY(FIRST "," SECOND)), REASON_NO_CHOICES);
	end(&s);
}

static void check_parts(
	uint32_t total, const uint64_t *weight, const uint32_t *want, unsigned n)
{
	uint32_t part[8];

	choices_divide(total, weight, part, n);
	for (unsigned i = 0; i < n; i++)
		if (part[i] != want[i])
			fail_msg("%u in %u: part %u is %u, not %u", total, n, i,
				part[i], want[i]);
}

static void choices__shares_add_up(void **state)
{
	uint64_t random = 1;

	(void)state;
	check_parts(10, (uint64_t[]){1, 1, 1}, (uint32_t[]){4, 3, 3}, 3);
	check_parts(10, (uint64_t[]){0, 0, 0}, (uint32_t[]){4, 3, 3}, 3);
	check_parts(7, (uint64_t[]){0, 5, 0}, (uint32_t[]){0, 7, 0}, 3);
	check_parts(3, (uint64_t[]){5, 3, 2}, (uint32_t[]){1, 1, 1}, 3);
	check_parts(0, (uint64_t[]){5, 3}, (uint32_t[]){0, 0}, 2);
	check_parts(INT32_MAX, (uint64_t[]){MIB(32), 0}, (uint32_t[]){INT32_MAX, 0}, 2);
	for (int round = 0; round < 10000; round++) {
		uint64_t weight[8], sum = 0;
		uint32_t part[8], total;

		random = random * 6364136223846793005u + 1442695040888963407u;
		total = (uint32_t)(random >> 40);
		for (int i = 0; i < 8; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			weight[i] = (random >> 60) ? random >> 45 : 0;
		}
		choices_divide(total, weight, part, 8);
		for (int i = 0; i < 8; i++)
			sum += part[i];
		assert_int_equal(sum, total);
	}
}

static void set(struct answer *a, uint32_t index, struct answer *next, uint32_t ids,
	const char *content)
{
	a->index = index;
	a->next = next;
	a->usage = (struct answer_usage){
		COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN};
	a->token_ids.present = ids > 0;
	a->token_ids.n = ids;
	buf_init(&a->content.text, 1000);
	buf_add_str(&a->content.text, content);
}

static void choices__tokens_are_counted_where_they_can_be(void **state)
{
	static const struct {
		uint32_t ids[3], completion, want[3];
	} cases[] = {
		{{5, 2, 3}, 10, {5, 2, 3}},
		/* Three ends that have no id. */
		{{5, 2, 3}, 13, {6, 3, 4}},
		{{5, 2, 3}, 11, {6, 2, 3}},
		/* More than usage says, or not known of all: by their texts, which
		 * are 2, 4 and 2 bytes. */
		{{5, 2, 3}, 8, {2, 4, 2}},
		{{5, 0, 3}, 8, {2, 4, 2}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a[3] = {{.why = NULL}};
		struct answer_usage usage = {
			9, COUNT_UNKNOWN, cases[i].completion, COUNT_UNKNOWN};

		/* In another order than they are numbered. */
		set(&a[0], 2, &a[1], cases[i].ids[2], "ab");
		set(&a[1], 0, &a[2], cases[i].ids[0], "cd");
		set(&a[2], 1, NULL, cases[i].ids[1], "efgh");
		choices_split_usage(&a[0], &usage);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(a[k].usage.completion_tokens,
				cases[i].want[a[k].index]);
			assert_int_equal(
				a[k].usage.prompt_tokens, a[k].index == 0 ? 9 : 0);
			assert_int_equal(a[k].usage.reasoning_tokens, COUNT_UNKNOWN);
			buf_release(&a[k].content.text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices__come_in_any_order_and_in_any_pieces),
		cmocka_unit_test(choices__that_are_not_those_asked_for_are_no_answer),
		cmocka_unit_test(choices__are_judged_one_by_one),
		cmocka_unit_test(choices__usage_that_is_not_told_is_told_to_nobody),
		cmocka_unit_test(choices__one_needs_no_number),
		cmocka_unit_test(choices__shares_add_up),
		cmocka_unit_test(choices__tokens_are_counted_where_they_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
