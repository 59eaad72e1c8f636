/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_columns.h"

#include "common/bytes.h"
#include "store/logits_code.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Symbols between two looks at the end of the extra bits, and the most bytes that
 * theirs can be. */
#define CHUNK 32
#define CHUNK_BYTES (CHUNK * 29 / 8 + 1)

/* As many bits as the entry of a table says. `near_end`: there may be fewer. */
ALWAYS_INLINE uint32_t take_extra(struct extra_bits *b, uint64_t entry, bool near_end)
{
	unsigned n = (unsigned)(entry >> 32) & 63;
	size_t at = b->at >> 3;
	uint64_t word = get_u64(b->data + (near_end && at > b->len ? b->len : at));

	word >>= b->at & 7;
	b->at += n;
	return (uint32_t)(word & ((UINT64_C(1) << n) - 1));
}

ALWAYS_INLINE bool is_near_end(const struct extra_bits *b)
{
	return (b->at >> 3) + CHUNK_BYTES > b->len;
}

ALWAYS_INLINE uint64_t read_chunk(const uint64_t *table, const unsigned char *symbols,
	size_t n, bool near_end, struct extra_bits *b, uint32_t *out)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t entry = table[symbols[i]];

		wrong |= entry;
		out[i] = (uint32_t)entry + take_extra(b, entry, near_end);
	}
	return wrong;
}

ALWAYS_INLINE bool read_numbers(const uint64_t *table, const unsigned char *symbols,
	size_t n, struct extra_bits *bits, uint32_t *out)
{
	struct extra_bits b = *bits;
	uint64_t wrong = 0;
	size_t i = 0;

	for (; i + CHUNK <= n && !is_near_end(&b); i += CHUNK)
		wrong |= read_chunk(table, symbols + i, CHUNK, false, &b, out + i);
	wrong |= read_chunk(table, symbols + i, n - i, true, &b, out + i);
	*bits = b;
	return !(wrong & IS_WRONG);
}

ALWAYS_INLINE uint64_t read_ids_chunk(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, bool near_end, struct extra_bits *b,
	uint32_t *out)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t entry = table[symbols[i]];
		uint32_t v = (uint32_t)entry + take_extra(b, entry, near_end);
		/* Without a branch: nobody can guess which ids are frequent. */
		uint32_t is_place = 0 - (uint32_t)(entry >> 40 & 1);
		uint32_t id = dictionary[v & is_place];

		wrong |= entry;
		out[i] = v ^ ((v ^ id) & is_place);
	}
	return wrong;
}

ALWAYS_INLINE bool read_ids(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, struct extra_bits *bits, uint32_t *out)
{
	struct extra_bits b = *bits;
	uint64_t wrong = 0;
	size_t i = 0;

	for (; i + CHUNK <= n && !is_near_end(&b); i += CHUNK)
		wrong |= read_ids_chunk(
			table, dictionary, symbols + i, CHUNK, false, &b, out + i);
	wrong |= read_ids_chunk(
		table, dictionary, symbols + i, n - i, true, &b, out + i);
	*bits = b;
	return !(wrong & IS_WRONG);
}

/* The next `width` ranks of all rows, c floats apart. */
ALWAYS_INLINE void spread(const uint32_t *gaps, uint32_t rows, uint32_t width,
	uint32_t c, float steps, uint32_t *keys, float *out)
{
	float step = steps > 0 ? 1 / steps : 0;

	for (uint32_t i = 0; i < rows; i++, out += c) {
		uint32_t key = keys[i];

		for (uint32_t w = 0; w < width; w++) {
			key += gaps[(size_t)w * rows + i];
			out[w] = steps > 0 ? grid_logprob(key, step)
					   : exact_logprob(key);
		}
		keys[i] = key;
	}
}

void columns_spread(const uint32_t *gaps, uint32_t rows, uint32_t width, uint32_t c,
	float steps, uint32_t *keys, float *out)
{
	if (width == COLUMNS_TILE && steps > 0)
		spread(gaps, rows, COLUMNS_TILE, c, steps, keys, out);
	else
		spread(gaps, rows, width, c, steps, keys, out);
}

#if defined(__x86_64__)

__attribute__((target("bmi,bmi2"))) static bool read_numbers_bmi2(const uint64_t *table,
	const unsigned char *symbols, size_t n, struct extra_bits *bits, uint32_t *out)
{
	return read_numbers(table, symbols, n, bits, out);
}

__attribute__((target("bmi,bmi2"))) static bool read_ids_bmi2(const uint64_t *table,
	const uint32_t *dictionary, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	return read_ids(table, dictionary, symbols, n, bits, out);
}

static bool has_bmi2(void)
{
	return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

#else
#define has_bmi2() false
#define read_numbers_bmi2 read_numbers
#define read_ids_bmi2 read_ids
#endif

bool columns_read_numbers(const uint64_t *table, const unsigned char *symbols, size_t n,
	struct extra_bits *bits, uint32_t *out)
{
	return has_bmi2() ? read_numbers_bmi2(table, symbols, n, bits, out)
			  : read_numbers(table, symbols, n, bits, out);
}

bool columns_read_ids(const uint64_t *table, const uint32_t *dictionary,
	const unsigned char *symbols, size_t n, struct extra_bits *bits, uint32_t *out)
{
	return has_bmi2() ? read_ids_bmi2(table, dictionary, symbols, n, bits, out)
			  : read_ids(table, dictionary, symbols, n, bits, out);
}
