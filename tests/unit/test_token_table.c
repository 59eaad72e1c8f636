/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"
#include "common/token_table.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void token_table__knows_both_ways(void **state)
{
	struct token_table t = {0};
	struct bytes token;
	uint32_t id = 99;

	(void)state;
	assert_int_equal(token_table_find(&t, text("a"), &id), TOKEN_NONE);
	token_table_put(&t, 0, text("a"));
	token_table_put(&t, 5, text("bc"));
	token_table_put(&t, 2, text(""));
	token_table_index(&t);
	assert_int_equal(t.size, 6);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.n_shared, 0);
	assert_int_equal(token_table_find(&t, text("bc"), &id), TOKEN_ONE);
	assert_int_equal(id, 5);
	assert_int_equal(token_table_find(&t, text(""), &id), TOKEN_ONE);
	assert_int_equal(id, 2);
	assert_int_equal(token_table_find(&t, text("b"), &id), TOKEN_NONE);
	assert_true(token_table_get(&t, 5, &token));
	assert_int_equal(token.len, 2);
	assert_memory_equal(token.data, "bc", 2);
	/* Holes, and beyond the end. */
	assert_false(token_table_get(&t, 1, &token));
	assert_false(token_table_get(&t, 6, &token));
	assert_false(token_table_get(&t, UINT32_MAX, &token));
	token_table_release(&t);
}

static void token_table__tells_what_ids_share(void **state)
{
	struct token_table t = {0};
	uint32_t id = UINT32_MAX, first;

	(void)state;
	token_table_put(&t, 7, text(" so"));
	token_table_put(&t, 3, text(" so"));
	token_table_put(&t, 4, text("x"));
	token_table_put(&t, 9, text(" so"));
	token_table_put(&t, 1, text("y"));
	token_table_put(&t, 8, text("y"));
	token_table_index(&t);
	assert_int_equal(t.n_shared, 5);
	assert_int_equal(token_table_find(&t, text(" so"), &id), TOKEN_SHARED);
	assert_int_equal(id, 3);
	assert_int_equal(token_table_find(&t, text("x"), &id), TOKEN_ONE);
	assert_int_equal(t.at[4].ordinal, 0);
	assert_int_equal(t.at[3].ordinal, 1);
	assert_int_equal(t.at[7].ordinal, 2);
	assert_int_equal(t.at[9].ordinal, 3);
	assert_int_equal(t.n_weak, 0);
	id = UINT32_MAX;
	assert_true(token_table_next_shared(&t, &id, &first));
	assert_int_equal(id, 7);
	assert_int_equal(first, 3);
	assert_true(token_table_next_shared(&t, &id, &first));
	assert_int_equal(id, 8);
	assert_int_equal(first, 1);
	assert_true(token_table_next_shared(&t, &id, &first));
	assert_int_equal(id, 9);
	assert_false(token_table_next_shared(&t, &id, &first));
	/* Indexed again after a change, nothing of the old is left. */
	token_table_put(&t, 7, text("other"));
	token_table_put(&t, 9, text("another"));
	token_table_index(&t);
	assert_int_equal(t.n_shared, 2);
	assert_int_equal(token_table_find(&t, text(" so"), &id), TOKEN_ONE);
	assert_int_equal(id, 3);
	assert_int_equal(token_table_find(&t, text("other"), &id), TOKEN_ONE);
	assert_int_equal(id, 7);
	token_table_release(&t);
}

/* A weak id gives way to one that is not, and only then. */
static void token_table__lets_weak_ids_give_way(void **state)
{
	struct token_table t = {0};
	uint32_t id;

	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		token_table_put(&t, i,
			text(i < 3      ? "1"
				: i < 5 ? "2"
				: i < 8 ? "3"
					: "4"));
	t.at[0].weak = t.at[1].weak = true;
	t.at[3].weak = t.at[4].weak = true;
	t.at[6].weak = t.at[8].weak = true;
	token_table_index(&t);
	assert_int_equal(token_table_find(&t, text("1"), &id), TOKEN_ONE);
	assert_int_equal(id, 2);
	assert_int_equal(token_table_find(&t, text("2"), &id), TOKEN_SHARED);
	assert_int_equal(token_table_find(&t, text("3"), &id), TOKEN_SHARED);
	assert_int_equal(id, 5);
	assert_int_equal(token_table_find(&t, text("4"), &id), TOKEN_ONE);
	assert_int_equal(id, 8);
	assert_int_equal(t.n_weak, 2);
	assert_int_equal(t.n_shared, 5);
	assert_int_equal(t.at[2].ordinal, 0);
	assert_int_equal(t.at[1].ordinal, 2);
	/* Ordinals are enough to make the same table again. */
	for (uint32_t i = 0; i < 9; i++)
		t.at[i].weak = t.at[i].ordinal > 0;
	token_table_index(&t);
	assert_int_equal(token_table_find(&t, text("1"), &id), TOKEN_ONE);
	assert_int_equal(id, 2);
	assert_int_equal(token_table_find(&t, text("2"), &id), TOKEN_SHARED);
	assert_int_equal(token_table_find(&t, text("3"), &id), TOKEN_SHARED);
	assert_int_equal(token_table_find(&t, text("4"), &id), TOKEN_ONE);
	assert_int_equal(t.n_weak, 2);
	assert_int_equal(t.n_shared, 5);
	token_table_release(&t);
}

static void token_table__holds_a_large_vocabulary(void **state)
{
	struct token_table t = {0};
	struct bytes token;
	char word[16];
	uint32_t id;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		snprintf(word, sizeof(word), "w%u", i / 2 * 2 == 1000 ? 7 : i);
		token_table_put(&t, i, text(word));
	}
	token_table_index(&t);
	/* 7, 1000 and 1001 are all "w7". */
	assert_int_equal(t.n_shared, 3);
	for (uint32_t i = 0; i < 200000; i++) {
		assert_true(token_table_get(&t, i, &token));
		assert_int_equal(token_table_find(&t, token, &id),
			i == 7 || i / 2 == 500 ? TOKEN_SHARED : TOKEN_ONE);
		assert_int_equal(id, i / 2 == 500 ? 7 : i);
	}
	token_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_table__knows_both_ways),
		cmocka_unit_test(token_table__tells_what_ids_share),
		cmocka_unit_test(token_table__lets_weak_ids_give_way),
		cmocka_unit_test(token_table__holds_a_large_vocabulary),
	};

	return cmocka_run_group_tests_name("token_table", tests, NULL, NULL);
}
