/* SPDX-License-Identifier: Apache-2.0 */
#include "topk_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"

#define SEED 7
#define VOCABULARY 151936u
#define SIGMA 2.0
#define FREQUENT 17.0 /* ids below about this are alike */
#define PEAKS 8
#define CANDIDATES_MAX 4096
#define STEPS 256 /* a nat */
#define PI 3.14159265358979323846

struct random {
	uint64_t state;
};

/* splitmix64 */
static uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Above 0, below 1. */
static double uniform(struct random *r)
{
	return ((double)(random_u64(r) >> 11) + 0.5) * 0x1p-53;
}

static double normal(struct random *r)
{
	return sqrt(-2 * log(uniform(r))) * cos(2 * PI * uniform(r));
}

/* A normal number given that it is above a. */
static double normal_above(struct random *r, double a)
{
	double x;

	if (a <= 0.5) {
		do
			x = normal(r);
		while (x <= a);
		return x;
	}
	do
		x = a - log(uniform(r)) / a;
	while (uniform(r) >= exp(-(x - a) * (x - a) / 2));
	return x;
}

static double share_above(double a)
{
	return 0.5 * erfc(a / sqrt(2));
}

/* Neighbouring ids have so nearly the same mean that they are drawn together. */
struct id_group {
	uint32_t first, width;
	double mean;  /* of their logits */
	double share; /* of them that are above the cut */
};

struct maker {
	struct random random;
	struct id_group groups[2048];
	size_t n_groups;
	double cut;  /* only logits above it are drawn */
	double rest; /* sum of e^logit of the others, which varies little */
	struct candidate {
		uint32_t id;
		double logit;
	} found[CANDIDATES_MAX];
	uint32_t n_found;
};

static double expected_above(const struct maker *m, double cut)
{
	double n = 0;

	for (size_t g = 0; g < m->n_groups; g++)
		n += m->groups[g].width *
		     share_above((cut - m->groups[g].mean) / SIGMA);
	return n;
}

static void maker_init(struct maker *m)
{
	double low = -20, high = 20;

	*m = (struct maker){.random = {SEED}};
	for (uint32_t at = 0; at < VOCABULARY; at += m->groups[m->n_groups++].width) {
		uint32_t width = at < 256 ? 1 : at / 64;

		width = width < VOCABULARY - at ? width : VOCABULARY - at;
		m->groups[m->n_groups] = (struct id_group){
			at, width, -log((at + width / 2.0 + FREQUENT) / FREQUENT), 0};
	}
	/* Some more than asked for, so that no row has too few. */
	for (int i = 0; i < 60; i++) {
		m->cut = (low + high) / 2;
		if (expected_above(m, m->cut) > 1.25 * TOPK_MADE_K + 60)
			low = m->cut;
		else
			high = m->cut;
	}
	for (size_t g = 0; g < m->n_groups; g++) {
		double at = (m->cut - m->groups[g].mean) / SIGMA;

		m->groups[g].share = share_above(at);
		m->rest += m->groups[g].width *
			   exp(m->groups[g].mean + SIGMA * SIGMA / 2) *
			   (1 - share_above(at - SIGMA));
	}
}

static void found_id(struct maker *m, uint32_t id, double logit)
{
	if (m->n_found == CANDIDATES_MAX)
		abort();
	m->found[m->n_found++] = (struct candidate){id, logit};
}

static void found_peak(struct maker *m, uint32_t id, double logit)
{
	for (uint32_t i = 0; i < m->n_found; i++)
		if (m->found[i].id == id) {
			m->found[i].logit = fmax(m->found[i].logit, logit);
			return;
		}
	found_id(m, id, logit);
}

/* Falling logit, rising id. */
static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

