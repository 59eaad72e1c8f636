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

struct sum {
	double sum;
	uint32_t n;
};

static inline struct sum add(struct sum s, double v)
{
	bool present = v == v;

	return (struct sum){s.sum + (present ? v : 0), s.n + present};
}

/* The mean of what is there; NaN if nothing is. Two sums side by side, since
 * each addition waits for the one before it. */
static float mean(const double *v, uint32_t n)
{
	struct sum even = {0}, odd = {0};
	uint32_t i;

	for (i = 0; i + 1 < n; i += 2) {
		even = add(even, v[i]);
		odd = add(odd, v[i + 1]);
	}
	if (i < n)
		even = add(even, v[i]);
	n = even.n + odd.n;
	return n ? (float)((even.sum + odd.sum) / n) : NAN;
}

uint32_t score_confidence(const struct score_input *in, float score[SCORE_SLOTS])
{
	if (in->rows) {
		score[SCORE_CONFIDENCE] = mean(in->rows->logprob, in->rows->n);
		score[SCORE_ENTROPY] = mean(in->rows->entropy, in->rows->n);
	}
	return 0;
}
