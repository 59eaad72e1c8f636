/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vocabulary.h - 32 768 token ids and their bytes
 *
 * Closed form, see MODEL.md, "Vocabulary": control marks, the 256 bytes,
 * pairs of letters, the words of sentences.c, and invented words for the rest.
 * Like a byte-level tokenizer's, tokens may be half a character; and two ids
 * share their text, so that text does not tell which token it was.
 *
 * Invariants: ids 32 767 and that of " so" are the only two with equal bytes.
 * Threads: read-only once made.
 */
#ifndef RETORT_DEPLOY_TEACHER_VOCABULARY_H
#define RETORT_DEPLOY_TEACHER_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define VOCABULARY_SIZE 32768u

enum vocabulary_id {
	ID_BOS = 1,
	ID_EOS = 2,
	ID_THINK = 3,
	ID_END_THINK = 4,
	ID_SYSTEM = 5,
	ID_USER = 6,
	ID_ASSISTANT = 7,
	ID_END = 8,
	ID_TOOL = 9,
	ID_BYTES = 16,    /* + byte */
	ID_PAIRS = 272,   /* + 26 * first + second, a to z */
	ID_LETTERS = 948, /* a space and a letter, A to Z then a to z */
	ID_RESERVED = 1000,
	ID_WORDS = 1024, /* words of sentences.c, then invented ones */
	ID_TWIN = 32767  /* has the text of another id: " so" */
};

struct vocabulary;

/* A list of ids that grows. */
struct ids {
	uint16_t *at;
	size_t n, cap;
};

struct vocabulary *teacher_vocabulary_new(void);
void teacher_vocabulary_free(struct vocabulary *v);

struct bytes teacher_vocabulary_bytes(const struct vocabulary *v, unsigned id);
/* Marks that are left out of texts: all control ids but the think tags. */
bool teacher_vocabulary_is_special(unsigned id);
/* The smallest id with exactly these bytes; -1 if there is none. */
int teacher_vocabulary_find(const struct vocabulary *v, struct bytes word);
/* Ids from ID_WORDS on that have a word of sentences.c. */
unsigned teacher_vocabulary_n_words(const struct vocabulary *v);

/* Appends the tokens of a text; they concatenate to it, but for control
 * characters, which have visible stand-ins. */
void teacher_vocabulary_encode(
	const struct vocabulary *v, struct bytes text, struct ids *out);

void id_list_add(struct ids *list, unsigned id);
void id_list_release(struct ids *list);

#endif