static void make_row(struct maker *m, uint32_t *ids, float *logprobs)
{
	struct random *r = &m->random;
	double peak, sum = m->rest;

	m->n_found = 0;
	for (size_t g = 0; g < m->n_groups; g++) {
		const struct id_group *group = &m->groups[g];
		double a = (m->cut - group->mean) / SIGMA, at = -1;

		for (;;) {
			at += 1 + floor(log(uniform(r)) / log1p(-group->share));
			if (at >= group->width)
				break;
			found_id(m, group->first + (uint32_t)at,
				group->mean + SIGMA * normal_above(r, a));
		}
	}
	peak = 6 + 18 * sqrt(uniform(r));
	for (int j = 1; j <= PEAKS; j++) {
		double id = FREQUENT * exp(uniform(r) * log((VOCABULARY + FREQUENT) /
								FREQUENT)) -
			    FREQUENT;

		id = fmin(fmax(id, 0), VOCABULARY - 1);
		found_peak(m, (uint32_t)id, peak / pow(j, 0.7) + SIGMA * normal(r));
	}
	if (m->n_found < TOPK_MADE_K)
		abort();
	qsort(m->found, m->n_found, sizeof(*m->found), by_rank);
	for (uint32_t i = 0; i < m->n_found; i++)
		sum += exp(m->found[i].logit);
	for (uint32_t i = 0; i < TOPK_MADE_K; i++) {
		ids[i] = m->found[i].id;
		logprobs[i] = (float)(m->found[i].logit - log(sum));
	}
}

/* A sample of n rows of k candidates, none of which is there yet. */
static struct logits sample_of(uint32_t n, uint32_t k, uint32_t vocabulary)
{
	struct logits l = {.profile = LOGITS_FINE,
		.mode = 1,
		.k_asked = (uint16_t)k,
		.vocabulary = vocabulary,
		.temperature = 1,
		.n = n,
		.m = n * k};

	l.ids = mem_alloc((size_t)l.m * sizeof(*l.ids));
	l.logprobs = mem_alloc((size_t)l.m * sizeof(*l.logprobs));
	l.id = mem_alloc(n * sizeof(*l.id));
	l.logprob = mem_alloc(n * sizeof(*l.logprob));
	l.tail = mem_alloc(n * sizeof(*l.tail));
	l.n_bytes = mem_alloc(n * sizeof(*l.n_bytes));
	l.listed = mem_alloc(n * sizeof(*l.listed));
	return l;
}

/* What topk_data.h says that rows have besides. */
static void fill_rows(struct logits *l, uint32_t k, struct random *r)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const uint32_t *ids = l->ids + (size_t)i * k;
		const float *logprobs = l->logprobs + (size_t)i * k;
		double sum = 0, draw = uniform(r);
		uint32_t at = k;

		for (uint32_t j = 0; j < k; j++) {
			sum += exp((double)logprobs[j]);
			if (at == k && sum > draw)
				at = j;
		}
		l->id[i] = at < k ? ids[at] : (uint32_t)(uniform(r) * l->vocabulary);
		l->logprob[i] = at < k ? logprobs[at]
				       : logprobs[k - 1] - (float)(2 * uniform(r));
		l->tail[i] = sum < 1 ? (float)(1 - sum) : 0;
		l->n_bytes[i] = (uint16_t)(1 + (l->id[i] * UINT32_C(2654435761) >> 29));
		l->listed[i] = (uint16_t)k;
	}
}

static void fill_set(struct topk_set *set)
{
	struct random r = {SEED};

	set->tokens = 0;
	for (uint32_t s = 0; s < set->n; s++) {
		fill_rows(&set->samples[s], set->k, &r);
		set->tokens += set->samples[s].n;
	}
}

struct topk_set topk_make(uint32_t samples)
{
	struct topk_set set = {TOPK_MADE_K, VOCABULARY, samples, NULL, 0};
	struct maker *m = mem_alloc(sizeof(*m));

	set.samples = mem_alloc(samples * sizeof(*set.samples));
	maker_init(m);
	for (uint32_t s = 0; s < samples; s++) {
		uint32_t n = 160 + (uint32_t)(random_u64(&m->random) % 320);
		struct logits *l = &set.samples[s];

		*l = sample_of(n, set.k, VOCABULARY);
		for (uint32_t i = 0; i < n; i++)
			make_row(m, l->ids + (size_t)i * set.k,
				l->logprobs + (size_t)i * set.k);
	}
	free(m);
	fill_set(&set);
	return set;
}

struct topk_set topk_first(const struct topk_set *of, uint32_t k)
{
	struct topk_set set = {k, of->vocabulary, of->n, NULL, 0};

	set.samples = mem_alloc(set.n * sizeof(*set.samples));
	for (uint32_t s = 0; s < set.n; s++) {
		const struct logits *from = &of->samples[s];
		struct logits *l = &set.samples[s];

		*l = sample_of(from->n, k, of->vocabulary);
		for (uint32_t i = 0; i < l->n; i++) {
			memcpy(l->ids + (size_t)i * k, from->ids + (size_t)i * of->k,
				k * sizeof(*l->ids));
			memcpy(l->logprobs + (size_t)i * k,
				from->logprobs + (size_t)i * of->k,
				k * sizeof(*l->logprobs));
		}
	}
	fill_set(&set);
	return set;
}

