/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>
#include <string.h>

#include "common/bytes.h"
#include "store/causal.h"
#include "store/record.h"

/* A prompt of three tokens and a completion of three, whose rows list two, three and
 * one candidates. */
#define P 3
#define N 3
static uint32_t id[N] = {501, 502, 2};
static uint16_t listed[N] = {2, 3, 1};
static uint32_t ids[6] = {501, 7, 9, 502, 0, 2};
static float logprobs[6] = {-0.1f, -3.0f, -0.5f, -1.0f, -2.0f, -0.25f};
static unsigned char prompt_bytes[4 * P];
static struct logits l;
static struct causal c;

static int begin(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < P; i++)
		put_u32(prompt_bytes + 4 * i, 101 + i);
	l = (struct logits){.n = N,
		.m = 6,
		.id = id,
		.listed = listed,
		.ids = ids,
		.logprobs = logprobs};
	return 0;
}

static int end(void **state)
{
	(void)state;
	causal_release(&c);
	return 0;
}

static enum causal_verdict place(struct causal_rules rules)
{
	return causal_place(
		&rules, 0, bytes_of(prompt_bytes, sizeof(prompt_bytes)), &l, &c);
}

static void assert_row(uint32_t at, int n_listed, const int32_t *want_ids,
	const float *want_logprobs, uint32_t k)
{
	for (uint32_t i = 0; i < k; i++) {
		bool is_listed = (int)i < n_listed;

		assert_int_equal(c.ids[at * k + i], want_ids[i]);
		assert_true(c.logprobs[at * k + i] ==
			    (is_listed ? want_logprobs[i] : CAUSAL_NOTHING));
		assert_int_equal(c.mask[at * k + i], is_listed);
	}
}

static void place__puts_a_row_before_the_token_that_it_describes(void **state)
{
	static const int64_t input[] = {101, 102, 103, 501, 502, 2};
	static const int32_t none[] = {0, 1};

	(void)state;
	assert_int_equal(place((struct causal_rules){.k = 2}), CAUSAL_PLACED);
	assert_int_equal(c.n, 6);
	assert_int_equal(c.rows, 3);
	assert_memory_equal(c.input_ids, input, sizeof(input));
	assert_row(0, 0, none, NULL, 2);
	assert_row(1, 0, none, NULL, 2);
	assert_row(2, 2, (int32_t[]){501, 7}, (float[]){-0.1f, -3.0f}, 2);
	assert_row(3, 2, (int32_t[]){9, 502}, (float[]){-0.5f, -1.0f}, 2); /* of 3 */
	assert_row(4, 1, (int32_t[]){2, 0}, (float[]){-0.25f}, 2);         /* of 1 */
	assert_row(5, 0, none, NULL, 2);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(c.attention_mask[i], 1);
		assert_int_equal(c.len[i], 2);
		assert_int_equal(c.labels[i], i < P ? CAUSAL_IGNORE : input[i]);
	}
}

static void place__puts_it_one_later_when_asked(void **state)
{
	(void)state;
	assert_int_equal(place((struct causal_rules){.k = 1, .shift = CAUSAL_SAME}),
		CAUSAL_PLACED);
	assert_row(2, 0, (int32_t[]){0}, NULL, 1);
	assert_row(3, 1, (int32_t[]){501}, (float[]){-0.1f}, 1);
	assert_row(4, 1, (int32_t[]){9}, (float[]){-0.5f}, 1);
	assert_row(5, 1, (int32_t[]){2}, (float[]){-0.25f}, 1);
}

