/* SPDX-License-Identifier: Apache-2.0 */
#include "common/reason.h"

#include <string.h>

static const struct {
	const char *name, *meaning;
} reasons[REASON_N] = {
#define REASON_ROW(number, name, text, meaning) [number] = {text, meaning},
	REASONS(REASON_ROW)
#undef REASON_ROW
};

static int is_known(enum reason reason)
{
	return (unsigned)reason < REASON_N && reasons[reason].name;
}

const char *reason_name(enum reason reason)
{
	return is_known(reason) ? reasons[reason].name : "unknown";
}

const char *reason_meaning(enum reason reason)
{
	return is_known(reason) ? reasons[reason].meaning : "";
}

enum reason reason_by_name(const char *name)
{
	for (int i = 0; i < REASON_N; i++)
		if (reasons[i].name && strcmp(reasons[i].name, name) == 0)
			return (enum reason)i;
	return REASON_N;
}
