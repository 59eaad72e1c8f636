/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "store/elsewhere.h"

static struct elsewhere *seen;

static int begin(void **state)
{
	(void)state;
	seen = elsewhere_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	elsewhere_free(seen);
	return 0;
}

static void elsewhere__is_another_prompt_of_the_same_text(void **state)
{
	(void)state;
	assert_false(elsewhere_seen(seen, 77, 1));
	/* Its own samples may be equal: duplicates, but not elsewhere. */
	assert_false(elsewhere_seen(seen, 77, 1));
	assert_true(elsewhere_seen(seen, 77, 2));
	assert_true(elsewhere_seen(seen, 77, 2));
	assert_true(elsewhere_seen(seen, 77, 3));
	/* The first prompt stays. */
	assert_false(elsewhere_seen(seen, 77, 1));
	assert_false(elsewhere_seen(seen, 78, 2));
	elsewhere_free(NULL);
}

/* A fingerprint that takes another's place makes it forgotten, never mixed up. */
static void elsewhere__forgets_but_never_accuses_wrongly(void **state)
{
	const uint64_t a = 77, b = 77 + ((uint64_t)1 << 40);

	(void)state;
	assert_false(elsewhere_seen(seen, a, 1));
	assert_false(elsewhere_seen(seen, b, 2));
	assert_false(elsewhere_seen(seen, a, 3));
	assert_true(elsewhere_seen(seen, a, 4));
}

static void elsewhere__remembers_most_of_many(void **state)
{
	struct chance c = {29};
	uint64_t first[100000], n = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		assert_false(elsewhere_seen(seen, first[i] = chance_next(&c), i));
	for (uint64_t i = 0; i < 100000; i++)
		n += elsewhere_seen(seen, first[i], i + 1);
	assert_true(n > 90000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(elsewhere__is_another_prompt_of_the_same_text),
		TEST(elsewhere__forgets_but_never_accuses_wrongly),
		TEST(elsewhere__remembers_most_of_many),
	};

	return cmocka_run_group_tests_name("elsewhere", tests, NULL, NULL);
}
