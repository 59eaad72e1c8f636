/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of any kind at their positions: every list is whole, finite and without
 * doubles, and a row is where its token says. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/causal.h"
#include "store/record.h"

#define TOKENS 16
#define LISTED 24

struct input {
	const uint8_t *at;
	size_t left;
};

static uint32_t byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* Mostly small, so that fill and list meet. */
static uint32_t any_id(struct input *in)
{
	uint32_t b = byte(in);

	return b == 255 ? TOKEN_ID_UNKNOWN : b > 250 ? b << 16 : b % 40;
}

static float any_logprob(struct input *in)
{
	uint32_t b = byte(in);

	return b == 255   ? NAN
	       : b == 254 ? -INFINITY
	       : b == 253 ? -9999.0f
			  : -(float)b / 8;
}

struct made {
	struct logits l;
	uint32_t id[TOKENS], ids[TOKENS * LISTED];
	float logprobs[TOKENS * LISTED];
	uint16_t listed[TOKENS];
	unsigned char prompt[4 * TOKENS];
	size_t p;
};

/* A list has an id once, as the codec gives them. */
static bool has(const uint32_t *ids, uint32_t n, uint32_t id)
{
	for (uint32_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void make(struct made *m, struct input *in)
{
	memset(m, 0, sizeof(*m));
	m->l = (struct logits){.interned = byte(in) == 1,
		.n = byte(in) % (TOKENS + 1),
		.id = m->id,
		.listed = m->listed,
		.ids = m->ids,
		.logprobs = m->logprobs};
	m->p = byte(in) % (TOKENS + 1);
	for (size_t i = 0; i < m->p; i++)
		put_u32(m->prompt + 4 * i, any_id(in));
	for (uint32_t i = 0; i < m->l.n; i++) {
		uint32_t n = byte(in) % (LISTED + 1), *ids = m->ids + m->l.m;

		m->id[i] = any_id(in);
		for (uint32_t j = 0; j < n; j++) {
			uint32_t id = any_id(in);
			float logprob = any_logprob(in);

			if (has(ids, m->listed[i], id))
				continue;
			ids[m->listed[i]] = id;
			m->logprobs[m->l.m + m->listed[i]++] = logprob;
		}
		m->l.m += m->listed[i];
	}
}

static void check_lists(const struct causal *c, uint32_t k)
{
	for (size_t i = 0; i < c->n; i++) {
		const int32_t *ids = c->ids + i * k;

		MUST(c->len[i] == k);
		for (uint32_t j = 0; j < k; j++) {
			float v = c->logprobs[i * k + j];

			MUST(isfinite(v) && ids[j] >= 0);
			MUST(c->mask[i * k + j] == 1 || v == CAUSAL_NOTHING);
			MUST(j == 0 || c->mask[i * k + j] <= c->mask[i * k + j - 1]);
			for (uint32_t o = 0; o < j; o++)
				MUST(ids[o] != ids[j]);
		}
	}
}

/* What stands at position i is what row `row` lists, as far as it goes. */
static void check_row(const struct causal *c, size_t i,
	const struct causal_rules *rules, const struct made *m, size_t row)
{
	size_t at = 0;
	uint32_t n = 0, k = rules->k;
	double sum = 0;

	for (size_t r = 0; r < row && r < m->l.n; r++)
		at += m->listed[r];
	for (uint32_t j = 0; row < m->l.n && j < m->listed[row] && n < k; j++) {
		if (!isfinite(m->logprobs[at + j]) || m->ids[at + j] > INT32_MAX)
			continue;
		MUST((uint32_t)c->ids[i * k + n] == m->ids[at + j]);
		MUST(rules->normalise || c->logprobs[i * k + n] == m->logprobs[at + j]);
		sum += exp((double)c->logprobs[i * k + n]);
		n++;
	}
	MUST(!rules->normalise || n == 0 || fabs(sum - 1) < 1e-6 * n + 1e-6);
	MUST(n == k || c->mask[i * k + n] == 0);
	MUST(n == 0 || c->mask[i * k + n - 1] == 1);
}

static void check(
	const struct causal *c, const struct causal_rules *rules, const struct made *m)
{
	size_t there = m->p + m->l.n, first = m->p - (rules->shift == CAUSAL_NEXT);

	MUST(c->n == (rules->length ? rules->length : there));
	check_lists(c, rules->k);
	for (size_t i = 0; i < c->n; i++) {
		int64_t want = i < m->p    ? get_u32(m->prompt + 4 * i)
			       : i < there ? m->id[i - m->p]
					   : 0;

		MUST(c->input_ids[i] == want);
		MUST(c->attention_mask[i] == (i < there));
		MUST(c->labels[i] == CAUSAL_IGNORE ||
			(c->labels[i] == want && i >= m->p && i < there));
		MUST(rules->labels != CAUSAL_LABELS_ROWS ||
			c->labels[i] == CAUSAL_IGNORE || c->mask[i * rules->k] == 1);
		check_row(c, i, rules, m, i < first ? m->l.n : i - first);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, len};
	struct causal_rules rules;
	struct causal c = {0};
	struct made m;

	rules = (struct causal_rules){.k = byte(&in) % 32 + 1,
		.shift = (enum causal_shift)(byte(&in) & 1),
		.labels = (enum causal_labels)(byte(&in) & 1),
		.length = byte(&in) % 40,
		.normalise = byte(&in) & 1,
		.with_misaligned = byte(&in) & 1};
	/* Twice with one struct: the second sample does not see the first. */
	for (int round = 0; round < 2; round++) {
		uint32_t flags = byte(&in) & 1 ? FLAG_MISALIGNED : 0;

		make(&m, &in);
		if (causal_place(&rules, flags, bytes_of(m.prompt, 4 * m.p), &m.l,
			    &c) == CAUSAL_PLACED)
			check(&c, &rules, &m);
	}
	causal_release(&c);
	return 0;
}
