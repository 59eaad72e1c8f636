/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_streams.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* So many words are in what is read or written at once. */
#define WORDS 5
_Static_assert(WORDS *PREFIX_BITS + 8 <= 64 - 1, "words at once");

/* WORDS symbols from bit *at on. */
ALWAYS_INLINE void read_some(const unsigned char *data, size_t *at,
	const struct prefix_reader *code, size_t mask, unsigned char *symbols)
{
	/* How many bits there were is told by where the highest one is in the end. */
	uint64_t word = bits_peek(data, *at) | UINT64_C(1) << 63;

#pragma GCC unroll 5
	for (int i = 0; i < WORDS; i++) {
		uint64_t entry = code->entry[word & mask];

		symbols[i] = (unsigned char)(entry >> 8);
		word >>= entry & 63;
	}
	*at += (size_t)__builtin_clzll(word);
}

ALWAYS_INLINE void read_one(const unsigned char *data, size_t *at,
	const struct prefix_reader *code, size_t mask, unsigned char *symbol)
{
	unsigned entry = code->entry[bits_peek(data, *at) & mask];

	*symbol = (unsigned char)(entry >> 8);
	*at += entry & 255;
}

/* The last of the streams has the fewest symbols; as many of all streams together. */
ALWAYS_INLINE bool read_all(struct streams *s, const struct prefix_reader *code,
	size_t n, unsigned char *symbols)
{
	size_t begin[STREAMS + 1], at[STREAMS], i = 0, all;
	size_t mask = ((size_t)1 << code->bits) - 1;
	const unsigned char *data = s->data;

	for (unsigned j = 0; j <= STREAMS; j++)
		begin[j] = stream_begin(n, j);
	for (unsigned j = 0; j < STREAMS; j++)
		at[j] = s->at[j];
	all = n - begin[STREAMS - 1];
	for (; i + WORDS <= all; i += WORDS) {
		bool past = false;

#pragma GCC unroll 8
		for (unsigned j = 0; j < STREAMS; j++) {
			read_some(data, &at[j], code, mask, symbols + begin[j] + i);
			past |= at[j] > s->end;
		}
		if (past)
			return false;
	}
	for (unsigned j = 0; j < STREAMS; j++) {
		s->at[j] = at[j];
		for (size_t k = begin[j] + i; k < begin[j + 1]; k++) {
			read_one(data, &s->at[j], code, mask, &symbols[k]);
			if (s->at[j] > s->end)
				return false;
		}
	}
	return true;
}

/* Twice: a shift by any number of bits takes a third of the time where BMI2 is. */
static bool read_any(struct streams *s, const struct prefix_reader *code, size_t n,
	unsigned char *symbols)
{
	return read_all(s, code, n, symbols);
}

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2,lzcnt"))) static bool read_bmi2(struct streams *s,
	const struct prefix_reader *code, size_t n, unsigned char *symbols)
{
	return read_all(s, code, n, symbols);
}
#endif

bool streams_read(struct streams *s, const struct prefix_reader *code, size_t n,
	unsigned char *symbols)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("bmi2"))
		return read_bmi2(s, code, n, symbols);
#endif
	return read_any(s, code, n, symbols);
}

ALWAYS_INLINE void write_all(struct bit_writer *stream,
	const struct prefix_writer *code, const unsigned char *symbols, size_t n)
{
	struct bit_writer b = *stream;
	size_t i = 0;

	for (; i + WORDS <= n; i += WORDS) {
		uint64_t words = 0;
		unsigned bits = 0;

#pragma GCC unroll 5
		for (size_t k = 0; k < WORDS; k++) {
			uint32_t word = code->word[symbols[i + k]];

			words |= (uint64_t)(word >> 8) << bits;
			bits += word & 255;
		}
		bits_put(&b, words, bits);
	}
	for (; i < n; i++)
		bits_put(&b, code->word[symbols[i]] >> 8, code->word[symbols[i]] & 255);
	*stream = b;
}

static void write_any(struct bit_writer *stream, const struct prefix_writer *code,
	const unsigned char *symbols, size_t n)
{
	write_all(stream, code, symbols, n);
}

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2,lzcnt"))) static void write_bmi2(
	struct bit_writer *stream, const struct prefix_writer *code,
	const unsigned char *symbols, size_t n)
{
	write_all(stream, code, symbols, n);
}
#endif

void streams_write(struct bit_writer streams[STREAMS], const struct prefix_writer *code,
	const unsigned char *symbols, size_t n)
{
	void (*write)(struct bit_writer *, const struct prefix_writer *,
		const unsigned char *, size_t) = write_any;

#if defined(__x86_64__)
	if (__builtin_cpu_supports("bmi2"))
		write = write_bmi2;
#endif
	for (unsigned j = 0; j < STREAMS; j++) {
		size_t begin = stream_begin(n, j);

		write(&streams[j], code, symbols + begin,
			stream_begin(n, j + 1) - begin);
	}
}
