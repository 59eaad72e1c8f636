/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_logits.c - packed logits: how small, and how fast
 *
 * Sizes are of whole encoded samples, profile fine, each by itself, heads and
 * all columns counted. What is decoded is compared with what was given before
 * anything is timed. Times are CPU time of this thread; rounds are interleaved
 * and medians reported. memcpy copies, in pieces of 1 MiB as far apart as the
 * caches are large, what the candidates are as int32 ids and fp16 logprobs.
 *
 *   bench_logits [--json] [--topk FOLDER] synthetic | smollm2 | speed FOLDER...
 */
#include <getopt.h>
#include <lmdb.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"
#include "topk_data.h"

#define SAMPLES 200
#define ROUNDS 9
#define COPIED_MIN MIB(384) /* from, and to: more than any cache */
#define COPIES 8            /* of each sample in the environment */
#define GETS 4000
#define PLAIN_CANDIDATE 6 /* int32, fp16 */

static const uint32_t sizes[] = {20, 64, 256};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static bool as_json;

static void give(const char *name, double value)
{
	if (as_json)
		printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"ratio\"}\n",
			name, value);
	else
		printf("%-34s %9.3f\n", name, value);
	fflush(stdout);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_logits: %s\n", what);
	exit(1);
}

struct packed {
	const struct topk_set *set;
	struct buf *samples;
	size_t bytes;
};

static void decode(const struct packed *p, uint32_t s, struct logits *back)
{
	struct err err;

	if (logits_decode(buf_bytes(&p->samples[s]), back, &err) != ERR_NONE)
		fail(err.msg);
}

/* Ids exact, logprobs as near as the profile says. */
static void compare(const struct logits *l, const struct logits *back)
{
	if (back->n != l->n || back->m != l->m ||
		memcmp(back->ids, l->ids, l->m * sizeof(*l->ids)) != 0 ||
		memcmp(back->id, l->id, l->n * sizeof(*l->id)) != 0 ||
		memcmp(back->listed, l->listed, l->n * sizeof(*l->listed)) != 0 ||
		memcmp(back->n_bytes, l->n_bytes, l->n * sizeof(*l->n_bytes)) != 0)
		fail("what was decoded differs");
	for (size_t i = 0; i < l->m; i++)
		if (!(fabs((double)back->logprobs[i] - (double)l->logprobs[i]) <=
			    logits_error(l->profile) + 1e-5))
			fail("a logprob differs too much");
}

static struct packed pack(const struct topk_set *set, struct logits_encoder *e)
{
	struct packed p = {set, mem_alloc(set->n * sizeof(*p.samples)), 0};
	struct logits back = {0};

	for (uint32_t s = 0; s < set->n; s++) {
		buf_init(&p.samples[s], MIB(64));
		logits_encode(e, &set->samples[s], &p.samples[s]);
		decode(&p, s, &back);
		compare(&set->samples[s], &back);
		p.bytes += p.samples[s].len;
	}
	logits_release(&back);
	return p;
}

static void unpack(struct packed *p)
{
	for (uint32_t s = 0; s < p->set->n; s++)
		buf_release(&p->samples[s]);
	free(p->samples);
}

static void measure_size(const char *data, const struct topk_set *set)
{
	struct logits_encoder *e = logits_encoder_new();
	struct packed p = pack(set, e);
	double bytes = (double)p.bytes / (double)set->tokens;
	double least = topk_floor(set), distillkit = topk_distillkit(set);
	char name[64];

	fprintf(stderr,
		"%s k=%u: %u samples, %zu tokens, %.2f bytes a token, "
		"floor %.2f, DistillKit %.0f\n",
		data, set->k, set->n, set->tokens, bytes, least, distillkit);
	snprintf(name, sizeof(name), "bytes_%s_k%u_over_floor", data, set->k);
	give(name, bytes / least);
	snprintf(name, sizeof(name), "bytes_%s_k%u_over_distillkit", data, set->k);
	give(name, bytes / distillkit);
	unpack(&p);
	logits_encoder_free(e);
}

