/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_scanner.c - reading answers: our reader against simdjson and jansson
 *
 * Each turns the same bodies of 512 tokens into the same packed arrays, and
 * what they found is compared first. Ours is all of it, as the worker calls it:
 * fed in pieces, strict, every skipped value checked, the verdict and the rows
 * brought into form (rows_normalise). The peers only take out what is asked.
 * Rounds are interleaved, medians are reported, ratios are what counts.
 *
 *   bench_scanner [--json] [--seconds S] [SHAPE...]
 */
#include <getopt.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer_bodies.h"
#include "common/mem.h"
#include "peer.h"
#include "worker/openai_shape.h"
#include "worker/reader.h"

#define TOKENS 512
#define ROUNDS_MAX 8192
#define ROUNDS_MIN 12
#define FEED KIB(64) /* a transfer's buffer */
#define TREE_EVERY 4 /* jansson takes that much longer */

#ifndef HAVE_SIMDJSON
#define HAVE_SIMDJSON 0
#endif

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct measured {
	const char *name;
	struct body_shape body;
};

#define SHAPE(name, style, rows, k)                                                    \
	{                                                                              \
		name,                                                                  \
		{                                                                      \
			style, rows, false, TOKENS, k                                  \
		}                                                                      \
	}
static const struct measured shapes[] = {
	{"plain", {BODY_OPENAI, false, false, 160, 0}}, /* 1 KB */
	SHAPE("openai_k0", BODY_OPENAI, true, 0),
	SHAPE("openai_k5", BODY_OPENAI, true, 5),
	SHAPE("openai_k20", BODY_OPENAI, true, 20),
	SHAPE("openai_k256", BODY_OPENAI, true, 256),
	SHAPE("vllm_k0", BODY_VLLM, true, 0),
	SHAPE("vllm_k5", BODY_VLLM, true, 5),
	SHAPE("vllm_k20", BODY_VLLM, true, 20),
	SHAPE("vllm_k256", BODY_VLLM, true, 256),
	SHAPE("llamacpp_k0", BODY_LLAMACPP, true, 0),
	SHAPE("llamacpp_k5", BODY_LLAMACPP, true, 5),
	SHAPE("llamacpp_k20", BODY_LLAMACPP, true, 20),
	SHAPE("llamacpp_k256", BODY_LLAMACPP, true, 256),
	{"openai_spaced_k20", {BODY_OPENAI, true, true, TOKENS, 20}},
	{"vllm_spaced_k20", {BODY_VLLM, true, true, TOKENS, 20}},
	{"llamacpp_spaced_k20", {BODY_LLAMACPP, true, true, TOKENS, 20}},
};

/* Ours */

static bool read_by_us(
	struct reader *reader, struct bytes body, int k, struct answer *a)
{
	const struct answer_rules rules = {
		.top_logprobs = k > 0 ? (uint32_t)k : 1, .body_max = LIMIT_BODY};

	reader_begin(reader, &openai_shape, &rules, a);
	for (size_t at = 0; at < body.len; at += FEED)
		reader_feed(reader, body.data + at,
			body.len - at < FEED ? body.len - at : FEED);
	return reader_end(reader) == REASON_NONE;
}

/* The peers' arrays: more than the body can fill, and touched. */

static void *room(size_t n, size_t size)
{
	void *memory = mem_zalloc(n, size);

	memset(memory, 1, n * size);
	return memory;
}

static void peer_prepare(struct peer_answer *a, const struct body_shape *b, size_t body)
{
	size_t n = (size_t)b->tokens + 1, m = (size_t)b->tokens * (size_t)b->k + 1;

	*a = (struct peer_answer){.content.at = room(body, 1),
		.reasoning.at = room(body, 1),
		.finish.at = room(body, 1),
		.model.at = room(body, 1),
		.ids = room(n, sizeof(*a->ids)),
		.id = room(n, sizeof(*a->id)),
		.logprob = room(n, sizeof(*a->logprob)),
		.token_at = room(n, sizeof(*a->token_at)),
		.token_len = room(n, sizeof(*a->token_len)),
		.first = room(n, sizeof(*a->first)),
		.cand_id = room(m, sizeof(*a->cand_id)),
		.cand_logprob = room(m, sizeof(*a->cand_logprob)),
		.cand_at = room(m, sizeof(*a->cand_at)),
		.cand_len = room(m, sizeof(*a->cand_len)),
		.pool = room(body, 1)};
}

