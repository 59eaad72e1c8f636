/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_encoder_parts.h - what a text encoder is made of; private to text_encoder*.c
 *
 * text_encoder_read.c fills it from the file, text_encoder_added.c finds added tokens,
 * text_encoder_steps.c does the steps, text_encoder.c puts them together.
 */
#ifndef RETORT_COMMON_TEXT_ENCODER_PARTS_H
#define RETORT_COMMON_TEXT_ENCODER_PARTS_H

#include "common/bpe.h"
#include "common/pattern.h"
#include "common/text_encoder.h"
#include "common/uchar.h"

#define ENCODER_STEPS_MAX 32

/* What a step looks for: a regular expression, or a text as it stands. */
struct needle {
	struct pattern *pattern; /* NULL: the text */
	char *text;
	size_t len;
};

enum normal_kind { NORMAL_FORM, NORMAL_PREPEND, NORMAL_REPLACE };

struct normal_step {
	enum normal_kind kind;
	enum uchar_form form;
	struct needle needle; /* REPLACE */
	char *with;           /* REPLACE, PREPEND */
	size_t with_len;
};

enum split_behavior {
	SPLIT_REMOVED,
	SPLIT_ISOLATED,
	SPLIT_WITH_PREVIOUS,
	SPLIT_WITH_NEXT,
	SPLIT_CONTIGUOUS
};

enum word_kind { WORD_SPLIT, WORD_BYTE_LEVEL, WORD_METASPACE, WORD_DIGITS };
enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };

struct span {
	size_t start, end;
	bool match;
};

struct word_step {
	enum word_kind kind;
	struct needle needle; /* SPLIT; BYTE_LEVEL: if it splits; METASPACE: the sign */
	enum split_behavior behavior;
	bool invert, splits;
	bool prefix_space; /* BYTE_LEVEL */
	enum prepend_scheme scheme;
	bool individual; /* DIGITS */

	struct buf room; /* the text as the step changes it */
	struct span *span;
	size_t n_spans, cap_spans;
};

struct added_token {
	unsigned char *content; /* as it is looked for */
	size_t len;
	uint32_t id, order;
	bool single_word, lstrip, rstrip, normalized;
};

/* By content, so that a text's longest one is found by narrowing a range. */
struct added_set {
	struct added_token *at;
	size_t n, cap;
	bool begins[256]; /* some content begins with that byte */
};

struct text_encoder {
	struct bpe bpe;
	struct normal_step normal[ENCODER_STEPS_MAX];
	size_t n_normal;
	struct word_step word[ENCODER_STEPS_MAX];
	size_t n_words;
	struct added_set raw, normalised;
	struct buf before, after; /* ids that the post-processor adds */
	struct err no_special;    /* why it cannot be said which */
	uint64_t digest;

	struct buf text[2]; /* a stretch while it is normalised */
};

/* -- text_encoder_added.c -- */

void added_put(struct added_set *set, struct added_token token);
void added_index(struct added_set *set);
void added_release(struct added_set *set);

/* A stretch of text between added tokens, or such a token. */
struct stretch {
	size_t start, end;
	uint32_t id; /* BPE_NONE: text */
};

/* Walks a text from the left. */
struct added_walk {
	const struct added_set *set;
	struct bytes text;
	size_t at;      /* where to look on */
	size_t behind;  /* what was given so far ends here */
	bool has_token; /* found, and to be given next */
	struct stretch token;
};

struct added_walk added_begin(const struct added_set *set, struct bytes text);
/* The next stretch, none of them empty text; false at the end. */
bool added_next(struct added_walk *w, struct stretch *out);

/* -- text_encoder_steps.c -- */

/* The normal form of a stretch; it is the stretch itself, or lies in e->text until the
 * next call. */
enum err_code steps_normalise(
	struct text_encoder *e, struct bytes text, struct bytes *out, struct err *err);
/* Splits a text into words and encodes each. `first`: it begins the whole text. */
enum err_code steps_encode(struct text_encoder *e, struct bytes text, bool first,
	struct buf *ids, struct err *err);

#endif
