/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "common/limits.h"
#include "worker/score.h"

#define ALL                                                                            \
	(JOB_SCORE_LENGTH | JOB_SCORE_REPETITION | JOB_SCORE_FINISH |                  \
		JOB_SCORE_REFUSAL | JOB_SCORE_CONFIDENCE | JOB_SCORE_ANSWER)

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static struct score_input content_of(const char *s)
{
	return (struct score_input){.content = text(s),
		.finish = FINISH_STOP,
		.completion_tokens = COUNT_UNKNOWN};
}

static void score_all__leaves_absent_what_is_not_asked_or_not_known(void **state)
{
	struct score_input in = content_of("four words of text");
	float score[SCORE_SLOTS];

	(void)state;
	assert_int_equal(score_all(0, &in, score), 0);
	for (int i = 0; i < SCORE_SLOTS; i++)
		assert_true(isnan(score[i]));
	score_all(ALL, &in, score);
	assert_true(score[SCORE_LENGTH] == 4);
	assert_true(score[SCORE_REPETITION] == 0);
	assert_true(isnan(score[SCORE_COMPRESSION_RATIO]));
	assert_true(score[SCORE_FINISH] == 1);
	assert_true(score[SCORE_REFUSAL] == 0);
	assert_true(isnan(score[SCORE_CONFIDENCE]));
	assert_true(isnan(score[SCORE_ENTROPY]));
	assert_true(isnan(score[SCORE_ANSWER]));
	for (int i = SCORE_N; i < SCORE_SLOTS; i++)
		assert_true(isnan(score[i]));
}

static void score_length__counts_tokens_else_words(void **state)
{
	struct score_input in = content_of("  two\twords\n");
	float score[SCORE_SLOTS];

	(void)state;
	in.reasoning = text("and three more");
	score_length(&in, score);
	assert_true(score[SCORE_LENGTH] == 5);
	in.completion_tokens = 7;
	score_length(&in, score);
	assert_true(score[SCORE_LENGTH] == 7);
}

static void score_finish__is_one_when_it_ended_by_itself(void **state)
{
	static const float want[FINISH_N] = {
		[FINISH_STOP] = 1, [FINISH_STOP_WORD] = 1, [FINISH_TOOL_CALLS] = 1};
	float score[SCORE_SLOTS];

	(void)state;
	for (int f = 0; f < FINISH_N; f++) {
		struct score_input in = {.finish = (enum finish)f};

		score_finish(&in, score);
		assert_true(score[SCORE_FINISH] == want[f]);
	}
}

static void score_refusal__knows_how_refusals_begin(void **state)
{
	static const char *const refusals[] = {"I'm sorry, but I can't help with that.",
		"I\xe2\x80\x99m sorry, but I cannot assist.",
		"  \"I can't help with it\"", "I cannot provide that.",
		"As an AI, I do not", "Unfortunately, I can't",
		"I'm  sorry,\nbut I can't",
		"Es tut mir leid, aber ich kann dabei nicht helfen.",
		"Je suis d\xc3\xa9sol\xc3\xa9, mais je ne peux pas",
		"Lo siento, pero no puedo",
		"\xe6\x8a\xb1\xe6\xad\x89\xef\xbc\x8c\xe6\x88\x91\xe6\x97\xa0\xe6\xb3\x95"};
	static const char *const others[] = {"", "The answer is 4.",
		"You can't divide by zero. I'm sorry, but I can't help it.",
		"As an airline pilot I fly.", "I can help with that.",
		"I am sorry for your loss."};
	char page[2000] = "I'm sorry, but I can't help with that, but here is how: ";
	float score[SCORE_SLOTS];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct score_input in = content_of(refusals[i]);

		score_refusal(&in, score);
		if (score[SCORE_REFUSAL] != 1)
			fail_msg("no refusal: %s", refusals[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct score_input in = content_of(others[i]);

		score_refusal(&in, score);
		if (score[SCORE_REFUSAL] != 0)
			fail_msg("a refusal: %s", others[i]);
		in.flags = FLAG_REFUSED;
		score_refusal(&in, score);
		assert_true(score[SCORE_REFUSAL] == 1);
	}
	/* A long content says something after all. */
	memset(page + strlen(page), 'x', sizeof(page) - strlen(page) - 1);
	page[sizeof(page) - 1] = '\0';
	{
		struct score_input in = content_of(page);

		score_refusal(&in, score);
		assert_true(score[SCORE_REFUSAL] == 0);
	}
}

/* n words, all different. */
static void fresh_words(struct buf *out, int n, uint64_t seed)
{
	struct chance chance = {seed};

	for (int i = 0; i < n; i++)
		buf_printf(out, "w%llx ",
			(unsigned long long)chance_below(&chance, 1u << 30));
}

static float repetition_of(struct buf *b, uint32_t *flags)
{
	struct score_input in = content_of(buf_text(b));
	float score[SCORE_SLOTS];

	*flags = score_repetition(&in, score);
	return score[SCORE_REPETITION];
}

static void score_repetition__sees_loops_and_not_prose(void **state)
{
	struct buf b;
	uint32_t flags;
	float share;

	(void)state;
	buf_init(&b, MIB(4));
	fresh_words(&b, 2000, 1);
	assert_true(repetition_of(&b, &flags) < 0.01f);
	assert_int_equal(flags, 0);

	/* Every run twice. */
	buf_clear(&b);
	fresh_words(&b, 500, 2);
	fresh_words(&b, 500, 2);
	share = repetition_of(&b, &flags);
	assert_true(share > 0.45f && share <= 1.0f);

	/* A sentence again and again, at the end of a long text. */
	buf_clear(&b);
	fresh_words(&b, 20000, 3);
	for (int i = 0; i < 60; i++)
		buf_add_str(&b, "Wait, let me check this again. ");
	share = repetition_of(&b, &flags);
	assert_true(share > 0.9f);
	assert_int_equal(flags, FLAG_LOOPING);
	buf_release(&b);
}

static void score_repetition__flags_what_repeats_to_the_end(void **state)
{
	static const struct {
		const char *piece;
		int times;
		bool loops;
	} cases[] = {{"a", 300, true}, {"a", 200, false}, {"ha ", 100, true},
		{"\xe5\x93\x88", 100, true}, {"0123456789", 30, true},
		{"x\n", 200, true}, {"a line of a table\n", 7, false},
		{"the same sentence of ten words stands here again. ", 12, true}};
	struct buf b;

	(void)state;
	buf_init(&b, MIB(4));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t flags;

		buf_clear(&b);
		fresh_words(&b, 20, i);
		for (int k = 0; k < cases[i].times; k++)
			buf_add_str(&b, cases[i].piece);
		repetition_of(&b, &flags);
		if (flags != (cases[i].loops ? FLAG_LOOPING : 0u))
			fail_msg("%d times '%s'", cases[i].times, cases[i].piece);
		/* Something else at the end: no loop to the end. */
		fresh_words(&b, 300, i + 100);
		repetition_of(&b, &flags);
		assert_int_equal(flags, 0);
	}
	buf_release(&b);
}

