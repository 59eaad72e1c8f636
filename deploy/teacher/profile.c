/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/profile.h"

#include <assert.h>
#include <math.h>

#define POWER(n) ((uint64_t)1 << (n))
#define SCALE POWER(40)     /* sum of the weights of a choice by rate */
#define SCALE_MIN POWER(20) /* a rate of 0 or 1 still leaves this */

static uint64_t family_weight(enum slot_family family, unsigned rank)
{
	switch (family) {
	case FAMILY_FLAT:
		return (uint64_t)(16 - rank) << 24;
	case FAMILY_PEAKED:
		return POWER(33 - 2 * rank);
	case FAMILY_FIRM:
		return rank == 0 ? POWER(36) : POWER(30 - rank);
	case FAMILY_SURE:
		return rank == 0 ? POWER(44) : POWER(26 - rank);
	}
	return 0;
}

static void add_total(struct profile *p)
{
	p->total = 0;
	for (unsigned r = 0; r < VOCABULARY_SIZE; r++) {
		assert(r == 0 || r >= TAIL_STEPS ||
			profile_weight(p, r) < profile_weight(p, r - 1));
		p->total += profile_weight(p, r);
	}
	assert(p->total < POWER(53));
}

static uint64_t weight_of_rate(double rate)
{
	uint64_t w = (uint64_t)floor(rate * (double)SCALE + 0.5);

	if (w < SCALE_MIN)
		return SCALE_MIN;
	return w > SCALE - SCALE_MIN ? SCALE - SCALE_MIN : w;
}

/* Ranks n weights: the heaviest first, the earlier one if equal; equal ones
 * are then set apart by one. */
static void rank_weights(
	const uint64_t *weight, unsigned n, uint8_t *order, struct profile *p)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = (uint8_t)i;
	for (unsigned i = 1; i < n; i++) {
		for (unsigned j = i; j > 0 && weight[order[j]] > weight[order[j - 1]];
			j--) {
			uint8_t swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	}
	p->n = n;
	for (unsigned r = 0; r < n; r++) {
		p->head[r] = weight[order[r]];
		if (r > 0 && p->head[r] >= p->head[r - 1])
			p->head[r] = p->head[r - 1] - 1;
	}
	add_total(p);
}

void profiles_init(struct profiles *p, double correct, double loops)
{
	uint64_t right = weight_of_rate(correct), wait = weight_of_rate(loops);
	uint64_t decision[2] = {right, SCALE - right};
	uint64_t calm[3] = {SCALE - POWER(38) - wait, POWER(38), wait};
	uint64_t looping[3] = {POWER(35) - POWER(33), POWER(33), 31 * POWER(35)};

	assert(loops <= 0.7);
	for (unsigned family = 0; family <= FAMILY_SURE; family++) {
		for (unsigned n = 1; n <= CHOICES_MAX; n++) {
			struct profile *one = &p->of[8 * family + n - 1];

			one->n = n;
			for (unsigned r = 0; r < n; r++)
				one->head[r] =
					family_weight((enum slot_family)family, r);
			add_total(one);
		}
	}
	rank_weights(decision, 2, p->decision_order, &p->of[PROFILE_DECISION]);
	rank_weights(calm, 3, p->branch_order[0], &p->of[PROFILE_BRANCH]);
	rank_weights(looping, 3, p->branch_order[1], &p->of[PROFILE_BRANCH_LOOPING]);
}

double profile_logprob(uint64_t weight, uint64_t total)
{
	return -log1p((double)(total - weight) / (double)weight);
}
