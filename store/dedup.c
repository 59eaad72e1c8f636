/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dedup.h"

#include <stdlib.h>

#include "common/mem.h"

static bool same_sample(const struct key_entry *a, const struct key_entry *b)
{
	return a->key.prompt == b->key.prompt && a->key.sample == b->key.sample;
}

/* Entries come in key order, so the live one of a sample is the last. */
static bool is_live(const struct key_entry *entries, size_t n, size_t i)
{
	return i + 1 == n || !same_sample(&entries[i], &entries[i + 1]);
}

/* An index of the live entries by (fingerprint, key), so that groups stand
 * together with their smallest key first. */
struct member {
	uint64_t fingerprint;
	size_t index;
};

static int by_fingerprint(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Marks one group of members that have equal fingerprints. */
static void mark_group(const struct key_entry *entries, const struct member *group,
	size_t n, struct dedup_mark *marks)
{
	size_t representative = group[0].index;

	for (size_t i = 0; i < n; i++) {
		if (entries[group[i].index].bits & KEY_PASSES) {
			representative = group[i].index;
			break;
		}
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = group[i].index;
		uint8_t bits = entries[at].bits;

		marks[at].duplicate = at != representative;
		marks[at].duplicate_of = representative;
		marks[at].selected = at == representative
					     ? bits & KEY_PASSES
					     : bits & KEY_PASSES_AS_DUPLICATE;
	}
}

void dedup_mark(
	const struct key_entry *entries, size_t n, bool exact, struct dedup_mark *marks)
{
	struct member few[64],
		*members = n <= 64 ? few : mem_zalloc(n, sizeof(*members));
	size_t n_members = 0, begin = 0;

	for (size_t i = 0; i < n; i++) {
		marks[i] = (struct dedup_mark){
			.live = is_live(entries, n, i), .duplicate_of = i};
		if (!marks[i].live)
			continue;
		marks[i].selected = entries[i].bits & KEY_PASSES;
		if (exact && entries[i].fingerprint != 0)
			members[n_members++] =
				(struct member){entries[i].fingerprint, i};
	}
	if (n_members > 1)
		qsort(members, n_members, sizeof(*members), by_fingerprint);
	for (size_t i = 1; i <= n_members; i++) {
		if (i < n_members &&
			members[i].fingerprint == members[begin].fingerprint)
			continue;
		if (i - begin > 1)
			mark_group(entries, members + begin, i - begin, marks);
		begin = i;
	}
	if (members != few)
		free(members);
}

struct dedup_counts dedup_count(const struct key_entry *entries, size_t n, bool exact)
{
	struct dedup_mark few[64],
		*marks = n <= 64 ? few : mem_zalloc(n, sizeof(*marks));
	struct dedup_counts counts = {0};

	dedup_mark(entries, n, exact, marks);
	for (size_t i = 0; i < n; i++) {
		counts.live += marks[i].live;
		counts.selected += marks[i].selected;
		/* A group has as many duplicates whichever member stands for it. */
		counts.duplicates += marks[i].duplicate;
	}
	if (marks != few)
		free(marks);
	return counts;
}
