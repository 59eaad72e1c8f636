/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/export.h"
#include "store/verify.h"

static struct maker maker;
static char first_finding[1024];
static struct verify_counts counts;

static const struct made samples[] = {
	{.prompt = 0,
		.sample = 0,
		.content = "one",
		.n_tokens = 3,
		.k = 4,
		.with_bytes = true},
	{.prompt = 0, .sample = 1, .content = "two", .reasoning = "so"},
	{.prompt = 0, .sample = 1, .revision = 1, .content = "two again"},
	{.prompt = 1, .sample = 0, .content = "same"},
	{.prompt = 1, .sample = 1, .content = "same"},
	{.prompt = 70,
		.sample = 0,
		.content = "x",
		.finish = FINISH_LENGTH,
		.flags = FLAG_TRUNCATED},
	{.prompt = 70,
		.sample = 1,
		.content = "y",
		.n_tokens = 5,
		.k = 2,
		.interned = true},
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static int begin(void **state)
{
	struct buf packed;
	struct err err;

	(void)state;
	maker_begin(&maker);
	maker_store(&maker, samples, N_SAMPLES);
	maker_write_shards(&maker, 71);
	buf_init(&packed, 4096);
	must(dataset_begin(maker.d, &err), &err);
	pack(maker.d->packer, str_bytes("unreadable"), &packed);
	must(dataset_add_raw(maker.d, buf_bytes(&packed), &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	buf_release(&packed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	maker_end(&maker);
	return 0;
}

static void keep_first(void *to, const char *finding)
{
	(void)to;
	if (!first_finding[0])
		snprintf(first_finding, sizeof(first_finding), "%s", finding);
}

/* Findings in `dir`; the first one is kept. */
static uint64_t findings(const char *dir)
{
	struct err err;

	first_finding[0] = '\0';
	must(verify_dataset(dir, keep_first, NULL, &counts, &err), &err);
	return counts.findings;
}

/* Closes the dataset, verifies it, and opens it again. */
static uint64_t verify(void)
{
	struct err err;
	uint64_t n;

	maker_close(&maker);
	n = findings(maker.dir);
	must(dataset_open(maker.dir, ENV_WRITE, &maker.d, &err), &err);
	return n;
}

static void verify__finds_nothing_where_nothing_is_wrong(void **state)
{
	char *out = file_join(maker.folder.path, "snapshot");
	struct export_options options = {
		.format = "lmdb", .out = out, .where = "sample == 1"};
	struct manifest manifest;
	struct err err;

	(void)state;
	if (verify())
		fail_msg("%s", first_finding);
	assert_int_equal(counts.records, N_SAMPLES);
	assert_int_equal(counts.keys, N_SAMPLES);
	assert_int_equal(counts.live, N_SAMPLES - 1);
	assert_int_equal(counts.prompts, 3);
	assert_int_equal(counts.captures, 2);
	assert_int_equal(counts.tokens, 8);
	assert_int_equal(counts.shards, 2);
	assert_int_equal(counts.raw, 1);
	assert_false(counts.snapshot);

	must(export_run(maker.d, &options, &manifest, &err), &err);
	manifest_release(&manifest);
	if (findings(out))
		fail_msg("%s", first_finding);
	assert_true(counts.snapshot);
	assert_int_equal(counts.keys, 3);
	free(out);
}

/* A change made behind the dataset's back. */
typedef void (*change_fn)(struct dataset *d, struct err *err);

static void head_of(struct dataset *d, uint64_t sequence, struct record *r)
{
	struct err err;

	must(dataset_record(d, sequence, r, &err), &err);
}

static void put_head(
	struct dataset *d, uint64_t sequence, const struct record *r, struct err *err)
{
	unsigned char key[8], head[RECORD_SIZE];

	put_u64_be(key, sequence);
	record_encode(r, head);
	must(seal_put(d->txn, DB_RECORD, key, 8, head, sizeof(head), ENV_PUT, err),
		err);
}

static void remove_key(struct dataset *d, struct err *err)
{
	unsigned char key[SAMPLE_KEY_SIZE];

	sample_key_write(key, &(struct sample_key){1, 1, 0, 0});
	must(env_delete(d->txn, DB_KEY, key, sizeof(key), err), err);
}

static void remove_text(struct dataset *d, struct err *err)
{
	unsigned char key[8];

	put_u64_be(key, 2);
	must(blob_delete(d->txn, DB_TEXT, key, 8, err), err);
}

static void remove_logits(struct dataset *d, struct err *err)
{
	unsigned char key[LOGITS_KEY_SIZE];

	logits_key_write(key, 7, 0);
	must(blob_delete(d->txn, DB_LOGITS, key, sizeof(key), err), err);
}

static void remove_prompt(struct dataset *d, struct err *err)
{
	unsigned char key[8];

	put_u64_be(key, 2);
	must(blob_delete(d->txn, DB_PROMPT, key, 8, err), err);
}

static void remove_prompt_key(struct dataset *d, struct err *err)
{
	unsigned char key[PROMPT_KEY_SIZE];

	prompt_key_write(key, 1, 0, PROMPT_BODY);
	must(env_delete(d->txn, DB_PROMPT_KEY, key, sizeof(key), err), err);
}

static void remove_record(struct dataset *d, struct err *err)
{
	unsigned char key[8];

	put_u64_be(key, 4);
	must(env_delete(d->txn, DB_RECORD, key, 8, err), err);
}

static void remove_token(struct dataset *d, struct err *err)
{
	unsigned char from[VOCAB_KEY_SIZE];
	struct bytes key, value;
	struct env_cursor *c;

	vocab_key_write(from, vocabulary_number(0, 0, true), 0);
	must(env_cursor_open(d->txn, DB_VOCAB, &c, err), err);
	must(env_seek(c, from, sizeof(from), &key, &value, err), err);
	memcpy(from, key.data, sizeof(from));
	env_cursor_close(c);
	must(env_delete(d->txn, DB_VOCAB, from, sizeof(from), err), err);
}

/* A tokenizer's table of which one token is gone. */
static void cut_table(struct dataset *d, struct err *err)
{
	struct dataset_tokenizer head = {
		.digest = 1, .size = 3, .total = 3, .stored = 3};
	uint32_t number = vocabulary_number(7, 0, false);

	must(dataset_set_tokenizer(d, number, &head, err), err);
	must(dataset_put_token(d, number, 0, 0, str_bytes("a"), err), err);
	must(dataset_put_token(d, number, 2, 0, str_bytes("c"), err), err);
}

static void remove_shard(struct dataset *d, struct err *err)
{
	unsigned char key[8];

	put_u64_be(key, 1);
	must(env_delete(d->txn, DB_SHARD, key, 8, err), err);
}

static void remove_raw(struct dataset *d, struct err *err)
{
	unsigned char key[8];

	put_u64_be(key, 1);
	must(blob_delete(d->txn, DB_RAW, key, 8, err), err);
}

/* The same answer, stored once more: what idempotence is there to prevent. */
static void store_twice(struct dataset *d, struct err *err)
{
	struct made_offer o;
	uint64_t sequence;

	made_offer_init(&o);
	made_offer_build(&o, d->packer, &samples[3]);
	must(dataset_append(d, &o.offer, &sequence, err), err);
	made_offer_release(&o);
}

static void point_elsewhere(struct dataset *d, struct err *err)
{
	struct key_entry entry;

	must(dataset_find(d, &(struct sample_key){1, 1, 0, 0}, &entry, err), err);
	entry.sequence = 4;
	must(dataset_put_key(d, &entry, false, err), err);
}

static void change_bits(struct dataset *d, struct err *err)
{
	struct key_entry entry;

	must(dataset_find(d, &(struct sample_key){70, 0, 0, 0}, &entry, err), err);
	entry.bits = KEY_PASSES;
	must(dataset_put_key(d, &entry, false, err), err);
}

static void change_shard(struct dataset *d, struct err *err)
{
	unsigned char key[8], value[SHARD_STATE_MAX];
	struct shard_state s;
	struct bytes v;

	put_u64_be(key, 0);
	must(seal_get(d->txn, DB_SHARD, key, 8, &v, err), err);
	must(shard_state_decode(v, &s, err), err);
	s.committed[1]++;
	must(seal_put(d->txn, DB_SHARD, key, 8, value, shard_state_encode(&s, value),
		     ENV_PUT, err),
		err);
}

static void change_identity(struct dataset *d, struct err *err)
{
	struct record r;

	head_of(d, 5, &r);
	r.key.sample = 9;
	put_head(d, 5, &r, err);
}

static void change_length(struct dataset *d, struct err *err)
{
	struct record r;

	head_of(d, 5, &r);
	r.content_len++;
	put_head(d, 5, &r, err);
}

static void change_rows(struct dataset *d, struct err *err)
{
	struct record r;

	head_of(d, 7, &r);
	r.n_tokens = 4;
	r.content = (struct token_span){0, 4};
	put_head(d, 7, &r, err);
}

static void change_span(struct dataset *d, struct err *err)
{
	struct record r;

	head_of(d, 1, &r);
	r.content = (struct token_span){2, 4};
	put_head(d, 1, &r, err);
}

/* Rows that hang together in every length and make no sense. */
static void put_capture(struct dataset *d, uint64_t sequence, uint8_t capture,
	const struct logits *l, struct err *err)
{
	unsigned char key[LOGITS_KEY_SIZE];
	struct buf encoded;

	buf_init(&encoded, MIB(1));
	logits_encode(NULL, l, &encoded);
	logits_key_write(key, sequence, capture);
	if (capture == 0)
		must(blob_delete(d->txn, DB_LOGITS, key, sizeof(key), err), err);
	/* Small enough for one part. */
	{
		unsigned char part[LOGITS_KEY_SIZE + 1] = {0}, sealed[2000];

		memcpy(part, key, sizeof(key));
		assert_true(encoded.len + SEAL_SIZE <= sizeof(sealed));
		seal_write(sealed, part, sizeof(part), encoded.data, encoded.len);
		memcpy(sealed + SEAL_SIZE, encoded.data, encoded.len);
		must(env_put(d->txn, DB_LOGITS, part, sizeof(part), sealed,
			     SEAL_SIZE + encoded.len, ENV_PUT, err),
			err);
	}
	buf_release(&encoded);
}

static void put_rows(struct dataset *d, uint8_t capture,
	void (*change)(struct logits *l), struct err *err)
{
	struct bytes encoded;
	struct logits l = {0};
	struct buf joined;

	buf_init(&joined, MIB(1));
	must(dataset_logits(d, 1, 0, &joined, &encoded, err), err);
	must(logits_decode(encoded, &l, err), err);
	change(&l);
	put_capture(d, 1, capture, &l, err);
	logits_release(&l);
	buf_release(&joined);
}

static void with_rows(
	struct dataset *d, void (*change)(struct logits *l), struct err *err)
{
	put_rows(d, 0, change, err);
}

/* A further capture, as if a teacher had scored other tokens. */
static void with_scores(
	struct dataset *d, void (*change)(struct logits *l), struct err *err)
{
	struct record r;

	head_of(d, 1, &r);
	r.captures = 3;
	put_head(d, 1, &r, err);
	put_rows(d, 1, change, err);
}

static void swap_first(struct logits *l)
{
	float logprob = l->logprobs[0];

	l->logprobs[0] = l->logprobs[1];
	l->logprobs[1] = logprob;
}

static void swap_candidates(struct dataset *d, struct err *err)
{
	with_rows(d, swap_first, err);
}

static void raise_tail(struct logits *l)
{
	l->tail[2] = 1.5f;
}

static void change_tail(struct dataset *d, struct err *err)
{
	with_rows(d, raise_tail, err);
}

static void change_id(struct logits *l)
{
	l->id[1]++;
}

static void score_other_tokens(struct dataset *d, struct err *err)
{
	with_scores(d, change_id, err);
}

static void shorten_token(struct logits *l)
{
	l->n_bytes[0]--;
}

static void change_bytes(struct dataset *d, struct err *err)
{
	with_rows(d, shorten_token, err);
}

static void verify__names_what_is_wrong(void **state)
{
	static const struct {
		change_fn change;
		const char *want;
	} cases[] = {
		{remove_key, "record 5: no key names it"},
		{store_twice, "record 8: no key names it"},
		{remove_text, "text 2: is missing"},
		{remove_logits, "logits: 1 of 2 captures are missing"},
		{remove_prompt, "prompt 2: is missing"},
		{remove_prompt_key,
			"key 1/0/0: its prompt is not there for settings 0"},
		{remove_record, "record: the one after 3 is 5"},
		{remove_token, "logits 7: id "},
		{cut_table, "vocab 458752: 2 tokens, its tokenizer's head says 3"},
		{remove_shard, "shard: 1 of 2 shards with records have no totals"},
		{remove_raw, "raw: ends before 1"},
		{point_elsewhere, "key 1/1/0: names record 4, as another key does"},
		{change_bits, "key 70/0/0: has bits 1, its record has 0 under accept"},
		{change_shard, "shard 0: line 1 says 3 live samples, the records 2"},
		{change_identity, "key 1/1/0: names record 5, which is of 1/9/0"},
		{change_length, "text 5: 0 + 4 bytes, its record says 0 + 5"},
		{change_rows, "logits 7: 5 rows, its record says 4"},
		{change_span, "record 1: a span outside its 3 tokens"},
		{swap_candidates, "logits 1: row 0: its candidates are not in order"},
		{change_tail, "logits 1: row 2: its tail mass is no probability"},
		{change_bytes, "logits 1: the tokens have 2 bytes, the stream 3"},
		{score_other_tokens, "logits 1.1: other tokens than capture 0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;

		begin(NULL);
		must(dataset_begin(maker.d, &err), &err);
		cases[i].change(maker.d, &err);
		must(dataset_commit(maker.d, &err), &err);
		if (verify() == 0)
			fail_msg("case %zu (%s): nothing is found", i, cases[i].want);
		if (strncmp(first_finding, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("case %zu: got \"%s\", want \"%s\"", i, first_finding,
				cases[i].want);
		end(NULL);
	}
}

static void verify__checks_a_snapshots_files(void **state)
{
	char *out = file_join(maker.folder.path, "snapshot"), *path;
	struct export_options options = {.format = "lmdb", .out = out};
	struct manifest manifest;
	struct err err;
	FILE *file;

	(void)state;
	must(export_run(maker.d, &options, &manifest, &err), &err);
	manifest_release(&manifest);
	path = file_join(out, "data.mdb");
	file = fopen(path, "a");
	assert_int_equal(fputc('x', file), 'x');
	fclose(file);
	assert_int_equal(findings(out), 1);
	assert_non_null(strstr(first_finding, "data.mdb: has "));
	free(path);
	path = file_join(out, "manifest.json");
	assert_int_equal(remove(path), 0);
	assert_int_equal(findings(out), 1);
	assert_string_equal(first_finding, "manifest.json: is missing");
	free(path);
	free(out);
}

/* The nth value of a database, with one bit turned round; false behind the
 * last. */
static bool flip(enum env_db db, size_t n, struct chance *chance)
{
	unsigned char key[64], *copy;
	struct env_cursor *c;
	struct bytes k, v;
	struct err err;
	enum err_code code;
	size_t key_len, len, bit;

	must(dataset_begin(maker.d, &err), &err);
	must(env_cursor_open(maker.d->txn, db, &c, &err), &err);
	code = env_first(c, &k, &v, &err);
	while (code == ERR_NONE && n-- > 0)
		code = env_next(c, &k, &v, &err);
	env_cursor_close(c);
	if (code != ERR_NONE) {
		dataset_rollback(maker.d);
		return false;
	}
	key_len = k.len;
	memcpy(key, k.data, k.len);
	len = v.len;
	copy = mem_dup(v.data, v.len);
	bit = chance_below(chance, 8 * len);
	copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
	must(env_put(maker.d->txn, db, key, key_len, copy, len, ENV_PUT, &err), &err);
	/* Not dataset_commit, which would write the state anew. */
	must(env_commit(maker.d->txn, &err), &err);
	maker.d->txn = NULL;
	free(copy);
	return true;
}

static void verify__finds_every_flipped_bit(void **state)
{
	struct chance chance = {12};
	int flips = 0;

	(void)state;
	for (int db = 0; db < DB_N; db++) {
		/* A few of many, all of few. */
		for (size_t n = 0; n < 100; n += db == DB_VOCAB ? 7 : 1) {
			bool there;

			begin(NULL);
			there = flip((enum env_db)db, n, &chance);
			maker_close(&maker);
			if (there && findings(maker.dir) == 0)
				fail_msg("%s: value %zu", env_db_name((enum env_db)db),
					n);
			end(NULL);
			flips += there;
			if (!there)
				break;
		}
	}
	assert_true(flips > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			verify__finds_nothing_where_nothing_is_wrong, begin, end),
		cmocka_unit_test(verify__names_what_is_wrong),
		cmocka_unit_test_setup_teardown(
			verify__checks_a_snapshots_files, begin, end),
		cmocka_unit_test(verify__finds_every_flipped_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
