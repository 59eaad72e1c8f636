/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h - when to stop spending
 *
 * Prompts are granted while what has been spent, and what the samples that
 * are out would cost at the average so far, stays below the budget. Once the
 * budget itself is spent, workers stop asking. A run can pass its budget by
 * what is in flight at that moment, and by nothing else.
 *
 * Pure.
 */
#ifndef RETORT_COORDINATOR_BUDGET_H
#define RETORT_COORDINATOR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
	int64_t max_nusd;    /* INT64_MAX: none */
	uint64_t max_tokens; /* UINT64_MAX: none */
};

struct budget_use {
	int64_t nusd;
	uint64_t tokens;      /* prompt and completion, failed attempts too */
	uint64_t samples;     /* committed */
	uint64_t samples_out; /* under a lease and not committed yet */
};

/* NAN and INT64_MIN (the job's "not set") mean none. */
struct budget budget_of(double usd, int64_t tokens);

bool budget_is_spent(const struct budget *b, const struct budget_use *use);
/* Whether more prompts may be granted. */
bool budget_allows(const struct budget *b, const struct budget_use *use);

#endif
