/* SPDX-License-Identifier: Apache-2.0 */
/* base64: the vectors of RFC 4648, every cut, and what is none. */
#include "unit/unit.h"

#include "common/mem.h"
#include "unit/base64_text.h"
#include "worker/base64.h"

/* In pieces of `piece`; -1: it is no base64, or not whole. */
static long decode(const char *text, size_t len, size_t piece, unsigned char *out)
{
	struct base64 b = {0};
	size_t n = 0;

	for (size_t at = 0; at < len; at += piece) {
		size_t of = len - at < piece ? len - at : piece, got;
		unsigned char *room = mem_alloc(BASE64_ROOM(of));

		got = base64_take(&b, bytes_of(text + at, of), room);
		memcpy(out + n, room, got);
		free(room);
		n += got;
	}
	return base64_whole(&b) ? (long)n : -1;
}

static void base64__has_the_rfcs_vectors(void **state)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="},
		{"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	unsigned char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		for (size_t piece = 1; piece < 9; piece++) {
			size_t n = strlen(vectors[i][0]);

			assert_int_equal(decode(vectors[i][1], strlen(vectors[i][1]),
						 piece, out),
				n);
			assert_memory_equal(out, vectors[i][0], n);
		}
}

static void base64__takes_nothing_else(void **state)
{
	static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zm9", "=",
		"====", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Zg==\n", "Zm 9v", "Zm9v\n",
		"Zm9-", "Zm9_", "Z=9v", "Zg=a",
		"Zh==", "Zm9=", "Zm9v=", "Zm9v=g==", "Zm\x80v", "Zm9v*"};
	unsigned char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (size_t piece = 1; piece < 9; piece++)
			if (decode(wrong[i], strlen(wrong[i]), piece, out) != -1)
				fail_msg("%s", wrong[i]);
}

static void base64__gives_any_bytes_back(void **state)
{
	unsigned char bytes[200], out[400];
	struct chance chance = {0};
	struct buf text;

	(void)state;
	buf_init(&text, 1000);
	for (size_t n = 0; n < sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(chance_next(&chance) >> 24);
		buf_clear(&text);
		base64_text(&text, bytes, n);
		assert_int_equal(decode((const char *)text.data, text.len,
					 1 + chance_next(&chance) % 17, out),
			n);
		assert_memory_equal(out, bytes, n);
	}
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64__has_the_rfcs_vectors),
		cmocka_unit_test(base64__takes_nothing_else),
		cmocka_unit_test(base64__gives_any_bytes_back),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
