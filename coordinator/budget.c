/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/budget.h"

#include <math.h>

struct budget budget_of(double usd, int64_t tokens)
{
	return (struct budget){
		.max_nusd = isnan(usd) ? INT64_MAX : (int64_t)llround(usd * 1e9),
		.max_tokens = tokens == INT64_MIN ? UINT64_MAX : (uint64_t)tokens,
	};
}

bool budget_is_set(const struct budget *b)
{
	return b->max_nusd != INT64_MAX || b->max_tokens != UINT64_MAX;
}

bool budget_is_spent(const struct budget *b, const struct budget_use *use)
{
	return (b->max_nusd != INT64_MAX && use->nusd >= b->max_nusd) ||
	       (b->max_tokens != UINT64_MAX && use->tokens >= b->max_tokens);
}

/* So many samples at the highest price are part of every average. */
#define DOUBT 4.0

/* Whether `out` samples more stay below the budget. */
static bool fits(double spent, double max, double most, const struct budget_use *use)
{
	double expected = (spent + DOUBT * most) / ((double)use->samples + DOUBT);

	return spent + (double)use->samples_out * expected < max;
}

bool budget_allows(const struct budget *b, const struct budget_use *use)
{
	if (budget_is_spent(b, use))
		return false;
	if (use->samples_out == 0)
		return true;
	return (b->max_nusd == INT64_MAX || fits((double)use->nusd, (double)b->max_nusd,
						    (double)b->sample_nusd, use)) &&
	       (b->max_tokens == UINT64_MAX ||
		       fits((double)use->tokens, (double)b->max_tokens,
			       (double)b->sample_tokens, use));
}
