/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of FORMAT.md ("key"), against itself written down word for word. */
#include "unit/unit.h"

#include "store/dedup.h"

#define MOST 4

/* "The live sample of (prompt, sample) is the one with the highest revision." */
static bool live(const struct key_entry *e, size_t n, size_t i)
{
	for (size_t j = 0; j < n; j++)
		if (e[j].key.sample == e[i].key.sample &&
			e[j].key.revision > e[i].key.revision)
			return false;
	return true;
}

/* "Samples of one prompt that are live and have equal, non-zero fingerprints
 * form a group"; a sample outside any group is its own. */
static bool same_group(
	const struct key_entry *e, size_t n, bool exact, size_t i, size_t j)
{
	if (i == j)
		return true;
	return exact && live(e, n, i) && live(e, n, j) && e[i].fingerprint != 0 &&
	       e[i].fingerprint == e[j].fingerprint;
}

/* "In each group the smallest member of M is the representative (if M has none
 * of the group, its smallest member)." Entries come in key order. */
static size_t representative(const struct key_entry *e, size_t n, bool exact, size_t i)
{
	for (size_t j = 0; j < n; j++)
		if (same_group(e, n, exact, i, j) && live(e, n, j) &&
			(e[j].bits & KEY_PASSES))
			return j;
	for (size_t j = 0; j < n; j++)
		if (same_group(e, n, exact, i, j))
			return j;
	return i;
}

static void check(const struct key_entry *e, size_t n, bool exact)
{
	struct dedup_mark marks[MOST];
	struct dedup_counts counts = dedup_count(e, n, exact), want = {0};

	dedup_mark(e, n, exact, marks);
	for (size_t i = 0; i < n; i++) {
		bool is_live = live(e, n, i);
		size_t r = is_live ? representative(e, n, exact, i) : i;
		/* "Selected are the members of M that are representatives, and all other
		 * members that pass taken as duplicates." */
		bool selected =
			is_live && (r == i ? e[i].bits & KEY_PASSES
					   : e[i].bits & KEY_PASSES_AS_DUPLICATE);

		assert_int_equal(marks[i].live, is_live);
		assert_int_equal(marks[i].duplicate, is_live && r != i);
		assert_int_equal(marks[i].selected, selected);
		assert_int_equal(marks[i].duplicate_of, r);
		want.live += is_live;
		want.selected += selected;
		want.duplicates += is_live && r != i;
	}
	assert_int_equal(counts.live, want.live);
	assert_int_equal(counts.selected, want.selected);
	assert_int_equal(counts.duplicates, want.duplicates);
}

/* Samples and revisions of up to four entries, in key order. */
static const struct {
	uint32_t sample, revision;
} shapes[][MOST] = {
	{{0, 0}, {1, 0}, {2, 0}, {3, 0}},
	{{0, 0}, {0, 1}, {1, 0}, {2, 0}},
	{{0, 0}, {1, 0}, {1, 1}, {1, 5}},
	{{3, 0}, {3, 2}, {7, 0}, {7, 1}},
};

static void dedup__is_the_rule_of_the_page(void **state)
{
	(void)state;
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
		/* Each entry: one of three fingerprints, any bits. */
		for (int pick = 0; pick < 12 * 12 * 12 * 12; pick++) {
			struct key_entry e[MOST];
			int rest = pick;

			for (size_t i = 0; i < MOST; i++, rest /= 12)
				e[i] = (struct key_entry){
					.key = {7, shapes[shape][i].sample,
						shapes[shape][i].revision, 0},
					.sequence = 10 - i,
					.fingerprint = (uint64_t)(rest % 12 / 4),
					.bits = (uint8_t)(rest % 4)};
			for (size_t n = 0; n <= MOST; n++)
				check(e, n, true);
			check(e, MOST, false);
		}
	}
}

static void dedup__takes_large_prompts(void **state)
{
	static struct key_entry e[1024];
	static struct dedup_mark marks[1024];

	(void)state;
	for (uint32_t i = 0; i < 1024; i++)
		e[i] = (struct key_entry){.key = {7, i, 0, 0},
			.fingerprint = 1 + i % 10,
			.bits = KEY_PASSES | (i % 3 ? 0 : KEY_PASSES_AS_DUPLICATE)};
	dedup_mark(e, 1024, true, marks);
	for (uint32_t i = 0; i < 1024; i++) {
		assert_int_equal(marks[i].duplicate_of, i % 10);
		assert_int_equal(marks[i].selected, i < 10 || i % 3 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dedup__is_the_rule_of_the_page),
		cmocka_unit_test(dedup__takes_large_prompts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
