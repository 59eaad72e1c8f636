/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot: the dataset's own format, with the chosen samples only.
 *
 * The reader walks in key order, but what is big lies in order of sequence. So
 * the first pass writes `key` and takes down in bit maps what is wanted; the
 * second one, without the reader, copies the rest in its own order, which makes
 * the copy as compact as the original and reads the original front to back.
 */
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"
#include "store/bitmap.h"
#include "store/export.h"
#include "store/seal.h"

/* A transaction of the copy, and what of the original a view stays open for. */
#define COPY_BYTES MIB(32)
#define VOCABULARIES_MAX 256
/* Where a capture's head names its vocabulary (FORMAT.md, "logits"). */
#define VOCABULARY_AT 4
#define CAPTURE_HEAD 48

struct copy {
	struct dataset *from, *to;
	char *aside;
	struct bitmap samples, prompts;
	uint32_t vocabulary[VOCABULARIES_MAX];
	size_t n_vocabularies;
	struct buf joined;
	uint64_t commit;    /* the original's, when the copy began */
	size_t uncommitted; /* bytes */
	bool begun;         /* a transaction of the copy is open */
	bool finished;
};

/* Begins a transaction of the copy if none is open. */
static enum err_code begin(struct copy *c, struct err *err)
{
	enum err_code code;

	if (c->begun)
		return ERR_NONE;
	code = dataset_begin(c->to, err);
	c->begun = code == ERR_NONE;
	return code;
}

static enum err_code commit(struct copy *c, struct err *err)
{
	c->begun = false;
	c->uncommitted = 0;
	return dataset_commit(c->to, err);
}

/* After `bytes` more have been written. In the second pass the original's view
 * is renewed as well. */
static enum err_code count(struct copy *c, size_t bytes, bool renew, struct err *err)
{
	enum err_code code;

	c->uncommitted += bytes;
	if (c->uncommitted < COPY_BYTES)
		return ERR_NONE;
	code = commit(c, err);
	if (code == ERR_NONE && renew)
		code = dataset_renew_view(c->from, err);
	return code == ERR_NONE ? begin(c, err) : code;
}

static enum err_code copy_meta(struct copy *c, struct err *err)
{
	struct env_cursor *cursor;
	struct bytes key, value, payload;
	enum err_code code = env_cursor_open(c->from->txn, DB_META, &cursor, err);

	if (code != ERR_NONE)
		return code;
	code = env_first(cursor, &key, &value, err);
	while (code == ERR_NONE) {
		bool own = (key.len == 5 && memcmp(key.data, "state", 5) == 0) ||
			   (key.len == 8 && memcmp(key.data, "snapshot", 8) == 0);

		if (!own)
			code = seal_open(key.data, key.len, value, &payload, err);
		if (!own && code == ERR_NONE)
			code = env_put(c->to->txn, DB_META, key.data, key.len,
				value.data, value.len, ENV_PUT, err);
		if (code == ERR_NONE)
			code = env_next(cursor, &key, &value, err);
	}
	env_cursor_close(cursor);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static enum err_code open_copy(struct export *e, struct err *err)
{
	struct copy *c = mem_zalloc(1, sizeof(*c));
	enum err_code code;

	e->state = c;
	c->from = e->d;
	buf_init(&c->joined, LIMIT_RECORD + 65536);
	bitmap_init(&c->samples, e->manifest.until);
	bitmap_init(&c->prompts, e->d->state.last_prompt);
	code = outfolder_open(e->options->out, e->options->force, &c->aside, err);
	if (code == ERR_NONE)
		code = dataset_open(c->aside, ENV_SNAPSHOT, &c->to, err);
	if (code == ERR_NONE)
		code = begin(c, err);
	if (code != ERR_NONE)
		return code;
	c->to->state = (struct dataset_state){.last_sequence = e->manifest.until,
		.last_prompt = e->d->state.last_prompt,
		.first_raw = 1,
		.highest_epoch = e->d->state.highest_epoch};
	c->commit = e->d->state.commit;
	e->manifest.with_logits = true;
	return copy_meta(c, err);
}

/* A prompt's part, once: where it is, and that it is wanted. */
static enum err_code want_prompt(
	struct copy *c, const struct record *r, enum prompt_kind kind, struct err *err)
{
	unsigned char key[PROMPT_KEY_SIZE];
	struct bytes v;
	enum err_code code;

