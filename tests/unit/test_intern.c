/* SPDX-License-Identifier: Apache-2.0 */
/* Ids for tokens that come as bytes only; telling bytes is test_tokens.c. */
#include "unit/unit.h"

#include "common/limits.h"
#include "worker/tokens.h"

static struct tokens *tokens;
static struct rows rows;

static int begin(void **state)
{
	(void)state;
	tokens = tokens_new();
	rows_clear(&rows);
	return 0;
}

static int end(void **state)
{
	(void)state;
	tokens_free(tokens);
	rows_release(&rows);
	rows = (struct rows){0};
	return 0;
}

static void put(const char *text, uint32_t *at, uint16_t *len)
{
	*at = (uint32_t)rows.pool.len;
	*len = (uint16_t)strlen(text);
	buf_add_str(&rows.pool, text);
}

static void add_row(const char *text, double logprob)
{
	rows_grow(&rows);
	rows.id[rows.n] = 77;
	rows.logprob[rows.n] = logprob;
	put(text, &rows.token_at[rows.n], &rows.token_len[rows.n]);
	rows.first[rows.n] = rows.first[rows.n + 1] = rows.m;
	rows.n++;
}

static void add_candidate(const char *text, double logprob)
{
	rows_grow_candidates(&rows);
	rows.cand_id[rows.m] = 77;
	rows.cand_logprob[rows.m] = logprob;
	put(text, &rows.cand_at[rows.m], &rows.cand_len[rows.m]);
	rows.first[rows.n] = ++rows.m;
}

/* What is asked for, "ordinal:bytes " each; then its ids are learnt. */
static void intern(uint32_t vocabulary, uint32_t first_id, const char *want)
{
	struct wire_intern ask;
	uint32_t id[64];
	struct buf got;

	buf_init(&got, MIB(1));
	assert_false(tokens_intern(tokens, vocabulary, &rows, &ask));
	assert_int_equal(ask.vocabulary, vocabulary);
	for (uint32_t i = 0; i < ask.n; i++) {
		id[i] = first_id + i;
		buf_printf(&got, "%u:%.*s ", ask.token[i].ordinal,
			(int)ask.token[i].token.len,
			(const char *)ask.token[i].token.data);
	}
	assert_string_equal(buf_text(&got), want);
	tokens_learn(tokens, vocabulary, ask.token, id, ask.n);
	assert_true(tokens_intern(tokens, vocabulary, &rows, &ask));
	assert_int_equal(ask.n, 0);
	buf_release(&got);
}

static void intern__asks_for_each_unknown_token_once(void **state)
{
	(void)state;
	add_row("a", -1);
	add_candidate("a", -1);
	add_candidate("b", -2);
	add_row("b", -1);
	add_candidate("a", -3);
	intern(7, 100, "0:a 0:b ");
	assert_int_equal(rows.id[0], 100);
	assert_int_equal(rows.id[1], 101);
	assert_int_equal(rows.cand_id[0], 100);
	assert_int_equal(rows.cand_id[1], 101);
	assert_int_equal(rows.cand_id[2], 100);
	/* Another answer: only what is new. */
	rows_clear(&rows);
	add_row("c", -1);
	add_candidate("b", -1);
	intern(7, 200, "0:c ");
	assert_int_equal(rows.id[0], 200);
	assert_int_equal(rows.cand_id[0], 101);
	/* Another vocabulary knows nothing of it. */
	intern(9, 300, "0:c 0:b ");
	assert_int_equal(rows.id[0], 300);
}

/* The sampled token is the listed one of its bytes and its logprob. */
static void intern__finds_the_sampled_among_equal_candidates(void **state)
{
	(void)state;
	add_row("a", -2);
	add_candidate("a", -1);
	add_candidate("a", -2);
	add_candidate("a", -3);
	add_row("a", -9); /* not listed */
	add_candidate("a", -1);
	intern(7, 0, "1:a 0:a 2:a ");
	assert_int_equal(rows.cand_id[0], 1);
	assert_int_equal(rows.cand_id[1], 0);
	assert_int_equal(rows.cand_id[2], 2);
	assert_int_equal(rows.id[0], rows.cand_id[1]);
	assert_int_equal(rows.id[1], 1);
}

