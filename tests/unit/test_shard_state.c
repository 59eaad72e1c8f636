/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/bytes.h"
#include "store/shard_state.h"

#define FENCES_AT (76 + 2 * SHARD_PROMPTS)

static struct shard_state example(void)
{
	struct shard_state s = {.commit = 0x1111111111111111,
		.accepted = 2,
		.duplicates = 3,
		.truncated = 4,
		.fenced = 5,
		.moved = true,
		.adopted = 0x6666666666666666,
		.prompt_tokens = 7,
		.cached_prompt_tokens = 8,
		.completion_tokens = 9,
		.reasoning_tokens = 10,
		.cost_nusd = -11,
		.n_fences = 2,
		.fence = {{0xff, 12}, {0xff00, UINT64_MAX}}};

	for (int i = 0; i < SHARD_PROMPTS; i++)
		s.committed[i] = (uint16_t)(1000 + i);
	return s;
}

static void shard_state__comes_back_as_it_went(void **state)
{
	struct shard_state s = example(), got;
	unsigned char out[SHARD_STATE_MAX];
	struct err err;
	size_t len;

	(void)state;
	len = shard_state_encode(&s, out);
	assert_int_equal(len, FENCES_AT + 4 + 2 * 16);
	assert_int_equal(shard_state_decode(bytes_of(out, len), &got, &err), ERR_NONE);
	assert_int_equal(got.commit, s.commit);
	assert_int_equal(got.adopted, s.adopted);
	assert_true(got.moved);
	assert_memory_equal(&got, &s, sizeof(s));
	/* As many fences as there are prompts. */
	s.n_fences = SHARD_PROMPTS;
	for (uint32_t i = 0; i < SHARD_PROMPTS; i++)
		s.fence[i] = (struct shard_fence){(uint64_t)1 << i, i + 1};
	len = shard_state_encode(&s, out);
	assert_int_equal(len, SHARD_STATE_MAX);
	assert_int_equal(shard_state_decode(bytes_of(out, len), &got, &err), ERR_NONE);
	assert_memory_equal(&got, &s, sizeof(s));
}

/* FORMAT.md, "shard", field by field. */
static void shard_state__lies_as_the_format_says(void **state)
{
	struct shard_state s = example();
	unsigned char out[SHARD_STATE_MAX];

	(void)state;
	shard_state_encode(&s, out);
	assert_int_equal(get_u64(out), s.commit);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(get_u32(out + 8 + 4 * i), 2 + i);
	assert_int_equal(get_u32(out + 24), 1);
	assert_int_equal(get_u64(out + 28), s.adopted);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(get_u64(out + 36 + 8 * i), 7 + i);
	assert_int_equal((int64_t)get_u64(out + 68), -11);
	assert_int_equal(get_u16(out + 76), 1000);
	assert_int_equal(get_u16(out + FENCES_AT - 2), 1063);
	assert_int_equal(get_u32(out + FENCES_AT), 2);
	assert_int_equal(get_u64(out + FENCES_AT + 4), 0xff);
	assert_int_equal(get_u64(out + FENCES_AT + 12), 12);
	assert_int_equal(get_u64(out + FENCES_AT + 20), 0xff00);
}

static void check_corrupt(const unsigned char *bytes, size_t len, const char *what)
{
	/* Memory of its own length, so that a checker sees reads past it. */
	unsigned char *copy = malloc(len ? len : 1);
	struct shard_state s;
	struct err err = {0};

	memcpy(copy, bytes, len);
	assert_int_equal(
		shard_state_decode(bytes_of(copy, len), &s, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.msg, what));
	free(copy);
}

static void shard_state__refuses_what_was_never_written(void **state)
{
	struct shard_state s = example();
	unsigned char out[SHARD_STATE_MAX + 16] = {0};
	size_t len;

	(void)state;
	len = shard_state_encode(&s, out);
	for (size_t cut = 0; cut < len; cut++)
		check_corrupt(out, cut, "length");
	check_corrupt(out, len + 1, "length");
	check_corrupt(out, len + 16, "length");
	put_u32(out + FENCES_AT, 3);
	check_corrupt(out, len, "length");
	put_u32(out + FENCES_AT, 0x10000002); /* 16 times it is 32 in 32 bits */
	check_corrupt(out, len, "length");
	put_u32(out + FENCES_AT, 2);
	put_u64(out + FENCES_AT + 20, 0x180);
	check_corrupt(out, len, "overlap");
	put_u64(out + FENCES_AT + 20, 0);
	check_corrupt(out, len, "overlap");
	put_u32(out + FENCES_AT, 65);
	check_corrupt(out, sizeof(out), "length");
}

