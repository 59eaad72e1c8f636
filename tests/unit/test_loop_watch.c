/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"

#include <stdio.h>

#include "worker/loop_watch.h"

static const struct loop_rule rule = {.repeats = 6, .bytes = 1000};

/* Lets `text` grow in steps; how long it was when the watch said so, or 0. */
static size_t grow(struct buf *text, size_t step, const struct loop_rule *r)
{
	struct loop_watch w = {0};

	for (size_t len = step; len < text->len + step; len += step) {
		size_t n = len < text->len ? len : text->len;

		if (loop_watch_see(&w, r, bytes_of(text->data, n)))
			return n;
	}
	return 0;
}

static void fill(struct buf *b, const char *passage, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add_str(b, passage);
}

/* Words in no order, never twice the same line. */
static void fill_prose(struct buf *b, size_t bytes)
{
	static const char *const words[] = {
		"the", "a", "train", "goes", "from", "to", "at", "noon", "with"};
	uint64_t x = 88172645463325252u;

	while (b->len < bytes) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf_add_str(b, words[x % 9]);
		buf_add_byte(b, ' ');
	}
}

static void loop_watch__sees_a_passage_that_comes_again_and_again(void **state)
{
	static const char *const passages[] = {"no ", "Wait, let me think again. ",
		"The answer is 4. But is it 4? Let us see: 2 + 2 = 4.\n\n"};
	struct buf text;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t step = 1; step < 700; step = step * 3 + 1) {
			size_t at, least;

			buf_init(&text, MIB(1));
			fill_prose(&text, 5000);
			fill(&text, passages[i], 3000 / strlen(passages[i]) + 6);
			at = grow(&text, step, &rule);
			least = 5000 + rule.bytes;
			assert_true(at >= least);
			assert_true(at <= least + LOOP_STEP + step + 200);
			buf_release(&text);
		}
	}
}

static void loop_watch__lets_honest_texts_be(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, MIB(1));
	fill_prose(&text, 60000);
	assert_int_equal(grow(&text, 100, &rule), 0);
	/* A table, whose lines look alike and count. */
	buf_clear(&text);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "| %d | %d |\n", i, i * i);
	assert_int_equal(grow(&text, 100, &rule), 0);
	/* A ruler of up to four times the length. */
	buf_clear(&text);
	fill_prose(&text, 2000);
	fill(&text, "-", 4 * rule.bytes - 100);
	assert_int_equal(grow(&text, 100, &rule), 0);
	fill(&text, "-", 1000);
	assert_true(grow(&text, 100, &rule) > 0);
	/* Five times a passage are not six. */
	buf_clear(&text);
	for (int i = 0; i < 5; i++) {
		struct buf passage;

		buf_init(&passage, KIB(1));
		fill_prose(&passage, 800);
		buf_add(&text, passage.data, passage.len);
		buf_release(&passage);
	}
	assert_int_equal(grow(&text, 100, &rule), 0);
	buf_release(&text);
}

static void loop_watch__can_be_switched_off(void **state)
{
	const struct loop_rule never = {0};
	struct buf text;

	(void)state;
	buf_init(&text, MIB(1));
	fill(&text, "no ", 5000);
	assert_int_equal(grow(&text, 100, &never), 0);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loop_watch__sees_a_passage_that_comes_again_and_again),
		cmocka_unit_test(loop_watch__lets_honest_texts_be),
		cmocka_unit_test(loop_watch__can_be_switched_off),
	};

	return cmocka_run_group_tests_name("loop_watch", tests, NULL, NULL);
}
