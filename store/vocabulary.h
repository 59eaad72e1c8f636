/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vocabulary.h - ids for tokens of teachers that give only their bytes
 *
 * A token is (bytes, ordinal): two candidates of one row with equal bytes are
 * two tokens, ordinals 0 and 1, because the teacher meant two. Ids are given
 * in the order of first sight and never change; they are the dataset's own,
 * not any tokenizer's.
 *
 * Ownership: the map copies bytes. It mirrors the database `vocab` for
 * interned vocabularies and is loaded when one is first used.
 */
#ifndef RETORT_STORE_VOCABULARY_H
#define RETORT_STORE_VOCABULARY_H

#include "store/dataset.h"

struct vocabulary;

struct vocabulary *vocabulary_new(void);
void vocabulary_free(struct vocabulary *v);

/* The id of a token, made and written to the dataset if it is new. */
enum err_code vocabulary_intern(struct vocabulary *v, struct dataset *d,
	uint32_t number, uint16_t ordinal, struct bytes token, uint32_t *id,
	struct err *err) MUST_CHECK;

/* Forgets all, so that it is loaded again: after a rollback. */
void vocabulary_forget(struct vocabulary *v);

#endif