static void shard_fence__gives_a_prompt_to_one_epoch(void **state)
{
	struct shard_state s = {0}, before;

	(void)state;
	assert_false(shard_may_write(&s, 0, 0));
	assert_true(shard_raise_fence(&s, 5, 0x0f));
	assert_true(shard_may_write(&s, 5, 0));
	assert_true(shard_may_write(&s, 5, 3));
	assert_false(shard_may_write(&s, 5, 4));
	assert_false(shard_may_write(&s, 4, 0));
	assert_false(shard_may_write(&s, 6, 0));
	/* A later lease takes its prompts over, and only those. */
	assert_true(shard_raise_fence(&s, 8, 0x18));
	assert_false(shard_may_write(&s, 5, 3));
	assert_true(shard_may_write(&s, 8, 3));
	assert_true(shard_may_write(&s, 8, 4));
	assert_true(shard_may_write(&s, 5, 2));
	/* An earlier one gets nothing of what was taken from it. */
	before = s;
	assert_false(shard_raise_fence(&s, 5, 0x0f));
	assert_false(shard_raise_fence(&s, 7, 0x108));
	assert_memory_equal(&s, &before, sizeof(s));
	/* Free ones it may still have. */
	assert_true(shard_raise_fence(&s, 5, 0x20));
	assert_true(shard_may_write(&s, 5, 5) && shard_may_write(&s, 5, 0));
	/* The same again changes nothing. */
	before = s;
	assert_true(shard_raise_fence(&s, 5, 0x27));
	assert_int_equal(s.n_fences, before.n_fences);
	for (uint8_t line = 0; line < 64; line++)
		for (uint64_t epoch = 4; epoch < 9; epoch++)
			assert_int_equal(shard_may_write(&s, epoch, line),
				shard_may_write(&before, epoch, line));
	assert_true(shard_raise_fence(&s, UINT64_MAX, UINT64_MAX));
	assert_int_equal(s.n_fences, 1);
	assert_true(shard_may_write(&s, UINT64_MAX, 63));
}

/* Against the rule written down a prompt at a time. */
static void shard_fence__is_right_in_any_order(void **state)
{
	struct chance c = {17};

	(void)state;
	for (int run = 0; run < 300; run++) {
		uint64_t owner[SHARD_PROMPTS] = {0};
		struct shard_state s = {0}, again;
		unsigned char out[SHARD_STATE_MAX];
		struct err err;

		for (int step = 0; step < 100; step++) {
			uint64_t epoch = 1 + chance_below(&c, 60);
			uint64_t prompts = chance_next(&c) & chance_next(&c);
			bool may = true;

			if (run % 2)
				prompts = (uint64_t)1 << (prompts & 63);
			for (int i = 0; i < SHARD_PROMPTS; i++)
				if ((prompts >> i & 1) && owner[i] > epoch)
					may = false;
			assert_int_equal(shard_raise_fence(&s, epoch, prompts), may);
			for (uint8_t i = 0; i < SHARD_PROMPTS; i++) {
				if (may && (prompts >> i & 1))
					owner[i] = epoch;
				for (uint64_t e = 1; e <= 60; e += 7)
					assert_int_equal(shard_may_write(&s, e, i),
						owner[i] == e);
				assert_int_equal(shard_may_write(&s, owner[i], i),
					owner[i] != 0);
			}
			assert_true(s.n_fences <= SHARD_PROMPTS);
			/* It refuses fences that overlap or are empty. */
			assert_int_equal(
				shard_state_decode(
					bytes_of(out, shard_state_encode(&s, out)),
					&again, &err),
				ERR_NONE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shard_state__comes_back_as_it_went),
		cmocka_unit_test(shard_state__lies_as_the_format_says),
		cmocka_unit_test(shard_state__refuses_what_was_never_written),
		cmocka_unit_test(shard_fence__gives_a_prompt_to_one_epoch),
		cmocka_unit_test(shard_fence__is_right_in_any_order),
	};

	return cmocka_run_group_tests_name("shard_state", tests, NULL, NULL);
}