static void synthetic(void)
{
	struct topk_set all = topk_make(SAMPLES);

	for (size_t i = 0; i < N_SIZES; i++) {
		struct topk_set set = topk_first(&all, sizes[i]);

		measure_size("synthetic", &set);
		topk_free(&set);
	}
	topk_free(&all);
}

static void smollm2(const char *folder)
{
	for (size_t i = 0; i < N_SIZES; i++) {
		char *path = mem_printf("%s/topk_k%u.bin", folder, sizes[i]);
		struct topk_set set;

		if (topk_read(path, &set)) {
			measure_size("smollm2", &set);
			topk_free(&set);
		} else {
			fprintf(stderr,
				"SKIPPED: bytes_smollm2_k%u_*: no %s; "
				"tests/real/run.sh --topk writes it\n",
				sizes[i], path);
		}
		free(path);
	}
}

struct copied {
	unsigned char *from, *to;
	size_t len;
};

/* Seconds a byte. */
static double copy_all(const struct copied *c)
{
	double begun = now_s();

	for (size_t at = 0; at < c->len; at += MIB(1)) {
		memcpy(c->to + at, c->from + at, MIB(1));
		__asm__ volatile("" ::"r"(c->to) : "memory");
	}
	return (now_s() - begun) / (double)c->len;
}

static double encode_all(
	const struct topk_set *set, struct logits_encoder *e, struct buf *out)
{
	double begun = now_s();

	for (uint32_t s = 0; s < set->n; s++) {
		buf_clear(out);
		logits_encode(e, &set->samples[s], out);
	}
	return now_s() - begun;
}

static double decode_all(const struct packed *p, struct logits *back)
{
	double begun = now_s();

	for (uint32_t s = 0; s < p->set->n; s++)
		decode(p, s, back);
	return now_s() - begun;
}

struct speed {
	double encode, decode; /* over memcpy */
};

static struct speed measure_speed(const struct topk_set *set, const struct copied *c)
{
	struct logits_encoder *e = logits_encoder_new();
	struct packed p = pack(set, e);
	struct logits back = {0};
	double copying[ROUNDS], encoding[ROUNDS], decoding[ROUNDS];
	double plain = (double)set->tokens * set->k * PLAIN_CANDIDATE, copy;
	struct speed got;
	struct buf out;

	buf_init(&out, MIB(64));
	for (int r = 0; r < ROUNDS; r++) {
		copying[r] = copy_all(c);
		encoding[r] = encode_all(set, e, &out);
		decoding[r] = decode_all(&p, &back);
	}
	copy = plain * median(copying, ROUNDS);
	got = (struct speed){
		copy / median(encoding, ROUNDS), copy / median(decoding, ROUNDS)};
	fprintf(stderr,
		"k=%u: memcpy %.1f GB/s, encode %.3f of it, decode %.3f of it "
		"(%.2f ns a candidate)\n",
		set->k, plain / copy / 1e9, got.encode, got.decode,
		copy / got.decode * 1e9 * PLAIN_CANDIDATE / plain);
	buf_release(&out);
	logits_release(&back);
	unpack(&p);
	logits_encoder_free(e);
	return got;
}

static void lmdb_ok(int code)
{
	if (code != 0)
		fail(mdb_strerror(code));
}

struct gets {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint32_t n; /* keys 0 to n - 1, big endian as the dataset's are */
};

static void fill_env(const struct packed *p, const char *dir, struct gets *g)
{
	lmdb_ok(mdb_env_create(&g->env));
	lmdb_ok(mdb_env_set_mapsize(g->env, MIB(4096)));
	lmdb_ok(mdb_env_open(g->env, dir, MDB_NOSYNC, 0600));
	lmdb_ok(mdb_txn_begin(g->env, NULL, 0, &g->txn));
	lmdb_ok(mdb_dbi_open(g->txn, NULL, 0, &g->dbi));
	for (uint32_t i = 0; i < p->set->n * COPIES; i++) {
		const struct buf *b = &p->samples[i % p->set->n];
		unsigned char bytes[4];
		MDB_val key = {4, bytes}, value = {b->len, b->data};

		put_u32_be(bytes, i);
		lmdb_ok(mdb_put(g->txn, g->dbi, &key, &value, MDB_APPEND));
	}
	lmdb_ok(mdb_txn_commit(g->txn));
	g->n = p->set->n * COPIES;
	lmdb_ok(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &g->txn));
}

