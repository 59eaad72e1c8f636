/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, transactions and `meta`; dataset_sample.c has the samples. */
#include "store/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/seal.h"

#define STATE_SIZE (7 * 8)
/* Free room in the map before a transaction begins; a commit takes less. */
#define MAP_ROOM (8 * (uint64_t)COMMIT_BYTES + LIMIT_RECORD)

static enum err_code get_meta(
	struct dataset *d, const char *key, struct bytes *value, struct err *err)
{
	return seal_get(d->txn, DB_META, key, strlen(key), value, err);
}

static enum err_code put_meta(
	struct dataset *d, const char *key, struct bytes value, struct err *err)
{
	return seal_put(
		d->txn, DB_META, key, strlen(key), value.data, value.len, ENV_PUT, err);
}

static enum err_code read_state(struct dataset *d, struct err *err)
{
	struct bytes v;
	enum err_code code = get_meta(d, "state", &v, err);

	d->state = (struct dataset_state){.first_raw = 1};
	if (code == ERR_NOT_FOUND)
		return ERR_NONE;
	if (code != ERR_NONE)
		return code;
	if (v.len != STATE_SIZE)
		return err_set(
			err, ERR_CORRUPT, "the dataset's state has a wrong length");
	d->state = (struct dataset_state){
		.last_sequence = get_u64(v.data),
		.last_prompt = get_u64(v.data + 8),
		.last_raw = get_u64(v.data + 16),
		.first_raw = get_u64(v.data + 24),
		.raw_bytes = get_u64(v.data + 32),
		.commit = get_u64(v.data + 40),
		.highest_epoch = get_u64(v.data + 48),
	};
	return ERR_NONE;
}

static enum err_code write_state(struct dataset *d, struct err *err)
{
	unsigned char v[STATE_SIZE];

	put_u64(v, d->state.last_sequence);
	put_u64(v + 8, d->state.last_prompt);
	put_u64(v + 16, d->state.last_raw);
	put_u64(v + 24, d->state.first_raw);
	put_u64(v + 32, d->state.raw_bytes);
	put_u64(v + 40, d->state.commit);
	put_u64(v + 48, d->state.highest_epoch);
	return put_meta(d, "state", bytes_of(v, sizeof(v)), err);
}

static enum err_code check_format(struct dataset *d, struct err *err)
{
	unsigned char version[4];
	struct bytes v;
	enum err_code code = get_meta(d, "format", &v, err);

	if (code == ERR_NOT_FOUND && d->writes && d->state.commit == 0) {
		put_u32(version, DATASET_FORMAT);
		return put_meta(d, "format", bytes_of(version, 4), err);
	}
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_INVALID, "this is not a dataset of retort");
	if (code != ERR_NONE)
		return code;
	if (v.len != 4 || get_u32(v.data) != DATASET_FORMAT)
		return err_set(err, ERR_REFUSED,
			"the dataset has format %u, this build reads format %d",
			v.len == 4 ? get_u32(v.data) : 0, DATASET_FORMAT);
	return ERR_NONE;
}

/* Gives the packer the dictionaries that it does not have yet. */
static enum err_code load_dictionaries(struct dataset *d, struct err *err)
{
	for (uint32_t number = packer_dictionary(d->packer) + 1;; number++) {
		struct bytes dictionary;
		enum err_code code = dataset_dictionary(d, number, &dictionary, err);

		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		if (code == ERR_NONE)
			code = packer_add_dictionary(
				d->packer, number, dictionary, err);
		if (code != ERR_NONE)
			return code;
	}
}

static enum err_code look_at_it(struct dataset *d, struct err *err)
{
	enum err_code code = d->writes ? env_begin_write(d->env, &d->txn, err)
				       : env_begin_read(d->env, &d->txn, err);

	if (code != ERR_NONE)
		return code;
	code = read_state(d, err);
	if (code == ERR_NONE)
		code = check_format(d, err);
	if (code == ERR_NONE)
		code = load_dictionaries(d, err);
	if (code == ERR_NONE && d->writes) {
		code = env_commit(d->txn, err);
		d->txn = NULL;
	}
	env_abort(d->txn);
	d->txn = NULL;
	return code;
}

