/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How sure the teacher was, as two means over the rows.
 *
 * The entropy of a row is that of the listed candidates plus the tail as one
 * bucket (rows_normalise): the least that the true entropy can be. With k = 20
 * the tail is small wherever the teacher is sure, and there the two agree; where
 * it is not, the true value is higher by tail * the entropy within the tail, at
 * most tail * ln(vocabulary). Lists of different k do not compare.
 */
#include <math.h>

#include "worker/score.h"

/* The mean of what is there; NaN if nothing is. */
static float mean(const double *v, uint32_t n)
{
	double sum = 0;
	uint32_t present = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!isnan(v[i])) {
			sum += v[i];
			present++;
		}
	}
	return present ? (float)(sum / present) : NAN;
}

uint32_t score_confidence(const struct score_input *in, float score[SCORE_SLOTS])
{
	if (in->rows) {
		score[SCORE_CONFIDENCE] = mean(in->rows->logprob, in->rows->n);
		score[SCORE_ENTROPY] = mean(in->rows->entropy, in->rows->n);
	}
	return 0;
}
