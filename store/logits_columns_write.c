/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_code.h"
#include "store/logits_columns.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline void write_one(uint32_t number, unsigned from_symbol,
	unsigned char *symbol, struct bit_writer *extra)
{
	struct number_code code = number_code(number);

	*symbol = (unsigned char)(code.symbol + from_symbol);
	bits_put(extra, code.extra, code.n_extra);
}

static void write_numbers(const uint32_t *numbers, size_t n, unsigned char *symbols,
	struct bit_writer *extra)
{
	struct bit_writer b = *extra;

	for (size_t i = 0; i < n; i++)
		write_one(numbers[i], 0, &symbols[i], &b);
	*extra = b;
}

static void write_ids(const uint32_t *ids, const uint32_t *of, const uint32_t *place,
	unsigned first_place, size_t n, unsigned char *symbols,
	struct bit_writer *extra)
{
	struct bit_writer b = *extra;

	for (size_t i = 0; i < n; i++) {
		bool is_rare = place[of[i]] == UINT32_MAX;

		/* Chosen, not jumped to: which it is cannot be guessed. */
		write_one(is_rare ? ids[i] : place[of[i]], is_rare ? 0 : first_place,
			&symbols[i], &b);
	}
	*extra = b;
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define INLINE_AVX2                                                                    \
	static inline __attribute__((always_inline, target("avx2,bmi,bmi2")))
/* Numbers below this have at most 20 extra bits, two of them at most 40; and they are
 * the same as floats, whose exponent and upper bits are the symbol. */
#define SMALL (1 << 23)

INLINE_AVX2 bool are_small(__m256i numbers)
{
	/* Larger ones, and those that are negative as signed ones. */
	return _mm256_testz_si256(numbers, _mm256_set1_epi32(-SMALL));
}

/* Pieces of at most 40 bits two by two, if they are short enough. */
INLINE_AVX2 void put_four(__m256i pieces, __m256i lengths, struct bit_writer *b)
{
	uint64_t piece[4], n[4];

	_mm256_storeu_si256((void *)piece, pieces);
	_mm256_storeu_si256((void *)n, lengths);
	if (n[0] + n[1] <= 56 && n[2] + n[3] <= 56) {
		bits_put(b, piece[0] | piece[1] << n[0], (unsigned)(n[0] + n[1]));
		bits_put(b, piece[2] | piece[3] << n[2], (unsigned)(n[2] + n[3]));
		return;
	}
	for (int i = 0; i < 4; i++)
		bits_put(b, piece[i], (unsigned)n[i]);
}

/* Stores the lowest byte of each. */
INLINE_AVX2 void store_eight(__m256i symbols, unsigned char *to)
{
	const __m256i firsts = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1,
		-1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
		-1, -1);

	symbols = _mm256_shuffle_epi8(symbols, firsts);
	put_u32(to, (uint32_t)_mm256_extract_epi32(symbols, 0));
	put_u32(to + 4, (uint32_t)_mm256_extract_epi32(symbols, 4));
}

/* Of floats from 8 on: the exponent is the symbol's upper part, that of 8 is 130; the
 * three highest bits of the mantissa are the lower. */
INLINE_AVX2 __m256i symbols_of(__m256i floats)
{
	return _mm256_sub_epi32(
		_mm256_srli_epi32(floats, 20), _mm256_set1_epi32(8 * 130));
}

/* Eight small numbers, whose symbols are from_symbol further. */
INLINE_AVX2 void write_eight(__m256i numbers, __m256i from_symbol,
	unsigned char *symbols, struct bit_writer *b)
{
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX), one = _mm256_set1_epi32(1);
	__m256i y = _mm256_add_epi32(numbers, _mm256_set1_epi32(8));
	__m256i as_float = _mm256_castps_si256(_mm256_cvtepi32_ps(y));
	__m256i n = _mm256_sub_epi32(
		_mm256_srli_epi32(as_float, 23), _mm256_set1_epi32(130));
	__m256i extra =
		_mm256_and_si256(y, _mm256_sub_epi32(_mm256_sllv_epi32(one, n), one));
	__m256i even = _mm256_and_si256(n, low), odd = _mm256_srli_epi64(n, 32);

	store_eight(_mm256_add_epi32(symbols_of(as_float), from_symbol), symbols);
	extra = _mm256_or_si256(_mm256_and_si256(extra, low),
		_mm256_sllv_epi64(_mm256_srli_epi64(extra, 32), even));
	put_four(extra, _mm256_add_epi32(even, odd), b);
}

