/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what every fuzz target includes
 */
#ifndef RETORT_TESTS_FUZZ_H
#define RETORT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

/* What must hold for every input, also in a build without assertions. */
#define MUST(condition)                                                                \
	do {                                                                           \
		if (!(condition))                                                      \
			abort();                                                       \
	} while (0)

#endif