static void score_repetition__lets_a_passage_be_repeated_a_few_times(void **state)
{
	struct buf b;
	uint32_t flags;

	(void)state;
	buf_init(&b, MIB(4));
	fresh_words(&b, 400, 50);
	for (int k = 0; k < 7; k++)
		fresh_words(&b, 12, 51);
	repetition_of(&b, &flags);
	assert_int_equal(flags, 0);
	fresh_words(&b, 12, 51);
	repetition_of(&b, &flags);
	assert_int_equal(flags, FLAG_LOOPING);
	buf_release(&b);
}

static void score_repetition__of_any_length_and_of_both_texts(void **state)
{
	char same[600];
	float score[SCORE_SLOTS];

	(void)state;
	memset(same, 'z', sizeof(same));
	for (size_t len = 0; len < sizeof(same); len++) {
		/* Exactly as long, so that ASan sees overreads. */
		unsigned char *copy = malloc(len + 1);
		struct score_input in = {.finish = FINISH_STOP};
		uint32_t flags;

		memcpy(copy + 1, same, len);
		in.content = bytes_of(copy + 1, len);
		flags = score_repetition(&in, score);
		assert_int_equal(flags, len >= 256 ? FLAG_LOOPING : 0);
		in.content.len = 0;
		in.reasoning = bytes_of(copy + 1, len);
		assert_int_equal(score_repetition(&in, score), flags);
		free(copy);
	}
}

static void score_repetition__gives_the_compression_ratio_told(void **state)
{
	struct score_input in = content_of("abc");
	float score[SCORE_SLOTS];

	(void)state;
	in.text_len = 300;
	in.packed_len = 100;
	score_repetition(&in, score);
	assert_true(score[SCORE_COMPRESSION_RATIO] == 3);
}

static void score_confidence__is_the_mean_of_what_is_there(void **state)
{
	double logprob[] = {-1, NAN, -2}, entropy[] = {0.5, 0.7, NAN};
	struct rows rows = {.n = 3, .logprob = logprob, .entropy = entropy};
	struct score_input in = content_of("x");
	float score[SCORE_SLOTS];

	(void)state;
	in.rows = &rows;
	score_all(ALL, &in, score);
	assert_true(fabsf(score[SCORE_CONFIDENCE] + 1.5f) < 1e-6f);
	assert_true(fabsf(score[SCORE_ENTROPY] - 0.6f) < 1e-6f);
	rows.n = 0;
	score_all(ALL, &in, score);
	assert_true(isnan(score[SCORE_CONFIDENCE]));
}

static float answer_score(const char *content, const char *reference)
{
	struct score_input in = content_of(content);
	float score[SCORE_SLOTS];

	in.has_reference = reference != NULL;
	if (reference)
		in.reference = text(reference);
	score_all(JOB_SCORE_ANSWER, &in, score);
	return score[SCORE_ANSWER];
}

static void score_answer__compares_with_the_reference(void **state)
{
	(void)state;
	assert_true(answer_score("so \\boxed{18}", "9 * 2 = 18\n#### 18") == 1);
	assert_true(answer_score("so \\boxed{19}", "9 * 2 = 18\n#### 18") == 0);
	assert_true(answer_score("", "18") == 0);
	assert_true(answer_score("The capital is Paris.\nParis", "Paris") == 1);
	assert_true(isnan(answer_score("18", NULL)));
	assert_true(isnan(answer_score("18", "")));
	assert_true(isnan(answer_score("return 1", "def f():\n    return 1\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			score_all__leaves_absent_what_is_not_asked_or_not_known),
		cmocka_unit_test(score_length__counts_tokens_else_words),
		cmocka_unit_test(score_finish__is_one_when_it_ended_by_itself),
		cmocka_unit_test(score_refusal__knows_how_refusals_begin),
		cmocka_unit_test(score_repetition__sees_loops_and_not_prose),
		cmocka_unit_test(score_repetition__flags_what_repeats_to_the_end),
		cmocka_unit_test(
			score_repetition__lets_a_passage_be_repeated_a_few_times),
		cmocka_unit_test(score_repetition__of_any_length_and_of_both_texts),
		cmocka_unit_test(score_repetition__gives_the_compression_ratio_told),
		cmocka_unit_test(score_confidence__is_the_mean_of_what_is_there),
		cmocka_unit_test(score_answer__compares_with_the_reference),
	};

	return cmocka_run_group_tests_name("score", tests, NULL, NULL);
}
