/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mix.h - the model's hash: splitmix64 steps, six lines in any language
 *
 * Everything that the model leaves to chance (which sentence, which order of
 * the words, which draw) is a hash of the prompt's key, a tag that says what
 * it is for, and a number. See MODEL.md, "Hashes".
 */
#ifndef RETORT_DEPLOY_TEACHER_MIX_H
#define RETORT_DEPLOY_TEACHER_MIX_H

#include <stdint.h>

enum mix_tag {
	MIX_ORDER = 1,  /* of the ids that are no candidates; by state */
	MIX_ROW = 2,    /* which profile and rotation a row has; by slot */
	MIX_PICK = 3,   /* which sentence of a group; by group */
	MIX_FILL = 4,   /* which filler sentence; by its place */
	MIX_WRONG = 5,  /* which wrong digit; by slot, or 2^32 for the answer */
	MIX_DRAW = 6,   /* what is sampled; by seed, then position */
	MIX_ANSWER = 7, /* 0: the answer nobody knows; 1: its commas */
	MIX_FAULT = 8,  /* which fault strikes; from here on no part of the model */
	MIX_SEED = 9,   /* a seed for a request without one */
	MIX_FAULT_FILE = 10,
	MIX_FAULT_PLACE = 11 /* where a body is cut */
};

static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t mix2(uint64_t a, uint64_t b)
{
	return mix(mix(a) ^ b);
}

static inline uint64_t mix3(uint64_t a, uint64_t b, uint64_t c)
{
	return mix(mix2(a, b) ^ c);
}

static inline uint64_t mix4(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return mix(mix3(a, b, c) ^ d);
}

/* A real number in [0, 1) with 53 bits. */
static inline double mix_unit(uint64_t h)
{
	return (double)(h >> 11) * 0x1p-53;
}

#endif
