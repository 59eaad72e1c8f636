/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/credit.h"

#include <stdlib.h>

#include "common/mem.h"

/* What it may have in flight now or later, without another word from us. */
static uint32_t most(const struct credit_share *s)
{
	uint32_t known = s->keeps_to > s->in_flight ? s->keeps_to : s->in_flight;

	return known > s->granted ? known : s->granted;
}

static bool has_heard(const struct credit_share *s)
{
	return s->keeps_to == s->granted;
}

static int by_wish(const void *a, const void *b)
{
	const struct credit_share *const *x = a, *const *y = b;

	if ((*x)->could_use != (*y)->could_use)
		return (*x)->could_use < (*y)->could_use ? -1 : 1;
	return (*x)->worker < (*y)->worker ? -1 : (*x)->worker > (*y)->worker;
}

/* Max-min fair targets: the smallest wishes whole, the rest evenly. */
static void fair_targets(
	struct credit_share *shares, size_t n, uint32_t max, uint32_t *target)
{
	struct credit_share **order = mem_zalloc(n, sizeof(*order));
	uint32_t left = max;

	for (size_t i = 0; i < n; i++)
		order[i] = &shares[i];
	qsort(order, n, sizeof(*order), by_wish);
	for (size_t i = 0; i < n; i++) {
		uint32_t even = left / (uint32_t)(n - i);
		uint32_t wish = order[i]->could_use ? order[i]->could_use : 1;
		uint32_t give = wish < even ? wish : even;

		/* What does not divide goes to the last ones. */
		target[order[i] - shares] = give;
		left -= give;
	}
	/* Wishes that were all met leave some over: headroom, evenly. */
	for (size_t i = 0; i < n; i++) {
		uint32_t more = left / (uint32_t)(n - i);

		target[order[i] - shares] += more;
		left -= more;
	}
	free(order);
}

void credit_divide(struct credit_share *shares, size_t n, uint32_t max_in_flight)
{
	uint32_t *target;
	uint64_t bound = 0;

	if (n == 0)
		return;
	target = mem_zalloc(n, sizeof(*target));
	fair_targets(shares, n, max_in_flight, target);
	/* First take: a smaller share counts only once it is kept. */
	for (size_t i = 0; i < n; i++) {
		if (has_heard(&shares[i]) && target[i] < shares[i].granted)
			shares[i].granted = target[i];
		bound += most(&shares[i]);
	}
	/* Then give what is really free. */
	for (size_t i = 0; i < n; i++) {
		struct credit_share *s = &shares[i];
		uint32_t kept = most(s);
		uint32_t wish = target[i] > kept ? target[i] - kept : 0;
		uint64_t free_now = bound < max_in_flight ? max_in_flight - bound : 0;
		uint32_t give = wish < free_now ? wish : (uint32_t)free_now;

		if (give == 0 || !has_heard(s))
			continue;
		s->granted = kept + give;
		bound += give;
	}
	free(target);
}

uint64_t credit_rate(uint64_t per_minute, uint32_t granted, uint32_t all_granted)
{
	uint64_t rate;

	if (per_minute == 0 || all_granted == 0)
		return per_minute;
	rate = (uint64_t)((double)per_minute * granted / all_granted);
	return rate > 0 ? rate : 1;
}
