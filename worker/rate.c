/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rate.h"

#define BURST_MS 2000

static void fill(struct rate *r, int64_t now_ms)
{
	r->level += (double)(now_ms - r->at_ms) * r->per_ms;
	if (r->level > r->cap)
		r->level = r->cap;
	r->at_ms = now_ms;
}

void rate_set(struct rate *r, uint64_t per_minute, int64_t now_ms)
{
	if (r->per_ms > 0)
		fill(r, now_ms);
	r->per_ms = (double)per_minute / 60000;
	r->at_ms = now_ms;
	r->cap = r->per_ms * BURST_MS > 1 ? r->per_ms * BURST_MS : 1;
	if (r->level > r->cap)
		r->level = r->cap;
}

bool rate_allows(struct rate *r, int64_t now_ms)
{
	if (r->per_ms <= 0)
		return true;
	fill(r, now_ms);
	return r->level > 0;
}

void rate_take(struct rate *r, double n)
{
	if (r->per_ms > 0)
		r->level -= n;
}
