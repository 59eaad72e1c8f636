/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokens.h - what this worker knows of tokens' ids and bytes
 *
 * Two kinds of vocabularies (store/keys.h, vocabulary_number):
 *   - where the teacher gives token ids, their bytes are told to the store
 *     with the samples that have them, until a sample that told them is
 *     stored: an offer may be lost, and then what it told is lost with it;
 *   - where it gives only bytes, the store gives ids (INTERN), and they are
 *     remembered here, so that after a while nobody has to ask. They are the
 *     dataset's own, or, where the job names a tokenizer, the tokenizer's.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_TOKENS_H
#define RETORT_WORKER_TOKENS_H

#include "common/wire.h"
#include "store/logits.h"
#include "worker/rows.h"

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);
/* Those that rows are read with, if their words' ids are to be remembered. */
struct words *tokens_words(struct tokens *t);
/* Bytes of entries that one offer brings; the rest goes with later ones. */
#define TOKENS_TELL_MAX KIB(64)

/* True if every token and candidate has an id of the teacher's. */
bool tokens_have_ids(const struct rows *rows);
/* True if some token or candidate has one. */
bool tokens_have_an_id(const struct rows *rows);

/* Appends, as vocab_entry_add does, the bytes of ids that the store is not known
 * to have, each once. Not told is what may be part of a character only: empty
 * texts, and what follows them or unknown bytes, where servers put the rest. */
void tokens_tell(struct tokens *t, uint32_t vocabulary, const struct rows *rows,
	struct buf *entries);
/* An offer with these entries was stored. */
void tokens_told(struct tokens *t, struct bytes entries);
/* Another store answers, which may know less. */
void tokens_forget_told(struct tokens *t);

/*
 * Fills in ids by bytes. Those that are not known are listed in `ask` (owned
 * by `t`, lent until the next call), and false is returned: the same call
 * works once tokens_learn has been told their ids. A token whose bytes are
 * not known keeps TOKEN_ID_UNKNOWN.
 */
bool tokens_intern(struct tokens *t, uint32_t vocabulary, struct rows *rows,
	struct wire_intern *ask);
/*
 * The same by a tokenizer's table: ids that the teacher gave stay, and a token
 * gets none whose bytes do not say which it is (store/tables.h). Of candidates
 * of one row with equal bytes none gets one.
 */
bool tokens_by_table(struct tokens *t, uint32_t vocabulary, struct rows *rows,
	struct wire_intern *ask);
void tokens_learn(struct tokens *t, uint32_t vocabulary, const struct wire_token *token,
	const uint32_t *id, uint32_t n);

#endif
