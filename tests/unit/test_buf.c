/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/buf.h"

static void buf__takes_exactly_its_cap(void **state)
{
	struct buf b;

	(void)state;
	for (size_t max = 0; max < 300; max++) {
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			buf_add_byte(&b, (unsigned char)i);
		assert_false(b.over);
		buf_add(&b, "", 0);
		assert_false(b.over);
		buf_add_byte(&b, 'x');
		assert_true(b.over);
		assert_int_equal(b.len, max);
		assert_true(b.cap <= max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.data[i], (unsigned char)i);
		buf_release(&b);
	}
}

static void buf__adds_nothing_of_what_does_not_fit_and_nothing_after_it(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_add_str(&b, "12345678");
	buf_add_str(&b, "abc");
	assert_true(b.over);
	assert_bytes_equal(b, "12345678");
	/* These would fit, and make a message with a hole in it. */
	buf_add_byte(&b, 'x');
	buf_add_u16(&b, 1);
	buf_add_fill(&b, 'y', 1);
	buf_printf(&b, "%d", 1);
	assert_null(buf_reserve(&b, 1));
	assert_bytes_equal(b, "12345678");
	buf_clear(&b);
	assert_false(b.over);
	buf_add_str(&b, "1234567890");
	assert_false(b.over);
	assert_bytes_equal(b, "1234567890");
	buf_release(&b);
	assert_int_equal(b.max, 10);
	buf_add_byte(&b, 'z');
	assert_bytes_equal(b, "z");
	buf_release(&b);
}

static void buf__survives_sizes_near_the_largest(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_str(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.over);
	buf_clear(&b);
	buf_add_str(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX - 2));
	buf_clear(&b);
	assert_null(buf_reserve(&b, 101));
	buf_clear(&b);
	assert_non_null(buf_reserve(&b, 100));
	assert_non_null(buf_reserve(&b, 0));
	buf_release(&b);
	assert_non_null(buf_reserve(&b, 0));
	assert_false(b.over);
	buf_release(&b);
}

static void buf_printf__has_no_length_at_which_it_cuts(void **state)
{
	char text[600];

	(void)state;
	for (int len = 0; len < (int)sizeof(text) - 1; len++) {
		struct buf b, small;

		memset(text, 'a' + len % 26, (size_t)len);
		text[len] = '\0';
		buf_init(&b, 1000);
		buf_init(&small, len ? (size_t)len - 1 : 0);
		buf_printf(&b, "%s", text);
		assert_bytes_equal(b, text);
		buf_printf(&small, "%s", text);
		assert_int_equal(small.over, len > 0);
		assert_int_equal(small.len, 0);
		buf_release(&b);
		buf_release(&small);
	}
}

static void buf_text__ends_with_a_nul_that_is_no_content(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(b.len, 0);
	for (size_t i = 0; i < 64; i++) {
		buf_add_byte(&b, 'x');
		assert_int_equal(strlen(buf_text(&b)), i + 1);
		assert_int_equal(b.len, i + 1);
	}
	/* The NUL lies behind the cap; the cap stays the cap. */
	buf_add_byte(&b, 'x');
	assert_true(b.over);
	assert_int_equal(b.len, 64);
	buf_truncate(&b, 3);
	assert_string_equal(buf_text(&b), "xxx");
	buf_release(&b);
}

static void buf_take__leaves_an_empty_buffer(void **state)
{
	struct buf b;
	unsigned char *bytes;
	size_t len = 7;

	(void)state;
	buf_init(&b, 8);
	bytes = buf_take(&b, &len);
	assert_non_null(bytes);
	assert_int_equal(len, 0);
	free(bytes);
	buf_add_str(&b, "12345678");
	buf_add_byte(&b, '9');
	bytes = buf_take(&b, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(bytes, "12345678", 8);
	assert_int_equal(b.len, 0);
	assert_false(b.over);
	buf_add_byte(&b, 'a');
	assert_memory_equal(bytes, "12345678", 8);
	assert_bytes_equal(b, "a");
	free(bytes);
	buf_release(&b);
}

static void buf__writes_integers_low_byte_first(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	buf_add_u16(&b, 0x0102);
	buf_add_u32(&b, 0x03040506);
	buf_add_u64(&b, 0x0708090a0b0c0d0e);
	assert_int_equal(b.len, 14);
	assert_memory_equal(b.data, "\2\1\6\5\4\3\16\15\14\13\12\11\10\7", 14);
	buf_release(&b);
}

static void buf__is_what_was_added_in_order(void **state)
{
	struct chance chance = {5};

	(void)state;
	for (int round = 0; round < 300; round++) {
		unsigned char model[4096];
		size_t max = chance_below(&chance, sizeof(model)), len = 0;
		bool over = false;
		struct buf b;

		buf_init(&b, max);
		for (int i = 0; i < 40; i++) {
			unsigned char piece[256];
			size_t n = chance_below(&chance, sizeof(piece));

			memset(piece, i, n);
			if (chance_below(&chance, 10) == 0 && !over) {
				len = chance_below(&chance, len + 1);
				buf_truncate(&b, len);
			}
			if (chance_below(&chance, 2))
				buf_add(&b, piece, n);
			else
				buf_add_fill(&b, (unsigned char)i, n);
			over = over || len + n > max;
			if (!over) {
				memcpy(model + len, piece, n);
				len += n;
			}
			assert_int_equal(b.over, over);
			assert_int_equal(b.len, len);
			if (len)
				assert_memory_equal(b.data, model, len);
		}
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf__takes_exactly_its_cap),
		cmocka_unit_test(
			buf__adds_nothing_of_what_does_not_fit_and_nothing_after_it),
		cmocka_unit_test(buf__survives_sizes_near_the_largest),
		cmocka_unit_test(buf_printf__has_no_length_at_which_it_cuts),
		cmocka_unit_test(buf_text__ends_with_a_nul_that_is_no_content),
		cmocka_unit_test(buf_take__leaves_an_empty_buffer),
		cmocka_unit_test(buf__writes_integers_low_byte_first),
		cmocka_unit_test(buf__is_what_was_added_in_order),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
