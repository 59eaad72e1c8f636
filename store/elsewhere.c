/* SPDX-License-Identifier: Apache-2.0 */
#include "store/elsewhere.h"

#include <stdlib.h>

#include "common/mem.h"

#define SLOTS ((uint64_t)1 << 20)

struct elsewhere {
	struct slot {
		uint64_t fingerprint; /* 0: free */
		uint64_t prompt;
	} slot[SLOTS];
};

struct elsewhere *elsewhere_new(void)
{
	return mem_table(sizeof(struct elsewhere));
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
