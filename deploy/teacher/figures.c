/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/figures.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

void figures_init(struct figures *f, const struct profiles *profiles, struct lens *lens)
{
	*f = (struct figures){.profiles = profiles, .lens = lens};
}

void figures_release(struct figures *f)
{
	for (unsigned i = 0; i < PROFILE_N; i++)
		free(f->of[i]);
	*f = (struct figures){0};
}

double figures_value(struct figures *f, unsigned profile, unsigned rank)
{
	const struct profile *p = &f->profiles->of[profile];

	if (f->lens)
		return view_logprob(lens_view(f->lens, profile), rank);
	return profile_logprob(profile_weight(p, rank), p->total);
}

struct bytes figures_text(struct figures *f, unsigned profile, unsigned rank)
{
	unsigned level = LEVEL_RANK(&f->profiles->of[profile]);
	struct figure *figure;

	/* A cut may fall among the level ranks, so these are not all alike then. */
	if (rank > level && (!f->lens || lens_view(f->lens, profile)->ranks > rank))
		rank = level;
	else if (rank > level)
		return bytes_of("-9999", 5);
	if (!f->of[profile])
		f->of[profile] = mem_zalloc(RANKS_TOLD, sizeof(*figure));
	figure = &f->of[profile][rank];
	if (figure->len == 0)
		figure->len = (uint8_t)snprintf(figure->text, FIGURE_MAX, "%.17g",
			figures_value(f, profile, rank));
	return bytes_of(figure->text, figure->len);
}
