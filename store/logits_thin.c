/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_thin.h"

#include <math.h>

uint32_t logits_thin_row(
	const struct logits *l, const float *logprobs, uint32_t n, float *tail)
{
	uint32_t most = l->keep_k > 0 && l->keep_k < n ? l->keep_k : n, kept = 0;
	double sum = 0;

	if (most == n && !(l->keep_mass > 0))
		return n;
	while (kept < most &&
		!(kept > 0 && l->keep_mass > 0 && sum >= (double)l->keep_mass))
		sum += exp((double)logprobs[kept++]);
	if (kept < n)
		*tail = sum < 1 ? (float)(1 - sum) : 0;
	return kept;
}
