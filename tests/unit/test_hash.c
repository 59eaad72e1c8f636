/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes are part of formats on disk: their values are pinned here. */
#include "unit/unit.h"

#include "common/hash.h"

static void hash__is_xxh3_with_the_values_of_its_page(void **state)
{
	struct hash128 h;

	(void)state;
	assert_true(hash64("", 0) == 0x2d06800538d394c2u);
	assert_true(hash64("a", 1) == 0xe6c632b61e964e1fu);
	assert_true(hash64("abc", 3) == 0x78af5f94892f3950u);
	h = hash128("", 0);
	assert_true(h.high == 0x99aa06d3014798d8u && h.low == 0x6001c324468d497fu);
	h = hash128("abc", 3);
	assert_true(h.high == 0x06b05ab6733a6185u && h.low == 0x78af5f94892f3950u);
}

static void hash__takes_nothing_from_nowhere(void **state)
{
	(void)state;
	assert_true(hash64(NULL, 0) == hash64("", 0));
	assert_true(hash64_seeded(NULL, 0, 7) == hash64_seeded("", 0, 7));
}

static void hash__depends_on_seed_and_length(void **state)
{
	static const unsigned char zeros[300];

	(void)state;
	assert_true(hash64_seeded("abc", 3, 0) == hash64("abc", 3));
	assert_true(hash64_seeded("abc", 3, 1) != hash64("abc", 3));
	for (size_t len = 1; len < sizeof(zeros); len++)
		assert_true(hash64(zeros, len) != hash64(zeros, len - 1));
}

/* Long inputs take another way, to the same value. */
static void hash__is_the_same_at_every_length(void **state)
{
	unsigned char bytes[3 * HASH_LONG];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 31 + i / 256);
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_true(hash64_seeded(bytes, len, len) ==
			    XXH3_64bits_withSeed(bytes, len, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash__is_xxh3_with_the_values_of_its_page),
		cmocka_unit_test(hash__takes_nothing_from_nowhere),
		cmocka_unit_test(hash__depends_on_seed_and_length),
		cmocka_unit_test(hash__is_the_same_at_every_length),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
