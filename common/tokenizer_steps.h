/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer_steps.h - the alphabet of a tokenizer's pieces, and reading them
 *
 * The pure half of tokenizer.h: what the steps of `decoder` and `pre_tokenizer`
 * say, and a piece's bytes by it. Step names and members are those of the
 * tokenizers library.
 */
#ifndef RETORT_COMMON_TOKENIZER_STEPS_H
#define RETORT_COMMON_TOKENIZER_STEPS_H

#include "common/tokenizer.h"

#define STEPS_MAX 32
#define STEP_TEXT_MAX 32

/* A short text; longer ones are cut, which makes them unlike any known one. */
struct step_text {
	char at[STEP_TEXT_MAX];
	bool there;
};

struct step {
	struct step_text type, pattern, content, replacement, prepend_scheme;
	bool add_prefix_space;
	int64_t start, stop;
};

/* One section, sequences flattened. */
struct steps {
	struct step at[STEPS_MAX];
	size_t n;
};

struct alphabet {
	enum tokenizer_alphabet kind;
	bool byte_fallback, strips;
	char sign[STEP_TEXT_MAX]; /* that stands for a blank */
};

/* On ERR_INVALID the message says which section and why. */
enum err_code alphabet_decide(const struct steps *decoder,
	const struct steps *pre_tokenizer, bool model_byte_fallback,
	struct alphabet *out, struct err *err) MUST_CHECK;

/* Rewrites a piece of the model (or, if *mark is set, an added token's content)
 * as the bytes it stands for; never longer. Returns how many. *mark then says
 * that it was a byte piece, which is weak (token_table.h). */
size_t alphabet_read(
	const struct alphabet *a, unsigned char *piece, size_t len, bool *mark);

/* Rewrites a piece in GPT-2's alphabet, a character a byte, as those bytes. If some
 * character is not of it, the piece stays as it is, and *is_bytes says so. */
size_t byte_level_read(unsigned char *piece, size_t len, bool *is_bytes);

#endif
