/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - the texts of tokens that answers are made of, by number
 *
 * Candidates are the same few thousand words over and over. A word that was read
 * and checked once is known again by its 16 bytes, and with it how its list of
 * bytes is written; who needs more of a word (tokens.h) keeps it by the number.
 *
 * A word is what stands between the quotes: 1 to 15 bytes of valid UTF-8 without
 * escapes and without U+FFFD. Words are never forgotten, so that a number means
 * one text for good; when the table is half full, others stay without a number.
 *
 * Pure. Ownership: one for all answers of a worker.
 */
#ifndef RETORT_WORKER_WORDS_H
#define RETORT_WORKER_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define WORD_NONE 0 /* numbers begin with 1 */
#define WORD_TEXT_MAX 15
#define WORD_LIST_MAX 43

/* All of it in one line of the cache. */
struct word {
	uint64_t text[2]; /* zeros behind it; the last byte: how long */
	unsigned char list[WORD_LIST_MAX]; /* "[32,116,104,101]", as it stood there */
	unsigned char list_len;            /* 0: not known */
	uint32_t number;                   /* WORD_NONE: a free place */
};

/* So many places are looked at, whatever texts a server thinks up. */
#define WORDS_PROBES 8

struct words {
	struct word *at; /* [1 << bits] */
	unsigned shift;  /* of a hash: 64 - bits */
	uint32_t n;
};

/* For a worker: 32768 words in 4 MiB. */
#define WORDS_BITS 16
/* A table of 1 << bits places. */
struct words *words_new(unsigned bits);
void words_free(struct words *words);

/* The i-th place where the text may be: both halves at once, and the top bits, which
 * depend on all others. */
static inline struct word *words_place(
	const struct words *words, uint64_t first, uint64_t second, unsigned i)
{
	uint64_t hash = first * 0x9e3779b97f4a7c15u ^ second * 0x9fb21c651e98df25u;
	uint64_t place = hash >> words->shift;

	return &words->at[i ? (place + i) & UINT64_MAX >> words->shift : place];
}

/* NULL: not known. */
static inline __attribute__((always_inline)) struct word *words_find(
	const struct words *words, uint64_t first, uint64_t second)
{
	for (unsigned i = 0; i < WORDS_PROBES; i++) {
		struct word *w = words_place(words, first, second, i);

		if (w->number == WORD_NONE)
			break;
		if (w->text[0] == first && w->text[1] == second)
			return w;
	}
	return NULL;
}

/* Notes a text; NULL if there is no room. */
struct word *words_add(struct words *words, uint64_t first, uint64_t second);

/* How the list of bytes stood beside the word; a long one is not kept. */
void words_learn_list(struct word *word, const unsigned char *list, size_t len);

#endif
