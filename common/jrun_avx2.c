/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The searches of jrun.h, 32 bytes at a time. What is left below 32 bytes, and
 * every block with something in it that needs a decision, goes to the portable
 * form, so that both stop at the same byte.
 */
#include "common/jrun_forms.h"

#if JRUN_HAS_AVX2

#include <immintrin.h>
#include <stdint.h>

#include "common/text.h"

#define BLOCK 32
#define AVX2 __attribute__((target("avx2,bmi")))
#define AVX2_INLINE static inline __attribute__((target("avx2,bmi"), always_inline))

AVX2_INLINE __m256i load(const unsigned char *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2_INLINE __m256i all(unsigned char byte)
{
	return _mm256_set1_epi8((char)byte);
}

AVX2_INLINE uint32_t bits(__m256i v)
{
	return (uint32_t)_mm256_movemask_epi8(v);
}

/* Bytes up to `limit`, as bits. */
AVX2_INLINE __m256i up_to(__m256i v, unsigned char limit)
{
	return _mm256_cmpeq_epi8(_mm256_min_epu8(v, all(limit)), v);
}

/*
 * UTF-8 after J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte" (2021): what is wrong with two neighbouring bytes is
 * what all three of the first's halves and the second's upper half allow; the
 * third and fourth byte of a sequence must be where the first says so.
 */
enum wrong {
	TOO_SHORT = 1 << 0,  /* a lead byte, and no continuation */
	TOO_LONG = 1 << 1,   /* ASCII, and a continuation */
	OVERLONG_3 = 1 << 2, /* e0, below a0 */
	TOO_LARGE = 1 << 3,  /* f4 from 90 on, f5 and above */
	SURROGATE = 1 << 4,  /* ed from a0 on */
	OVERLONG_2 = 1 << 5, /* c0, c1 */
	OVERLONG_4 = 1 << 6, /* f0, below 90; and f5 and above, below 90 */
	TWO_CONTS = 1 << 7,  /* right only as third or fourth byte */
	ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTS
};

#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* The upper halves of bytes. */
AVX2_INLINE __m256i upper(__m256i v)
{
	return _mm256_and_si256(_mm256_srli_epi16(v, 4), all(0x0f));
}

AVX2_INLINE __m256i wrong_pairs(__m256i v, __m256i before)
{
	const char is_large = TOO_LARGE | OVERLONG_4;
	const char conts = (char)(TOO_LONG | OVERLONG_2 | TWO_CONTS);
	const char low = (char)ANY_LOW, two = (char)TWO_CONTS;
	const __m256i first_upper = TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
		TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, two, two, two, two,
		TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE,
		TOO_SHORT | TOO_LARGE | OVERLONG_4);
	const __m256i first_lower = TABLE(low | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
		low | OVERLONG_2, low, low, low | TOO_LARGE, low | is_large,
		low | is_large, low | is_large, low | is_large, low | is_large,
		low | is_large, low | is_large, low | is_large,
		low | is_large | SURROGATE, low | is_large, low | is_large);
	const __m256i second_upper = TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
		TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
		conts | OVERLONG_3 | OVERLONG_4, conts | OVERLONG_3 | TOO_LARGE,
		conts | SURROGATE | TOO_LARGE, conts | SURROGATE | TOO_LARGE, TOO_SHORT,
		TOO_SHORT, TOO_SHORT, TOO_SHORT);

	return _mm256_and_si256(
		_mm256_and_si256(_mm256_shuffle_epi8(first_upper, upper(before)),
			_mm256_shuffle_epi8(
				first_lower, _mm256_and_si256(before, all(0x0f)))),
		_mm256_shuffle_epi8(second_upper, upper(v)));
}

/* Whether a block that begins with a whole character is valid but for a sequence
 * that its end may cut. */
AVX2_INLINE bool is_utf8(__m256i v)
{
	__m256i low = _mm256_permute2x128_si256(v, v, 0x08); /* 0, lower half */
	__m256i wrong = wrong_pairs(v, _mm256_alignr_epi8(v, low, 15));
	/* Bytes whose second or third neighbour to the left wants them. */
	__m256i third = _mm256_subs_epu8(_mm256_alignr_epi8(v, low, 14), all(0x60));
	__m256i fourth = _mm256_subs_epu8(_mm256_alignr_epi8(v, low, 13), all(0x70));
	__m256i wanted = _mm256_and_si256(_mm256_or_si256(third, fourth), all(0x80));

	wrong = _mm256_xor_si256(wrong, wanted);
	return _mm256_testz_si256(wrong, wrong);
}

/* Bytes of a valid block without a sequence that its end cuts. */
static inline size_t whole_characters(const unsigned char *p)
{
	if (p[BLOCK - 1] >= 0xc0)
		return BLOCK - 1;
	if (p[BLOCK - 2] >= 0xe0)
		return BLOCK - 2;
	return p[BLOCK - 3] >= 0xf0 ? BLOCK - 3 : BLOCK;
}

AVX2 static const unsigned char *text_avx2(
	const unsigned char *p, const unsigned char *end)
{
	while (end - p >= BLOCK) {
		__m256i v = load(p);
		uint32_t above = bits(v);
		uint32_t stops = bits(_mm256_or_si256(
			up_to(v, 0x1f), _mm256_or_si256(_mm256_cmpeq_epi8(v, all('"')),
						_mm256_cmpeq_epi8(v, all('\\')))));

		/* ASCII up to the first stop, or all of it. */
		if (!(above & (stops ? (stops & -stops) - 1 : UINT32_MAX))) {
			if (stops)
				return p + __builtin_ctz(stops);
			p += BLOCK;
		} else if (stops || !is_utf8(v)) {
			break;
		} else {
			p += whole_characters(p);
		}
	}
	return jrun_portable.text(p, end);
}

AVX2 static const unsigned char *space_avx2(
	const unsigned char *p, const unsigned char *end)
{
	for (; end - p >= BLOCK; p += BLOCK) {
		__m256i v = load(p);
		uint32_t space = bits(
			_mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, all(' ')),
						_mm256_cmpeq_epi8(v, all('\n'))),
				_mm256_or_si256(_mm256_cmpeq_epi8(v, all('\r')),
					_mm256_cmpeq_epi8(v, all('\t')))));

		if (space != UINT32_MAX)
			return p + __builtin_ctz(~space);
	}
	return jrun_portable.space(p, end);
}

/* First bytes of control characters, and of others: controls but for layout,
 * DEL, and the lead bytes of U+0080 to U+00BF and of U+2000 to U+2FFF. */
AVX2 static const unsigned char *control_avx2(
	const unsigned char *p, const unsigned char *end)
{
	for (; end - p >= BLOCK; p += BLOCK) {
		__m256i v = load(p);
		uint32_t found =
			bits(_mm256_or_si256(_mm256_or_si256(up_to(v, 0x1f),
						     _mm256_cmpeq_epi8(v, all(0x7f))),
				_mm256_or_si256(_mm256_cmpeq_epi8(v, all(0xc2)),
					_mm256_cmpeq_epi8(v, all(0xe2)))));

		for (; found; found &= found - 1) {
			const unsigned char *at = p + __builtin_ctz(found);

			if (text_begins_control(at, (size_t)(end - at)))
				return at;
		}
	}
	return jrun_portable.control(p, end);
}

const struct jrun_searches jrun_avx2 = {text_avx2, space_avx2, control_avx2};

#endif
