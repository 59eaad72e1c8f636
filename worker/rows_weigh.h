/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_weigh.h - the mass and the entropy of a list of logprobs
 *
 * Pure. In two forms, of which the second has four exponentials at once where the
 * machine and its C library have them; they agree to a few units in the last place.
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

/* The forms, for their test. */
struct weight rows_weigh_portable(const double *logprob, uint32_t n);
#if JRUN_HAS_AVX2 && defined(RETORT_HAS_MVEC)
#define ROWS_WEIGH_HAS_AVX2 1
struct weight rows_weigh_avx2(const double *logprob, uint32_t n);
#else
#define ROWS_WEIGH_HAS_AVX2 0
#endif

#endif
