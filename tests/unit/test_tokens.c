/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"
#include "store/offer.h"
#include "worker/tokens.h"

static void put(struct rows *r, const char *text, uint32_t *at, uint16_t *len)
{
	*at = (uint32_t)r->pool.len;
	*len = text ? (uint16_t)strlen(text) : TOKEN_BYTES_UNKNOWN;
	buf_add_str(&r->pool, text ? text : "");
}

/* `text` NULL: the bytes are not known. */
static void add_row(struct rows *r, uint32_t id, const char *text)
{
	rows_grow(r);
	r->id[r->n] = id;
	r->logprob[r->n] = -1;
	put(r, text, &r->token_at[r->n], &r->token_len[r->n]);
	r->first[r->n] = r->first[r->n + 1] = r->m;
	r->n++;
}

static void add_candidate(struct rows *r, uint32_t id, const char *text)
{
	rows_grow_candidates(r);
	r->cand_id[r->m] = id;
	r->cand_logprob[r->m] = -1;
	put(r, text, &r->cand_at[r->m], &r->cand_len[r->m]);
	r->first[r->n] = ++r->m;
}

/* Tells the rows' tokens of vocabulary 6; `want` is "id=bytes " for each. */
static void check_told(
	struct tokens *t, const struct rows *r, struct buf *entries, const char *want)
{
	struct vocab_entry entry;
	struct bytes rest;
	struct buf got;
	bool bad = false;

	buf_init(&got, MIB(1));
	buf_clear(entries);
	tokens_tell(t, 6, r, entries);
	rest = buf_bytes(entries);
	while (vocab_entry_take(&rest, &entry, &bad)) {
		assert_int_equal(entry.vocabulary, 6);
		buf_printf(&got, "%u=%.*s ", entry.id, (int)entry.token.len,
			(const char *)entry.token.data);
	}
	assert_false(bad);
	assert_string_equal(buf_text(&got), want);
	buf_release(&got);
}

static void tokens__are_told_until_they_are_stored(void **state)
{
	struct tokens *t = tokens_new();
	struct rows r = {0};
	struct buf first, second;

	(void)state;
	buf_init(&first, MIB(1));
	buf_init(&second, MIB(1));
	rows_clear(&r);
	add_row(&r, 7, "so");
	add_candidate(&r, 7, "so");
	add_candidate(&r, 70000, "then");
	add_row(&r, 8, " it");
	add_candidate(&r, 7, "so");
	check_told(t, &r, &first, "7=so 70000=then 8= it ");
	/* The first offer may never arrive. */
	add_row(&r, 9, "!");
	check_told(t, &r, &second, "7=so 70000=then 8= it 9=! ");
	tokens_told(t, buf_bytes(&first));
	check_told(t, &r, &second, "9=! ");
	tokens_told(t, buf_bytes(&second));
	check_told(t, &r, &second, "");
	/* A store that is new knows nothing. */
	tokens_forget_told(t);
	check_told(t, &r, &second, "7=so 70000=then 8= it 9=! ");
	tokens_free(t);
	rows_release(&r);
	buf_release(&first);
	buf_release(&second);
}

static void tokens__are_not_told_by_what_may_be_a_part(void **state)
{
	struct tokens *t = tokens_new();
	struct rows r = {0};
	struct buf entries;

	(void)state;
	buf_init(&entries, MIB(1));
	rows_clear(&r);
	add_row(&r, 1, "a");
	add_candidate(&r, TOKEN_ID_UNKNOWN, "b");
	add_candidate(&r, 2, NULL);
	add_candidate(&r, 3, "");
	add_candidate(&r, UINT32_MAX - 1, "c");
	add_row(&r, 4, NULL);
	add_candidate(&r, 5, "d");
	add_row(&r, 6, "behind unknown bytes");
	add_candidate(&r, 7, "likewise");
	add_row(&r, 8, "");
	add_row(&r, 9, "behind nothing");
	add_row(&r, 10, "e");
	check_told(t, &r, &entries, "1=a 5=d 10=e ");
	tokens_free(t);
	rows_release(&r);
	buf_release(&entries);
}

static void tokens__come_in_offers_of_bounded_size(void **state)
{
	struct tokens *t = tokens_new();
	struct rows r = {0};
	struct buf entries;
	size_t told = 0, offers = 0;

	(void)state;
	buf_init(&entries, MIB(1));
	rows_clear(&r);
	for (uint32_t id = 0; id < 20000; id++)
		add_row(&r, id, "word");
	for (;; offers++) {
		buf_clear(&entries);
		tokens_tell(t, 6, &r, &entries);
		if (entries.len == 0)
			break;
		assert_true(entries.len < TOKENS_TELL_MAX + 10 + LIMIT_TOKEN_BYTES);
		told += entries.len / 14;
		tokens_told(t, buf_bytes(&entries));
	}
	assert_int_equal(told, 20000);
	assert_int_equal(offers, 5);
	tokens_free(t);
	rows_release(&r);
	buf_release(&entries);
}

static void tokens__of_equal_bytes_are_interned_apart(void **state)
{
	static const uint32_t ids[] = {0, 1, 2};
	struct tokens *t = tokens_new();
	struct wire_intern ask;
	struct rows r = {0};

	(void)state;
	rows_clear(&r);
	add_row(&r, TOKEN_ID_UNKNOWN, "so");
	add_candidate(&r, TOKEN_ID_UNKNOWN, "so");
	add_candidate(&r, TOKEN_ID_UNKNOWN, "so");
	add_candidate(&r, TOKEN_ID_UNKNOWN, "then");
	add_candidate(&r, TOKEN_ID_UNKNOWN, NULL);
	assert_false(tokens_have_ids(&r));
	assert_false(tokens_intern(t, 7, &r, &ask));
	assert_int_equal(ask.n, 3);
	tokens_learn(t, 7, ask.token, ids, ask.n);
	assert_true(tokens_intern(t, 7, &r, &ask));
	assert_int_equal(r.id[0], 0);
	assert_int_equal(r.cand_id[0], 0);
	assert_int_equal(r.cand_id[1], 1);
	assert_int_equal(r.cand_id[2], 2);
	assert_int_equal(r.cand_id[3], TOKEN_ID_UNKNOWN);
	tokens_free(t);
	rows_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens__are_told_until_they_are_stored),
		cmocka_unit_test(tokens__are_not_told_by_what_may_be_a_part),
		cmocka_unit_test(tokens__come_in_offers_of_bounded_size),
		cmocka_unit_test(tokens__of_equal_bytes_are_interned_apart),
	};

	return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
