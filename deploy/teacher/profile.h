/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - how the weight of a token falls with its rank
 *
 * A profile is the integer weights of all 32 768 ranks: those of the n
 * candidates in front, then the tail, the same for all. It depends on the
 * kind of row only, not on the prompt. MODEL.md, "Weights".
 *
 * Invariants: weights fall strictly over the first 1024 ranks and never rise;
 * none is zero; their sum is below 2^53.
 */
#ifndef RETORT_DEPLOY_TEACHER_PROFILE_H
#define RETORT_DEPLOY_TEACHER_PROFILE_H

#include <stdint.h>

#include "deploy/teacher/script.h"

#define TAIL_STEPS 1024u /* of the tail, before it is flat */

enum profile_id {
	PROFILE_FAMILIES = 0, /* 8 * family + candidates - 1 */
	PROFILE_DECISION = 32,
	PROFILE_BRANCH, /* not yet looping */
	PROFILE_BRANCH_LOOPING,
	PROFILE_N
};

struct profile {
	unsigned n; /* candidates */
	uint64_t head[CHOICES_MAX];
	uint64_t total;
};

struct profiles {
	struct profile of[PROFILE_N];
	/* Which candidate of the slot has which rank. */
	uint8_t decision_order[2];
	uint8_t branch_order[2][3];
};

/* `correct`: how often the answer is right; `loops`: how often a trace begins
 * to go round in circles, at most 0.7. */
void profiles_init(struct profiles *p, double correct, double loops);

/* The weight of the i-th id that is no candidate. */
static inline uint64_t profile_tail(unsigned i)
{
	return i < TAIL_STEPS ? ((uint64_t)1 << 20) / (i + 3) + (TAIL_STEPS - i) : 1;
}

static inline uint64_t profile_weight(const struct profile *p, unsigned rank)
{
	return rank < p->n ? p->head[rank] : profile_tail(rank - p->n);
}

/* ln w - ln W, computed so that no digits cancel. */
double profile_logprob(uint64_t weight, uint64_t total);

#endif
