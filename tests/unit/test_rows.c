/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "common/limits.h"
#include "worker/rows.h"

static void add_row(struct rows *r, uint32_t id, double logprob)
{
	rows_grow(r);
	r->id[r->n] = id;
	r->logprob[r->n] = logprob;
	r->token_at[r->n] = 0;
	r->token_len[r->n] = TOKEN_BYTES_UNKNOWN;
	r->first[r->n] = r->first[r->n + 1] = r->m;
	r->n++;
}

static void add_candidate(struct rows *r, uint32_t id, double logprob)
{
	rows_grow_candidates(r);
	r->cand_id[r->m] = id;
	r->cand_logprob[r->m] = logprob;
	r->cand_at[r->m] = 0;
	r->cand_len[r->m] = TOKEN_BYTES_UNKNOWN;
	r->first[r->n] = ++r->m;
}

static void add_text(struct rows *r, const char *text, double logprob)
{
	add_candidate(r, TOKEN_ID_UNKNOWN, logprob);
	r->cand_at[r->m - 1] = (uint32_t)r->pool.len;
	r->cand_len[r->m - 1] = (uint16_t)strlen(text);
	buf_add_str(&r->pool, text);
}

static void rows__are_sorted_whatever_their_order(void **state)
{
	struct chance chance = {7};
	struct rows r = {0};

	(void)state;
	for (uint32_t k = 1; k <= LIMIT_TOP_K; k = k * 3 / 2 + 1) {
		rows_clear(&r);
		for (int row = 0; row < 5; row++) {
			add_row(&r, TOKEN_ID_UNKNOWN, -1);
			for (uint32_t j = 0; j < k + 1; j++)
				add_candidate(&r, j * 2654435761u % 100003u,
					-8.0 - (double)chance_below(&chance, 20));
		}
		assert_int_equal(rows_normalise(&r, k).reason, REASON_NONE);
		assert_int_equal(r.m, 5 * (k + 1));
		for (uint32_t i = 0; i < r.n; i++) {
			double sum = 0;

			for (uint32_t j = r.first[i]; j < r.first[i + 1]; j++) {
				sum += exp(r.cand_logprob[j]);
				if (j == r.first[i])
					continue;
				assert_true(r.cand_logprob[j] <= r.cand_logprob[j - 1]);
				if (r.cand_logprob[j] == r.cand_logprob[j - 1])
					assert_true(r.cand_id[j] > r.cand_id[j - 1]);
			}
			assert_true(fabs(1 - sum - r.tail[i]) < 1e-12);
		}
	}
	rows_release(&r);
}

static void rows__drop_absent_values_and_say_so(void **state)
{
	static const double absent[] = {(double)NAN, -HUGE_VAL, HUGE_VAL, -9999,
		-3.4028234663852886e38, -1e300};
	struct rows r = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		struct rows_verdict v;

		rows_clear(&r);
		add_row(&r, 1, -0.5);
		add_candidate(&r, 1, -0.5);
		add_candidate(&r, 2, absent[i]);
		add_candidate(&r, 3, -2.0);
		add_row(&r, 1, absent[i]);
		add_candidate(&r, 4, absent[i]);
		add_candidate(&r, 5, -1.0);
		v = rows_normalise(&r, 3);
		assert_int_equal(v.reason, REASON_NONE);
		assert_true(v.partial);
		assert_int_equal(r.m, 3);
		assert_int_equal(r.first[1], 2);
		assert_int_equal(r.first[2], 3);
		assert_int_equal(r.cand_id[1], 3);
		assert_int_equal(r.cand_id[2], 5);
		assert_true(isnan(r.logprob[1]));
	}
	rows_release(&r);
}

static void rows__know_tail_and_entropy(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, 1, log(0.5));
	add_candidate(&r, 1, log(0.5));
	add_candidate(&r, 2, log(0.25));
	add_row(&r, 1, 0);
	add_candidate(&r, 1, 0);
	add_candidate(&r, 2, -800);
	assert_int_equal(rows_normalise(&r, 2).reason, REASON_NONE);
	assert_true(fabs(r.tail[0] - 0.25) < 1e-12);
	assert_true(fabs(r.entropy[0] - (0.5 * log(2) + 0.5 * log(4))) < 1e-12);
	assert_true(r.tail[1] == 0);
	assert_true(r.entropy[1] < 1e-12);
	rows_release(&r);
}

static void rows__of_different_lengths_are_partial(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, 1, -1);
	add_candidate(&r, 1, -1);
	add_candidate(&r, 2, -2);
	add_row(&r, 1, -1);
	add_candidate(&r, 1, -1);
	assert_true(rows_normalise(&r, 20).partial);

	rows_clear(&r);
	for (int i = 0; i < 3; i++) {
		add_row(&r, 1, -1);
		add_candidate(&r, 1, -1);
		add_candidate(&r, 2, -2);
	}
	assert_false(rows_normalise(&r, 20).partial);
	rows_release(&r);
}

