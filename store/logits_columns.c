/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_columns.h"

#include "common/bytes.h"
#include "store/logits_code.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Symbols between two looks at the end of the extra bits. */
#define CHUNK 32
_Static_assert(CHUNK * 29 / 8 + 1 + 8 <= EXTRA_PAD, "what is read of a chunk");

/* As many bits as the entry of a table says. `may_be_past`: of those before, too many
 * may have been read already. */
ALWAYS_INLINE uint32_t take_extra(
	struct extra_bits *b, uint64_t entry, bool may_be_past)
{
	unsigned n = (unsigned)(entry >> 32) & 63;
	size_t at = b->at >> 3;
	uint64_t word = get_u64(b->data + (may_be_past && at > b->len ? b->len : at));

	word >>= b->at & 7;
	b->at += n;
	return (uint32_t)(word & ((UINT64_C(1) << n) - 1));
}

/* Not past it: a chunk can be read, if need be of the zeros there. */
ALWAYS_INLINE bool is_within(const struct extra_bits *b)
{
	return b->at >> 3 <= b->len;
}

ALWAYS_INLINE void read_chunk(const uint64_t *table, const unsigned char *symbols,
	size_t n, bool may_be_past, struct extra_bits *b, uint32_t *out)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t entry = table[symbols[i]];

		out[i] = (uint32_t)entry + take_extra(b, entry, may_be_past);
	}
}

static void read_numbers(const uint64_t *table, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	struct extra_bits b = *bits;
	size_t i = 0;

	for (; i + CHUNK <= n && is_within(&b); i += CHUNK)
		read_chunk(table, symbols + i, CHUNK, false, &b, out + i);
	read_chunk(table, symbols + i, n - i, true, &b, out + i);
	*bits = b;
}

ALWAYS_INLINE void read_ids_chunk(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, bool may_be_past, struct extra_bits *b,
	uint32_t *out)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t entry = table[symbols[i]];
		uint32_t v = (uint32_t)entry + take_extra(b, entry, may_be_past);
		/* Without a branch: nobody can guess which ids are frequent. */
		uint32_t is_place = 0 - (uint32_t)(entry >> 40 & 1);
		uint32_t id = dictionary[v & is_place];

		out[i] = v ^ ((v ^ id) & is_place);
	}
}

static void read_ids(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, struct extra_bits *bits, uint32_t *out)
{
	struct extra_bits b = *bits;
	size_t i = 0;

	for (; i + CHUNK <= n && is_within(&b); i += CHUNK)
		read_ids_chunk(
			table, dictionary, symbols + i, CHUNK, false, &b, out + i);
	read_ids_chunk(table, dictionary, symbols + i, n - i, true, &b, out + i);
	*bits = b;
}

/* The next `width` ranks of rows [from, rows), c floats apart. */
ALWAYS_INLINE void spread(const uint32_t *gaps, uint32_t from, uint32_t rows,
	uint32_t width, uint32_t c, float steps, uint32_t *keys, float *out)
{
	float step = steps > 0 ? 1 / steps : 0;

	out += (size_t)from * c;
	for (uint32_t i = from; i < rows; i++, out += c) {
		uint32_t key = keys[i];

		for (uint32_t w = 0; w < width; w++) {
			key += gaps[(size_t)w * rows + i];
			out[w] = steps > 0 ? grid_logprob(key, step)
					   : exact_logprob(key);
		}
		keys[i] = key;
	}
}

#if defined(__x86_64__)

/* As grid_logprob, four at a time. */
ALWAYS_INLINE __m128 grid_logprobs(__m128i keys, __m128 minus_step)
{
	return _mm_add_ps(
		_mm_mul_ps(_mm_cvtepi32_ps(keys), minus_step), _mm_setzero_ps());
}

ALWAYS_INLINE __m128i load_4(const void *from)
{
	return _mm_loadu_si128(from);
}

