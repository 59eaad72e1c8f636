/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - so fast that a server need not refuse
 *
 * Servers tell with each answer how many requests and tokens are left to the
 * account, and how long it is until the limit is whole again (rate_headers.h).
 * What is left is spread over that time: so many requests in so many
 * milliseconds, of which this worker takes its part, as large as its part of the
 * endpoint's requests in flight. Where a limit starts anew at fixed times, it lasts
 * until then; where it fills all the time, this settles at the speed at which it
 * fills, half full.
 *
 * Of limits that are whole only after minutes (of a day, say) nothing is saved:
 * they are used up, and then waited for, with a look now and then.
 *
 * Tokens are counted in requests, by what one has used so far.
 *
 * Once the time is over the limit is taken to be whole, until an answer says more;
 * where nothing was ever told, and others know that this server tells, one request
 * goes ahead.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_PACE_H
#define RETORT_WORKER_PACE_H

#include "worker/rate_headers.h"

struct pace {
	bool heard;       /* ever */
	bool holds;       /* what follows does */
	double per_ms;    /* requests */
	double level;     /* requests that may go now, if it is at least 1 */
	double whole;     /* and once the time is over */
	int64_t at_ms;    /* of the level */
	int64_t until_ms; /* INT64_MAX: it is over */
};

/* What one request uses of each kind, 1 of requests; 0: unknown, not counted. */
struct pace_use {
	double of[TOLD_N];
};

#define PACE_LONG_MS 120000 /* what is longer is not spread */
#define PACE_LOOK_MS 60000  /* but looked at so often */

/* An answer came. `part` of the account's limits is ours, 0 < part <= 1. An answer
 * of a server that tells nothing any more, and has not failed, ends it. */
void pace_hear(struct pace *p, const struct rate_told *told, double part,
	const struct pace_use *use, bool failed, int64_t wall_ms, int64_t now_ms);
/* Whether a request may go now. `tells`: the server is known to tell its limits. */
bool pace_allows(struct pace *p, bool tells, uint32_t in_flight, int64_t now_ms);
/* One has gone. */
void pace_take(struct pace *p);

#endif
