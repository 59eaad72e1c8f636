/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jdecimal.h - decimal digits to a double, inline for the readers of rows
 *
 * After D. Lemire, "Number Parsing at a Gigabyte per Second" (2021): w * 10^q
 * from one or two 64x64 products with the top 128 bits of 5^q, exact but for
 * rare cases in which it says so. The table has the exponents that
 * probabilities come in; others go to strtod (jnumber.c).
 *
 * Pure.
 */
#ifndef RETORT_COMMON_JDECIMAL_H
#define RETORT_COMMON_JDECIMAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/bytes.h"

#define JDECIMAL_MIN (-65)
#define JDECIMAL_MAX 38
__attribute__((visibility("hidden"))) extern const uint64_t
	jdecimal_fives[JDECIMAL_MAX - JDECIMAL_MIN + 1][2];

#define JDECIMAL_EACH(b) (0x0101010101010101u * (uint64_t)(b))

#define JDECIMAL_NONE ((double)__builtin_nan(""))

/* w * 10^q correctly rounded, for w > 0 and a power that the table has;
 * JDECIMAL_NONE if this method cannot tell. */
static inline __attribute__((always_inline)) double jdecimal_scale(uint64_t w, int q)
{
	unsigned __int128 first;
	uint64_t high, low, mantissa;
	int shift, upper, power;
	double out;

	shift = __builtin_clzll(w);
	w <<= shift;
	first = (unsigned __int128)w * jdecimal_fives[q - JDECIMAL_MIN][0];
	high = (uint64_t)(first >> 64);
	low = (uint64_t)first;
	if ((high & 0x1ff) == 0x1ff) {
		unsigned __int128 second =
			(unsigned __int128)w * jdecimal_fives[q - JDECIMAL_MIN][1];
		uint64_t add = (uint64_t)(second >> 64);

		low += add;
		if (low < add)
			high++;
	}
	if (low == UINT64_MAX && (q < -27 || q > 55))
		return JDECIMAL_NONE;
	upper = (int)(high >> 63);
	mantissa = high >> (upper + 9);
	power = ((217706 * q) >> 16) + 63 + upper - shift + 1023;
	if (power <= 0)
		return JDECIMAL_NONE; /* subnormal */
	if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
		mantissa << (upper + 9) == high)
		mantissa &= ~(uint64_t)1; /* exactly half way: to even */
	mantissa += mantissa & 1;
	mantissa >>= 1;
	if (mantissa >= (uint64_t)2 << 52) {
		mantissa = (uint64_t)1 << 52;
		power++;
	}
	if (power >= 0x7ff)
		return JDECIMAL_NONE;
	mantissa = (mantissa & ~((uint64_t)1 << 52)) | (uint64_t)power << 52;
	memcpy(&out, &mantissa, sizeof(out));
	return out;
}

static inline bool jdecimal_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* The number that eight digits make, as values 0 to 9, first one lowest. */
static inline uint64_t jdecimal_eight(uint64_t w)
{
	w = w * 10 + (w >> 8); /* pairs */
	return ((w & 0x000000ff000000ffu) * 0x000f424000000064u +
		       (w >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >>
	       32;
}

/* How many of the eight bytes, XORed with '0', are digits up to the first that
 * is none. */
static inline unsigned jdecimal_run(uint64_t eight)
{
	uint64_t stop = ((eight + JDECIMAL_EACH(0x76)) | eight) & JDECIMAL_EACH(0x80);

	return stop ? (unsigned)__builtin_ctzll(stop) >> 3 : 8;
}

/* w with the first n (0 to 8) of the eight behind it. */
static inline uint64_t jdecimal_append(uint64_t w, uint64_t eight, unsigned n)
{
	static const uint64_t tens[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
	unsigned half = 4 * (8 - n); /* a shift by 64 is undefined, two by 32 are not */

	return w * tens[n] + jdecimal_eight(eight << half << half);
}

/* What a number's sign and its one or two digits before the point are worth. */
struct jdecimal_whole {
	bool minus, bad;
	unsigned n; /* bytes, with the point */
	uint64_t value;
};

static inline __attribute__((always_inline)) struct jdecimal_whole jdecimal_whole(
	const unsigned char *p)
{
	struct jdecimal_whole w = {.minus = *p == '-'};
	unsigned first, second, two;

	p += w.minus;
	first = (unsigned)p[0] - '0';
	second = (unsigned)p[1] - '0';
	two = second < 10;
	/* Computed and not chosen, since how many digits there are cannot be guessed. */
	w.value = first + two * (first * 9 + second);
	w.bad = first > 9 || p[1 + two] != '.' || (two && first == 0);
	w.n = w.minus + 2 + two;
	return w;
}

/*
 * "-d.ddd" or "-dd.ddd" with up to 17 digits behind the point and no
 * exponent: what nearly all logprobs look like. Read without a loop, since a loop's
 * end would be guessed wrong once a number. JDECIMAL_NONE, and *next unchanged, if
 * it is anything else. JDECIMAL_ROOM bytes must be there.
 */
#define JDECIMAL_ROOM 32
static inline __attribute__((always_inline)) double jdecimal_common(
	const unsigned char *p, const unsigned char **next)
{
	struct jdecimal_whole whole = jdecimal_whole(p);
	uint64_t first, w = whole.value;
	unsigned n;
	double v;

	if (whole.bad)
		return JDECIMAL_NONE;
	p += whole.n;
	first = get_u64(p) ^ JDECIMAL_EACH('0');
	n = jdecimal_run(first);
	if (n < 8) {
		w = jdecimal_append(w, first, n);
	} else {
		uint64_t second = get_u64(p + 8) ^ JDECIMAL_EACH('0');
		unsigned m = jdecimal_run(second);

		w = w * 100000000 + jdecimal_eight(first);
		w = jdecimal_append(w, second, m);
		n = 8 + m;
		if (n == 16 && jdecimal_is_digit(p[16])) {
			w = w * 10 + (uint64_t)(p[16] - '0');
			n = 17;
		}
	}
	p += n;
	if (n == 0 || jdecimal_is_digit(*p) || *p == 'e' || *p == 'E')
		return JDECIMAL_NONE;
	*next = p;
	v = w ? jdecimal_scale(w, -(int)n) : 0;
	return whole.minus ? -v : v;
}

#endif