/* Four ranks of four rows. */
ALWAYS_INLINE __m128i spread_four(const uint32_t *gaps, uint32_t rows, uint32_t c,
	__m128 minus_step, __m128i keys, float *out)
{
	__m128i key0 = _mm_add_epi32(keys, load_4(gaps));
	__m128i key1 = _mm_add_epi32(key0, load_4(gaps + rows));
	__m128i key2 = _mm_add_epi32(key1, load_4(gaps + 2 * (size_t)rows));
	__m128i key3 = _mm_add_epi32(key2, load_4(gaps + 3 * (size_t)rows));
	__m128 row0 = grid_logprobs(key0, minus_step);
	__m128 row1 = grid_logprobs(key1, minus_step);
	__m128 row2 = grid_logprobs(key2, minus_step);
	__m128 row3 = grid_logprobs(key3, minus_step);

	_MM_TRANSPOSE4_PS(row0, row1, row2, row3);
	_mm_storeu_ps(out, row0);
	_mm_storeu_ps(out + c, row1);
	_mm_storeu_ps(out + 2 * (size_t)c, row2);
	_mm_storeu_ps(out + 3 * (size_t)c, row3);
	return key3;
}

/* `width` ranks, a multiple of four, of four rows at a time; how many rows are done. */
static uint32_t spread_by_four(const uint32_t *gaps, uint32_t rows, uint32_t width,
	uint32_t c, float steps, uint32_t *keys, float *out)
{
	__m128 minus_step = _mm_set1_ps(-1 / steps);
	uint32_t i = 0;

	for (; i + 4 <= rows; i += 4, out += 4 * (size_t)c) {
		__m128i key = load_4(keys + i);

		for (uint32_t w = 0; w < width; w += 4)
			key = spread_four(gaps + (size_t)w * rows + i, rows, c,
				minus_step, key, out + w);
		_mm_storeu_si128((void *)(keys + i), key);
	}
	return i;
}

#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define INLINE_AVX2                                                                    \
	static inline __attribute__((always_inline, target("avx2,bmi,bmi2")))
/* Numbers of symbols below this have at most 25 extra bits: with the bits before
 * them in their first byte they lie in 32, and four of them in 128. */
#define FEW_EXTRA 208

/* The numbers of eight symbols, which are below FEW_EXTRA. */
INLINE_AVX2 __m256i read_eight(__m256i symbols, struct extra_bits *b)
{
	const __m256i eight = _mm256_set1_epi32(8), one = _mm256_set1_epi32(1);
	/* The lowest byte of each offset, four times; and the four bytes from there. */
	const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12,
		12, 12, 12, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
	const __m256i four = _mm256_set1_epi32(0x03020100);
	__m256i n = _mm256_srli_epi32(symbols, 3);
	__m256i leading =
		_mm256_or_si256(_mm256_and_si256(symbols, _mm256_set1_epi32(7)), eight);
	__m256i base = _mm256_sub_epi32(_mm256_sllv_epi32(leading, n), eight);
	__m256i upto = _mm256_add_epi32(n, _mm256_slli_si256(n, 4));
	__m256i at, words;
	size_t low = b->at, high;

	/* Each half by itself: where its numbers' bits end. */
	upto = _mm256_add_epi32(upto, _mm256_slli_si256(upto, 8));
	high = low + (uint32_t)_mm256_extract_epi32(upto, 3);
	b->at = high + (uint32_t)_mm256_extract_epi32(upto, 7);
	words = _mm256_set_m128i(
		load_4(b->data + (high >> 3)), load_4(b->data + (low >> 3)));
	at = _mm256_add_epi32(_mm256_sub_epi32(upto, n),
		_mm256_set_m128i(_mm_set1_epi32((int)(high & 7)),
			_mm_set1_epi32((int)(low & 7))));
	words = _mm256_shuffle_epi8(words,
		_mm256_add_epi32(
			_mm256_shuffle_epi8(_mm256_srli_epi32(at, 3), spread), four));
	words = _mm256_srlv_epi32(words, _mm256_and_si256(at, _mm256_set1_epi32(7)));
	words = _mm256_and_si256(
		words, _mm256_sub_epi32(_mm256_sllv_epi32(one, n), one));
	return _mm256_add_epi32(base, words);
}