enum err_code dataset_open(
	const char *dir, enum env_mode mode, struct dataset **out, struct err *err)
{
	struct dataset *d = mem_zalloc(1, sizeof(*d));
	enum err_code code;

	*out = NULL;
	d->writes = mode != ENV_READ;
	d->packer = packer_new();
	buf_init(&d->joined, LIMIT_RECORD + 65536);
	buf_init(&d->packed, PACK_RAW_MAX + 65536);
	code = env_open(dir, mode, &d->env, err);
	if (code == ERR_NONE)
		code = look_at_it(d, err);
	if (code != ERR_NONE) {
		dataset_close(d);
		return code;
	}
	d->committed = d->state;
	*out = d;
	return ERR_NONE;
}

void dataset_close(struct dataset *d)
{
	if (!d)
		return;
	env_abort(d->txn);
	env_close(d->env);
	packer_free(d->packer);
	buf_release(&d->joined);
	buf_release(&d->packed);
	free(d);
}

enum err_code dataset_begin(struct dataset *d, struct err *err)
{
	enum err_code code;

	assert(d->writes && !d->txn);
	code = env_grow(d->env, MAP_ROOM, err);
	if (code == ERR_NONE)
		code = env_begin_write(d->env, &d->txn, err);
	return code;
}

enum err_code dataset_commit(struct dataset *d, struct err *err)
{
	struct env_txn *txn = d->txn;
	enum err_code code;

	d->state.commit++;
	code = write_state(d, err);
	if (code != ERR_NONE) {
		dataset_rollback(d);
		return code;
	}
	d->txn = NULL;
	code = env_commit(txn, err);
	if (code != ERR_NONE)
		dataset_rollback(d);
	else
		d->committed = d->state;
	return code;
}

void dataset_rollback(struct dataset *d)
{
	env_abort(d->txn);
	d->txn = NULL;
	d->state = d->committed;
	memset(d->filler, 0, sizeof(d->filler));
}

enum err_code dataset_begin_view(struct dataset *d, struct err *err)
{
	enum err_code code;

	assert(!d->txn);
	code = env_begin_read(d->env, &d->txn, err);
	if (code == ERR_NONE)
		code = read_state(d, err);
	if (code == ERR_NONE)
		code = load_dictionaries(d, err);
	if (code != ERR_NONE)
		dataset_end_view(d);
	return code;
}

enum err_code dataset_renew_view(struct dataset *d, struct err *err)
{
	enum err_code code = env_renew(d->txn, err);

	if (code == ERR_NONE)
		code = read_state(d, err);
	if (code == ERR_NONE)
		code = load_dictionaries(d, err);
	return code;
}

void dataset_end_view(struct dataset *d)
{
	env_abort(d->txn);
	d->txn = NULL;
}

enum err_code dataset_run(
	struct dataset *d, unsigned char run[RUN_ID_SIZE], struct err *err)
{
	struct bytes v;
	enum err_code code = get_meta(d, "run", &v, err);

	if (code == ERR_NONE && v.len != RUN_ID_SIZE)
		return err_set(err, ERR_CORRUPT, "the run's id has a wrong length");
	if (code == ERR_NONE)
		memcpy(run, v.data, RUN_ID_SIZE);
	return code;
}

enum err_code dataset_set_run(
	struct dataset *d, const unsigned char run[RUN_ID_SIZE], struct err *err)
{
	return put_meta(d, "run", bytes_of(run, RUN_ID_SIZE), err);
}

enum err_code dataset_accept(struct dataset *d, struct bytes *text, struct err *err)
{
	return get_meta(d, "accept", text, err);
}

enum err_code dataset_set_accept(struct dataset *d, struct bytes text, struct err *err)
{
	return put_meta(d, "accept", text, err);
}

static void numbered(char out[32], const char *what, uint32_t number)
{
	snprintf(out, 32, "%s/%08x", what, number);
}

enum err_code dataset_settings(
	struct dataset *d, uint32_t generation, struct bytes *json, struct err *err)
{
	char key[32];

