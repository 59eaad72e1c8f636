/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataset.h - the dataset: what its databases mean, for reading and writing
 *
 * Knows FORMAT.md from the values up: sequences, identities, prompts,
 * settings, dictionaries, vocabulary, shards. It decides nothing: whether an
 * offer may be stored is ingest.h's affair, who may read what export.h's.
 *
 * A writer works in one transaction at a time, from dataset_begin to
 * dataset_commit; what was written is durable when dataset_commit returns
 * ERR_NONE, and undone after dataset_rollback. A reader has a view from
 * dataset_begin_view on, and renews it every so often.
 *
 * Threads: one for each struct dataset.
 */
#ifndef RETORT_STORE_DATASET_H
#define RETORT_STORE_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/wire.h"
#include "store/blob.h"
#include "store/env.h"
#include "store/offer.h"
#include "store/pack.h"
#include "store/record.h"
#include "store/sections.h"

#define DATASET_FORMAT 1

/* The value of `state` in `meta`. */
struct dataset_state {
	uint64_t last_sequence;
	uint64_t last_prompt; /* prompt sequence */
	uint64_t last_raw, first_raw, raw_bytes;
	uint64_t commit; /* number of the last commit */
	uint64_t highest_epoch;
};

struct dataset {
	struct env *env;
	struct env_txn *txn; /* the open transaction or view, or NULL */
	struct packer *packer;
	struct dataset_state state; /* as of txn, if there is one */
	bool writes;

	struct blob_filler filler[DB_N];
	struct dataset_state committed;
	struct buf joined, packed; /* scratch */
};

/* `dir` holds data.mdb. A folder made with ENV_CREATE has mode 0750. */
enum err_code dataset_open(const char *dir, enum env_mode mode, struct dataset **out,
	struct err *err) MUST_CHECK;
void dataset_close(struct dataset *d);

enum err_code dataset_begin(struct dataset *d, struct err *err) MUST_CHECK;
/* Counts the commit and makes all since dataset_begin durable. On an error
 * nothing of it is there; ERR_AGAIN: grow the map and do it again. */
enum err_code dataset_commit(struct dataset *d, struct err *err) MUST_CHECK;
void dataset_rollback(struct dataset *d);

enum err_code dataset_begin_view(struct dataset *d, struct err *err) MUST_CHECK;
enum err_code dataset_renew_view(struct dataset *d, struct err *err) MUST_CHECK;
void dataset_end_view(struct dataset *d);

/* meta; texts are lent until the next write. ERR_NOT_FOUND if not there. */
enum err_code dataset_run(
	struct dataset *d, unsigned char run[RUN_ID_SIZE], struct err *err) MUST_CHECK;
enum err_code dataset_set_run(struct dataset *d, const unsigned char run[RUN_ID_SIZE],
	struct err *err) MUST_CHECK;
enum err_code dataset_accept(struct dataset *d, struct bytes *text, struct err *err)
	MUST_CHECK;
enum err_code dataset_set_accept(struct dataset *d, struct bytes text, struct err *err)
	MUST_CHECK;
enum err_code dataset_settings(struct dataset *d, uint32_t generation,
	struct bytes *json, struct err *err) MUST_CHECK;
enum err_code dataset_set_settings(struct dataset *d, uint32_t generation,
	struct bytes json, struct err *err) MUST_CHECK;
/* Stores a dictionary under the next number and packs with it from now on. */
enum err_code dataset_add_dictionary(
	struct dataset *d, struct bytes dictionary, struct err *err) MUST_CHECK;
enum err_code dataset_dictionary(struct dataset *d, uint32_t number,
	struct bytes *dictionary, struct err *err) MUST_CHECK;

/* One entry of `key`. */
struct key_entry {
	struct sample_key key;
	uint64_t sequence;
	uint64_t fingerprint;
	uint8_t bits;
};
enum key_bit {
	KEY_PASSES = 1,             /* `accept`, taken as no duplicate */
	KEY_PASSES_AS_DUPLICATE = 2 /* `accept`, taken as a duplicate */
};

