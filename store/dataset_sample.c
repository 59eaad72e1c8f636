/* SPDX-License-Identifier: Apache-2.0 */
/* The samples of a dataset: identities, records, texts, logits, prompts. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/dataset.h"
#include "store/seal.h"

#define KEY_VALUE_SIZE 17
#define PROMPT_VALUE_SIZE 8

enum err_code key_entry_decode(
	struct bytes key, struct bytes value, struct key_entry *entry, struct err *err)
{
	struct bytes v;

	if (key.len != SAMPLE_KEY_SIZE)
		return err_set(err, ERR_CORRUPT, "database 'key': a key of %zu bytes",
			key.len);
	if (seal_open(key.data, key.len, value, &v, err) != ERR_NONE)
		return err_prefix(err, "database 'key'");
	if (v.len != KEY_VALUE_SIZE)
		return err_set(err, ERR_CORRUPT, "database 'key': a value of %zu bytes",
			v.len);
	*entry = (struct key_entry){sample_key_read(key.data), get_u64(v.data),
		get_u64(v.data + 8), v.data[16]};
	return ERR_NONE;
}

enum err_code dataset_find(struct dataset *d, const struct sample_key *key,
	struct key_entry *entry, struct err *err)
{
	unsigned char k[SAMPLE_KEY_SIZE];
	struct bytes value;
	enum err_code code;

	sample_key_write(k, key);
	code = env_get(d->txn, DB_KEY, k, sizeof(k), &value, err);
	if (code != ERR_NONE)
		return code;
	return key_entry_decode(bytes_of(k, sizeof(k)), value, entry, err);
}

enum err_code dataset_put_key(struct dataset *d, const struct key_entry *entry,
	bool must_be_new, struct err *err)
{
	unsigned char k[SAMPLE_KEY_SIZE], v[KEY_VALUE_SIZE];

	sample_key_write(k, &entry->key);
	put_u64(v, entry->sequence);
	put_u64(v + 8, entry->fingerprint);
	v[16] = entry->bits;
	return seal_put(d->txn, DB_KEY, k, sizeof(k), v, sizeof(v),
		must_be_new ? ENV_PUT_NEW : ENV_PUT, err);
}

enum err_code dataset_prompt_entries(
	struct dataset *d, uint64_t prompt, struct key_list *list, struct err *err)
{
	unsigned char first[SAMPLE_KEY_SIZE];
	struct env_cursor *c;
	struct bytes key, value;
	enum err_code code;

	list->n = 0;
	sample_key_write(first, &(struct sample_key){.prompt = prompt});
	code = env_cursor_open(d->txn, DB_KEY, &c, err);
	if (code != ERR_NONE)
		return code;
	code = env_seek(c, first, sizeof(first), &key, &value, err);
	while (code == ERR_NONE && key.len == SAMPLE_KEY_SIZE &&
		get_u64_be(key.data) == prompt) {
		MEM_GROW(list->at, list->cap, list->n + 1);
		code = key_entry_decode(key, value, &list->at[list->n], err);
		if (code == ERR_NONE) {
			list->n++;
			code = env_next(c, &key, &value, err);
		}
	}
	env_cursor_close(c);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

void key_list_release(struct key_list *list)
{
	free(list->at);
	*list = (struct key_list){0};
}

static enum err_code append_blob(struct dataset *d, enum env_db db, uint64_t sequence,
	struct bytes payload, struct err *err)
{
	unsigned char key[SEQUENCE_KEY_SIZE];

	sequence_key_write(key, sequence);
	return blob_append(d->txn, db, &d->filler[db], key, sizeof(key), payload, err);
}

static enum err_code append_prompt(struct dataset *d, uint64_t prompt,
	uint32_t settings, enum prompt_kind kind, struct bytes packed, struct err *err)
{
	unsigned char key[PROMPT_KEY_SIZE], value[PROMPT_VALUE_SIZE];
	enum err_code code;

	prompt_key_write(key, prompt, settings, kind);
	put_u64(value, d->state.last_prompt + 1);
	code = seal_put(d->txn, DB_PROMPT_KEY, key, sizeof(key), value, sizeof(value),
		ENV_PUT_NEW, err);
	if (code == ERR_EXISTS)
		return ERR_NONE; /* another sample of the prompt brought it */
	if (code == ERR_NONE)
		code = append_blob(d, DB_PROMPT, d->state.last_prompt + 1, packed, err);
	if (code == ERR_NONE)
		d->state.last_prompt++;
	return code;
}

