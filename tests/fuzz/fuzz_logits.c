/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures. A first byte below 4 stands before an encoded one: what decodes has its
 * lengths right, and comes back from encoding as it was; a part of it decodes like the
 * whole. Any other first byte stands before numbers that rows are made of: encoded in
 * some profile they come back within its error.
 */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "store/logits.h"

#define ROWS_MAX 700
#define LIST_MAX 300
#define LOWEST (-65000.0f)

static void check_same(const struct logits *a, const struct logits *b)
{
	MUST(a->n == b->n && a->m == b->m && a->vocabulary == b->vocabulary);
	MUST(a->interned == b->interned && a->mode == b->mode);
	MUST(a->profile == b->profile && a->keep_k == b->keep_k);
	MUST(memcmp(a->id, b->id, 4 * (size_t)a->n) == 0);
	MUST(memcmp(a->n_bytes, b->n_bytes, 2 * (size_t)a->n) == 0);
	MUST(memcmp(a->listed, b->listed, 2 * (size_t)a->n) == 0);
	MUST(memcmp(a->ids, b->ids, 4 * (size_t)a->m) == 0);
}

static void check_part(struct bytes in, const struct logits *all)
{
	struct logits part = {0};
	uint32_t first = all->n / 3, n = all->n / 2, from = 0;
	struct err err;

	MUST(logits_decode_range(in, first, n, &part, &err) == ERR_NONE);
	MUST(part.n == n);
	for (uint32_t i = 0; i < first; i++)
		from += all->listed[i];
	if (n > 0) {
		MUST(memcmp(part.id, all->id + first, 4 * (size_t)n) == 0);
		MUST(memcmp(part.ids, all->ids + from, 4 * (size_t)part.m) == 0);
	}
	logits_release(&part);
}

static void decode(const uint8_t *input, size_t len)
{
	struct logits l = {0}, again = {0};
	struct buf out;
	struct err err;
	uint64_t listed = 0;

	/* A column of one symbol takes no bits: a few bytes may claim a gigabyte. */
	if (len >= 28 && (input[22] || input[23] || input[26] || input[27]))
		return;
	if (logits_decode(bytes_of(input, len), &l, &err) == ERR_NONE) {
		for (uint32_t i = 0; i < l.n; i++)
			listed += l.listed[i];
		MUST(listed == l.m);
		check_part(bytes_of(input, len), &l);
		l.keep_k = 0;
		l.keep_mass = 0;
		buf_init(&out, (size_t)64 << 20);
		logits_encode(NULL, &l, &out);
		MUST(logits_decode(buf_bytes(&out), &again, &err) == ERR_NONE);
		check_same(&l, &again);
		if (l.profile == LOGITS_EXACT) {
			MUST(memcmp(l.logprobs, again.logprobs, 4 * (size_t)l.m) == 0);
			MUST(memcmp(l.logprob, again.logprob, 4 * (size_t)l.n) == 0);
		}
		buf_release(&out);
	}
	logits_release(&l);
	logits_release(&again);
}

/* Numbers out of the input, and zeros behind its end. */
struct source {
	const uint8_t *at;
	size_t left;
};

static uint32_t next(struct source *s, unsigned bytes)
{
	uint32_t v = 0;

	for (; bytes > 0; bytes--) {
		v = v << 8 | (s->left ? *s->at : 0);
		s->at += s->left > 0;
		s->left -= s->left > 0;
	}
	return v;
}

static void fill(struct source *s, struct logits *l)
{
	l->profile = (uint8_t)(next(s, 1) % 3);
	l->n = next(s, 2) % ROWS_MAX;
	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t how = next(s, 1), n = s->left ? next(s, 2) % LIST_MAX : 0;
		float logprob = 0;

		n = how & 1 ? n : n % 8;
		l->listed[i] = (uint16_t)n;
		for (uint32_t k = 0; k < n; k++) {
			logprob -= (float)next(s, how & 2 ? 2 : 1) / 97;
			/* The grid of fine ends at -65536. */
			logprob = logprob > LOWEST ? logprob : LOWEST;
			l->ids[l->m] = next(s, how & 4 ? 4 : 1);
			l->logprobs[l->m++] = logprob;
		}
		l->id[i] =
			how & 8 && n ? l->ids[l->m - 1 - next(s, 1) % n] : next(s, 4);
		l->logprob[i] = how & 16 ? -(float)next(s, 2) / 977 : logprob;
		if (how & 32)
			l->logprob[i] = NAN;
		l->tail[i] = how & 64 ? NAN : (float)next(s, 1) / 255;
		l->n_bytes[i] = (uint16_t)next(s, 2);
	}
}

static void encode(const uint8_t *input, size_t len)
{
	static uint32_t id[ROWS_MAX], ids[ROWS_MAX * LIST_MAX];
	static float logprob[ROWS_MAX], tail[ROWS_MAX], logprobs[ROWS_MAX * LIST_MAX];
	static uint16_t n_bytes[ROWS_MAX], listed[ROWS_MAX];
	struct logits l = {.id = id,
		.logprob = logprob,
		.tail = tail,
		.n_bytes = n_bytes,
		.listed = listed,
		.ids = ids,
		.logprobs = logprobs};
	struct logits back = {0};
	struct source s = {input, len};
	struct buf out;
	struct err err;
	double error;

	fill(&s, &l);
	buf_init(&out, (size_t)64 << 20);
	logits_encode(NULL, &l, &out);
	MUST(logits_decode(buf_bytes(&out), &back, &err) == ERR_NONE);
	check_same(&l, &back);
	error = logits_error(l.profile);
	for (uint32_t i = 0; i < l.m; i++)
		MUST(fabs((double)back.logprobs[i] - (double)logprobs[i]) <= error);
	for (uint32_t i = 0; i < l.n; i++) {
		MUST(isnan(logprob[i]) == isnan(back.logprob[i]));
		MUST(isnan(logprob[i]) ||
			fabs((double)back.logprob[i] - (double)logprob[i]) <= error);
		MUST(isnan(tail[i]) == isnan(back.tail[i]));
		MUST(!(tail[i] > 0) || fabs(log((double)back.tail[i] /
						(double)tail[i])) <= error + 1e-6);
	}
	logits_release(&back);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	if (len > 0 && input[0] >= 4)
		encode(input + 1, len - 1);
	else
		decode(input, len);
	return 0;
}
