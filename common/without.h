/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without.h - builds that lack one protection, to prove that a test sees it
 *
 * A protection that no test misses is not tested. tests/variants.cmake builds
 * programs that are wrong in one way on purpose, and tests/system/without.sh
 * sees a test fail with each. Never installed.
 */
#ifndef RETORT_COMMON_WITHOUT_H
#define RETORT_COMMON_WITHOUT_H

/* The store takes offers of any epoch. */
#ifdef RETORT_WITHOUT_FENCE
#define WITHOUT_FENCE 1
#else
#define WITHOUT_FENCE 0
#endif

/* The store answers before it has committed. */
#ifdef RETORT_WITHOUT_COMMIT_ORDER
#define WITHOUT_COMMIT_ORDER 1
#else
#define WITHOUT_COMMIT_ORDER 0
#endif

/* The store writes an offer again that it has already. */
#ifdef RETORT_WITHOUT_IDEMPOTENCE
#define WITHOUT_IDEMPOTENCE 1
#else
#define WITHOUT_IDEMPOTENCE 0
#endif

#endif