	prompt_key_write(key, r->key.prompt, r->settings, kind);
	code = seal_get(c->from->txn, DB_PROMPT_KEY, key, sizeof(key), &v, err);
	if (code == ERR_NOT_FOUND)
		return ERR_NONE;
	if (code == ERR_NONE && v.len != 8)
		return err_set(
			err, ERR_CORRUPT, "database 'prompt_key': a wrong length");
	if (code != ERR_NONE || !bitmap_add(&c->prompts, get_u64(v.data)))
		return code;
	return seal_put(c->to->txn, DB_PROMPT_KEY, key, sizeof(key), v.data, v.len,
		ENV_PUT, err);
}

static enum err_code add_sample(struct export *e, struct sample *s,
	const struct key_entry *entry, struct err *err)
{
	struct copy *c = e->state;
	enum err_code code = dataset_put_key(c->to, entry, true, err);

	bitmap_add(&c->samples, entry->sequence);
	if (code == ERR_NONE)
		code = want_prompt(c, &s->head, PROMPT_BODY, err);
	if (code == ERR_NONE)
		code = want_prompt(c, &s->head, PROMPT_TOKEN_IDS, err);
	return code == ERR_NONE ? count(c, 128, false, err) : code;
}

static enum err_code copy_blob(struct copy *c, enum env_db db, const void *key,
	size_t key_len, struct bytes *payload, struct err *err)
{
	enum err_code code =
		blob_get(c->from->txn, db, key, key_len, &c->joined, payload, err);

	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT, "database '%s': a value is missing",
			env_db_name(db));
	if (code == ERR_NONE)
		code = blob_append(c->to->txn, db, &c->to->filler[db], key, key_len,
			*payload, err);
	c->uncommitted += payload->len;
	return code;
}

static enum err_code want_vocabulary(
	struct copy *c, struct bytes logits, struct err *err)
{
	uint32_t vocabulary;

	if (logits.len < CAPTURE_HEAD)
		return err_set(err, ERR_CORRUPT, "logits: too short");
	vocabulary = get_u32(logits.data + VOCABULARY_AT);
	for (size_t i = 0; i < c->n_vocabularies; i++)
		if (c->vocabulary[i] == vocabulary)
			return ERR_NONE;
	if (c->n_vocabularies == VOCABULARIES_MAX)
		return err_set(err, ERR_CORRUPT, "more than %d vocabularies",
			VOCABULARIES_MAX);
	c->vocabulary[c->n_vocabularies++] = vocabulary;
	return ERR_NONE;
}

static enum err_code copy_one(struct copy *c, uint64_t sequence, struct err *err)
{
	unsigned char key[LOGITS_KEY_SIZE];
	struct bytes payload;
	struct record r;
	enum err_code code;

	sequence_key_write(key, sequence);
	code = seal_get(c->from->txn, DB_RECORD, key, SEQUENCE_KEY_SIZE, &payload, err);
	if (code == ERR_NONE)
		code = record_decode(payload, &r, err);
	if (code == ERR_NONE)
		code = seal_put(c->to->txn, DB_RECORD, key, SEQUENCE_KEY_SIZE,
			payload.data, payload.len, ENV_PUT_APPEND, err);
	if (code == ERR_NONE)
		code = copy_blob(c, DB_TEXT, key, SEQUENCE_KEY_SIZE, &payload, err);
	for (uint8_t capture = 0; capture < 16 && code == ERR_NONE; capture++) {
		if (!(r.captures >> capture & 1))
			continue;
		logits_key_write(key, sequence, capture);
		code = copy_blob(c, DB_LOGITS, key, LOGITS_KEY_SIZE, &payload, err);
		if (code == ERR_NONE)
			code = want_vocabulary(c, payload, err);
	}
	return code == ERR_NONE ? count(c, RECORD_SIZE, true, err) : code;
}

static enum err_code copy_samples(struct copy *c, struct err *err)
{
	enum err_code code = ERR_NONE;

	for (uint64_t i = 1; i < c->samples.n && code == ERR_NONE; i++)
		if (bitmap_has(&c->samples, i))
			code = copy_one(c, i, err);
	return code;
}

static enum err_code copy_prompts(struct copy *c, struct err *err)
{
	enum err_code code = ERR_NONE;

	for (uint64_t i = 1; i < c->prompts.n && code == ERR_NONE; i++) {
		unsigned char key[SEQUENCE_KEY_SIZE];
		struct bytes payload;

		if (!bitmap_has(&c->prompts, i))
			continue;
		sequence_key_write(key, i);
		code = copy_blob(c, DB_PROMPT, key, sizeof(key), &payload, err);
		if (code == ERR_NONE)
			code = count(c, 0, true, err);
	}
	return code;
}