/* `back` NULL: the value's bytes are only touched. */
static double get_random(const struct gets *g, uint32_t seed, struct logits *back)
{
	double begun = now_s();
	uint64_t sum = 0;

	for (uint32_t i = 0; i < GETS; i++) {
		unsigned char bytes[4];
		MDB_val key = {4, bytes}, value;
		struct err err;

		seed = seed * 1664525 + 1013904223;
		put_u32_be(bytes, (uint32_t)((uint64_t)seed * g->n >> 32));
		lmdb_ok(mdb_get(g->txn, g->dbi, &key, &value));
		if (back) {
			if (logits_decode(bytes_of(value.mv_data, value.mv_size), back,
				    &err) != ERR_NONE)
				fail(err.msg);
			continue;
		}
		for (size_t at = 0; at + 8 <= value.mv_size; at += 8)
			sum += get_u64((const unsigned char *)value.mv_data + at);
	}
	__asm__ volatile("" ::"r"(sum));
	return now_s() - begun;
}

static void measure_get(const struct topk_set *set, const char *folder)
{
	struct logits_encoder *e = logits_encoder_new();
	struct packed p = pack(set, e);
	char *dir = file_join(folder, "logits");
	double bare[ROUNDS], decoded[ROUNDS];
	struct logits back = {0};
	struct gets g;

	if (mkdir(dir, 0700) != 0)
		fail(dir);
	fill_env(&p, dir, &g);
	for (uint32_t r = 0; r < ROUNDS; r++) {
		bare[r] = get_random(&g, r + 1, NULL);
		decoded[r] = get_random(&g, r + 1, &back);
	}
	fprintf(stderr,
		"random samples of k=%u, %u of %zu bytes in the mean: %.1f us to get, "
		"%.1f us to get and decode\n",
		set->k, g.n, p.bytes / set->n, median(bare, ROUNDS) / GETS * 1e6,
		median(decoded, ROUNDS) / GETS * 1e6);
	give("logits_get_over_mdb_get", median(bare, ROUNDS) / median(decoded, ROUNDS));
	mdb_txn_abort(g.txn);
	mdb_env_close(g.env);
	if (file_remove_all(dir, NULL) != ERR_NONE)
		fail(dir);
	free(dir);
	logits_release(&back);
	unpack(&p);
	logits_encoder_free(e);
}

/* The slowest k counts. */
static void speed(const char *folder)
{
	struct topk_set all = topk_make(SAMPLES);
	struct speed least = {HUGE_VAL, HUGE_VAL};
	struct copied c = {mem_alloc(COPIED_MIN), mem_alloc(COPIED_MIN), COPIED_MIN};

	memset(c.from, 1, c.len);
	memset(c.to, 2, c.len);
	for (size_t i = 0; i < N_SIZES; i++) {
		struct topk_set set = topk_first(&all, sizes[i]);
		struct speed got = measure_speed(&set, &c);

		least.encode = fmin(least.encode, got.encode);
		least.decode = fmin(least.decode, got.decode);
		if (i == 0)
			measure_get(&set, folder);
		topk_free(&set);
	}
	give("logits_encode_over_memcpy", least.encode);
	give("logits_decode_over_memcpy", least.decode);
	free(c.from);
	free(c.to);
	topk_free(&all);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
		{"topk", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
	const char *topk = "tests/real/.work";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			as_json = true;
		else if (c == 't')
			topk = optarg;
		else
			return 2;
	}
	argv += optind;
	if (argv[0] && !argv[1] && strcmp(argv[0], "synthetic") == 0)
		synthetic();
	else if (argv[0] && !argv[1] && strcmp(argv[0], "smollm2") == 0)
		smollm2(topk);
	else if (argv[0] && argv[1] && !argv[2] && strcmp(argv[0], "speed") == 0)
		speed(argv[1]);
	else
		return fprintf(stderr, "usage: bench_logits [--json] [--topk FOLDER] "
				       "synthetic | smollm2 | speed FOLDER\n"),
		       2;
	return 0;
}
