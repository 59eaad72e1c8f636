/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - looking at a run from outside, through its ledger
 *
 * Read-only, beside a coordinator that is at work or after it has ended.
 */
#ifndef RETORT_COORDINATOR_STATUS_H
#define RETORT_COORDINATOR_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

struct status;

/* ERR_NOT_FOUND: there is no run in `dir`. */
enum err_code status_open(const char *dir, struct status **out, struct err *err)
	MUST_CHECK;
void status_close(struct status *s);

/* {"progress": {...}, "endpoints": [...], "workers": [...], "failures": {reason:
 * n}, "rejects": {reason: n}}: the ledger's views. A new reference. */
json_t *status_json(struct status *s);

/* The same for people. */
void status_print(struct status *s, FILE *to);

/* One line, `width` columns at most: a bar, counts, rate, time left. */
void status_bar(struct status *s, char *out, size_t size, unsigned width);

/* What a supervisor needs to know. */
struct status_now {
	char state[16];
	int64_t prompts, done, failed, samples, committed, samples_failed;
	double per_s, tokens_per_s, cost_usd;
	int64_t eta_s; /* -1: not known */
};
/* False if the ledger has nothing yet. */
bool status_now(struct status *s, struct status_now *out);

#endif