static void rows__without_any_list_keep_their_logprobs(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, 1, -1);
	add_row(&r, 1, 0);
	assert_int_equal(rows_normalise(&r, 20).reason, REASON_NONE);
	assert_true(r.logprob[1] == 0);
	assert_true(isnan(r.tail[0]));
	assert_true(isnan(r.entropy[0]));
	rows_release(&r);
}

static struct rows_verdict seen;

static enum reason verdict(struct rows *r, uint32_t k)
{
	seen = rows_normalise(r, k);
	assert_int_equal(seen.why == NULL, seen.reason == REASON_NONE);
	return seen.reason;
}

static void rows__are_bad_when_the_numbers_make_no_sense(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r); /* one id twice, apart from each other */
	add_row(&r, 1, -1);
	for (uint32_t j = 0; j < 50; j++)
		add_candidate(&r, j, -5.0 - j);
	add_candidate(&r, 7, -60);
	assert_int_equal(verdict(&r, 50), REASON_NONE);
	assert_int_equal(seen.n_twice, 1); /* the more likely one stays */
	assert_int_equal(r.m, 50);
	assert_true(r.cand_id[7] == 7 && r.cand_logprob[7] == -12);

	rows_clear(&r); /* the same id in two rows is fine */
	for (int i = 0; i < 100; i++) {
		add_row(&r, 1, -1);
		for (uint32_t j = 0; j < 20; j++)
			add_candidate(&r, (j + 1) * 1000003u, -5.0 - j);
	}
	assert_int_equal(verdict(&r, 20), REASON_NONE);
	assert_int_equal(seen.n_twice, 0);

	rows_clear(&r); /* k + 2 */
	add_row(&r, 1, -1);
	for (uint32_t j = 0; j < 4; j++)
		add_candidate(&r, j, -5.0 - j);
	assert_int_equal(verdict(&r, 2), REASON_BAD_LOGPROBS);

	rows_clear(&r); /* a sum above 1 is for the alignment proof to judge */
	add_row(&r, 9, -1);
	add_candidate(&r, 1, log(0.6));
	add_candidate(&r, 2, log(0.4021));
	add_row(&r, 9, -1);
	add_candidate(&r, 1, log(0.6));
	assert_int_equal(verdict(&r, 2), REASON_NONE);
	assert_true(fabs(seen.sum_max - 1.0021) < 1e-12);
	assert_true(r.tail[0] == 0);

	rows_clear(&r); /* logprobs above 0 */
	add_row(&r, 9, 1e-5);
	add_candidate(&r, 9, 1e-5);
	assert_int_equal(verdict(&r, 1), REASON_NONE);
	assert_true(r.logprob[0] == 0 && r.cand_logprob[0] == 0);
	rows_clear(&r);
	add_row(&r, 9, -1);
	add_candidate(&r, 1, 2e-4);
	assert_int_equal(verdict(&r, 1), REASON_BAD_LOGPROBS);
	rows_release(&r);
}

static void rows__without_ids_may_share_texts(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, TOKEN_ID_UNKNOWN, -1);
	add_text(&r, "a", -2);
	add_text(&r, "a", -3);
	add_text(&r, "", -4); /* nothing is known of these two */
	add_text(&r, "", -4);
	add_text(&r, "\xef\xbf\xbd", -5);
	add_text(&r, "\xef\xbf\xbd", -5);
	add_text(&r, "b", -6);
	add_text(&r, "c", -6);
	assert_int_equal(verdict(&r, 8), REASON_NONE);
	assert_int_equal(r.m, 8);
	assert_int_equal(seen.n_twice, 0);

	rows_clear(&r);
	add_row(&r, TOKEN_ID_UNKNOWN, -1);
	add_text(&r, "a", -2);
	add_text(&r, "a", -2);
	assert_int_equal(verdict(&r, 2), REASON_NONE);
	assert_int_equal(seen.n_twice, 1);
	assert_int_equal(r.m, 2); /* which of them is wrong nobody knows */
	rows_release(&r);
}

static void rows__keep_equal_logprobs_in_the_servers_order(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, TOKEN_ID_UNKNOWN, -1);
	add_text(&r, "z", -9);
	for (int j = 0; j < 30; j++) {
		char text[2] = {(char)('a' + (j * 7) % 26), '\0'};

		add_text(&r, text, -8);
	}
	assert_int_equal(verdict(&r, 31), REASON_NONE);
	for (uint32_t j = 1; j < 30; j++)
		assert_true(r.cand_at[j] > r.cand_at[j - 1]);
	assert_true(r.cand_logprob[30] == -9);
	rows_release(&r);
}

