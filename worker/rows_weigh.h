/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_weigh.h - the mass and the entropy of a list of logprobs
 *
 * Pure. In two forms, of which the second has four exponentials or logarithms at once
 * where the machine and its C library have them; they agree to a few units in the last
 * place.
 */
#ifndef RETORT_WORKER_ROWS_WEIGH_H
#define RETORT_WORKER_ROWS_WEIGH_H

#include <stdint.h>

#include "common/jrun_forms.h"

struct weight {
	double sum;     /* of p = e^logprob */
	double entropy; /* of those alone: the sum of -p * logprob, nat */
};

struct weight rows_weigh(const double *logprob, uint32_t n);

/* Adds to the entropy of each of n lists that of its tail, a mass from 0 to 1, as one
 * bucket. Nothing where the tail is NaN. */
void rows_weigh_tails(const double *tail, uint32_t n, double *entropy);

/* The forms, for their test. */
struct weight rows_weigh_portable(const double *logprob, uint32_t n);
void rows_weigh_tails_portable(const double *tail, uint32_t n, double *entropy);
#if JRUN_HAS_AVX2 && defined(RETORT_HAS_MVEC)
#define ROWS_WEIGH_HAS_AVX2 1
struct weight rows_weigh_avx2(const double *logprob, uint32_t n);
void rows_weigh_tails_avx2(const double *tail, uint32_t n, double *entropy);
#else
#define ROWS_WEIGH_HAS_AVX2 0
#endif

#endif
