/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/vocabulary.h"

static struct maker maker;
static struct vocabulary *vocabulary;

static int begin(void **state)
{
	struct err err;

	(void)state;
	maker_begin(&maker);
	vocabulary = vocabulary_new();
	must(dataset_begin(maker.d, &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dataset_rollback(maker.d);
	vocabulary_free(vocabulary);
	maker_end(&maker);
	return 0;
}

static uint32_t intern(uint32_t number, uint16_t ordinal, const char *token)
{
	struct err err;
	uint32_t id = 12345;

	must(vocabulary_intern(
		     vocabulary, maker.d, number, ordinal, str_bytes(token), &id, &err),
		&err);
	return id;
}

static void check_stored(
	uint32_t number, uint32_t id, uint16_t want_ordinal, const char *want)
{
	struct bytes token;
	uint16_t ordinal;
	struct err err;

	must(dataset_token(maker.d, number, id, &ordinal, &token, &err), &err);
	assert_int_equal(ordinal, want_ordinal);
	assert_bytes_equal(token, want);
}

static void vocabulary__gives_ids_in_the_order_of_first_sight(void **state)
{
	(void)state;
	assert_int_equal(intern(1, 0, " the"), 0);
	assert_int_equal(intern(1, 0, " cat"), 1);
	assert_int_equal(intern(1, 0, " the"), 0);
	/* Two candidates of one row with equal bytes are two tokens. */
	assert_int_equal(intern(1, 1, " the"), 2);
	assert_int_equal(intern(1, 0, ""), 3);
	assert_int_equal(intern(1, 1, " the"), 2);
	check_stored(1, 0, 0, " the");
	check_stored(1, 1, 0, " cat");
	check_stored(1, 2, 1, " the");
	check_stored(1, 3, 0, "");
}

static void vocabulary__keeps_numbers_apart(void **state)
{
	(void)state;
	assert_int_equal(intern(1, 0, "a"), 0);
	assert_int_equal(intern(3, 0, "b"), 0);
	assert_int_equal(intern(3, 0, "a"), 1);
	assert_int_equal(intern(1, 0, "b"), 1);
	check_stored(3, 1, 0, "a");
}

static void vocabulary__goes_on_where_the_dataset_ends(void **state)
{
	struct err err;

	(void)state;
	intern(1, 0, "a");
	intern(1, 0, "b");
	must(dataset_commit(maker.d, &err), &err);
	vocabulary_free(vocabulary);
	vocabulary = vocabulary_new();
	must(dataset_begin(maker.d, &err), &err);
	assert_int_equal(intern(1, 0, "b"), 1);
	assert_int_equal(intern(1, 0, "c"), 2);
	assert_int_equal(intern(1, 0, "a"), 0);
}

/* What was rolled back was never told to anybody. */
static void vocabulary__forgets_what_was_rolled_back(void **state)
{
	struct bytes token;
	uint16_t ordinal;
	struct err err;

	(void)state;
	intern(1, 0, "a");
	must(dataset_commit(maker.d, &err), &err);
	must(dataset_begin(maker.d, &err), &err);
	assert_int_equal(intern(1, 0, "lost"), 1);
	dataset_rollback(maker.d);
	vocabulary_forget(vocabulary);
	must(dataset_begin(maker.d, &err), &err);
	assert_int_equal(
		dataset_token(maker.d, 1, 1, &ordinal, &token, &err), ERR_NOT_FOUND);
	assert_int_equal(intern(1, 0, "b"), 1);
	assert_int_equal(intern(1, 0, "a"), 0);
	assert_int_equal(intern(1, 0, "lost"), 2);
}

static void vocabulary__has_room_for_so_many_and_says_so(void **state)
{
	struct err err;
	uint32_t id;

	(void)state;
	for (uint32_t number = 0; number < 64; number++)
		assert_int_equal(intern(number, 0, "a"), 0);
	assert_int_equal(vocabulary_intern(
				 vocabulary, maker.d, 64, 0, str_bytes("a"), &id, &err),
		ERR_INVALID);
	assert_int_equal(intern(63, 0, "b"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(vocabulary__gives_ids_in_the_order_of_first_sight),
		TEST(vocabulary__keeps_numbers_apart),
		TEST(vocabulary__goes_on_where_the_dataset_ends),
		TEST(vocabulary__forgets_what_was_rolled_back),
		TEST(vocabulary__has_room_for_so_many_and_says_so),
	};

	return cmocka_run_group_tests_name("vocabulary", tests, NULL, NULL);
}
