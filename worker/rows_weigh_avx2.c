/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rows_weigh.h"

#if ROWS_WEIGH_HAS_AVX2
#include <immintrin.h>
#include <math.h>

/* glibc's libmvec: of four numbers, to 4 units in the last place. The names are those of
 * the x86-64 vector function ABI. */
__m256d _ZGVdN4v_exp(__m256d x);
__m256d _ZGVdN4v_log(__m256d x);

static double sum_of(__m256d v)
{
	__m128d pair =
		_mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));

	return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

struct weight rows_weigh_avx2(const double *logprob, uint32_t n)
{
	__m256d sum = _mm256_setzero_pd(), entropy = _mm256_setzero_pd();
	struct weight w;
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256d x = _mm256_loadu_pd(logprob + i), p = _ZGVdN4v_exp(x);

		sum = _mm256_add_pd(sum, p);
		entropy = _mm256_sub_pd(entropy, _mm256_mul_pd(p, x));
	}
	w = (struct weight){sum_of(sum), sum_of(entropy)};
	for (; i < n; i++) {
		double p = exp(logprob[i]);

		w.sum += p;
		w.entropy -= p * logprob[i];
	}
	return w;
}

void rows_weigh_tails_avx2(const double *tail, uint32_t n, double *entropy)
{
	const __m256d one = _mm256_set1_pd(1), none = _mm256_setzero_pd();
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256d t = _mm256_loadu_pd(tail + i);

		/* A bucket that is sure, or that is not there, has no entropy. */
		t = _mm256_blendv_pd(one, t, _mm256_cmp_pd(t, none, _CMP_GT_OQ));
		_mm256_storeu_pd(
			entropy + i, _mm256_sub_pd(_mm256_loadu_pd(entropy + i),
					     _mm256_mul_pd(t, _ZGVdN4v_log(t))));
	}
	rows_weigh_tails_portable(tail + i, n - i, entropy + i);
}
#endif