static void peer_release(struct peer_answer *a)
{
	void *const all[] = {a->content.at, a->reasoning.at, a->finish.at, a->model.at,
		a->ids, a->id, a->logprob, a->token_at, a->token_len, a->first,
		a->cand_id, a->cand_logprob, a->cand_at, a->cand_len, a->pool};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

/* Comparing */

static bool same_text(const struct answer_text *a, const struct peer_text *b)
{
	return a->text.len == b->len &&
	       (b->len == 0 || memcmp(a->text.data, b->at, b->len) == 0);
}

static bool same_bytes(const struct answer *a, uint32_t at, uint16_t len,
	const struct peer_answer *b, uint32_t peer_at, uint16_t peer_len, bool ids)
{
	if (ids)
		return len == TOKEN_BYTES_UNKNOWN && peer_len == 0;
	return len == peer_len &&
	       memcmp(a->rows.pool.data + at, b->pool + peer_at, len) == 0;
}

static bool same_rows(const struct answer *a, const struct peer_answer *b, bool ids)
{
	const struct rows *r = &a->rows;

	if (r->n != b->n || r->m != b->m)
		return false;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->id[i] != b->id[i] || r->logprob[i] != b->logprob[i] ||
			r->first[i + 1] != b->first[i + 1] ||
			!same_bytes(a, r->token_at[i], r->token_len[i], b,
				b->token_at[i], b->token_len[i], ids))
			return false;
	for (uint32_t j = 0; j < r->m; j++)
		if (r->cand_id[j] != b->cand_id[j] ||
			r->cand_logprob[j] != b->cand_logprob[j] ||
			!same_bytes(a, r->cand_at[j], r->cand_len[j], b, b->cand_at[j],
				b->cand_len[j], ids))
			return false;
	return true;
}

static bool same(const struct answer *a, const struct peer_answer *b, bool ids)
{
	return same_text(&a->content, &b->content) &&
	       same_text(&a->reasoning, &b->reasoning) &&
	       same_text(&a->finish_text, &b->finish) &&
	       same_text(&a->model, &b->model) &&
	       a->usage.prompt_tokens == b->prompt_tokens &&
	       a->usage.completion_tokens == b->completion_tokens &&
	       a->token_ids.n == b->n_ids &&
	       (b->n_ids == 0 || memcmp(a->token_ids.at, b->ids,
					 b->n_ids * sizeof(*b->ids)) == 0) &&
	       same_rows(a, b, ids);
}

/* Measuring */

struct side {
	double seconds[ROUNDS_MAX];
	int n;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct side *s)
{
	qsort(s->seconds, (size_t)s->n, sizeof(s->seconds[0]), by_value);
	return s->n ? s->seconds[s->n / 2] : (double)NAN;
}

static void die(const struct measured *shape, const char *who, const char *what)
{
	fprintf(stderr, "%s: %s %s\n", shape->name, who, what);
	exit(1);
}

enum who { OURS, SIMDJSON, JANSSON, N_WHO };

/* One shape's body and who reads it. */
struct trial {
	const struct measured *shape;
	struct buf body; /* with the peer's padding behind it */
	size_t len;
	enum peer_ids ids;
	struct reader *reader;
	struct answer ours;
	struct peer_answer theirs;
};

static bool read_once(struct trial *t, enum who who)
{
	const char *body = (const char *)t->body.data;

	switch (who) {
	case OURS:
		return read_by_us(
			t->reader, bytes_of(body, t->len), t->shape->body.k, &t->ours);
#if HAVE_SIMDJSON
	case SIMDJSON:
		return peer_simdjson(body, t->len, t->ids, &t->theirs);
#endif
	case JANSSON:
		return peer_jansson(body, t->len, t->ids, &t->theirs);
	default:
		return false;
	}
}

static void begin(struct trial *t, const struct measured *shape)
{
	static const enum peer_ids ids[] = {[BODY_OPENAI] = PEER_BYTES,
		[BODY_VLLM] = PEER_ID_TEXTS,
		[BODY_LLAMACPP] = PEER_ID_MEMBERS};

	*t = (struct trial){.shape = shape, .ids = ids[shape->body.style]};
	buf_init(&t->body, LIMIT_BODY);
	answer_body(&t->body, &shape->body);
	t->len = t->body.len;
#if HAVE_SIMDJSON
	memset(buf_reserve(&t->body, peer_simdjson_padding()), 0,
		peer_simdjson_padding());
#endif
	t->reader = reader_new();
	t->ours.rows.words = words_new(WORDS_BITS);
	peer_prepare(&t->theirs, &shape->body, t->len);
}