	numbered(key, "settings", generation);
	return get_meta(d, key, json, err);
}

enum err_code dataset_set_settings(
	struct dataset *d, uint32_t generation, struct bytes json, struct err *err)
{
	char key[32];

	numbered(key, "settings", generation);
	return put_meta(d, key, json, err);
}

enum err_code dataset_dictionary(
	struct dataset *d, uint32_t number, struct bytes *dictionary, struct err *err)
{
	char key[32];

	numbered(key, "dictionary", number);
	return get_meta(d, key, dictionary, err);
}

enum err_code dataset_add_dictionary(
	struct dataset *d, struct bytes dictionary, struct err *err)
{
	uint32_t number = packer_dictionary(d->packer) + 1;
	char key[32];
	enum err_code code;

	numbered(key, "dictionary", number);
	code = put_meta(d, key, dictionary, err);
	if (code == ERR_NONE)
		code = packer_add_dictionary(d->packer, number, dictionary, err);
	return code;
}

enum err_code dataset_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t *ordinal, struct bytes *token, struct err *err)
{
	unsigned char key[VOCAB_KEY_SIZE];
	struct bytes v;
	enum err_code code;

	vocab_key_write(key, vocabulary, id);
	code = seal_get(d->txn, DB_VOCAB, key, sizeof(key), &v, err);
	if (code == ERR_NONE && v.len < 2)
		return err_set(err, ERR_CORRUPT, "a vocabulary entry is too short");
	if (code == ERR_NONE) {
		*ordinal = get_u16(v.data);
		*token = bytes_of(v.data + 2, v.len - 2);
	}
	return code;
}

static enum err_code write_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t ordinal, struct bytes token, enum env_put_flags flags, struct err *err)
{
	unsigned char key[VOCAB_KEY_SIZE], value[2 + LIMIT_TOKEN_BYTES];

	assert(token.len <= LIMIT_TOKEN_BYTES);
	vocab_key_write(key, vocabulary, id);
	put_u16(value, ordinal);
	if (token.len)
		memcpy(value + 2, token.data, token.len);
	return seal_put(
		d->txn, DB_VOCAB, key, sizeof(key), value, 2 + token.len, flags, err);
}

enum err_code dataset_add_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t ordinal, struct bytes token, struct err *err)
{
	return write_token(d, vocabulary, id, ordinal, token, ENV_PUT_NEW, err);
}

enum err_code dataset_put_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t ordinal, struct bytes token, struct err *err)
{
	return write_token(d, vocabulary, id, ordinal, token, ENV_PUT, err);
}

#define TOKENIZER_SIZE 24

enum err_code dataset_tokenizer(struct dataset *d, uint32_t vocabulary,
	struct dataset_tokenizer *out, struct err *err)
{
	struct bytes v;
	char key[32];
	enum err_code code;

	numbered(key, "tokenizer", vocabulary);
	code = get_meta(d, key, &v, err);
	if (code != ERR_NONE)
		return code;
	if (v.len != TOKENIZER_SIZE)
		return err_set(err, ERR_CORRUPT, "%s has a wrong length", key);
	*out = (struct dataset_tokenizer){
		.digest = get_u64(v.data),
		.size = get_u32(v.data + 8),
		.total = get_u32(v.data + 12),
		.stored = get_u32(v.data + 16),
		.strips = get_u32(v.data + 20) & 1,
	};
	if (out->size > LIMIT_VOCABULARY || out->total > out->size ||
		out->stored > out->total)
		return err_set(err, ERR_CORRUPT, "%s does not add up", key);
	return ERR_NONE;
}

enum err_code dataset_set_tokenizer(struct dataset *d, uint32_t vocabulary,
	const struct dataset_tokenizer *t, struct err *err)
{
	unsigned char v[TOKENIZER_SIZE];
	char key[32];

	numbered(key, "tokenizer", vocabulary);
	put_u64(v, t->digest);
	put_u32(v + 8, t->size);
	put_u32(v + 12, t->total);
	put_u32(v + 16, t->stored);
	put_u32(v + 20, t->strips);
	return put_meta(d, key, bytes_of(v, sizeof(v)), err);
}