static void intern__leaves_out_what_is_too_long(void **state)
{
	static char longest[LIMIT_TOKEN_BYTES + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	add_row(longest, -1);
	add_row(longest + 1, -1);
	add_row("", -1);
	assert_false(tokens_intern(tokens, 7, &rows, &(struct wire_intern){0}));
	assert_int_equal(rows.id[0], TOKEN_ID_UNKNOWN);
	rows.n = 1;
	assert_true(tokens_intern(tokens, 7, &rows, &(struct wire_intern){0}));
	assert_int_equal(rows.id[0], TOKEN_ID_UNKNOWN);
}

/* Ids never change: what is learnt twice stays as it was. */
static void intern__keeps_the_first_id(void **state)
{
	struct wire_token token = {0, {(const unsigned char *)"a", 1}};
	struct wire_intern ask;
	uint32_t id = 5;

	(void)state;
	add_row("a", -1);
	tokens_learn(tokens, 7, &token, &id, 1);
	id = 6;
	tokens_learn(tokens, 7, &token, &id, 1);
	assert_true(tokens_intern(tokens, 7, &rows, &ask));
	assert_int_equal(rows.id[0], 5);
}

/* The oldest vocabulary makes room and is asked for again. */
static void intern__has_room_for_so_many_vocabularies(void **state)
{
	struct wire_intern ask;

	(void)state;
	add_row("a", -1);
	for (uint32_t v = 0; v < 70; v++)
		intern(v, v, "0:a ");
	for (uint32_t v = 6; v < 70; v++) {
		assert_true(tokens_intern(tokens, v, &rows, &ask));
		assert_int_equal(rows.id[0], v);
	}
	assert_false(tokens_intern(tokens, 5, &rows, &ask));
}

static void clear_ids(void)
{
	for (uint32_t i = 0; i < rows.n; i++)
		rows.id[i] = TOKEN_ID_UNKNOWN;
	for (uint32_t i = 0; i < rows.m; i++)
		rows.cand_id[i] = TOKEN_ID_UNKNOWN;
}

/* By a tokenizer's table: an answer's first row is asked for as such, and what
 * cannot say which token it is, is not asked for at all. */
static void intern__by_a_table_asks_for_what_is_clear(void **state)
{
	static const uint32_t ids[] = {4, 5, TOKEN_ID_UNKNOWN, 7, 8};
	struct wire_intern ask;
	struct buf got;

	(void)state;
	add_row("a", -1);
	add_candidate("a", -1);
	add_candidate("b", -2);
	add_row("x", -1);
	add_candidate("x", -1);
	add_candidate("x", -3); /* of equal bytes: neither */
	add_candidate("c", -4);
	add_candidate("", -5);
	add_candidate("\xef\xbf\xbd", -6);
	add_candidate("d", -7);
	add_row("b", -1); /* as first and as another, it is two questions */
	clear_ids();
	rows.cand_id[5] = 99;
	rows.cand_len[4] = TOKEN_BYTES_UNKNOWN;
	assert_true(tokens_have_an_id(&rows));
	assert_false(tokens_have_ids(&rows));
	assert_false(tokens_by_table(tokens, 6, &rows, &ask));
	assert_int_equal(ask.vocabulary, 6);
	buf_init(&got, MIB(1));
	for (uint32_t i = 0; i < ask.n; i++)
		buf_printf(&got, "%x:%.*s ", ask.token[i].ordinal,
			(int)ask.token[i].token.len,
			(const char *)ask.token[i].token.data);
	assert_string_equal(buf_text(&got), "8000:a 8000:b 0:d 0:b ");
	tokens_learn(tokens, 6, ask.token, ids, ask.n);
	assert_true(tokens_by_table(tokens, 6, &rows, &ask));
	assert_int_equal(rows.id[0], 4);
	assert_int_equal(rows.cand_id[0], 4);
	assert_int_equal(rows.cand_id[1], 5);
	assert_int_equal(rows.id[1], TOKEN_ID_UNKNOWN);
	assert_int_equal(rows.cand_id[2], TOKEN_ID_UNKNOWN);
	assert_int_equal(rows.cand_id[3], TOKEN_ID_UNKNOWN);
	assert_int_equal(rows.cand_id[4], TOKEN_ID_UNKNOWN);
	assert_int_equal(rows.cand_id[5], 99); /* the teacher's own */
	assert_int_equal(rows.cand_id[6], TOKEN_ID_UNKNOWN);
	assert_int_equal(rows.cand_id[7], TOKEN_ID_UNKNOWN); /* the table says so */
	assert_int_equal(rows.id[2], 7);
	/* What the table does not know is not asked for again. */
	clear_ids();
	assert_false(tokens_have_an_id(&rows));
	assert_true(tokens_by_table(tokens, 6, &rows, &ask));
	assert_int_equal(rows.cand_id[7], TOKEN_ID_UNKNOWN);
	buf_release(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(intern__asks_for_each_unknown_token_once),
		TEST(intern__finds_the_sampled_among_equal_candidates),
		TEST(intern__leaves_out_what_is_too_long),
		TEST(intern__keeps_the_first_id),
		TEST(intern__by_a_table_asks_for_what_is_clear),
		TEST(intern__has_room_for_so_many_vocabularies),
	};

	return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