/* The tokens of one vocabulary, in rising order of the ids. The original's view
 * stays as it is: a vocabulary is small. */
static enum err_code copy_vocabulary(
	struct copy *c, uint32_t vocabulary, struct err *err)
{
	unsigned char from[VOCAB_KEY_SIZE];
	struct bytes key, value, payload;
	struct env_cursor *cursor;
	enum err_code code = env_cursor_open(c->from->txn, DB_VOCAB, &cursor, err);

	if (code != ERR_NONE)
		return code;
	vocab_key_write(from, vocabulary, 0);
	code = env_seek(cursor, from, sizeof(from), &key, &value, err);
	while (code == ERR_NONE && key.len == VOCAB_KEY_SIZE &&
		get_u32_be(key.data) == vocabulary) {
		code = seal_open(key.data, key.len, value, &payload, err);
		if (code == ERR_NONE)
			code = env_put(c->to->txn, DB_VOCAB, key.data, key.len,
				value.data, value.len, ENV_PUT, err);
		if (code == ERR_NONE)
			code = count(c, value.len, false, err);
		if (code == ERR_NONE)
			code = env_next(cursor, &key, &value, err);
	}
	env_cursor_close(cursor);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static enum err_code second_pass(struct copy *c, struct err *err)
{
	enum err_code code = begin(c, err);

	if (code == ERR_NONE)
		code = copy_samples(c, err);
	if (code == ERR_NONE)
		code = copy_prompts(c, err);
	for (size_t i = 0; i < c->n_vocabularies && code == ERR_NONE; i++)
		code = copy_vocabulary(c, c->vocabulary[i], err);
	return code;
}

/* `snapshot` in `meta`: the manifest, less the digests of the files. */
static enum err_code write_snapshot_meta(
	struct copy *c, const struct manifest *m, struct err *err)
{
	char *text = manifest_text(m, false);
	enum err_code code;

	/* The last commit of the copy has the original's number. */
	c->to->state.commit = c->commit > 0 ? c->commit - 1 : 0;
	code = seal_put(
		c->to->txn, DB_META, "snapshot", 8, text, strlen(text), ENV_PUT, err);

	free(text);
	return code == ERR_NONE ? commit(c, err) : code;
}

static enum err_code close_files(struct export *e, struct copy *c, struct err *err)
{
	char *path = file_join(c->aside, "data.mdb"), *text;
	struct outfile_sum sum;
	enum err_code code = env_sync(c->to->env, err);

	dataset_close(c->to);
	c->to = NULL;
	if (code == ERR_NONE)
		code = outfile_sum_of(path, &sum, err);
	free(path);
	if (code != ERR_NONE)
		return code;
	manifest_add_file(&e->manifest, &sum);
	text = manifest_text(&e->manifest, true);
	path = file_join(c->aside, "manifest.json");
	code = file_write(path, text, strlen(text), 0666, err);
	free(path);
	free(text);
	return code;
}

static enum err_code finish_copy(struct export *e, struct err *err)
{
	struct copy *c = e->state;
	enum err_code code = dataset_begin_view(c->from, err);

	if (code != ERR_NONE)
		return code;
	code = second_pass(c, err);
	dataset_end_view(c->from);
	if (code == ERR_NONE)
		code = write_snapshot_meta(c, &e->manifest, err);
	if (code == ERR_NONE)
		code = close_files(e, c, err);
	if (code == ERR_NONE)
		code = outfolder_finish(e->options->out, c->aside, err);
	c->finished = code == ERR_NONE;
	return code;
}

static void close_copy(struct export *e)
{
	struct copy *c = e->state;

	if (!c)
		return;
	if (c->begun)
		dataset_rollback(c->to);
	dataset_close(c->to);
	if (c->aside && !c->finished && file_remove_all(c->aside, NULL) != ERR_NONE)
		c->finished = false; /* what is left says by its name that it is junk */
	free(c->aside);
	bitmap_release(&c->samples);
	bitmap_release(&c->prompts);
	buf_release(&c->joined);
	free(c);
	e->state = NULL;
}

const struct export_format export_lmdb = {
	.name = "lmdb",
	.summary = "a folder in the dataset's own format (store/FORMAT.md)",
	.is_folder = true,
	.open = open_copy,
	.add = add_sample,
	.finish = finish_copy,
	.close = close_copy,
};
