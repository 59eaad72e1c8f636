/* SPDX-License-Identifier: Apache-2.0 */
/* Rows beside tokens some of which have none: by hand, and over all short sequences
 * against all ways to lay them. */
#include "unit/unit.h"

#include <math.h>

#include "worker/rows_place.h"

static struct rows rows;
static struct answer_ids ids;
static uint32_t ids_at[64];

/* Row i has the id of the letter i, i candidates, and a logprob of -i - 1. */
static void set_rows(const char *letters)
{
	rows_clear(&rows);
	for (uint32_t i = 0; letters[i]; i++) {
		rows_grow(&rows);
		rows.id[i] = (uint32_t)letters[i];
		rows.logprob[i] = -1.0 - i;
		rows.token_at[i] = (uint32_t)rows.pool.len;
		rows.token_len[i] = 1;
		buf_add(&rows.pool, letters + i, 1);
		rows.first[i] = rows.m;
		for (uint32_t c = 0; c < i; c++) {
			rows_grow_candidates(&rows);
			rows.cand_id[rows.m] = 1000 * i + c;
			rows.cand_logprob[rows.m++] = -1.0 - c;
		}
		rows.n++;
		rows.first[rows.n] = rows.m;
	}
}

static void set_ids(const char *letters)
{
	ids = (struct answer_ids){.at = ids_at, .present = true};
	for (; letters[ids.n]; ids.n++)
		ids.at[ids.n] = (uint32_t)letters[ids.n];
}

/* What the tokens look like: a row's letter, '_' for one passed over, '?' for one
 * whose bytes are unknown. */
static void describe(char *out)
{
	for (uint32_t i = 0; i < rows.n; i++) {
		bool absent = isnan(rows.logprob[i]);

		assert_true(i >= ids.n || rows.id[i] == ids.at[i] || !absent);
		if (absent)
			assert_int_equal(rows.first[i], rows.first[i + 1]);
		assert_true(rows_passed_over(&rows, i) ==
			    (absent && rows.token_len[i] == 0));
		out[i] = !absent                  ? (char)rows.id[i]
			 : rows.token_len[i] == 0 ? '_'
						  : '?';
	}
	out[rows.n] = '\0';
}

static void check(const char *tokens, const char *of, bool cut, const char *want)
{
	char got[64];

	set_rows(of);
	set_ids(tokens);
	assert_true(rows_place(&rows, &ids, cut) == (want != NULL));
	describe(got);
	assert_string_equal(got, want ? want : of);
	/* Every row has taken its own numbers along. */
	for (uint32_t i = 0, nth = 0; i < rows.n; i++) {
		if (isnan(rows.logprob[i]))
			continue;
		assert_true(rows.logprob[i] == -1.0 - nth);
		assert_int_equal(rows.first[i + 1] - rows.first[i], nth);
		if (nth > 0)
			assert_int_equal(rows.cand_id[rows.first[i]], 1000 * nth);
		assert_int_equal(rows.pool.data[rows.token_at[i]], of[nth++]);
	}
	if (rows.n > 0)
		assert_int_equal(rows.first[rows.n], rows.m);
}

static void place__finds_the_only_way(void **state)
{
	(void)state;
	check("ahtb", "atb", false, "a_tb");
	check("ahmtb", "atb", false, "a__tb");
	check("hththt", "ttt", false, "_t_t_t");
	check("abh", "ab", false, "ab?");
	check("hta", "ta", false, "_ta");
	check("ahmt", "a", false, "a???");
}

static void place__does_not_guess(void **state)
{
	(void)state;
	check("ahttb", "atb", false, NULL); /* which of the two? */
	check("aa", "a", false, NULL);
	check("abc", "ac", false, "a_c");
	check("abc", "ca", false, NULL); /* no way at all */
	check("abc", "ad", false, NULL);
	check("abc", "abc", false, NULL); /* nothing is missing */
	check("ab", "abc", false, NULL);
	check("abc", "", false, NULL);
	set_rows("ac");
	set_ids("abc");
	rows.id[1] = TOKEN_ID_UNKNOWN;
	assert_false(rows_place(&rows, &ids, false));
}

static void place__knows_what_a_stop_word_cuts(void **state)
{
	(void)state;
	check("abab", "ab", true, "ab??");
	check("abab", "ab", false, NULL);
	check("ahtbxy", "atb", true, "a_tb??");
	check("ahtbtb", "atb", true, NULL); /* not the first tokens, and two ways */
}

/* All ways, counted. */
static unsigned ways(const char *tokens, const char *of)
{
	if (!*of)
		return 1;
	if (!*tokens)
		return 0;
	return ways(tokens + 1, of) + (*tokens == *of ? ways(tokens + 1, of + 1) : 0);
}

static void place__agrees_with_counting_all_ways(void **state)
{
	unsigned placed = 0, left = 0;

	(void)state;
	/* Three letters, up to six tokens, up to four rows. */
	for (unsigned n = 2; n <= 6; n++)
		for (unsigned code = 0; code < 729; code++)
			for (unsigned m = 1; m <= 4 && m < n; m++)
				for (unsigned other = 0; other < 81; other++) {
					char tokens[8] = "", of[8] = "";

					for (unsigned i = 0, c = code; i < n;
						i++, c /= 3)
						tokens[i] = (char)('a' + c % 3);
					for (unsigned i = 0, c = other; i < m;
						i++, c /= 3)
						of[i] = (char)('a' + c % 3);
					set_rows(of);
					set_ids(tokens);
					if (rows_place(&rows, &ids, false) !=
						(ways(tokens, of) == 1))
						fail_msg("%s of %s", of, tokens);
					*(rows.n == n ? &placed : &left) += 1;
				}
	assert_true(placed > 1000 && left > 1000);
}

static int teardown(void **state)
{
	(void)state;
	rows_release(&rows);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place__finds_the_only_way),
		cmocka_unit_test(place__does_not_guess),
		cmocka_unit_test(place__knows_what_a_stop_word_cuts),
		cmocka_unit_test(place__agrees_with_counting_all_ways),
	};

	return cmocka_run_group_tests_name("rows_place", tests, NULL, teardown);
}
