/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate.h - so many a minute
 *
 * A bucket fills at the limit's rate up to a few seconds' worth. A request may
 * go while there is something in it; what it really took is taken out when
 * that is known, so that the level may fall below zero and has to fill again.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_RATE_H
#define RETORT_WORKER_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	double per_ms; /* 0: no limit */
	double level, cap;
	int64_t at_ms;
};

/* Zeroed memory is no limit. The level is kept when the limit changes. */
void rate_set(struct rate *r, uint64_t per_minute, int64_t now_ms);
bool rate_allows(struct rate *r, int64_t now_ms);
void rate_take(struct rate *r, double n);

#endif
