/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens.h - how a request looks at the distribution: temperature and cuts
 *
 * Sampling is an inverse CDF in whole numbers: at T = 1 over the weights
 * themselves, else over floor(2^48 (w/w0)^(1/T)). As weights never rise with
 * the rank, top_k, top_p and min_p all keep a number of first ranks. A lens
 * works each profile out once, and the few lenses that requests use are kept.
 *
 * The cuts and the temperature never change the log-probabilities that are
 * reported, unless the server is told to report what it sampled from
 * (--logprobs processed).
 *
 * Threads: none of its own. Ownership: the box owns its lenses and lends them
 * until the next lens_box_find.
 */
#ifndef RETORT_DEPLOY_TEACHER_LENS_H
#define RETORT_DEPLOY_TEACHER_LENS_H

#include <stdint.h>

#include "deploy/teacher/profile.h"

struct sampling {
	double temperature; /* 0: always rank 0 */
	int64_t top_k;      /* 0 or less: all */
	double top_p;       /* 1: all */
	double min_p;       /* 0: all */
};

/* Ranks from this one on all have the same weight, in every profile. */
#define LEVEL_RANK(profile) ((profile)->n + TAIL_STEPS)
#define RANKS_TOLD (CHOICES_MAX + TAIL_STEPS + 1)

/* One profile through a lens. */
struct view {
	uint64_t below[RANKS_TOLD]; /* sum of the weights of lower ranks */
	uint64_t level;             /* the weight of the level ranks */
	unsigned level_rank;
	unsigned ranks; /* how many can be drawn */
	uint64_t total; /* of those */
};

struct lens;
struct lens_box;

struct lens_box *lens_box_new(const struct profiles *profiles);
void lens_box_free(struct lens_box *box);
struct lens *lens_box_find(struct lens_box *box, const struct sampling *sampling);

const struct view *lens_view(struct lens *lens, unsigned profile);
/* The rank that a random number falls on. */
unsigned view_draw(const struct view *view, uint64_t random);
/* ln of the chance to be drawn; VIEW_NEVER where that is zero. */
double view_logprob(const struct view *view, unsigned rank);
#define VIEW_NEVER (-9999.0)

#endif
