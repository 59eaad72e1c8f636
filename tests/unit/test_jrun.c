/* SPDX-License-Identifier: Apache-2.0 */
/* Both forms of each search against the meaning of it, byte by byte: random and
 * hostile bytes, at every alignment and every length around the vectors'. */
#include "unit/unit.h"

#include "common/buf.h"
#include "common/jrun_forms.h"
#include "common/text.h"

typedef const unsigned char *search(const unsigned char *, const unsigned char *);

/* What the searches mean. */

static const unsigned char *plain_text(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p >= 0x20 && *p != '"' && *p != '\\') {
		size_t n = utf8_sequence(p, (size_t)(end - p));

		if (n == 0)
			break;
		p += n;
	}
	return p;
}

static const unsigned char *plain_space(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end && memchr(" \t\r\n", *p, 4))
		p++;
	return p;
}

static const unsigned char *plain_control(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end && !text_begins_control(p, (size_t)(end - p)))
		p++;
	return p;
}

struct meaning {
	const char *name;
	search *plain, *portable, *wide;
	bool needs_utf8;
};

static size_t get_meanings(struct meaning *m)
{
	m[0] = (struct meaning){"text", plain_text, jrun_portable.text, NULL, false};
	m[1] = (struct meaning){"space", plain_space, jrun_portable.space, NULL, false};
	m[2] = (struct meaning){
		"control", plain_control, jrun_portable.control, NULL, true};
#if JRUN_HAS_AVX2
	if (jrun_best() == JRUN_AVX2) {
		m[0].wide = jrun_avx2.text;
		m[1].wide = jrun_avx2.space;
		m[2].wide = jrun_avx2.control;
	}
#endif
	return 3;
}

static void check_one(
	const struct meaning *m, search *form, const unsigned char *p, size_t len)
{
	const unsigned char *want = m->plain(p, p + len), *got = form(p, p + len);

	if (got != want) {
		print_error("%s: %zu, not %zu, of %zu:", m->name, (size_t)(got - p),
			(size_t)(want - p), len);
		for (size_t i = 0; i < len; i++)
			print_error(" %02x", p[i]);
		fail();
	}
}

/* Memory that ends where the text does, so that a checker sees reads past it, and
 * that begins everywhere in a vector. */
static void check(const unsigned char *text, size_t len)
{
	static size_t turn;
	size_t shift = ++turn % 33;
	struct meaning meanings[3];
	size_t n = get_meanings(meanings);
	unsigned char *memory = malloc(len + shift + !len), *p = memory + shift;

	memcpy(p, text, len);
	for (size_t i = 0; i < n; i++) {
		if (meanings[i].needs_utf8 && utf8_valid_prefix(p, len) != len)
			continue;
		check_one(&meanings[i], meanings[i].portable, p, len);
		if (meanings[i].wide)
			check_one(&meanings[i], meanings[i].wide, p, len);
	}
	free(memory);
}

/* Bytes that matter: borders of UTF-8's ranges, and what ends a string. */
static const unsigned char odd[] = {0x00, 0x09, 0x0a, 0x0c, 0x0d, 0x1f, 0x20, 0x21, '"',
	'\\', 0x7e, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xad, 0xae, 0xbf, 0xc0, 0xc1,
	0xc2, 0xdf, 0xe0, 0xe1, 0xe2, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4,
	0xf5, 0xf8, 0xff};

static void jrun__finds_one_byte_at_every_place_and_length(void **state)
{
	unsigned char text[100];

	(void)state;
	for (size_t len = 0; len <= sizeof(text); len++)
		for (size_t at = 0; at < len; at++)
			for (size_t i = 0; i < sizeof(odd); i++) {
				memset(text, 'a', len);
				text[at] = odd[i];
				check(text, len);
				memset(text, ' ', len);
				text[at] = odd[i];
				check(text, len);
			}
}

/* Every pair of bytes, and every sequence of four that is built of odd ones,
 * across the end of a vector. */
static void jrun__judges_every_sequence_of_bytes(void **state)
{
	unsigned char text[70];

	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		memset(text, 'a', sizeof(text));
		text[31] = (unsigned char)(pair >> 8);
		text[32] = (unsigned char)pair;
		check(text, 40);
		text[10] = (unsigned char)(pair >> 8);
		text[11] = (unsigned char)pair;
		check(text, 40);
	}
	for (size_t i = 0; i < sizeof(odd) * sizeof(odd) * sizeof(odd); i++) {
		size_t n = sizeof(odd), at = 26 + i % 7;

		memset(text, 'a', sizeof(text));
		text[at] = odd[i % n];
		text[at + 1] = odd[i / n % n];
		text[at + 2] = odd[i / n / n];
		text[at + 3] = odd[(i * 7 + i / n) % n];
		check(text, sizeof(text));
	}
}

static void put_character(struct chance *c, struct buf *out)
{
	unsigned char utf8[4];
	uint32_t code, kind = (uint32_t)chance_below(c, 5);

	if (kind < 2)
		code = 0x20 + (uint32_t)chance_below(c, 0x5f);
	else if (kind == 2)
		code = 0x80 + (uint32_t)chance_below(c, 0x780);
	else if (kind == 3)
		code = 0x800 + (uint32_t)chance_below(c, 0xd000);
	else
		code = 0x10000 + (uint32_t)chance_below(c, 0x100000);
	buf_add(out, utf8, utf8_encode(code, utf8));
}

static void jrun__agrees_on_random_texts(void **state)
{
	struct chance c = {7};
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	for (int i = 0; i < 60000; i++) {
		size_t n = chance_below(&c, 90);

		buf_clear(&text);
		while (n-- > 0)
			put_character(&c, &text);
		check(text.data ? text.data : (const unsigned char *)"", text.len);
		/* And with a few bytes changed. */
		for (n = text.len ? chance_below(&c, 3) : 0; n > 0; n--)
			text.data[chance_below(&c, text.len)] =
				chance_below(&c, 2) ? odd[chance_below(&c, sizeof(odd))]
						    : (unsigned char)chance_next(&c);
		check(text.data ? text.data : (const unsigned char *)"", text.len);
	}
	buf_release(&text);
}

static void jrun__runs_the_form_that_is_forced(void **state)
{
	(void)state;
	assert_int_equal(jrun_form(), jrun_best());
	jrun_force(JRUN_PORTABLE);
	assert_int_equal(jrun_form(), JRUN_PORTABLE);
	jrun_force(jrun_best());
	assert_int_equal(jrun_form(), jrun_best());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jrun__finds_one_byte_at_every_place_and_length),
		cmocka_unit_test(jrun__judges_every_sequence_of_bytes),
		cmocka_unit_test(jrun__agrees_on_random_texts),
		cmocka_unit_test(jrun__runs_the_form_that_is_forced),
	};

	return cmocka_run_group_tests_name("jrun", tests, NULL, NULL);
}