/* What answers tell of ids, where no tokenizer has told it. */
static enum err_code add_vocabulary(
	struct dataset *d, struct bytes entries, struct err *err)
{
	struct dataset_tokenizer tokenizer;
	enum err_code known = ERR_NOT_FOUND;
	struct vocab_entry entry = {0};
	uint32_t looked_at = 0;
	bool bad = false, looked = false;

	while (vocab_entry_take(&entries, &entry, &bad)) {
		enum err_code code;

		if (!looked || entry.vocabulary != looked_at)
			known = dataset_tokenizer(d, entry.vocabulary, &tokenizer, err);
		looked = true;
		looked_at = entry.vocabulary;
		if (known == ERR_NONE)
			continue;
		code = known == ERR_NOT_FOUND ? dataset_add_token(d, entry.vocabulary,
							entry.id, 0, entry.token, err)
					      : known;
		if (code != ERR_NONE && code != ERR_EXISTS)
			return code;
	}
	return ERR_NONE;
}

enum err_code dataset_append(
	struct dataset *d, const struct offer *o, uint64_t *sequence, struct err *err)
{
	unsigned char key[LOGITS_KEY_SIZE], head[RECORD_SIZE];
	uint64_t prompt = o->head.key.prompt, seq = d->state.last_sequence + 1;
	enum err_code code;

	sequence_key_write(key, seq);
	record_encode(&o->head, head);
	code = seal_put(d->txn, DB_RECORD, key, SEQUENCE_KEY_SIZE, head, sizeof(head),
		ENV_PUT_APPEND, err);
	if (code == ERR_NONE)
		code = append_blob(d, DB_TEXT, seq, o->text, err);
	for (uint8_t c = 0; c < OFFER_CAPTURES_MAX && code == ERR_NONE; c++) {
		if (!o->logits[c].data)
			continue;
		logits_key_write(key, seq, c);
		code = blob_append(d->txn, DB_LOGITS, &d->filler[DB_LOGITS], key,
			sizeof(key), o->logits[c], err);
	}
	if (code == ERR_NONE && o->prompt.data)
		code = append_prompt(
			d, prompt, o->head.settings, PROMPT_BODY, o->prompt, err);
	if (code == ERR_NONE && o->prompt_ids.data)
		code = append_prompt(d, prompt, o->head.settings, PROMPT_TOKEN_IDS,
			o->prompt_ids, err);
	if (code == ERR_NONE)
		code = add_vocabulary(d, o->vocabulary, err);
	if (code == ERR_NONE)
		*sequence = d->state.last_sequence = seq;
	return code;
}

enum err_code dataset_record(
	struct dataset *d, uint64_t sequence, struct record *r, struct err *err)
{
	unsigned char key[SEQUENCE_KEY_SIZE];
	struct bytes v;
	enum err_code code;

	sequence_key_write(key, sequence);
	code = seal_get(d->txn, DB_RECORD, key, sizeof(key), &v, err);
	return code == ERR_NONE ? record_decode(v, r, err) : code;
}

enum err_code dataset_packed_text(struct dataset *d, uint64_t sequence,
	struct buf *joined, struct bytes *packed, struct err *err)
{
	unsigned char key[SEQUENCE_KEY_SIZE];

	sequence_key_write(key, sequence);
	return blob_get(d->txn, DB_TEXT, key, sizeof(key), joined, packed, err);
}

/* Unpacks into `room`, also what is stored plain: that would otherwise be lent
 * from d->joined, which the next value in parts overwrites. */
static enum err_code unpack_into(struct dataset *d, struct bytes packed,
	struct buf *room, struct bytes *raw, struct err *err)
{
	enum err_code code = unpack(d->packer, packed, room, raw, err);

	if (code != ERR_NONE || (raw->data == room->data && raw->len == room->len))
		return code;
	buf_clear(room);
	buf_add(room, raw->data, raw->len);
	if (room->over)
		return err_set(
			err, ERR_CORRUPT, "an unpacked value of %zu bytes", raw->len);
	*raw = buf_bytes(room);
	return ERR_NONE;
}

