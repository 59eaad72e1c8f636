/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_commit.c - the durable commit rate of the store, against bare LMDB
 *
 *   bench_commit RETORT TRACE_LMDB.SO FOLDER [--json]
 *
 * Three ways of writing the same samples, one full sync a commit:
 *   - bare: a loop that makes the calls of LMDB that the store's library was seen
 *     to make: the same databases, keys, values, batches and syncs, nothing else;
 *   - library: what the store does with an offer, from its bytes on: it decodes
 *     them, checks fences and identities, counts, seals, writes and commits;
 *   - process: a real `retort store`, which gets them over its socket, two messages
 *     of a worker's size on the way, and answers each after its commit.
 * Runs are interleaved, medians are compared. FOLDER is on the disk that is measured.
 *
 * Three shapes of sample: a text of 1 KB without logits, and 128 and 512 tokens with
 * 20 candidates each. The file's size is compared with the bytes of its keys and values.
 */
#include "system/store_rig.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <time.h>

#include "bench/trace_lmdb.h"
#include "store/ingest.h"

#define ROUNDS 5
#define REPEATS 4 /* in a process; a disk is moody */
#define TIMES (ROUNDS * REPEATS)
#define SHAPES 3
#define WINDOW 4

struct shape {
	const char *label;
	uint32_t samples, a_put; /* how many, and of these in one message */
	uint32_t n_tokens, text;
};

static const struct shape shapes[SHAPES] = {
	{"1 KB of text", 49152, 512, 0, 1000},
	{"128 tokens, top 20", 8192, 128, 128, 500},
	{"512 tokens, top 20", 2048, 32, 512, 2000},
};

/* The messages of a shape, made before the clock starts. */
struct messages {
	struct buf *put; /* frames */
	size_t n_put;
	uint32_t shards;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *some_text(struct chance *chance, size_t len)
{
	static const char *const words[] = {"the", "sum", "of", "all", "apples", "is",
		"therefore", "multiplied", "by", "price", "each", "day", "she", "sells",
		"then", "divide", "total", "answer", "we", "know", "that", "costs"};
	char *text = mem_alloc(len + 32);
	size_t at = 0;

	while (at < len)
		at += (size_t)sprintf(text + at, "%s %u ",
			words[chance_below(chance, 22)],
			(unsigned)chance_below(chance, 100));
	text[len] = '\0';
	return text;
}

/* Without token bytes for the vocabulary, which workers tell once and not with
 * every sample. */
static void make_offer(struct store_rig *r, const struct made *made, struct buf *out)
{
	struct made_offer o;

	made_offer_init(&o);
	made_offer_build(&o, r->packer, made);
	o.offer.head.epoch = 1;
	o.offer.vocabulary = bytes_of(NULL, 0);
	offer_encode(&o.offer, out);
	made_offer_release(&o);
}

static void make_messages(
	struct store_rig *r, const struct shape *shape, struct messages *m)
{
	struct chance chance = {shape->n_tokens + 1};
	struct wire_put_item *items = mem_zalloc(shape->a_put, sizeof(*items));
	struct buf *offers = mem_zalloc(shape->a_put, sizeof(*offers));

