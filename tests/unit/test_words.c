/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "worker/words.h"

static void text_of(const char *s, uint64_t text[2])
{
	size_t len = strlen(s);

	memset(text, 0, 16);
	memcpy(text, s, len);
	text[1] |= (uint64_t)len << 56;
}

static struct word *add(struct words *words, const char *s)
{
	uint64_t text[2];

	text_of(s, text);
	return words_add(words, text[0], text[1]);
}

static struct word *find(const struct words *words, const char *s)
{
	uint64_t text[2];

	text_of(s, text);
	return words_find(words, text[0], text[1]);
}

static void words_are_numbered_as_they_come(void **state)
{
	struct words *words = words_new(WORDS_BITS);
	uint32_t the;

	(void)state;
	assert_null(find(words, "the"));
	the = add(words, "the")->number;
	assert_int_equal(the, 1);
	assert_int_equal(add(words, "a")->number, 2);
	assert_int_equal(add(words, "fifteen bytes..")->number, 3);
	assert_int_equal(add(words, "the")->number, the);
	assert_int_equal(find(words, "fifteen bytes..")->number, 3);
	assert_null(find(words, "th"));
	assert_null(find(words, "the "));
	assert_null(find(words, ""));
	words_free(words);
}

static void a_list_is_kept_once_if_it_fits(void **state)
{
	static const char list[] = "[116,104,101]";
	unsigned char longer[WORD_LIST_MAX + 1] = "[";
	struct words *words = words_new(WORDS_BITS);
	struct word *the = add(words, "the"), *other = add(words, "other");

	(void)state;
	words_learn_list(the, (const unsigned char *)list, sizeof(list) - 1);
	assert_int_equal(the->list_len, sizeof(list) - 1);
	assert_memory_equal(the->list, list, sizeof(list) - 1);
	words_learn_list(the, longer, 2);
	assert_memory_equal(the->list, list, sizeof(list) - 1);
	words_learn_list(other, longer, sizeof(longer));
	assert_int_equal(other->list_len, 0);
	words_learn_list(other, longer, WORD_LIST_MAX);
	assert_int_equal(other->list_len, WORD_LIST_MAX);
	words_free(words);
}

/* All words there are room for, then no more, and none is lost or changed. */
static void a_full_table_takes_no_more(void **state)
{
	struct words *words = words_new(6);
	char text[16];
	uint32_t number[200];

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct word *w;

		snprintf(text, sizeof(text), "word %d", i);
		w = add(words, text);
		number[i] = w ? w->number : WORD_NONE;
	}
	assert_int_equal(words->n, 32);
	for (int i = 0; i < 200; i++) {
		struct word *w;

		snprintf(text, sizeof(text), "word %d", i);
		w = find(words, text);
		assert_int_equal(w ? w->number : WORD_NONE, number[i]);
		assert_ptr_equal(add(words, text), w);
	}
	words_free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_numbered_as_they_come),
		cmocka_unit_test(a_list_is_kept_once_if_it_fits),
		cmocka_unit_test(a_full_table_takes_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