enum err_code dataset_find(struct dataset *d, const struct sample_key *key,
	struct key_entry *entry, struct err *err) MUST_CHECK;
/* Decodes a pair of `key` as a cursor gives it. */
enum err_code key_entry_decode(struct bytes key, struct bytes value,
	struct key_entry *entry, struct err *err) MUST_CHECK;
enum err_code dataset_put_key(struct dataset *d, const struct key_entry *entry,
	bool must_be_new, struct err *err) MUST_CHECK;

/* All entries of one prompt, in key order. The list grows as needed and is
 * reused; free it with key_list_release. */
struct key_list {
	struct key_entry *at;
	size_t n, cap;
};
enum err_code dataset_prompt_entries(struct dataset *d, uint64_t prompt,
	struct key_list *list, struct err *err) MUST_CHECK;
void key_list_release(struct key_list *list);

/* Appends an offer's head, text and logits under the next sequence, and its
 * prompt and vocabulary where they are new. Does not write `key`. */
enum err_code dataset_append(struct dataset *d, const struct offer *o,
	uint64_t *sequence, struct err *err) MUST_CHECK;

enum err_code dataset_record(struct dataset *d, uint64_t sequence, struct record *r,
	struct err *err) MUST_CHECK;
/* The packed text as it is stored; lent. */
enum err_code dataset_packed_text(struct dataset *d, uint64_t sequence,
	struct buf *joined, struct bytes *packed, struct err *err) MUST_CHECK;
/* Texts, lent from `room`, which is overwritten. */
enum err_code dataset_text(struct dataset *d, uint64_t sequence, struct buf *room,
	struct sections *text, struct err *err) MUST_CHECK;
/* A capture's encoded logits, lent from the map or from `joined`. */
enum err_code dataset_logits(struct dataset *d, uint64_t sequence, uint8_t capture,
	struct buf *joined, struct bytes *encoded, struct err *err) MUST_CHECK;
/* A prompt's parts (enum prompt_part), lent from `room`. */
enum err_code dataset_prompt(struct dataset *d, uint64_t prompt, uint32_t settings,
	struct buf *room, struct sections *parts, struct err *err) MUST_CHECK;
/* A prompt's token ids, u32 little-endian each, lent from `room`. */
enum err_code dataset_prompt_ids(struct dataset *d, uint64_t prompt, uint32_t settings,
	struct buf *room, struct bytes *ids, struct err *err) MUST_CHECK;
/* Whether the prompt's text is there. */
bool dataset_has_prompt(struct dataset *d, uint64_t prompt, uint32_t settings);

enum err_code dataset_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t *ordinal, struct bytes *token, struct err *err) MUST_CHECK;
/* ERR_EXISTS if the id is known, with the same bytes or with others. */
enum err_code dataset_add_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t ordinal, struct bytes token, struct err *err) MUST_CHECK;

/* Sets a token's bytes, whatever they were. */
enum err_code dataset_put_token(struct dataset *d, uint32_t vocabulary, uint32_t id,
	uint16_t ordinal, struct bytes token, struct err *err) MUST_CHECK;

/* What the dataset has of a tokenizer's table (tables.h). */
struct dataset_tokenizer {
	uint64_t digest;
	uint32_t size;          /* the highest id + 1 */
	uint32_t total, stored; /* tokens there are, and that are here so far */
	bool strips;
};
enum err_code dataset_tokenizer(struct dataset *d, uint32_t vocabulary,
	struct dataset_tokenizer *out, struct err *err) MUST_CHECK;
enum err_code dataset_set_tokenizer(struct dataset *d, uint32_t vocabulary,
	const struct dataset_tokenizer *t, struct err *err) MUST_CHECK;

/* Keeps an unreadable answer; the oldest go when the cap is reached. */
enum err_code dataset_add_raw(struct dataset *d, struct bytes packed, struct err *err)
	MUST_CHECK;

#endif
