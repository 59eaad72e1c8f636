/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h - when to stop spending
 *
 * Prompts are granted while what has been spent, and what the samples that
 * are out are expected to cost, stays below the budget. Once the budget itself
 * is spent, workers stop asking. What a sample is expected to cost is the
 * average so far, of which a few samples at the most that one may cost are
 * part: so a run does not begin by spending its whole budget on samples of
 * which nobody knows the price. With one prompt nothing is risked that the
 * budget could save: one may always be out. So a run passes its budget by
 * about what one prompt costs.
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
	/* The most that one sample may cost. */
	int64_t sample_nusd;
	uint64_t sample_tokens;
};

struct budget_use {
	int64_t nusd;
	uint64_t tokens;      /* prompt and completion, failed attempts too */
	uint64_t samples;     /* committed */
	uint64_t samples_out; /* under a lease and not committed yet */
};

/* NAN and INT64_MIN (the job's "not set") mean none. The most that a sample may
 * cost is left 0. */
struct budget budget_of(double usd, int64_t tokens);
bool budget_is_set(const struct budget *b);

bool budget_is_spent(const struct budget *b, const struct budget_use *use);
/* Whether more prompts may be granted. */
bool budget_allows(const struct budget *b, const struct budget_use *use);

#endif
