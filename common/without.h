/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without.h - builds that lack one protection, to prove that a test sees it
 *
 * A protection that no test can miss is not tested. `cmake -DRETORT_WITHOUT=x`
 * builds a program that is wrong in one way on purpose; tests/faults shows
 * that the crash tests fail with it. Never installed.
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
