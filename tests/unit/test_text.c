/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/text.h"

static bool is_control(uint32_t c)
{
	if (c == '\t' || c == '\n' || c == '\r' || c == '\f')
		return false;
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x202d || c == 0x202e;
}

/* A random text of n characters, all harmless. */
static size_t harmless(struct chance *chance, unsigned char *out, size_t n)
{
	static const uint32_t codes[] = {'a', ' ', '~', '\n', '\t', 0xe9, 0xa0, 0x20ac,
		0x202c, 0x202f, 0x4e2d, 0x1f600, 0x10ffff, 0xfffd};
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += utf8_encode(
			codes[chance_below(chance, sizeof(codes) / sizeof(codes[0]))],
			out + len);
	return len;
}

static void text_has_control__finds_each_of_them_anywhere(void **state)
{
	struct chance chance = {1};

	(void)state;
	for (uint32_t code = 0; code < 0x2100; code++) {
		unsigned char text[256], copy[256];
		size_t before = harmless(&chance, text, chance_below(&chance, 20));
		size_t len = before + utf8_encode(code, text + before);

		len += harmless(&chance, text + len, chance_below(&chance, 20));
		/* At the end of its memory, so that a byte too far is noticed. */
		memcpy(copy + sizeof(copy) - len, text, len);
		if (text_has_control(copy + sizeof(copy) - len, len) !=
			is_control(code))
			print_error("U+%04X at %zu of %zu\n", code, before, len);
		assert_int_equal(text_has_control(copy + sizeof(copy) - len, len),
			is_control(code));
	}
	assert_false(text_has_control("", 0));
}

static void text_has_control__finds_them_at_every_place_of_plain_text(void **state)
{
	char text[40];

	(void)state;
	for (size_t len = 1; len < sizeof(text); len++) {
		for (size_t at = 0; at < len; at++) {
			memset(text, 'x', len);
			assert_false(text_has_control(text, len));
			text[at] = '\x1b';
			assert_true(text_has_control(text, len));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_control__finds_each_of_them_anywhere),
		cmocka_unit_test(
			text_has_control__finds_them_at_every_place_of_plain_text),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
