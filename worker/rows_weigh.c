/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rows_weigh.h"

#include <math.h>

struct weight rows_weigh_portable(const double *logprob, uint32_t n)
{
	struct weight w = {0, 0};

	for (uint32_t i = 0; i < n; i++) {
		double p = exp(logprob[i]);

		w.sum += p;
		w.entropy -= p * logprob[i];
	}
	return w;
}

void rows_weigh_tails_portable(const double *tail, uint32_t n, double *entropy)
{
	for (uint32_t i = 0; i < n; i++)
		if (tail[i] > 0)
			entropy[i] -= tail[i] * log(tail[i]);
}

struct weight rows_weigh(const double *logprob, uint32_t n)
{
#if ROWS_WEIGH_HAS_AVX2
	if (jrun_form() == JRUN_AVX2)
		return rows_weigh_avx2(logprob, n);
#endif
	return rows_weigh_portable(logprob, n);
}

void rows_weigh_tails(const double *tail, uint32_t n, double *entropy)
{
#if ROWS_WEIGH_HAS_AVX2
	if (jrun_form() == JRUN_AVX2) {
		rows_weigh_tails_avx2(tail, n, entropy);
		return;
	}
#endif
	rows_weigh_tails_portable(tail, n, entropy);
}
