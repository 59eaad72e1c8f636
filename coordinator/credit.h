/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credit.h - one endpoint's limits, shared by the whole fleet
 *
 * The job gives an endpoint so many requests in flight, and so many requests
 * and tokens a minute, for all workers together. Each worker gets a share; the
 * sum never exceeds the limit, also while shares move: what is taken from one
 * worker is given to another only after the first has reported that it has
 * heard of its new share and is down to it, or is gone. A worker's share does not
 * change again before it has heard of the last change: else a larger share that
 * it hears of late could be in use already by another.
 *
 * Shares follow what workers could use, evenly: the one that wants least is
 * served first and the rest is divided among the others (max-min fairness).
 *
 * Pure.
 */
#ifndef RETORT_COORDINATOR_CREDIT_H
#define RETORT_COORDINATOR_CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credit_share {
	uint32_t worker;
	uint32_t could_use; /* requests it would have in flight if it could */
	uint32_t in_flight; /* as last reported */
	uint32_t keeps_to;  /* the share that it knew of then */
	uint32_t granted;   /* its share, as told last */
};

/*
 * Computes new shares in place (`granted`). `max_in_flight` is for all of
 * them; every worker gets at least one if there are enough, so that a new
 * worker can show what it could use.
 */
void credit_divide(struct credit_share *shares, size_t n, uint32_t max_in_flight);

/* A worker's part of a rate limit (0: none): in proportion to its share of the
 * requests in flight, at least 1. */
uint64_t credit_rate(uint64_t per_minute, uint32_t granted, uint32_t all_granted);

#endif