enum err_code dataset_text(struct dataset *d, uint64_t sequence, struct buf *room,
	struct sections *text, struct err *err)
{
	struct bytes packed, raw;
	enum err_code code = dataset_packed_text(d, sequence, &d->joined, &packed, err);

	if (code == ERR_NONE)
		code = unpack_into(d, packed, room, &raw, err);
	if (code == ERR_NONE)
		code = sections_decode(raw, text, err);
	return code;
}

enum err_code dataset_logits(struct dataset *d, uint64_t sequence, uint8_t capture,
	struct buf *joined, struct bytes *encoded, struct err *err)
{
	unsigned char key[LOGITS_KEY_SIZE];

	logits_key_write(key, sequence, capture);
	return blob_get(d->txn, DB_LOGITS, key, sizeof(key), joined, encoded, err);
}

static enum err_code find_prompt(struct dataset *d, uint64_t prompt, uint32_t settings,
	enum prompt_kind kind, uint64_t *sequence, struct err *err)
{
	unsigned char key[PROMPT_KEY_SIZE];
	struct bytes v;
	enum err_code code;

	prompt_key_write(key, prompt, settings, kind);
	code = seal_get(d->txn, DB_PROMPT_KEY, key, sizeof(key), &v, err);
	if (code == ERR_NONE && v.len != PROMPT_VALUE_SIZE)
		return err_set(
			err, ERR_CORRUPT, "database 'prompt_key': a wrong length");
	if (code == ERR_NONE)
		*sequence = get_u64(v.data);
	return code;
}

static enum err_code read_prompt(struct dataset *d, uint64_t prompt, uint32_t settings,
	enum prompt_kind kind, struct buf *room, struct bytes *raw, struct err *err)
{
	unsigned char key[SEQUENCE_KEY_SIZE];
	struct bytes packed;
	uint64_t sequence;
	enum err_code code = find_prompt(d, prompt, settings, kind, &sequence, err);

	if (code != ERR_NONE)
		return code;
	sequence_key_write(key, sequence);
	code = blob_get(d->txn, DB_PROMPT, key, sizeof(key), &d->joined, &packed, err);
	return code == ERR_NONE ? unpack_into(d, packed, room, raw, err) : code;
}

enum err_code dataset_prompt(struct dataset *d, uint64_t prompt, uint32_t settings,
	struct buf *room, struct sections *parts, struct err *err)
{
	struct bytes raw;
	enum err_code code =
		read_prompt(d, prompt, settings, PROMPT_BODY, room, &raw, err);

	return code == ERR_NONE ? sections_decode(raw, parts, err) : code;
}

enum err_code dataset_prompt_ids(struct dataset *d, uint64_t prompt, uint32_t settings,
	struct buf *room, struct bytes *ids, struct err *err)
{
	return read_prompt(d, prompt, settings, PROMPT_TOKEN_IDS, room, ids, err);
}

bool dataset_has_prompt(struct dataset *d, uint64_t prompt, uint32_t settings)
{
	uint64_t sequence;

	return find_prompt(d, prompt, settings, PROMPT_BODY, &sequence, NULL) ==
	       ERR_NONE;
}

enum err_code dataset_add_raw(struct dataset *d, struct bytes packed, struct err *err)
{
	unsigned char key[SEQUENCE_KEY_SIZE];
	enum err_code code = ERR_NONE;

	while (code == ERR_NONE && d->state.first_raw <= d->state.last_raw &&
		d->state.raw_bytes + packed.len > LIMIT_RAW_TOTAL) {
		struct bytes old;

		sequence_key_write(key, d->state.first_raw);
		code = blob_get(
			d->txn, DB_RAW, key, sizeof(key), &d->joined, &old, err);
		if (code == ERR_NONE) {
			d->state.raw_bytes -= old.len;
			code = blob_delete(d->txn, DB_RAW, key, sizeof(key), err);
		}
		if (code == ERR_NONE)
			d->state.first_raw++;
	}
	if (code == ERR_NONE)
		code = append_blob(d, DB_RAW, d->state.last_raw + 1, packed, err);
	if (code == ERR_NONE) {
		d->state.last_raw++;
		d->state.raw_bytes += packed.len;
	}
	return code;
}
