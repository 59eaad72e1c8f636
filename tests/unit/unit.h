/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h - what every unit test includes: cmocka with its prerequisites, and
 * a seeded random source that prints its seed when a test fails
 */
#ifndef RETORT_TESTS_UNIT_H
#define RETORT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* splitmix64: small, seedable, the same on every machine. */
struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 <= result < n */
static inline uint64_t chance_below(struct chance *c, uint64_t n)
{
	return chance_next(c) % n;
}

#define assert_bytes_equal(got, want)                                                  \
	do {                                                                           \
		assert_int_equal((got).len, strlen(want));                             \
		assert_memory_equal((got).data, (want), (got).len);                    \
	} while (0)

#endif
