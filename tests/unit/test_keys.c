/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "store/keys.h"

static int sign(int64_t v)
{
	return v < 0 ? -1 : v > 0;
}

#define COMPARE(a, b)                                                                  \
	do {                                                                           \
		if ((a) != (b))                                                        \
			return (a) < (b) ? -1 : 1;                                     \
	} while (0)

static int by_number(const struct sample_key *a, const struct sample_key *b)
{
	COMPARE(a->prompt, b->prompt);
	COMPARE(a->sample, b->sample);
	COMPARE(a->revision, b->revision);
	COMPARE(a->store, b->store);
	return 0;
}

/* Small and large numbers, often equal. */
static uint64_t number(struct chance *c)
{
	uint64_t v = chance_next(c);

	return v & 1 ? v >> 4 & 3 : v >> (v >> 1 & 63);
}

static void sample_key__sorts_as_its_numbers_do(void **state)
{
	struct chance c = {23};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct sample_key k[2], got;
		unsigned char b[2][SAMPLE_KEY_SIZE];

		for (int j = 0; j < 2; j++) {
			k[j] = (struct sample_key){number(&c), (uint32_t)number(&c),
				(uint32_t)number(&c), (uint16_t)number(&c)};
			sample_key_write(b[j], &k[j]);
			got = sample_key_read(b[j]);
			assert_int_equal(by_number(&got, &k[j]), 0);
		}
		assert_int_equal(sign(memcmp(b[0], b[1], SAMPLE_KEY_SIZE)),
			by_number(&k[0], &k[1]));
	}
}

static void keys__lie_as_the_format_says(void **state)
{
	struct sample_key k = {0x0102030405060708, 0x090a0b0c, 0x0d0e0f10, 0x1112};
	unsigned char out[SAMPLE_KEY_SIZE];

	(void)state;
	sample_key_write(out, &k);
	for (unsigned char i = 0; i < SAMPLE_KEY_SIZE; i++)
		assert_int_equal(out[i], i + 1);
	sequence_key_write(out, 0x0102030405060708);
	for (unsigned char i = 0; i < SEQUENCE_KEY_SIZE; i++)
		assert_int_equal(out[i], i + 1);
	logits_key_write(out, 0x0102030405060708, 9);
	for (unsigned char i = 0; i < LOGITS_KEY_SIZE; i++)
		assert_int_equal(out[i], i + 1);
	prompt_key_write(out, 0x0102030405060708, 0x090a0b0c, PROMPT_TOKEN_IDS);
	for (unsigned char i = 0; i < PROMPT_KEY_SIZE - 1; i++)
		assert_int_equal(out[i], i + 1);
	assert_int_equal(out[PROMPT_KEY_SIZE - 1], 1);
	vocab_key_write(out, 0x01020304, 0x05060708);
	for (unsigned char i = 0; i < VOCAB_KEY_SIZE; i++)
		assert_int_equal(out[i], i + 1);
}

static void vocabulary_number__is_one_for_each_kind(void **state)
{
	(void)state;
	assert_int_equal(vocabulary_number(0, 0, false), 0);
	assert_int_equal(vocabulary_number(0, 0, true), 1);
	assert_int_equal(vocabulary_number(0, 1, false), 2);
	assert_int_equal(vocabulary_number(3, 31, true), 3 << 16 | 63);
	/* Teachers never run into the settings. */
	assert_int_equal(vocabulary_number(0, 0x7fff, true), 0xffff);
	assert_int_equal(vocabulary_number(1, 0, false), 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample_key__sorts_as_its_numbers_do),
		cmocka_unit_test(keys__lie_as_the_format_says),
		cmocka_unit_test(vocabulary_number__is_one_for_each_kind),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
