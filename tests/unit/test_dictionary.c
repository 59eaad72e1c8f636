/* SPDX-License-Identifier: Apache-2.0 */
/* The training runs in a thread of its own: awaited, not slept for. */
#include "unit/unit.h"

#include <sched.h>

#include "common/clock.h"
#include "common/limits.h"
#include "store/dictionary.h"
#include "store/pack.h"

#define PATIENCE_MS 50000

/* Answers to one corpus look alike. */
static struct bytes answer(struct chance *c, char room[1024])
{
	int len = snprintf(room, 1024,
		"We are given that the train leaves at %u o'clock and travels %u miles. "
		"First, we find the speed: %u / %u = %u miles per hour. Therefore the "
		"final answer is \\boxed{%u}.",
		(unsigned)chance_below(c, 24), (unsigned)chance_below(c, 1000),
		(unsigned)chance_below(c, 1000), (unsigned)chance_below(c, 100),
		(unsigned)chance_below(c, 100), (unsigned)chance_below(c, 100000));

	return bytes_of(room, (size_t)len);
}

static bool await(struct trainer *t, struct bytes *dictionary)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!trainer_take(t, dictionary)) {
		if (clock_mono_ms() >= until)
			return false;
		sched_yield();
	}
	return true;
}

static size_t packed_size(struct bytes text, struct bytes dictionary)
{
	struct packer *p = packer_new();
	struct bytes raw;
	struct buf out, back;
	struct err err;
	size_t len;

	buf_init(&out, MIB(1));
	buf_init(&back, MIB(1));
	if (dictionary.len)
		assert_int_equal(
			packer_add_dictionary(p, 1, dictionary, &err), ERR_NONE);
	pack(p, text, &out);
	len = out.len;
	assert_int_equal(unpack(p, buf_bytes(&out), &back, &raw, &err), ERR_NONE);
	assert_int_equal(raw.len, text.len);
	assert_memory_equal(raw.data, text.data, raw.len);
	buf_release(&out);
	buf_release(&back);
	packer_free(p);
	return len;
}

static void trainer__makes_a_dictionary_that_serves_such_texts(void **state)
{
	struct trainer *t = trainer_new();
	struct bytes dictionary = {0}, text;
	struct chance c = {31};
	char room[1024];
	unsigned n = 0;

	(void)state;
	assert_false(trainer_take(t, &dictionary));
	while (trainer_wants(t)) {
		trainer_add(t, answer(&c, room));
		n++;
	}
	assert_in_range(n, 5000, 20000);
	/* What comes while it trains is not its affair. */
	trainer_add(t, answer(&c, room));
	assert_true(await(t, &dictionary));
	assert_false(trainer_wants(t));
	assert_in_range(dictionary.len, 256, PACK_DICTIONARY_MAX);
	/* Told once; the bytes stay. */
	assert_false(trainer_take(t, &(struct bytes){0}));
	text = answer(&c, room);
	assert_true(packed_size(text, dictionary) * 2 <
		    packed_size(text, bytes_of(NULL, 0)));
	trainer_free(t);
}

static void trainer__wants_so_many_bytes_or_texts(void **state)
{
	static unsigned char big[KIB(100)];
	struct trainer *t = trainer_new();

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (unsigned char)(i * i >> 5);
	/* Empty ones do not count; of long ones their beginning does. */
	for (int i = 0; i < 30000; i++)
		trainer_add(t, bytes_of(NULL, 0));
	for (int i = 0; i < 31; i++)
		trainer_add(t, bytes_of(big, sizeof(big)));
	assert_true(trainer_wants(t));
	trainer_add(t, bytes_of(big, sizeof(big)));
	assert_false(trainer_wants(t));
	trainer_free(t); /* in the middle of the training */
	t = trainer_new();
	for (int i = 0; i < 19999; i++)
		trainer_add(t, bytes_of(big + i, 3));
	assert_true(trainer_wants(t));
	trainer_add(t, bytes_of(big, 3));
	assert_false(trainer_wants(t));
	trainer_free(t);
	trainer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trainer__makes_a_dictionary_that_serves_such_texts),
		cmocka_unit_test(trainer__wants_so_many_bytes_or_texts),
	};

	return cmocka_run_group_tests_name("dictionary", tests, NULL, NULL);
}