static void labels__stand_where_there_is_a_row_if_that_is_asked(void **state)
{
	static const int64_t want[] = {-100, -100, -100, 501, 502, -100};

	(void)state;
	assert_int_equal(
		place((struct causal_rules){.k = 2, .labels = CAUSAL_LABELS_ROWS}),
		CAUSAL_PLACED);
	assert_memory_equal(c.labels, want, sizeof(want));
	/* A row of which nothing is known is none. */
	logprobs[5] = NAN;
	assert_int_equal(
		place((struct causal_rules){.k = 2, .labels = CAUSAL_LABELS_ROWS}),
		CAUSAL_PLACED);
	logprobs[5] = -0.25f;
	assert_int_equal(c.rows, 2);
	assert_int_equal(c.labels[4], CAUSAL_IGNORE);
	assert_int_equal(c.labels[3], 501);
	assert_row(4, 0, (int32_t[]){0, 1}, NULL, 2);
}

static void rows__are_filled_with_ids_that_they_do_not_list(void **state)
{
	(void)state;
	assert_int_equal(place((struct causal_rules){.k = 6}), CAUSAL_PLACED);
	assert_row(2, 2, (int32_t[]){501, 7, 0, 1, 2, 3}, (float[]){-0.1f, -3.0f}, 6);
	assert_row(3, 3, (int32_t[]){9, 502, 0, 1, 2, 3},
		(float[]){-0.5f, -1.0f, -2.0f}, 6);
	assert_row(4, 1, (int32_t[]){2, 0, 1, 3, 4, 5}, (float[]){-0.25f}, 6);
	/* What a server says of a token that cannot be is no candidate. */
	logprobs[0] = -INFINITY;
	assert_int_equal(place((struct causal_rules){.k = 2}), CAUSAL_PLACED);
	logprobs[0] = -0.1f;
	assert_row(2, 1, (int32_t[]){7, 0}, (float[]){-3.0f}, 2);
}

/* Of a row whose second candidate has no id the third moves up. */
static void candidates__without_an_id_are_left_out(void **state)
{
	(void)state;
	ids[3] = TOKEN_ID_UNKNOWN;
	assert_int_equal(place((struct causal_rules){.k = 3}), CAUSAL_PLACED);
	assert_row(3, 2, (int32_t[]){9, 0, 1}, (float[]){-0.5f, -2.0f}, 3);
	assert_int_equal(c.unknown, 1);
	assert_int_equal(c.rows, 3);
	/* Beyond k it was not asked for. */
	assert_int_equal(place((struct causal_rules){.k = 1}), CAUSAL_PLACED);
	assert_int_equal(c.unknown, 0);
	ids[3] = 502;
	/* A row of nothing else is none, and a sample of none has no logits. */
	ids[5] = TOKEN_ID_UNKNOWN;
	assert_int_equal(place((struct causal_rules){.k = 2}), CAUSAL_PLACED);
	assert_int_equal(c.rows, 2);
	ids[5] = 2;
	for (int i = 0; i < 6; i++)
		ids[i] |= 1u << 31;
	assert_int_equal(place((struct causal_rules){.k = 2}), CAUSAL_NO_LOGITS);
	for (int i = 0; i < 6; i++)
		ids[i] &= ~(1u << 31);
}

static void rows__sum_to_one_if_that_is_asked(void **state)
{
	double sum = 0;

	(void)state;
	assert_int_equal(
		place((struct causal_rules){.k = 5, .normalise = true}), CAUSAL_PLACED);
	for (int i = 0; i < 3; i++)
		sum += exp((double)c.logprobs[3 * 5 + i]);
	assert_true(fabs(sum - 1) < 1e-6);
	/* What it listed keeps its distances; what is filled counts for nothing. */
	assert_true(fabsf(c.logprobs[3 * 5] - c.logprobs[3 * 5 + 1] - 0.5f) < 1e-6f);
	assert_true(c.logprobs[3 * 5 + 3] == CAUSAL_NOTHING);
	assert_true(c.logprobs[4 * 5] == 0.0f); /* the only one */
	assert_true(c.logprobs[0] == CAUSAL_NOTHING);
}

/* No loss may make more of it than nothing, and none NaN: in float16 as well. */
static void fill__is_nothing_and_finite(void **state)
{
	(void)state;
	assert_true(expf(CAUSAL_NOTHING) == 0.0f);
	assert_true(expf(CAUSAL_NOTHING / 10) < 1e-40f);
	assert_true(fabsf(CAUSAL_NOTHING) < 65504.0f);
}

