/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jdecimal_avx2.h - jdecimal_common by AVX2, for files compiled for it
 *
 * The digits before and behind the point are brought together at the end of 32
 * bytes and added up in pairs: no step depends on how many there are, so none can
 * be guessed wrong. What is not as common goes to jdecimal_common.
 *
 * Pure.
 */
#ifndef RETORT_COMMON_JDECIMAL_AVX2_H
#define RETORT_COMMON_JDECIMAL_AVX2_H

#include "common/jdecimal.h"

/* Constants that stand in another file, so that compilers load and do not build
 * them, once a number. `last`: at 32 - n begin n bytes that count. */
struct jdecimal_constants {
	signed char last[64];
	unsigned char zeros[32], nines[32];
};
__attribute__((visibility(
	"hidden"))) extern const struct jdecimal_constants jdecimal_constants;

#if defined(__AVX2__)
#include <immintrin.h>

/* So many bytes are read in front of the number, and from its beginning on. */
#define JDECIMAL_BEFORE 40
#define JDECIMAL_AVX2_ROOM 40

static inline __m256i jdecimal_load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* Behind "-d.ddd" or "-dd.ddd" with up to 19 digits behind the point; NULL if it is
 * anything else, or one of few that need more care. An exponent may follow: it is the
 * caller's to see that there is none. */
static inline __attribute__((always_inline)) const unsigned char *jdecimal_avx2(
	const unsigned char *p, double *value)
{
	const struct jdecimal_constants *c = &jdecimal_constants;
	const __m256i zero = jdecimal_load(c->zeros);
	unsigned others, point, end, n, shift, upper;
	uint64_t w, high, low, eights, first;
	unsigned __int128 product;
	int power;
	const unsigned char *behind;
	__m256i v, fraction;

	if (*p++ != '-')
		return NULL;
	v = _mm256_sub_epi8(jdecimal_load(p), zero);
	others = ~(unsigned)_mm256_movemask_epi8(
		_mm256_cmpeq_epi8(_mm256_min_epu8(v, jdecimal_load(c->nines)), v));
	point = _tzcnt_u32(others);
	end = _tzcnt_u32(_blsr_u32(others));
	n = end - point - 1;
	/* "0d." is none: one comparison, since the second half cannot be guessed. */
	if (point - 1 > 1 || p[point] != '.' || point + (*p == '0') > 2 || n - 1 > 18)
		return NULL;
	behind = p + end;
	/* The same bytes, one further right, are the digits before the point. */
	fraction = jdecimal_load(c->last + n);
	v = _mm256_blendv_epi8(
		jdecimal_load(behind - 33), jdecimal_load(behind - 32), fraction);
	v = _mm256_and_si256(
		_mm256_sub_epi8(v, zero), jdecimal_load(c->last + n + point));
	v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(0x010a));
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00010064));
	v = _mm256_packus_epi32(v, v);
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00012710));
	first = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(v)) >> 32;
	eights = (uint64_t)_mm_cvtsi128_si64(_mm256_extracti128_si256(v, 1));
	w = first * 10000000000000000 + (eights & UINT32_MAX) * 100000000 +
	    (eights >> 32);
	/* jdecimal_scale, for what is certain. */
	if (first > 1843)
		return NULL;
	shift = (unsigned)__builtin_clzll(w | 1); /* zero stays zero: not certain */
	product = (unsigned __int128)(w << shift) *
		  jdecimal_fives[(unsigned)-JDECIMAL_MIN - n][0];
	high = (uint64_t)(product >> 64);
	low = (uint64_t)product;
	if ((high & 0x1ff) == 0x1ff || low <= 1)
		return NULL;
	upper = (unsigned)(high >> 63);
	/* The mantissa's top bit adds one to the exponent, as a carry does. */
	power = 63 + 1022 - (int)((217706 * n + 65535) >> 16) - (int)shift + (int)upper;
	w = high >> (upper + 9);
	w = ((w + (w & 1)) >> 1) + ((uint64_t)(unsigned)power << 52);
	w |= (uint64_t)1 << 63;
	memcpy(value, &w, sizeof(w));
	return behind;
}
#endif

#endif
