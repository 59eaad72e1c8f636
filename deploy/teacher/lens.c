/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/lens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define LENSES 8

struct lens {
	struct sampling sampling;
	const struct profiles *profiles;
	struct view *view[PROFILE_N]; /* made when first wanted */
	uint64_t used_at;
};

struct lens_box {
	const struct profiles *profiles;
	struct lens lens[LENSES];
	unsigned n;
	uint64_t uses;
};

struct lens_box *lens_box_new(const struct profiles *profiles)
{
	struct lens_box *box = mem_zalloc(1, sizeof(*box));

	box->profiles = profiles;
	return box;
}

static void clear(struct lens *lens)
{
	for (unsigned i = 0; i < PROFILE_N; i++)
		free(lens->view[i]);
	memset(lens, 0, sizeof(*lens));
}

void lens_box_free(struct lens_box *box)
{
	if (!box)
		return;
	for (unsigned i = 0; i < box->n; i++)
		clear(&box->lens[i]);
	free(box);
}

/* Compared as bits: no two spellings of a number matter here. */
static bool is_same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool fits(const struct lens *lens, const struct sampling *s)
{
	return is_same(lens->sampling.temperature, s->temperature) &&
	       lens->sampling.top_k == s->top_k &&
	       is_same(lens->sampling.top_p, s->top_p) &&
	       is_same(lens->sampling.min_p, s->min_p);
}

struct lens *lens_box_find(struct lens_box *box, const struct sampling *sampling)
{
	struct lens *oldest = &box->lens[0];

	for (unsigned i = 0; i < box->n; i++) {
		struct lens *lens = &box->lens[i];

		if (fits(lens, sampling)) {
			lens->used_at = ++box->uses;
			return lens;
		}
		if (lens->used_at < oldest->used_at)
			oldest = lens;
	}
	if (box->n < LENSES)
		oldest = &box->lens[box->n++];
	clear(oldest);
	oldest->sampling = *sampling;
	oldest->profiles = box->profiles;
	oldest->used_at = ++box->uses;
	return oldest;
}

/* The weight of a rank after temperature. */
static uint64_t warmed(const struct profile *p, double temperature, unsigned rank)
{
	uint64_t w = profile_weight(p, rank);

	if (temperature == 1.0)
		return w;
	if (temperature == 0.0)
		return rank == 0;
	return (uint64_t)floor(
		0x1p48 * pow((double)w / (double)p->head[0], 1.0 / temperature));
}

/* Sum of the weights of the first `ranks` ranks. */
static uint64_t sum_below(const struct view *v, unsigned ranks)
{
	if (ranks <= v->level_rank)
		return v->below[ranks];
	return v->below[v->level_rank] + (ranks - v->level_rank) * v->level;
}

static uint64_t weight_at(const struct view *v, unsigned rank)
{
	return sum_below(v, rank + 1) - sum_below(v, rank);
}

/* The least number of ranks for which `enough` holds; it holds from there on. */
static unsigned least_ranks(const struct view *v, unsigned most, double bound,
	bool (*enough)(const struct view *v, unsigned ranks, double bound))
{
	unsigned low = 1, high = most;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (enough(v, middle, bound))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool has_mass(const struct view *v, unsigned ranks, double bound)
{
	return (double)sum_below(v, ranks) >= bound;
}

static bool next_is_light(const struct view *v, unsigned ranks, double bound)
{
	return ranks == VOCABULARY_SIZE || (double)weight_at(v, ranks) < bound;
}

/* top_k and min_p first, then top_p of what they leave. */
static void cut(struct view *v, const struct sampling *s)
{
	v->ranks = VOCABULARY_SIZE;
	if (s->top_k > 0 && s->top_k < VOCABULARY_SIZE)
		v->ranks = (unsigned)s->top_k;
	if (s->min_p > 0)
		v->ranks = least_ranks(
			v, v->ranks, s->min_p * (double)weight_at(v, 0), next_is_light);
	if (s->top_p < 1)
		v->ranks = least_ranks(v, v->ranks,
			s->top_p * (double)sum_below(v, v->ranks), has_mass);
	v->total = sum_below(v, v->ranks);
}

const struct view *lens_view(struct lens *lens, unsigned profile)
{
	const struct profile *p = &lens->profiles->of[profile];
	struct view *v = lens->view[profile];

	if (v)
		return v;
	v = lens->view[profile] = mem_zalloc(1, sizeof(*v));
	v->level_rank = LEVEL_RANK(p);
	for (unsigned r = 0; r < v->level_rank; r++)
		v->below[r + 1] =
			v->below[r] + warmed(p, lens->sampling.temperature, r);
	v->level = warmed(p, lens->sampling.temperature, v->level_rank);
	cut(v, &lens->sampling);
	return v;
}

unsigned view_draw(const struct view *v, uint64_t random)
{
	uint64_t at = (uint64_t)((unsigned __int128)random * v->total >> 64);
	unsigned low = 0, high = v->level_rank;

	if (at < v->below[1])
		return 0;
	if (at >= v->below[v->level_rank])
		return v->level_rank +
		       (unsigned)((at - v->below[v->level_rank]) / v->level);
	/* below[low] <= at < below[high] */
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (v->below[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

double view_logprob(const struct view *v, unsigned rank)
{
	uint64_t w = weight_at(v, rank);

	if (rank >= v->ranks || w == 0)
		return VIEW_NEVER;
	return profile_logprob(w, v->total);
}