	m->n_put = shape->samples / shape->a_put;
	m->put = mem_zalloc(m->n_put, sizeof(*m->put));
	m->shards = shape->samples / 2 / SHARD_PROMPTS;
	for (size_t p = 0; p < m->n_put; p++) {
		struct wire w = {.type = WIRE_PUT, .put = {shape->a_put, items}};

		for (uint32_t i = 0; i < shape->a_put; i++) {
			uint64_t n = p * shape->a_put + i;
			char *text = some_text(&chance, shape->text);
			struct made made = {.prompt = n / 2,
				.sample = (uint32_t)(n % 2),
				.content = text,
				.n_tokens = shape->n_tokens,
				.k = 20,
				.with_bytes = shape->n_tokens > 0};

			buf_init(&offers[i], LIMIT_MESSAGE);
			make_offer(r, &made, &offers[i]);
			items[i] = (struct wire_put_item){n, n / 2 / SHARD_PROMPTS, 1,
				(uint8_t)(n / 2 % SHARD_PROMPTS),
				buf_bytes(&offers[i])};
			free(text);
		}
		buf_init(&m->put[p], LIMIT_MESSAGE);
		wire_encode(&w, &m->put[p]);
		for (uint32_t i = 0; i < shape->a_put; i++)
			buf_release(&offers[i]);
	}
	free(items);
	free(offers);
}

static void open_shards(struct store_rig *r, uint32_t shards)
{
	struct wire_open_prompt prompts[SHARD_PROMPTS];
	struct heard h;

	for (uint32_t s = 0; s < shards; s++) {
		struct wire w = {.type = WIRE_OPEN,
			.open = {.session = 7,
				.shard = s,
				.epoch = 1,
				.prompts = UINT64_MAX,
				.n_prompts = SHARD_PROMPTS,
				.prompt = prompts}};

		for (uint8_t line = 0; line < SHARD_PROMPTS; line++)
			prompts[line] = (struct wire_open_prompt){
				(uint64_t)s * SHARD_PROMPTS + line, line};
		rig_say(r->worker, NULL, &w);
		assert_true(rig_hear(r->worker, WIRE_OPENED, RIG_TIMEOUT_MS, &h));
		rig_forget(&h);
	}
}

static void open_in_library(struct ingest *g, uint32_t shard)
{
	struct wire_open_prompt prompts[SHARD_PROMPTS];
	struct wire_open open = {.session = 7,
		.shard = shard,
		.epoch = 1,
		.prompts = UINT64_MAX,
		.n_prompts = SHARD_PROMPTS,
		.prompt = prompts};
	struct wire_opened opened;
	struct err err;

	for (uint8_t line = 0; line < SHARD_PROMPTS; line++)
		prompts[line] = (struct wire_open_prompt){
			(uint64_t)shard * SHARD_PROMPTS + line, line};
	must(ingest_open(g, &open, &opened, &err), &err);
}

static void put_in_library(struct ingest *g, const struct buf *frame)
{
	enum put_answer answer;
	struct err err;
	struct wire w;

	must(wire_decode(buf_bytes(frame), &w, &err), &err);
	for (uint32_t i = 0; i < w.put.n; i++) {
		must(ingest_put(g, &w.put.item[i], &answer, &err), &err);
		assert_int_equal(answer, PUT_STORED);
	}
	wire_release(&w);
}

static void free_messages(struct messages *m)
{
	for (size_t p = 0; p < m->n_put; p++)
		buf_release(&m->put[p]);
	free(m->put);
}

static void send_put(struct store_rig *r, const struct buf *frame)
{
	struct buf copy;

	buf_init(&copy, LIMIT_MESSAGE);
	buf_add(&copy, frame->data, frame->len);
	assert_int_equal(link_send(r->worker, NULL, &copy), ERR_NONE);
}

/* A store with a dictionary does not train one beside its work, as each does
 * once in its life. */
static void give_dictionary(struct store_rig *r)
{
	static const char words[] =
		"the sum of all apples is therefore multiplied by price";
	char *dir = file_join(r->run_dir, "dataset");
	struct dataset *d;
	struct err err;

	assert_int_equal(mkdir(r->run_dir, 0700), 0);
	must(dataset_open(dir, ENV_CREATE, &d, &err), &err);
	must(dataset_begin(d, &err), &err);
	must(dataset_add_dictionary(d, bytes_of(words, sizeof(words)), &err), &err);
	must(dataset_commit(d, &err), &err);
	dataset_close(d);
	free(dir);
}

/* Seconds from the first PUT to the last RESULT. */
static double store_once(const struct messages *m, const char *folder)
{
	struct store_rig r;
	struct heard h;
	double begun;

	rig_begin_in(&r, folder);
	give_dictionary(&r);
	rig_start(&r);
	open_shards(&r, m->shards);
	begun = now_s();
	for (size_t sent = 0, heard = 0; heard < m->n_put; heard++) {
		while (sent < m->n_put && sent - heard < WINDOW)
			send_put(&r, &m->put[sent++]);
		assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
		for (uint32_t i = 0; i < h.w.result.n; i++)
			assert_int_equal(h.w.result.item[i].answer, PUT_STORED);
		rig_forget(&h);
	}
	begun = now_s() - begun;
	rig_kill(&r);
	rig_end(&r);
	return begun;
}

/* Runs this program again as `bench_commit PART ARG FOLDER`: each way of writing
 * has a process and a heap of its own. The seconds of each repetition. */
static void in_child(const char *program, const char *part, const char *arg,
	const char *folder, double seconds[REPEATS])
{
	char *command = mem_printf("'%s' %s '%s' '%s'", program, part, arg, folder);
	FILE *out = popen(command, "r");

	assert_non_null(out);
	for (int i = 0; i < REPEATS; i++)
		assert_int_equal(fscanf(out, "%lf", &seconds[i]), 1);
	assert_int_equal(pclose(out), 0);
	free(command);
}

/* `bench_commit library SHAPE FOLDER`. The first batch, with the shards' fences, is
 * not timed. */
static double library_once(const struct messages *m, const char *dir)
{
	struct accept *accept;
	struct dataset *d;
	struct ingest *g;
	struct err err;
	double seconds;

	must(dataset_open(dir, ENV_CREATE, &d, &err), &err);
	must(accept_compile(MADE_ACCEPT, &accept, &err), &err);
	g = ingest_new(d, 0);
	ingest_set_job(g, accept, true);
	must(dataset_begin(d, &err), &err);
	for (uint32_t s = 0; s < m->shards; s++)
		open_in_library(g, s);
	must(ingest_flush(g, &err), &err);
	must(dataset_commit(d, &err), &err);

	seconds = now_s();
	for (size_t p = 0; p < m->n_put; p += 2) {
		struct wire_totals totals;

		must(dataset_begin(d, &err), &err);
		for (size_t k = p; k < p + 2 && k < m->n_put; k++)
			put_in_library(g, &m->put[k]);
		must(ingest_flush(g, &err), &err);
		must(dataset_commit(d, &err), &err);
		ingest_take_totals(g, &totals);
	}
	seconds = now_s() - seconds;
	ingest_free(g);
	dataset_close(d);
	assert_int_equal(file_remove_all(dir, NULL), ERR_NONE);
	return seconds;
}

static void library(const struct shape *shape, const char *folder, int repeats)
{
	char *dir = mem_printf("%s/library", folder);
	struct store_rig r = {.packer = packer_new()};
	struct messages m;

	env_fit_heap();
	make_messages(&r, shape, &m);
	for (int i = 0; i < repeats; i++)
		printf("%.6f\n", library_once(&m, dir));
	free_messages(&m);
	packer_free(r.packer);
	free(dir);
}

/* The bare loop. */

static void lmdb_ok(int rc)
{
	if (rc != MDB_SUCCESS)
		fail_msg("%s", mdb_strerror(rc));
}

struct replay {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[256]; /* by the store's number */
	bool is_record[256];
	double begun; /* at the first record */
};

static void replay_one(struct replay *r, const struct trace_entry *e, char *at)
{
	MDB_val key = {e->key_len, at}, value = {e->value_len, at + e->key_len};

	if (!r->txn)
		lmdb_ok(mdb_txn_begin(r->env, NULL, 0, &r->txn));
	switch (e->op) {
	case TRACE_OPEN:
		lmdb_ok(mdb_dbi_open(r->txn, at, e->flags, &r->dbi[e->dbi]));
		r->is_record[e->dbi] = strcmp(at, "record") == 0;
		break;
	case TRACE_PUT:
		if (r->begun == 0 && r->is_record[e->dbi])
			r->begun = now_s();
		lmdb_ok(mdb_put(r->txn, r->dbi[e->dbi], &key, &value, e->flags));
		break;
	case TRACE_DELETE:
		lmdb_ok(mdb_del(r->txn, r->dbi[e->dbi], &key, NULL));
		break;
	case TRACE_COMMIT:
		lmdb_ok(mdb_txn_commit(r->txn));
		r->txn = NULL;
		break;
	default:
		fail();
	}
}

static char *read_all(const char *path, size_t *len)
{
	struct stat st;
	FILE *file = fopen(path, "rb");
	char *bytes;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*len = (size_t)st.st_size;
	bytes = mem_alloc(*len + 1);
	assert_int_equal(fread(bytes, 1, *len, file), *len);
	fclose(file);
	return bytes;
}

/* From the first record on. */
static double bare_once(char *trace, size_t len, const char *dir)
{
	struct replay r = {0};
	double seconds;

	assert_int_equal(mkdir(dir, 0700), 0);
	lmdb_ok(mdb_env_create(&r.env));
	lmdb_ok(mdb_env_set_maxdbs(r.env, 32));
	lmdb_ok(mdb_env_set_mapsize(r.env, (size_t)4 << 30));
	lmdb_ok(mdb_env_open(r.env, dir, 0, 0600));
	for (size_t at = 0; at < len;) {
		struct trace_entry e;

		memcpy(&e, trace + at, sizeof(e));
		replay_one(&r, &e, trace + at + sizeof(e));
		at += sizeof(e) + e.key_len + e.value_len;
	}
	seconds = now_s() - r.begun;
	mdb_env_close(r.env);
	assert_int_equal(file_remove_all(dir, NULL), ERR_NONE);
	return seconds;
}

/* `bench_commit bare TRACE FOLDER` */
static void bare(const char *path, const char *folder)
{
	size_t len;
	char *trace = read_all(path, &len), *dir = file_join(folder, "bare");

	for (int i = 0; i < REPEATS; i++)
		printf("%.6f\n", bare_once(trace, len, dir));
	free(dir);
	free(trace);
}

/* The calls that the library makes, in a file. */
static char *traced(
	const char *program, const char *shape, const char *folder, const char *tracer)
{
	char *path = file_join(folder, "trace");
	char *command =
		mem_printf("RETORT_TRACE='%s' LD_PRELOAD='%s' '%s' once %s '%s' "
			   ">/dev/null",
			path, tracer, program, shape, folder);

	unlink(path);
	assert_int_equal(system(command), 0);
	free(command);
	return path;
}

/* Bytes of the file, over those of its keys and values. */
static double file_over_payload(const struct messages *m, const char *folder)
{
	struct store_rig r;
	char *file;
	struct stat st;
	size_t payload = 0;

	rig_begin_in(&r, folder);
	rig_start(&r);
	open_shards(&r, m->shards);
	for (size_t p = 0; p < m->n_put; p++) {
		struct heard h;

		send_put(&r, &m->put[p]);
		assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
		rig_forget(&h);
	}
	rig_kill(&r);
	file = file_join(r.run_dir, "dataset");
	for (int db = 0; db < DB_N; db++) {
		struct env *env;
		struct env_txn *txn;
		struct env_cursor *c;
		struct bytes key, value;
		struct err err;
		enum err_code code;

		must(env_open(file, ENV_READ, &env, &err), &err);
		must(env_begin_read(env, &txn, &err), &err);
		must(env_cursor_open(txn, (enum env_db)db, &c, &err), &err);
		for (code = env_first(c, &key, &value, &err); code == ERR_NONE;
			code = env_next(c, &key, &value, &err))
			payload += key.len + value.len;
		env_cursor_close(c);
		env_abort(txn);
		env_close(env);
	}
	free(file);
	file = file_join(r.run_dir, "dataset/data.mdb");
	assert_int_equal(stat(file, &st), 0);
	free(file);
	rig_end(&r);
	return (double)st.st_size / (double)payload;
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

struct figures {
	double bare, library, process; /* samples a second */
	double library_ratio, process_ratio, file;
	size_t traced;
};

static struct figures measure(char *const *argv, const char *folder, size_t number)
{
	double bare_s[TIMES], library_s[TIMES], process_s[ROUNDS];
	const struct shape *shape = &shapes[number];
	const char label[2] = {(char)('0' + number), 0};
	struct store_rig r = {.packer = packer_new()};
	struct figures f = {0};
	struct messages m;
	struct stat st;
	char *trace;

	make_messages(&r, shape, &m);
	packer_free(r.packer);
	trace = traced(argv[0], label, folder, argv[2]);
	assert_int_equal(stat(trace, &st), 0);
	f.traced = (size_t)st.st_size;
	for (int round = 0; round < ROUNDS; round++) {
		in_child(argv[0], "bare", trace, folder, bare_s + round * REPEATS);
		in_child(
			argv[0], "library", label, folder, library_s + round * REPEATS);
		process_s[round] = store_once(&m, folder);
	}
	unlink(trace);
	free(trace);
	f.bare = shape->samples / median(bare_s, TIMES);
	f.library = shape->samples / median(library_s, TIMES);
	f.process = shape->samples / median(process_s, ROUNDS);
	f.library_ratio = f.library / f.bare;
	f.process_ratio = f.process / f.bare;
	f.file = file_over_payload(&m, folder);
	free_messages(&m);
	return f;
}

static void print_json(const char *name, double value)
{
	printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"ratio\"}\n", name,
		value);
}

int main(int argc, char **argv)
{
	bool json = argc == 5 && strcmp(argv[4], "--json") == 0;
	struct figures f[SHAPES];

	if (argc == 4 &&
		(strcmp(argv[1], "library") == 0 || strcmp(argv[1], "once") == 0)) {
		library(&shapes[atoi(argv[2]) % SHAPES], argv[3],
			*argv[1] == 'o' ? 1 : REPEATS);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "bare") == 0) {
		bare(argv[2], argv[3]);
		return 0;
	}
	if (argc != 4 && !json) {
		fprintf(stderr,
			"usage: bench_commit RETORT TRACE_LMDB.SO FOLDER [--json]\n");
		return 2;
	}
	rig_program = argv[1];
	for (size_t s = 0; s < SHAPES; s++)
		f[s] = measure(argv, argv[3], s);
	if (json) {
		print_json("commit_over_lmdb", f[2].library_ratio);
		print_json("commit_128_over_lmdb", f[1].library_ratio);
		print_json("commit_text_over_lmdb", f[0].library_ratio);
		print_json("store_over_lmdb", f[2].process_ratio);
		print_json("store_text_over_lmdb", f[0].process_ratio);
		print_json("file_over_payload",
			fmax(fmax(f[0].file, f[1].file), f[2].file));
		return 0;
	}
	printf("%-20s %6s %11s %11s %6s %11s %6s %6s\n", "", "MB", "bare/s",
		"library/s", "ratio", "process/s", "ratio", "file");
	for (size_t s = 0; s < SHAPES; s++)
		printf("%-20s %6.0f %11.0f %11.0f %6.2f %11.0f %6.2f %6.3f\n",
			shapes[s].label, (double)f[s].traced / 1e6, f[s].bare,
			f[s].library, f[s].library_ratio, f[s].process,
			f[s].process_ratio, f[s].file);
	return 0;
}