static void rows__count_what_is_missing(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, 1, -1);
	add_candidate(&r, 1, -1);
	add_candidate(&r, 2, -2);
	add_row(&r, 1, -1); /* short */
	add_candidate(&r, 1, -1);
	add_row(&r, 1, 0);    /* from a draft */
	add_row(&r, 1, -0.5); /* no list, but a logprob */
	add_row(&r, 1, -1);
	add_candidate(&r, 1, -1);
	add_candidate(&r, 2, (double)NAN);
	assert_int_equal(verdict(&r, 2), REASON_NONE);
	assert_true(seen.partial);
	assert_int_equal(seen.n_short, 1);
	assert_int_equal(seen.n_drafted, 1);
	assert_int_equal(seen.n_absent, 1);
	assert_true(isnan(r.logprob[2]) && !isnan(r.logprob[3]));
	rows_release(&r);
}

/* -- Where the sampled token stands -- */

static void add_text_row(struct rows *r, const char *text, double logprob)
{
	add_row(r, TOKEN_ID_UNKNOWN, logprob);
	if (!text)
		return;
	r->token_at[r->n - 1] = (uint32_t)r->pool.len;
	r->token_len[r->n - 1] = (uint16_t)strlen(text);
	buf_add_str(&r->pool, text);
}

static void rows__rank_the_sampled_token_by_its_id(void **state)
{
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	for (uint32_t id = 5; id < 9; id++) {
		add_row(&r, id, -9);
		add_candidate(&r, 7, -3);
		add_candidate(&r, 5, -1);
		add_candidate(&r, 6, -2);
	}
	add_row(&r, 5, -9);
	assert_int_equal(verdict(&r, 3), REASON_NONE);
	assert_int_equal(r.rank[0], 0);
	assert_int_equal(r.rank[1], 1);
	assert_int_equal(r.rank[2], 2);
	assert_int_equal(r.rank[3], ROWS_RANK_OUTSIDE);
	assert_int_equal(r.rank[4], ROWS_RANK_UNKNOWN); /* no list */
	rows_release(&r);
}

static void rows__rank_it_by_its_text(void **state)
{
	static const double absent = (double)NAN;
	static const struct {
		const char *text;
		double logprob;
		uint16_t rank;
	} cases[] = {
		{"b", -2, 1},
		{"so", -1, 0}, /* two ids share the text */
		{"so", -3, 2},
		{"so", -7, ROWS_RANK_OUTSIDE}, /* and so does a third */
		{"x", -5, ROWS_RANK_OUTSIDE},
		{"x", absent, ROWS_RANK_OUTSIDE},
		{"b", absent, 1},
		{"so", absent, ROWS_RANK_UNKNOWN},
		{"\xef\xbf\xbd", -4, 3}, /* some character or other */
		{"\xef\xbf\xbd", -6, ROWS_RANK_OUTSIDE},
		{"\xef\xbf\xbd", absent, ROWS_RANK_UNKNOWN},
		{"\xc3", -4, ROWS_RANK_UNKNOWN}, /* a half: perhaps that one */
		{"\xc3", -5, ROWS_RANK_OUTSIDE},
		{"", -4, ROWS_RANK_UNKNOWN},
		{NULL, -4, ROWS_RANK_UNKNOWN},
		{NULL, -2.5, ROWS_RANK_OUTSIDE},
	};
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add_text_row(&r, cases[i].text, cases[i].logprob);
		add_text(&r, "so", -1);
		add_text(&r, "b", -2);
		add_text(&r, "so", -3);
		add_text(&r, "\xef\xbf\xbd", -4);
	}
	assert_int_equal(verdict(&r, 4), REASON_NONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (r.rank[i] != cases[i].rank)
			fail_msg("row %zu: rank %u", i, r.rank[i]);
	rows_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows__are_sorted_whatever_their_order),
		cmocka_unit_test(rows__drop_absent_values_and_say_so),
		cmocka_unit_test(rows__know_tail_and_entropy),
		cmocka_unit_test(rows__of_different_lengths_are_partial),
		cmocka_unit_test(rows__without_any_list_keep_their_logprobs),
		cmocka_unit_test(rows__are_bad_when_the_numbers_make_no_sense),
		cmocka_unit_test(rows__without_ids_may_share_texts),
		cmocka_unit_test(rows__keep_equal_logprobs_in_the_servers_order),
		cmocka_unit_test(rows__count_what_is_missing),
		cmocka_unit_test(rows__rank_the_sampled_token_by_its_id),
		cmocka_unit_test(rows__rank_it_by_its_text),
	};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