static void end(struct trial *t)
{
	buf_release(&t->body);
	words_free(t->ours.rows.words);
	answer_release(&t->ours);
	reader_free(t->reader);
	peer_release(&t->theirs);
}

static void compare_all(struct trial *t)
{
	static const char *const names[] = {"retort", "simdjson", "jansson"};

	for (enum who who = OURS; who < N_WHO; who++) {
		if (who == SIMDJSON && !HAVE_SIMDJSON)
			continue;
		if (!read_once(t, who))
			die(t->shape, names[who], "refuses an honest body");
		if (who != OURS && !same(&t->ours, &t->theirs, t->ids == PEER_ID_TEXTS))
			die(t->shape, names[who], "reads something else");
	}
}

static void round_of(struct trial *t, enum who who, int times, struct side *side)
{
	double begun = now_s();

	for (int i = 0; i < times; i++)
		if (!read_once(t, who))
			die(t->shape, "a reader", "refuses an honest body");
	side->seconds[side->n++] = (now_s() - begun) / times;
}

static void measure(const struct measured *shape, double seconds, bool json)
{
	static struct side sides[N_WHO];
	struct trial t;
	double begun, rate[N_WHO];
	int times;

	begin(&t, shape);
	compare_all(&t);
	times = t.len < KIB(8) ? 200 : t.len < KIB(128) ? 10 : 1;
	for (enum who who = OURS; who < N_WHO; who++)
		sides[who].n = 0;
	begun = now_s();
	for (int n = 0; n < ROUNDS_MAX && (n < ROUNDS_MIN || now_s() - begun < seconds);
		n++) {
		round_of(&t, OURS, times, &sides[OURS]);
		if (HAVE_SIMDJSON)
			round_of(&t, SIMDJSON, times, &sides[SIMDJSON]);
		if (n % TREE_EVERY == 0)
			round_of(&t, JANSSON, 1 + times / TREE_EVERY, &sides[JANSSON]);
	}
	for (enum who who = OURS; who < N_WHO; who++)
		rate[who] = (double)t.len / median(&sides[who]) / 1e6;
	if (!json)
		printf("%-20s %9zu bytes %7.0f MB/s %7.0f MB/s %7.1f MB/s %7.2f "
		       "%7.1f\n",
			shape->name, t.len, rate[OURS], rate[SIMDJSON], rate[JANSSON],
			rate[OURS] / rate[SIMDJSON], rate[OURS] / rate[JANSSON]);
	if (json && HAVE_SIMDJSON)
		printf("{\"name\": \"scanner_%s_over_simdjson\", \"value\": %.3f, "
		       "\"unit\": \"ratio\"}\n",
			shape->name, rate[OURS] / rate[SIMDJSON]);
	if (json)
		printf("{\"name\": \"scanner_%s_over_jansson\", \"value\": %.2f, "
		       "\"unit\": \"ratio\"}\n",
			shape->name, rate[OURS] / rate[JANSSON]);
	end(&t);
}

static bool is_asked_for(const struct measured *shape, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, shape->name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
		{"seconds", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	double seconds = 2;
	bool json = false, any = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 's')
			seconds = atof(optarg);
		else
			return 2;
	}
	/* What a tree frees is there for the next one: no page is touched anew. */
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	mallopt(M_MMAP_THRESHOLD, INT32_MAX);
#if HAVE_SIMDJSON
	fprintf(stderr, "simdjson on demand: %s\n", peer_simdjson_name());
#else
	fprintf(stderr, "built without simdjson (libsimdjson-dev, g++)\n");
#endif
	if (!json)
		printf("%-20s %15s %12s %12s %12s %7s %7s\n", "", "", "retort",
			"simdjson", "jansson", "/simdj", "/jansson");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (!is_asked_for(&shapes[i], argv + optind))
			continue;
		measure(&shapes[i], seconds, json);
		any = true;
	}
	if (!any)
		fprintf(stderr, "no such shape\n");
	return any ? 0 : 2;
}
