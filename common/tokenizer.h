/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.h - which bytes the ids of a tokenizer.json stand for
 *
 * Reads the file format of Hugging Face's tokenizers, as far as it says what
 * each id means: `model.vocab`, `added_tokens`, and the steps in `decoder` and
 * `pre_tokenizer` that say in which alphabet the pieces are written. It does
 * not tokenize: merges, normalizers and post-processors are passed over.
 *
 *   byte-level     each character of a piece stands for a byte, by GPT-2's
 *                  table (ByteLevel). A piece with a character that is not in
 *                  it stands for its own UTF-8, as the library has it.
 *   SentencePiece  a piece is UTF-8 in which a sign, mostly U+2581, stands
 *                  for a blank (Replace, Metaspace); with byte fallback, a
 *                  piece "<0x0A>" is that byte (ByteFallback).
 *
 * An id that only `added_tokens` has is its content: literally where pieces
 * are byte-level, and with the sign and byte pieces read like any piece's in
 * SentencePiece, since there the decoder's steps go over added tokens too, and
 * runs of blanks are added as runs of signs. An id that both have is the
 * model's piece if the two agree, else what `added_tokens` says.
 *
 * A byte piece gives way to a piece with the same text: the tokenizer falls back
 * to bytes only for what has no piece of its own. (In Llama's vocabulary "1" is
 * a piece, and "<0x31>" is there too.) All other ids with equal bytes are told
 * apart by nothing that a server shows.
 *
 * What cannot be decided from the file is an error that says why, never a
 * guess: WordPiece, WordLevel, decoders with other steps, no decoder at all.
 *
 * Memory: the table and one chunk of the file; never a tree of it.
 */
#ifndef RETORT_COMMON_TOKENIZER_H
#define RETORT_COMMON_TOKENIZER_H

#include "common/err.h"
#include "common/token_table.h"

enum tokenizer_alphabet { ALPHABET_BYTE_LEVEL, ALPHABET_SENTENCEPIECE };
const char *tokenizer_alphabet_name(enum tokenizer_alphabet alphabet);

struct tokenizer {
	enum tokenizer_alphabet alphabet;
	bool unigram;       /* else BPE */
	bool byte_fallback; /* "<0x0A>" is a byte */
	/* The decoder takes blanks off the beginning of a text, so the first
	 * token of an answer may be shown without one that it has. */
	bool strips;
	uint32_t n_added;    /* ids that only added_tokens has */
	uint32_t n_replaced; /* ids for which it overrules the model */
	struct token_table table;
	uint64_t digest; /* XXH3-64 of the file, never 0 */
};

/* Where the file's bytes come from: sets *chunk, empty at the end. The bytes are
 * lent until the next call. */
struct tokenizer_source {
	enum err_code (*next)(void *from, struct bytes *chunk, struct err *err);
	void *from;
};

/* ERR_INVALID begins with "line:column: place: "; `name` and a colon come before.
 * After an error there is nothing to release. */
enum err_code tokenizer_read(const struct tokenizer_source *source, const char *name,
	struct tokenizer *t, struct err *err) MUST_CHECK;
/* Reads a file (tokenizer_file.c). */
enum err_code tokenizer_read_file(
	const char *path, struct tokenizer *t, struct err *err) MUST_CHECK;
void tokenizer_release(struct tokenizer *t);

/* For people: "1234 ids, byte-level BPE"; and the ids that collide, the first
 * few, escaped for a terminal. */
void tokenizer_describe(const struct tokenizer *t, char *out, size_t size);
void tokenizer_collisions(const struct tokenizer *t, char *out, size_t size);

#endif
