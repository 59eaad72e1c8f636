/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/bpe.h"
#include "common/bytes.h"

/* Pieces "a" to "d" are 0 to 3; what is joined has ids from 4 on. */
#define LETTERS 4
#define MERGES 40
#define LONGEST 200

static struct bpe b;
static uint32_t left[MERGES], right[MERGES];

static int begin(void **state)
{
	(void)state;
	b = (struct bpe){0};
	bpe_init(&b);
	b.by_bytes = true;
	for (uint32_t i = 0; i < LETTERS; i++) {
		unsigned char c = (unsigned char)('a' + i);

		token_map_add(&b.piece, 0, bytes_of(&c, 1), i);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	bpe_release(&b);
	return 0;
}

static void assert_ids(const char *word, size_t n, const uint32_t *want)
{
	struct buf ids;

	buf_init(&ids, 1 << 20);
	bpe_encode(&b, bytes_of(word, strlen(word)), &ids);
	assert_int_equal(ids.len, 4 * n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(get_u32(ids.data + 4 * i), want[i]);
	buf_release(&ids);
}

static void merges__go_by_rank_then_from_the_left(void **state)
{
	(void)state;
	bpe_add_merge(&b, 0, 1, 1, 4); /* ab */
	bpe_add_merge(&b, 1, 2, 0, 5); /* bc comes first */
	bpe_add_merge(&b, 0, 0, 2, 6); /* aa */
	assert_ids("abc", 2, (uint32_t[]){0, 5});
	assert_ids("abab", 2, (uint32_t[]){4, 4});
	assert_ids("aaa", 2, (uint32_t[]){6, 0});
	/* The same pair again replaces what it was. */
	bpe_add_merge(&b, 1, 2, 9, 7);
	assert_ids("abc", 2, (uint32_t[]){4, 2});
	assert_int_equal(b.n_merges, 3);
}

static void bytes__stand_in_for_what_has_no_piece(void **state)
{
	(void)state;
	b.by_bytes = false;
	assert_ids("a\xc3\xa9", 1, (uint32_t[]){0}); /* nothing stands for it */
	b.unk = 9;
	assert_ids("a\xc3\xa9\xc3\xa9z", 4, (uint32_t[]){0, 9, 9, 9});
	b.fuse_unk = true;
	assert_ids("\xc3\xa9\xc3\xa9za", 2, (uint32_t[]){9, 0});
	b.byte_fallback = true;
	b.byte_piece[0xc3] = 20;
	assert_ids("a\xc3\xa9", 2, (uint32_t[]){0, 9}); /* half of it is not enough */
	b.byte_piece[0xa9] = 21;
	assert_ids("a\xc3\xa9", 3, (uint32_t[]){0, 20, 21});
}

static void whole_words__come_before_merges_if_that_is_said(void **state)
{
	(void)state;
	token_map_add(&b.piece, 0, bytes_of("abc", 3), 8);
	bpe_add_merge(&b, 0, 1, 0, 4);
	assert_ids("abc", 2, (uint32_t[]){4, 2});
	b.ignore_merges = true;
	assert_ids("abc", 1, (uint32_t[]){8});
	assert_ids("abca", 3, (uint32_t[]){4, 2, 0});
}

/* One merge after the other, each by looking at all pairs. */
static size_t slowly(uint32_t *id, size_t n, size_t n_merges)
{
	for (;;) {
		size_t rank = n_merges, at = 0;

		for (size_t i = 0; i + 1 < n; i++) {
			for (size_t m = 0; m < rank; m++) {
				if (left[m] == id[i] && right[m] == id[i + 1]) {
					rank = m;
					at = i;
				}
			}
		}
		if (rank == n_merges)
			return n;
		id[at] = LETTERS + (uint32_t)rank;
		memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof(*id));
		n--;
	}
}

static bool is_there(size_t n)
{
	for (size_t m = 0; m < n; m++)
		if (left[m] == left[n] && right[m] == right[n])
			return true;
	return false;
}

static void random_words__are_those_of_the_slow_way(void **state)
{
	struct chance c = {20};

	(void)state;
	for (int round = 0; round < 200; round++) {
		char word[LONGEST + 1] = {0};
		uint32_t id[LONGEST];
		size_t n_merges = 0, n = 1 + chance_below(&c, LONGEST);

		end(NULL);
		begin(NULL);
		while (n_merges < MERGES) {
			left[n_merges] = (uint32_t)chance_below(&c, LETTERS + n_merges);
			right[n_merges] =
				(uint32_t)chance_below(&c, LETTERS + n_merges);
			if (is_there(n_merges))
				continue;
			bpe_add_merge(&b, left[n_merges], right[n_merges],
				(uint32_t)n_merges, LETTERS + (uint32_t)n_merges);
			n_merges++;
		}
		for (size_t i = 0; i < n; i++) {
			id[i] = (uint32_t)chance_below(
				&c, 1 + chance_below(&c, LETTERS));
			word[i] = (char)('a' + id[i]);
		}
		n = slowly(id, n, n_merges);
		assert_ids(word, n, id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			merges__go_by_rank_then_from_the_left, begin, end),
		cmocka_unit_test_setup_teardown(
			bytes__stand_in_for_what_has_no_piece, begin, end),
		cmocka_unit_test_setup_teardown(
			whole_words__come_before_merges_if_that_is_said, begin, end),
		cmocka_unit_test_setup_teardown(
			random_words__are_those_of_the_slow_way, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
