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

bool budget_is_spent(const struct budget *b, const struct budget_use *use)
{
	return (b->max_nusd != INT64_MAX && use->nusd >= b->max_nusd) ||
	       (b->max_tokens != UINT64_MAX && use->tokens >= b->max_tokens);
}

bool budget_allows(const struct budget *b, const struct budget_use *use)
{
	double samples = use->samples ? (double)use->samples : 1;
	double nusd = (double)use->nusd * (1 + (double)use->samples_out / samples);
	double tokens = (double)use->tokens * (1 + (double)use->samples_out / samples);

	if (budget_is_spent(b, use))
		return false;
	/* Before the first answer there is no average: a few samples find one. */
	if (use->samples == 0)
		return (b->max_nusd == INT64_MAX && b->max_tokens == UINT64_MAX) ||
		       use->samples_out < 8;
	return (b->max_nusd == INT64_MAX || nusd < (double)b->max_nusd) &&
	       (b->max_tokens == UINT64_MAX || tokens < (double)b->max_tokens);
}
