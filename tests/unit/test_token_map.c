/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"
#include "common/token_map.h"

/* Tokens of all kinds: short, long, with NULs, each a prefix of another. */
static struct bytes token(uint32_t i, unsigned char room[64])
{
	size_t len = i % 61;

	memset(room, (int)(i / 61 % 3), len);
	if (len > 3) {
		room[0] = (unsigned char)(i / 183);
		room[1] = (unsigned char)(i / 183 >> 8);
	}
	return bytes_of(room, len);
}

static void token_map__tells_ids_by_bytes_and_ordinal(void **state)
{
	struct token_map m = {0};
	uint32_t n = 0, id;
	unsigned char room[64];

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		uint16_t ordinal = (uint16_t)(i % 2);
		struct bytes t = token(i / 2, room);

		if (token_map_find(&m, ordinal, t, &id))
			continue; /* some of the short ones are equal */
		token_map_add(&m, ordinal, t, 7 * n++);
		/* At least half of the slots are free, or a search has no end. */
		assert_true(m.n_slots >= 2 * m.n);
	}
	assert_true(n > 15000);
	assert_int_equal(m.n, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct token_entry *e = &m.entry[i];

		id = UINT32_MAX;
		assert_true(token_map_find(
			&m, e->ordinal, bytes_of(m.pool + e->at, e->len), &id));
		assert_int_equal(id, 7 * i);
	}
	token_map_release(&m);
	assert_int_equal(m.n, 0);
	assert_false(token_map_find(&m, 0, bytes_of("a", 1), &id));
}

static void token_map__keeps_apart_what_looks_alike(void **state)
{
	struct token_map m = {0};
	uint32_t id = 99;

	(void)state;
	assert_false(token_map_find(&m, 0, bytes_of("ab", 2), &id));
	token_map_add(&m, 0, bytes_of("ab", 2), 1);
	assert_false(token_map_find(&m, 1, bytes_of("ab", 2), &id));
	assert_false(token_map_find(&m, 0, bytes_of("a", 1), &id));
	assert_false(token_map_find(&m, 0, bytes_of("ab\0", 3), &id));
	assert_false(token_map_find(&m, 0, bytes_of("", 0), &id));
	/* What is not found leaves *id alone. */
	assert_int_equal(id, 99);
	token_map_add(&m, 1, bytes_of("ab", 2), 2);
	token_map_add(&m, 0, bytes_of("ab\0", 3), 3);
	token_map_add(&m, UINT16_MAX, bytes_of("ab", 2), UINT32_MAX);
	assert_true(token_map_find(&m, 0, bytes_of("ab", 2), &id) && id == 1);
	assert_true(token_map_find(&m, 1, bytes_of("ab", 2), &id) && id == 2);
	assert_true(token_map_find(&m, 0, bytes_of("ab\0", 3), &id) && id == 3);
	assert_true(token_map_find(&m, UINT16_MAX, bytes_of("ab", 2), &id));
	assert_int_equal(id, UINT32_MAX);
	token_map_release(&m);
}

static void token_map__takes_the_empty_and_the_longest_token(void **state)
{
	static unsigned char longest[LIMIT_TOKEN_BYTES];
	struct token_map m = {0};
	uint32_t id;

	(void)state;
	/* The empty one first: there is no pool yet. */
	token_map_add(&m, 0, bytes_of(NULL, 0), 5);
	assert_true(token_map_find(&m, 0, bytes_of("", 0), &id) && id == 5);
	assert_true(token_map_find(&m, 0, bytes_of(NULL, 0), &id) && id == 5);
	token_map_add(&m, 1, bytes_of("", 0), 6);
	assert_true(token_map_find(&m, 1, bytes_of(NULL, 0), &id) && id == 6);
	token_map_add(&m, 0, bytes_of(longest, sizeof(longest)), 7);
	assert_true(token_map_find(&m, 0, bytes_of(longest, sizeof(longest)), &id));
	assert_int_equal(id, 7);
	assert_false(
		token_map_find(&m, 0, bytes_of(longest, sizeof(longest) - 1), &id));
	token_map_release(&m);
}

/* Far more than the first table holds: it grows, and all are found again. */
static void token_map__grows(void **state)
{
	struct token_map m = {0};
	uint32_t id;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++)
		token_map_add(&m, 0, bytes_of(&i, sizeof(i)), i);
	for (uint32_t i = 0; i < 200000; i++)
		assert_true(
			token_map_find(&m, 0, bytes_of(&i, sizeof(i)), &id) && id == i);
	for (uint32_t i = 200000; i < 300000; i++)
		assert_false(token_map_find(&m, 0, bytes_of(&i, sizeof(i)), &id));
	token_map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_map__tells_ids_by_bytes_and_ordinal),
		cmocka_unit_test(token_map__keeps_apart_what_looks_alike),
		cmocka_unit_test(token_map__takes_the_empty_and_the_longest_token),
		cmocka_unit_test(token_map__grows),
	};

	return cmocka_run_group_tests_name("token_map", tests, NULL, NULL);
}