AVX2 static void write_numbers_avx2(const uint32_t *numbers, size_t n,
	unsigned char *symbols, struct bit_writer *extra)
{
	struct bit_writer b = *extra;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i eight = _mm256_loadu_si256((const void *)(numbers + i));

		if (are_small(eight))
			write_eight(eight, _mm256_setzero_si256(), symbols + i, &b);
		else
			for (size_t k = i; k < i + 8; k++)
				write_one(numbers[k], 0, &symbols[k], &b);
	}
	*extra = b;
	_mm256_zeroupper();
	write_numbers(numbers + i, n - i, symbols + i, extra);
}

AVX2 static void write_ids_avx2(const uint32_t *ids, const uint32_t *of,
	const uint32_t *place, unsigned first_place, size_t n, unsigned char *symbols,
	struct bit_writer *extra)
{
	const __m256i rare = _mm256_set1_epi32(-1);
	const __m256i first = _mm256_set1_epi32((int)first_place);
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i eight = _mm256_loadu_si256((const void *)(ids + i));
		__m256i places = _mm256_i32gather_epi32((const int *)place,
			_mm256_loadu_si256((const void *)(of + i)), 4);
		__m256i is_rare = _mm256_cmpeq_epi32(places, rare);

		eight = _mm256_blendv_epi8(places, eight, is_rare);
		if (are_small(eight))
			write_eight(eight, _mm256_andnot_si256(is_rare, first),
				symbols + i, extra);
		else
			write_ids(ids + i, of + i, place, first_place, 8, symbols + i,
				extra);
	}
	_mm256_zeroupper();
	write_ids(ids + i, of + i, place, first_place, n - i, symbols + i, extra);
}

AVX2 static size_t symbols_avx2(
	const uint32_t *numbers, size_t n, unsigned char *symbols)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i eight = _mm256_loadu_si256((const void *)(numbers + i));

		if (!are_small(eight))
			break;
		eight = _mm256_add_epi32(eight, _mm256_set1_epi32(8));
		store_eight(symbols_of(_mm256_castps_si256(_mm256_cvtepi32_ps(eight))),
			symbols + i);
	}
	_mm256_zeroupper();
	return i;
}

/* As grid_key, four at a time: both round to the nearest, and of two as near to the
 * even one, and a product with a power of two is exact. How many are done. */
static size_t grid_keys_by_four(
	const float *logprobs, size_t n, float steps, uint32_t *keys)
{
	const __m128 most = _mm_set1_ps((float)GRID_MAX),
		     minus_steps = _mm_set1_ps(-steps);
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m128 at = _mm_mul_ps(_mm_loadu_ps(logprobs + i), minus_steps);

		at = _mm_max_ps(
			_mm_min_ps(at, most), _mm_sub_ps(_mm_setzero_ps(), most));
		_mm_storeu_si128((void *)(keys + i), _mm_cvtps_epi32(at));
	}
	return i;
}

#else
#define write_numbers_avx2 write_numbers
#define write_ids_avx2 write_ids
#define symbols_avx2(numbers, n, symbols) 0
#define grid_keys_by_four(logprobs, n, steps, keys) 0
#endif

void columns_write_numbers(const uint32_t *numbers, size_t n, bool by_eight,
	unsigned char *symbols, struct bit_writer *extra)
{
	if (by_eight)
		write_numbers_avx2(numbers, n, symbols, extra);
	else
		write_numbers(numbers, n, symbols, extra);
}

void columns_symbols(
	const uint32_t *numbers, size_t n, bool by_eight, unsigned char *symbols)
{
	size_t i = by_eight ? symbols_avx2(numbers, n, symbols) : 0;

	for (; i < n; i++)
		symbols[i] = number_code(numbers[i]).symbol;
}

void columns_write_ids(const uint32_t *ids, const uint32_t *of, const uint32_t *place,
	unsigned first_place, size_t n, bool by_eight, unsigned char *symbols,
	struct bit_writer *extra)
{
	if (by_eight)
		write_ids_avx2(ids, of, place, first_place, n, symbols, extra);
	else
		write_ids(ids, of, place, first_place, n, symbols, extra);
}

void columns_grid_keys(const float *logprobs, size_t n, float steps, uint32_t *keys)
{
	for (size_t i = grid_keys_by_four(logprobs, n, steps, keys); i < n; i++)
		keys[i] = grid_key(logprobs[i], steps);
}

void columns_count(const unsigned char *symbols, size_t n, uint32_t counts[256])
{
	uint32_t odd[256] = {0};
	size_t i = 0;

	/* In two tables: one symbol's count need not wait for its neighbour's. */
	memset(counts, 0, 256 * sizeof(*counts));
	for (; i + 8 <= n; i += 8) {
		uint64_t eight = get_u64(symbols + i);

#pragma GCC unroll 4
		for (int k = 0; k < 4; k++, eight >>= 16) {
			counts[eight & 255]++;
			odd[eight >> 8 & 255]++;
		}
	}
	for (; i < n; i++)
		counts[symbols[i]]++;
	for (unsigned s = 0; s < 256; s++)
		counts[s] += odd[s];
}
