/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jdecimal_avx2.h - decimal digits to doubles by AVX2, four numbers at a time
 *
 * For files compiled for AVX2 and FMA. First each number's digits are brought together,
 * two of them before the point, and added up in pairs, whether they count or not: no
 * step depends on how many there are, so none can be guessed wrong. Then four numbers
 * at a time are made of what came of that.
 *
 * With a, b and c the integers that the digits 1 to 8, 9 to 16 and 17 to 24 make, the
 * number is
 *
 *   x / 10^14,   x = a 10^8 + b + c 10^-8
 *
 * a 10^8 + b is s + t without an error, s being the nearest double. q, which is about
 * s / 10^14, leaves a remainder r that is a double; and x / 10^14 = q + d with
 * d = (r + t + c 10^-8) / 10^14. d is known to some 2^-50 of the largest of r, t and
 * c 10^-8, and where these cancel each other q is the nearest double by far. So q + d
 * is rounded twice, with a d that is 2^-45 too large and with one that is as much too
 * small: what agrees is the nearest double, and what does not is left to others. (After
 * the rounding test of A. Ziv, "Fast evaluation of elementary mathematical functions
 * with correctly rounded last bit", 1991.)
 *
 * Pure.
 */
#ifndef RETORT_COMMON_JDECIMAL_AVX2_H
#define RETORT_COMMON_JDECIMAL_AVX2_H

#include "common/jdecimal.h"

/* Constants that stand in another file, so that compilers load and do not build
 * them, once a number. `first`: at 32 - n begin n bytes that count. */
struct jdecimal_constants {
	_Alignas(64) signed char first[64];
	unsigned char zeros[32], nines[32];
};
__attribute__((visibility(
	"hidden"))) extern const struct jdecimal_constants jdecimal_constants;

#if defined(__AVX2__)
#include <immintrin.h>

static inline __m256i jdecimal_load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* Behind "-d.ddd" or "-dd.ddd" with up to 22 digits behind the point; NULL if it is
 * anything else. An exponent may follow: it is the caller's to see that there is none.
 * In parts: a, b, two others, c, three others. */
static inline __attribute__((always_inline)) const unsigned char *jdecimal_digits(
	const unsigned char *p, uint32_t parts[8])
{
	const struct jdecimal_constants *c = &jdecimal_constants;
	const __m256i zeros = jdecimal_load(c->zeros);
	const unsigned char *from;
	unsigned others, point, end;
	__m256i v;

	if (*p++ != '-')
		return NULL;
	v = _mm256_sub_epi8(jdecimal_load(p), zeros);
	others = ~(unsigned)_mm256_movemask_epi8(
		_mm256_cmpeq_epi8(_mm256_min_epu8(v, jdecimal_load(c->nines)), v));
	point = _tzcnt_u32(others);
	end = _tzcnt_u32(_blsr_u32(others));
	/* "0d." is none: one comparison, since the second half cannot be guessed. */
	if (point - 1 > 1 || p[point] != '.' || point + (*p == '0') > 2 ||
		end - point - 2 > 21)
		return NULL;
	/* Two digits before the point; for one, the sign, which becomes a zero. */
	from = p + point - 1;
	v = _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_blend_epi16(
			_mm_loadu_si128((const __m128i *)(const void *)from),
			_mm_loadu_si128((const __m128i *)(const void *)(from - 1)), 1)),
		_mm_loadu_si128((const __m128i *)(const void *)(from + 16)), 1);
	v = _mm256_and_si256(_mm256_subs_epu8(v, zeros),
		jdecimal_load(c->first + 31 - (end - point)));
	v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(0x010a));
	v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00010064));
	v = _mm256_packus_epi32(v, v);
	_mm256_storeu_si256((__m256i *)(void *)parts,
		_mm256_madd_epi16(v, _mm256_set1_epi32(0x00012710)));
	return p + end;
}

/* The 32-bit integers in the low halves. */
static inline __m256d jdecimal_doubles(__m256i low)
{
	const __m256i two_to_52 = _mm256_set1_epi64x(0x4330000000000000);

	return _mm256_sub_pd(
		_mm256_castsi256_pd(_mm256_blend_epi32(low, two_to_52, 0xaa)),
		_mm256_castsi256_pd(two_to_52));
}

/* Four numbers, which all are negative; a bit for each that is certain. */
static inline __attribute__((always_inline)) unsigned jdecimal_four(
	const uint32_t parts[4][8], double *to)
{
	const __m256d scale = _mm256_set1_pd(1e14), inverse = _mm256_set1_pd(1e-14);
	__m256i one =
		_mm256_unpacklo_epi64(jdecimal_load(parts[0]), jdecimal_load(parts[1]));
	__m256i two =
		_mm256_unpacklo_epi64(jdecimal_load(parts[2]), jdecimal_load(parts[3]));
	__m256i ab = _mm256_permute2x128_si256(one, two, 0x20);
	__m256i cs = _mm256_permute2x128_si256(one, two, 0x31);
	__m256d a = jdecimal_doubles(ab);
	__m256d b = jdecimal_doubles(_mm256_srli_epi64(ab, 32));
	__m256d c = jdecimal_doubles(cs);
	__m256d first, s, t, q, r, d, low, high;

	first = _mm256_mul_pd(a, _mm256_set1_pd(1e8));
	s = _mm256_add_pd(first, b);
	t = _mm256_sub_pd(b, _mm256_sub_pd(s, first));
	q = _mm256_mul_pd(s, inverse);
	r = _mm256_fnmadd_pd(q, scale, s);
	d = _mm256_mul_pd(
		_mm256_add_pd(r, _mm256_fmadd_pd(c, _mm256_set1_pd(1e-8), t)), inverse);
	low = _mm256_fmadd_pd(d, _mm256_set1_pd(1 - 0x1p-45), q);
	high = _mm256_fmadd_pd(d, _mm256_set1_pd(1 + 0x1p-45), q);
	_mm256_storeu_pd(to, _mm256_or_pd(low, _mm256_set1_pd(-0.0)));
	return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(low, high, _CMP_EQ_OQ));
}
#endif

#endif
