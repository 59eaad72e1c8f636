/* SPDX-License-Identifier: Apache-2.0 */
#include "common/misaligned.h"

#include <stddef.h>

const char *const misaligned_names[] = {
#define MISALIGNED_NAME(number, name, text) text,
	MISALIGNED_RULES(MISALIGNED_NAME)
#undef MISALIGNED_NAME
		NULL};

/* The numbers have no gaps. */
_Static_assert(sizeof(misaligned_names) / sizeof(misaligned_names[0]) == MISALIGNED_N,
	"a number is missing");

const char *misaligned_name(enum misaligned rule)
{
	if (rule == MISALIGNED_NONE || (unsigned)rule >= MISALIGNED_N)
		return NULL;
	return misaligned_names[(unsigned)rule - 1];
}
