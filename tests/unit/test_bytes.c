/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "common/bytes.h"

static void bytes__lie_as_the_formats_say(void **state)
{
	unsigned char b[8];

	(void)state;
	put_u16(b, 0x0102);
	assert_memory_equal(b, "\2\1", 2);
	put_u32(b, 0x01020304);
	assert_memory_equal(b, "\4\3\2\1", 4);
	put_u64(b, 0x0102030405060708);
	assert_memory_equal(b, "\10\7\6\5\4\3\2\1", 8);
	put_u16_be(b, 0x0102);
	assert_memory_equal(b, "\1\2", 2);
	put_u32_be(b, 0x01020304);
	assert_memory_equal(b, "\1\2\3\4", 4);
	put_u64_be(b, 0x0102030405060708);
	assert_memory_equal(b, "\1\2\3\4\5\6\7\10", 8);
	put_f32(b, 1.0f);
	assert_memory_equal(b, "\0\0\x80\x3f", 4);
	put_f64(b, -2.0);
	assert_memory_equal(b, "\0\0\0\0\0\0\0\xc0", 8);
}

static void bytes__come_back_from_any_place(void **state)
{
	static const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x8000, 0xffff,
		0x80000000, 0xffffffff, 0x8000000000000000, UINT64_MAX,
		0x0123456789abcdef};
	unsigned char room[16 + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (size_t at = 0; at < 8; at++) {
			unsigned char *p = room + at;

			memset(room, 0xa5, sizeof(room));
			put_u16(p, (uint16_t)values[i]);
			assert_int_equal(get_u16(p), (uint16_t)values[i]);
			assert_int_equal(p[2], 0xa5);
			put_u32(p, (uint32_t)values[i]);
			assert_int_equal(get_u32(p), (uint32_t)values[i]);
			assert_int_equal(p[4], 0xa5);
			put_u64(p, values[i]);
			assert_true(get_u64(p) == values[i]);
			assert_int_equal(p[8], 0xa5);
			put_u16_be(p, (uint16_t)values[i]);
			assert_int_equal(get_u16_be(p), (uint16_t)values[i]);
			put_u32_be(p, (uint32_t)values[i]);
			assert_int_equal(get_u32_be(p), (uint32_t)values[i]);
			put_u64_be(p, values[i]);
			assert_true(get_u64_be(p) == values[i]);
		}
	}
}

/* Absent values are NaN: their very bits must come back. */
static void bytes__keep_the_bits_of_floats(void **state)
{
	static const uint32_t singles[] = {0, 0x80000000, 0x7f800000, 0xff800000,
		0x7fc00000, 0x7fc12345, 0x00000001, 0x7f7fffff};
	static const uint64_t doubles[] = {0, 0x8000000000000000, 0x7ff0000000000000,
		0x7ff8000000000000, 0x7ff8dead0000beef, 1, 0x7fefffffffffffff};
	unsigned char b[9];

	(void)state;
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
		put_u32(b + 1, singles[i]);
		put_f32(b + 1, get_f32(b + 1));
		assert_int_equal(get_u32(b + 1), singles[i]);
	}
	for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
		put_u64(b + 1, doubles[i]);
		put_f64(b + 1, get_f64(b + 1));
		assert_true(get_u64(b + 1) == doubles[i]);
	}
	put_f32(b, -0.5f);
	assert_true(get_f32(b) == -0.5f);
	put_f64(b, 0x1.fffffffffffffp+1023);
	assert_true(get_f64(b) == 0x1.fffffffffffffp+1023);
}

static void bytes__big_endian_orders_as_numbers_do(void **state)
{
	struct chance chance = {3};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t a = chance_next(&chance) >> chance_below(&chance, 64);
		uint64_t b = chance_next(&chance) >> chance_below(&chance, 64);
		unsigned char x[8], y[8];

		put_u64_be(x, a);
		put_u64_be(y, b);
		assert_int_equal(memcmp(x, y, 8) < 0, a < b);
		put_u32_be(x, (uint32_t)a);
		put_u32_be(y, (uint32_t)b);
		assert_int_equal(memcmp(x, y, 4) < 0, (uint32_t)a < (uint32_t)b);
		put_u16_be(x, (uint16_t)a);
		put_u16_be(y, (uint16_t)b);
		assert_int_equal(memcmp(x, y, 2) < 0, (uint16_t)a < (uint16_t)b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes__lie_as_the_formats_say),
		cmocka_unit_test(bytes__come_back_from_any_place),
		cmocka_unit_test(bytes__keep_the_bits_of_floats),
		cmocka_unit_test(bytes__big_endian_orders_as_numbers_do),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
