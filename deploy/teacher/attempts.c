/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/attempts.h"

#include <stdlib.h>

#include "common/mem.h"

static struct tally *find(const struct attempts *a, uint64_t key)
{
	size_t i = key & (a->size - 1);

	while (a->place[i].count > 0 && a->place[i].key != key)
		i = (i + 1) & (a->size - 1);
	return &a->place[i];
}

static void grow(struct attempts *a)
{
	struct attempts old = *a;

	a->size = old.size ? 2 * old.size : 1024;
	a->place = mem_zalloc(a->size, sizeof(*a->place));
	for (size_t i = 0; i < old.size; i++)
		if (old.place[i].count > 0)
			*find(a, old.place[i].key) = old.place[i];
	free(old.place);
}

unsigned attempts_count(struct attempts *a, uint64_t key)
{
	struct tally *t;

	if (2 * (a->n + 1) > a->size)
		grow(a);
	t = find(a, key);
	if (t->count == 0) {
		t->key = key;
		a->n++;
	}
	return ++t->count;
}

void attempts_release(struct attempts *a)
{
	free(a->place);
	*a = (struct attempts){0};
}
