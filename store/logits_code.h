/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_code.h - numbers as symbols and extra bits; logprobs as numbers
 *
 * Only for the files logits_*.c. A number is a symbol, for which a prefix code
 * has a word (logits_prefix.h), and up to 29 extra bits, which are stored as they
 * are: with y = x + 8 and e = floor(log2 y), the symbol is (e - 3) * 8 + the three
 * bits below y's highest, the extra bits are the e - 3 lowest of y.
 *
 * A logprob's key is a number that rises as the logprob falls; keys and their
 * differences are taken modulo 2^32, so that every float has one.
 */
#ifndef RETORT_STORE_LOGITS_CODE_H
#define RETORT_STORE_LOGITS_CODE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "store/logits.h"

#define LOGITS_VERSION 3
#define LOGITS_HEAD 48

/* The column of places: where the sampled token is in its row's list, plus 2, or */
enum { AT_SPELLED, AT_UNKNOWN, AT_LISTED };
/* The column of own logprobs: where the sampled token's logprob is. */
enum { OWN_LISTED, OWN_ABSENT, OWN_SPELLED };

#define SYMBOLS 233 /* numbers have symbols below this */
/* The dictionary: so many entries have places of at most 64 symbols. */
#define DICTIONARY_MAX 2040

struct number_code {
	uint8_t symbol, n_extra;
	uint32_t extra;
};

static inline struct number_code number_code(uint32_t x)
{
	uint64_t y = (uint64_t)x + 8;
	unsigned shift = 60u - (unsigned)__builtin_clzll(y);

	return (struct number_code){(uint8_t)(shift * 8 + (unsigned)(y >> shift) - 8),
		(uint8_t)shift, (uint32_t)(y & ((UINT64_C(1) << shift) - 1))};
}

/* The smallest number of a symbol, and how many extra bits it has. */
static inline uint32_t symbol_base(unsigned symbol)
{
	return (uint32_t)((UINT64_C(8) + symbol % 8) << (symbol / 8)) - 8;
}

static inline unsigned symbol_extra(unsigned symbol)
{
	return symbol / 8;
}

/* About 256 * log2(x), x > 0. */
static inline uint32_t log2_256(uint32_t x)
{
	unsigned e = 31u - (unsigned)__builtin_clz(x);
	uint32_t below = e >= 8 ? x >> (e - 8) : x << (8 - e);

	return e * 256 + below - 256;
}

/* Where the ranks whose gaps may have another code than those before begin: 1, 2, 3,
 * 4, 6, 8, 12, and so on; and the one behind `rank`. */
static inline uint32_t next_class(uint32_t rank)
{
	uint32_t half;

	if (rank < 4)
		return rank + 1;
	half = UINT32_C(1) << (30u - (unsigned)__builtin_clz(rank));
	return (rank / half + 1) * half;
}
#define CLASSES_MAX 40 /* of rows with up to 65535 candidates */

/* Steps per nat; 0: float32 as it is. */
static inline float profile_steps(unsigned profile)
{
	return profile == LOGITS_FINE ? 256.0f : profile == LOGITS_COMPACT ? 16.0f : 0;
}

/* +0 is 0, -0 is 1, and so on down; numbers above 0 wrap around. */
static inline uint32_t exact_key(float logprob)
{
	uint32_t bits;

	memcpy(&bits, &logprob, sizeof(bits));
	return bits >> 31 ? (bits & INT32_MAX) + 1 : 0 - bits;
}

static inline float exact_logprob(uint32_t key)
{
	uint32_t bits = key - 1 <= INT32_MAX ? (key - 1) | UINT32_C(1) << 31 : 0 - key;
	float logprob;

	memcpy(&logprob, &bits, sizeof(logprob));
	return logprob;
}

/* What is no logprob gets the nearest key that there is. */
#define GRID_MAX ((double)(1 << 24))

static inline uint32_t grid_key(float logprob, float steps)
{
	double at = -(double)logprob * (double)steps;
	uint64_t bits;

	at = at < GRID_MAX ? at : GRID_MAX;
	at = at > -GRID_MAX ? at : -GRID_MAX;
	/* The nearest integer ends up in the low half of the sum's bits. */
	at += 0x1.8p52;
	memcpy(&bits, &at, sizeof(bits));
	return (uint32_t)bits;
}

static inline float grid_logprob(uint32_t key, float step)
{
	return -(float)(int32_t)key * step + 0.0f;
}

static inline uint32_t key_of(float logprob, float steps)
{
	return steps > 0 ? grid_key(logprob, steps) : exact_key(logprob);
}

static inline float logprob_of(uint32_t key, float steps)
{
	return steps > 0 ? grid_logprob(key, 1 / steps) : exact_logprob(key);
}

static inline uint32_t zigzag(uint32_t v)
{
	return v << 1 ^ (0 - (v >> 31));
}

static inline uint32_t unzigzag(uint32_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

/* The tail: 0 absent; then its bits, or none at all and how much further than the
 * last listed logprob's key, `last`, its logarithm's is. */
static inline uint32_t tail_number(float tail, uint32_t last, float steps)
{
	uint32_t bits;

	if (isnan(tail))
		return 0;
	if (!(steps > 0)) {
		memcpy(&bits, &tail, sizeof(bits));
		return bits + 1;
	}
	if (!(tail > 0))
		return 1;
	bits = (uint32_t)lrint(-log(tail < 1 ? (double)tail : 1) * (double)steps);
	return 2 + zigzag(bits - last);
}

/* e^-n and e^(-n/256): exp() for each row would take a tenth of the time. */
#define POWERS_WHOLE 64
#define POWERS_PART 256 /* steps of fine; compact has 16 */
struct powers {
	double whole[POWERS_WHOLE], part[POWERS_PART];
};

static inline void powers_init(struct powers *p)
{
	for (int i = 0; i < POWERS_WHOLE; i++)
		p->whole[i] = exp(-i);
	for (int i = 0; i < POWERS_PART; i++)
		p->part[i] = exp(-i / (double)POWERS_PART);
}

/* e^(-key / steps) */
static inline float power_of(const struct powers *p, uint32_t key, float steps)
{
	uint64_t at = steps > 16 ? key : (uint64_t)key * 16; /* in parts */

	if (at >= POWERS_WHOLE * POWERS_PART)
		return (float)exp(-(double)(int32_t)key / (double)steps);
	return (float)(p->whole[at / POWERS_PART] * p->part[at % POWERS_PART]);
}

static inline float tail_of(
	const struct powers *p, uint32_t number, uint32_t last, float steps)
{
	uint32_t bits = number - 1;
	float tail;

	if (number == 0)
		return NAN;
	if (!(steps > 0)) {
		memcpy(&tail, &bits, sizeof(tail));
		return tail;
	}
	return number == 1 ? 0 : power_of(p, unzigzag(number - 2) + last, steps);
}

/* Rows a block, all alike: about 2^14 candidates, 64 to 512 rows, but fewer of rows so
 * long that a dictionary (logits_dictionary.h) would not take as many. */
static inline uint32_t rows_a_block(uint32_t n, uint32_t m)
{
	uint32_t a_row = n ? m / n + 1 : 1;
	uint32_t most = (UINT32_C(1) << 14) / a_row, blocks;

	most = most < 64 ? 64 : most > 512 ? 512 : most;
	most = most * a_row > UINT16_MAX ? UINT16_MAX / a_row : most;
	most = most > 0 ? most : 1;
	blocks = (n + most - 1) / most;
	return blocks ? (n + blocks - 1) / blocks : 1;
}

#endif
