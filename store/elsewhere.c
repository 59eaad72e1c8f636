/* SPDX-License-Identifier: Apache-2.0 */
#include "store/elsewhere.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/mem.h"

#define SLOTS ((uint64_t)1 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

struct elsewhere {
	struct slot {
		uint64_t fingerprint; /* 0: free */
		uint64_t prompt;
	} slot[SLOTS];
};

struct elsewhere *elsewhere_new(void)
{
	struct elsewhere *e = aligned_alloc(HUGE_PAGE, sizeof(*e));

	if (!e)
		abort();
	/* Every access is to another place. If there are no huge pages, no harm. Its
	 * pages are fetched now, not one by one as samples come. */
	madvise(e, sizeof(*e), MADV_HUGEPAGE);
	return memset(e, 0, sizeof(*e));
}

void elsewhere_free(struct elsewhere *e)
{
	free(e);
}

bool elsewhere_seen(struct elsewhere *e, uint64_t fingerprint, uint64_t prompt)
{
	struct slot *s = &e->slot[fingerprint % SLOTS];

	if (s->fingerprint == fingerprint)
		return s->prompt != prompt; /* the first prompt stays */
	*s = (struct slot){fingerprint, prompt};
	return false;
}