INLINE_AVX2 __m256i load_eight(const unsigned char *symbols)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)symbols));
}

INLINE_AVX2 bool has_many_extra(__m256i symbols)
{
	return _mm256_movemask_epi8(_mm256_cmpgt_epi32(
		       symbols, _mm256_set1_epi32(FEW_EXTRA - 1))) != 0;
}

AVX2 static void read_numbers_avx2(const uint64_t *table, const unsigned char *symbols,
	size_t n, struct extra_bits *bits, uint32_t *out)
{
	struct extra_bits b = *bits;
	size_t i = 0;

	for (; i + 8 <= n && is_within(&b); i += 8) {
		__m256i eight = load_eight(symbols + i);

		if (has_many_extra(eight))
			read_chunk(table, symbols + i, 8, false, &b, out + i);
		else
			_mm256_storeu_si256((void *)(out + i), read_eight(eight, &b));
	}
	*bits = b;
	/* What follows, exp() too, may be slow while the upper halves are in use. */
	_mm256_zeroupper();
	read_numbers(table, symbols + i, n - i, bits, out + i);
}

AVX2 static void read_ids_avx2(const uint64_t *table, unsigned first_place,
	const uint32_t *dictionary, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	const __m256i first = _mm256_set1_epi32((int)first_place);
	const __m256i before_first = _mm256_set1_epi32((int)first_place - 1);
	struct extra_bits b = *bits;
	size_t i = 0;

	for (; i + 8 <= n && is_within(&b); i += 8) {
		__m256i eight = load_eight(symbols + i), v;
		__m256i is_place = _mm256_cmpgt_epi32(eight, before_first);

		eight = _mm256_sub_epi32(eight, _mm256_and_si256(first, is_place));
		if (has_many_extra(eight)) {
			read_ids_chunk(
				table, dictionary, symbols + i, 8, false, &b, out + i);
			continue;
		}
		v = read_eight(eight, &b);
		v = _mm256_mask_i32gather_epi32(
			v, (const int *)dictionary, v, is_place, 4);
		_mm256_storeu_si256((void *)(out + i), v);
	}
	*bits = b;
	/* What follows, exp() too, may be slow while the upper halves are in use. */
	_mm256_zeroupper();
	read_ids(table, dictionary, symbols + i, n - i, bits, out + i);
}

bool columns_by_eight(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

#else
#define spread_by_four(gaps, rows, width, c, steps, keys, out) 0
#define read_numbers_avx2 read_numbers
#define read_ids_avx2(table, first, dictionary, symbols, n, bits, out)                 \
	read_ids(table, dictionary, symbols, n, bits, out)

bool columns_by_eight(void)
{
	return false;
}

#endif

void columns_spread(const uint32_t *gaps, uint32_t rows, uint32_t width, uint32_t c,
	float steps, uint32_t *keys, float *out)
{
	uint32_t done = 0;

	if (width % 4 == 0 && steps > 0)
		done = spread_by_four(gaps, rows, width, c, steps, keys, out);
	spread(gaps, done, rows, width, c, steps, keys, out);
}

void columns_read_numbers(const uint64_t *table, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	if (bits->by_eight)
		read_numbers_avx2(table, symbols, n, bits, out);
	else
		read_numbers(table, symbols, n, bits, out);
}

void columns_read_ids(const uint64_t *table, unsigned first_place,
	const uint32_t *dictionary, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	if (bits->by_eight)
		read_ids_avx2(table, first_place, dictionary, symbols, n, bits, out);
	else
		read_ids(table, dictionary, symbols, n, bits, out);
}