static void length__fills_and_cuts(void **state)
{
	(void)state;
	assert_int_equal(
		place((struct causal_rules){.k = 1, .length = 8}), CAUSAL_PLACED);
	assert_int_equal(c.n, 8);
	for (int i = 6; i < 8; i++) {
		assert_int_equal(c.attention_mask[i], 0);
		assert_int_equal(c.labels[i], CAUSAL_IGNORE);
		assert_int_equal(c.input_ids[i], 0);
		assert_int_equal(c.mask[i], 0);
	}
	/* The row before the cut is still known: it describes what was cut. */
	assert_int_equal(place((struct causal_rules){
				 .k = 1, .length = 4, .labels = CAUSAL_LABELS_ROWS}),
		CAUSAL_PLACED);
	assert_int_equal(c.n, 4);
	assert_row(3, 1, (int32_t[]){9}, (float[]){-0.5f}, 1);
	assert_int_equal(c.labels[3], 501);
	assert_int_equal(
		place((struct causal_rules){.k = 1, .length = 3}), CAUSAL_NO_ROOM);
}

static void verdict__says_why_not(void **state)
{
	struct causal_rules rules = {.k = 1};
	struct bytes prompt = bytes_of(prompt_bytes, sizeof(prompt_bytes));
	float none[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
	uint32_t unknown[N] = {501, TOKEN_ID_UNKNOWN, 2};

	(void)state;
	assert_int_equal(causal_place(&rules, FLAG_MISALIGNED, prompt, &l, &c),
		CAUSAL_MISALIGNED);
	rules.with_misaligned = true;
	assert_int_equal(
		causal_place(&rules, FLAG_MISALIGNED, prompt, &l, &c), CAUSAL_PLACED);
	assert_int_equal(causal_place(&rules, 0, prompt, NULL, &c), CAUSAL_NO_LOGITS);
	assert_int_equal(causal_place(&rules, 0, bytes_of(NULL, 0), &l, &c),
		CAUSAL_NO_PROMPT_IDS);
	l.interned = true;
	assert_int_equal(causal_place(&rules, 0, prompt, &l, &c), CAUSAL_INTERNED);
	l.interned = false;
	l.id = unknown;
	assert_int_equal(causal_place(&rules, 0, prompt, &l, &c), CAUSAL_BAD_IDS);
	l.id = id;
	put_u32(prompt_bytes + 4, (uint32_t)INT32_MAX + 1);
	assert_int_equal(causal_place(&rules, 0, prompt, &l, &c), CAUSAL_BAD_IDS);
	put_u32(prompt_bytes + 4, 102);
	l.logprobs = none;
	assert_int_equal(causal_place(&rules, 0, prompt, &l, &c), CAUSAL_NO_LOGITS);
	for (int i = 0; i < CAUSAL_VERDICTS; i++) {
		assert_non_null(causal_verdict_name((enum causal_verdict)i));
		assert_non_null(causal_verdict_text((enum causal_verdict)i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			place__puts_a_row_before_the_token_that_it_describes, begin,
			end),
		cmocka_unit_test_setup_teardown(
			place__puts_it_one_later_when_asked, begin, end),
		cmocka_unit_test_setup_teardown(
			labels__stand_where_there_is_a_row_if_that_is_asked, begin,
			end),
		cmocka_unit_test_setup_teardown(
			rows__are_filled_with_ids_that_they_do_not_list, begin, end),
		cmocka_unit_test_setup_teardown(
			candidates__without_an_id_are_left_out, begin, end),
		cmocka_unit_test_setup_teardown(
			rows__sum_to_one_if_that_is_asked, begin, end),
		cmocka_unit_test(fill__is_nothing_and_finite),
		cmocka_unit_test_setup_teardown(length__fills_and_cuts, begin, end),
		cmocka_unit_test_setup_teardown(verdict__says_why_not, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
