/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dedup.h - which samples of a prompt are live, duplicates, selected
 *
 * Pure. The rule is FORMAT.md's ("key"): equal fingerprints among the live
 * samples of one prompt form a group; an expression is applied first, and then
 * one of each group is kept, so that the result does not depend on the order
 * in which samples arrived.
 */
#ifndef RETORT_STORE_DEDUP_H
#define RETORT_STORE_DEDUP_H

#include <stdbool.h>
#include <stddef.h>

#include "store/dataset.h"

/* Of one entry; the arrays below are parallel to the entries. */
struct dedup_mark {
	bool live;
	bool duplicate;      /* live, and not the representative of its group */
	bool selected;       /* live, and the expression selects it */
	size_t duplicate_of; /* index of the representative; own index if none */
};

/*
 * Marks all entries of one prompt, given in key order. Each entry's bits say
 * how the expression finds it (enum key_bit). With `exact` false there are no
 * groups. The representative depends on the expression, as the rule says.
 */
void dedup_mark(const struct key_entry *entries, size_t n, bool exact,
	struct dedup_mark *marks);

struct dedup_counts {
	uint32_t live, selected, duplicates;
};
/* The counts over marks, where a duplicate is any live sample that is not the
 * smallest key of its group, whatever the expression. */
struct dedup_counts dedup_count(const struct key_entry *entries, size_t n, bool exact);

#endif