static void read_exact(void *to, size_t len, FILE *file, const char *path)
{
	if (fread(to, 1, len, file) == len)
		return;
	fprintf(stderr, "%s: too short\n", path);
	exit(1);
}

static uint32_t read_u32(FILE *file, const char *path)
{
	unsigned char bytes[4];

	read_exact(bytes, sizeof(bytes), file, path);
	return get_u32(bytes);
}

bool topk_read(const char *path, struct topk_set *set)
{
	FILE *file = fopen(path, "rb");
	char magic[8];

	if (!file)
		return false;
	read_exact(magic, sizeof(magic), file, path);
	*set = (struct topk_set){0};
	set->k = read_u32(file, path);
	set->vocabulary = read_u32(file, path);
	set->n = read_u32(file, path);
	if (memcmp(magic, "TOPK0001", 8) != 0 || set->k == 0 || set->k > 4096) {
		fprintf(stderr, "%s: not as tests/real/README.md has it\n", path);
		exit(1);
	}
	set->samples = mem_zalloc(set->n, sizeof(*set->samples));
	for (uint32_t s = 0; s < set->n; s++) {
		struct logits *l = &set->samples[s];

		*l = sample_of(read_u32(file, path), set->k, set->vocabulary);
		read_exact(l->ids, l->m * sizeof(*l->ids), file, path);
		read_exact(l->logprobs, l->m * sizeof(*l->logprobs), file, path);
	}
	fclose(file);
	fill_set(set);
	return true;
}

void topk_free(struct topk_set *set)
{
	for (uint32_t s = 0; s < set->n; s++) {
		struct logits *l = &set->samples[s];

		free(l->ids);
		free(l->logprobs);
		free(l->id);
		free(l->logprob);
		free(l->tail);
		free(l->n_bytes);
		free(l->listed);
	}
	free(set->samples);
	*set = (struct topk_set){0};
}

/* Bits that an order-0 code of all that was counted cannot go below. */
static double entropy(const uint32_t *counts, size_t n)
{
	double sum = 0, bits = 0;

	for (size_t i = 0; i < n; i++)
		if (counts[i] > 0) {
			sum += counts[i];
			bits -= counts[i] * log2(counts[i]);
		}
	return sum > 0 ? bits + sum * log2(sum) : 0;
}

#define GAP_MAX 65535u /* 255 nat; what is wider counts as equal */

static void count_gaps(const struct topk_set *set, uint32_t rank, uint32_t *counts)
{
	for (uint32_t s = 0; s < set->n; s++)
		for (uint32_t i = 0; i < set->samples[s].n; i++) {
			const float *row =
				set->samples[s].logprobs + (size_t)i * set->k + rank;
			long gap = lrint(-(double)row[0] * STEPS);

			if (rank > 0)
				gap -= lrint(-(double)row[-1] * STEPS);
			gap = gap > 0 ? gap : 0;
			counts[gap < (long)GAP_MAX ? (uint32_t)gap : GAP_MAX]++;
		}
}

double topk_floor(const struct topk_set *set)
{
	uint32_t *ids = mem_zalloc(set->vocabulary, sizeof(*ids));
	uint32_t *gaps = mem_alloc((GAP_MAX + 1) * sizeof(*gaps));
	double bits;

	for (uint32_t s = 0; s < set->n; s++)
		for (size_t i = 0; i < set->samples[s].m; i++) {
			if (set->samples[s].ids[i] >= set->vocabulary)
				abort();
			ids[set->samples[s].ids[i]]++;
		}
	bits = entropy(ids, set->vocabulary);
	for (uint32_t rank = 0; rank < set->k; rank++) {
		memset(gaps, 0, (GAP_MAX + 1) * sizeof(*gaps));
		count_gaps(set, rank, gaps);
		bits += entropy(gaps, GAP_MAX + 1);
	}
	free(ids);
	free(gaps);
	return bits / 8 / (double)set->tokens;
}

double topk_distillkit(const struct topk_set *set)
{
	double id_bits = ceil(log2(set->vocabulary));

	return 2.0 * set->k + ceil(set->k * id_bits / 8);
}
