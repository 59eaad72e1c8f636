/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures.h - log-probabilities as text
 *
 * They depend on the profile and the rank alone, so each is printed once, with
 * the seventeen digits that give the same double back.
 */
#ifndef RETORT_DEPLOY_TEACHER_FIGURES_H
#define RETORT_DEPLOY_TEACHER_FIGURES_H

#include "common/buf.h"
#include "deploy/teacher/lens.h"

#define FIGURE_MAX 30

struct figure {
	char text[FIGURE_MAX];
	uint8_t len; /* 0: not printed yet */
};

struct figures {
	const struct profiles *profiles;
	struct lens *lens; /* NULL: the numbers of the model itself */
	struct figure *of[PROFILE_N];
};

/* `lens`, if not NULL, is lent for as long as the figures are used. */
void figures_init(
	struct figures *f, const struct profiles *profiles, struct lens *lens);
void figures_release(struct figures *f);

double figures_value(struct figures *f, unsigned profile, unsigned rank);
struct bytes figures_text(struct figures *f, unsigned profile, unsigned rank);

#endif
