/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pace.h"

#include <math.h>

/* What may gather while nobody asks. */
#define BURST_MS 2000
/* Of a limit that is used up, and nobody tells for how long. */
#define UNTOLD_MS 1000

/* One limit, in requests of ours. */
struct part {
	double left, whole;
	int64_t reset_ms;
};

static bool part_of(const struct rate_told *told, enum told_kind kind, double part,
	const struct pace_use *use, int64_t wall_ms, struct part *out)
{
	const struct told_limit *l = &told->of[kind];

	if (l->remaining < 0 || !(use->of[kind] > 0))
		return false;
	out->left = l->remaining * part / use->of[kind];
	out->whole = l->limit * part / use->of[kind];
	if (!(out->whole >= 1))
		out->whole = 1;
	out->reset_ms = rate_told_reset(told, kind, wall_ms);
	if (out->reset_ms < 0)
		out->reset_ms = out->left < 1 ? UNTOLD_MS : 0;
	if (out->reset_ms > PACE_LONG_MS) {
		if (out->left >= 1)
			return false;
		out->left = 0;
		out->whole = 1; /* a look */
		out->reset_ms = PACE_LOOK_MS;
	}
	return out->reset_ms > 0;
}

static void fill(struct pace *p, int64_t now_ms)
{
	double most = fmax(1, p->per_ms * BURST_MS);

	p->level = fmin(p->level + (double)(now_ms - p->at_ms) * p->per_ms, most);
	p->at_ms = now_ms;
}

static void hold(struct pace *p, const struct part *by, int64_t now_ms)
{
	if (p->holds && p->until_ms != INT64_MAX)
		fill(p, now_ms);
	else
		p->level = 1;
	p->holds = true;
	p->at_ms = now_ms;
	p->per_ms = by->left / (double)by->reset_ms;
	p->level = fmin(p->level, by->left);
	p->whole = by->whole;
	p->until_ms = now_ms + by->reset_ms;
}

void pace_hear(struct pace *p, const struct rate_told *told, double part,
	const struct pace_use *use, bool failed, int64_t wall_ms, int64_t now_ms)
{
	struct part slowest = {0}, one;
	double least = INFINITY;

	for (int kind = 0; kind < TOLD_N; kind++) {
		double rate;

		if (!part_of(told, (enum told_kind)kind, part, use, wall_ms, &one))
			continue;
		rate = one.left / (double)one.reset_ms;
		if (rate < least) {
			least = rate;
			slowest = one;
		}
	}
	p->heard = p->heard || told->any;
	if (least < INFINITY)
		hold(p, &slowest, now_ms);
	else if (told->any || !failed)
		p->holds = false;
}

bool pace_allows(struct pace *p, bool tells, uint32_t in_flight, int64_t now_ms)
{
	if (!p->heard && tells)
		return in_flight == 0;
	if (!p->holds)
		return true;
	if (p->until_ms == INT64_MAX)
		return p->level >= 1 || in_flight == 0;
	if (now_ms < p->until_ms) {
		fill(p, now_ms);
		return p->level >= 1;
	}
	p->until_ms = INT64_MAX;
	p->per_ms = 0;
	p->level = p->whole;
	return true;
}

void pace_take(struct pace *p)
{
	if (p->holds)
		p->level -= 1;
}
