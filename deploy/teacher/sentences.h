/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentences.h - what the teacher can say, as a table
 *
 * A sentence is written as pieces with single blanks between them; a piece is
 * one row of the answer, or the digits of a number. MODEL.md, "Sentences",
 * has the table and its notation; the order of the table is part of the
 * model, because new words get their ids in the order in which they appear.
 */
#ifndef RETORT_DEPLOY_TEACHER_SENTENCES_H
#define RETORT_DEPLOY_TEACHER_SENTENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sentence_group {
	SAY_HEAD, /* <think> and its line break */
	SAY_OPEN,
	SAY_NUMBERS, /* one, two or three numbers */
	SAY_FILL,
	SAY_STEP_FIRST,
	SAY_STEP_NEXT,
	SAY_STEP_SUM, /* in the order of + - * / */
	SAY_RESULT,
	SAY_BRANCH, /* close, check or wait */
	SAY_CHECK,
	SAY_WAIT,
	SAY_CLOSE, /* </think> and its line break */
	SAY_CONTENT,
	SAY_END, /* the end of the sequence, or one remark more */
	SAY_REMARK,
	SAY_N
};

struct sentence {
	enum sentence_group group;
	const char *text;
};

extern const struct sentence sentences[];
extern const size_t n_sentences;

#define WORD_MAX 32
#define CHOICES_MAX 8

enum piece_kind {
	PIECE_WORDS,
	PIECE_NUMBER, /* #x or %x */
};

/* One piece, cut into its alternatives. */
struct piece {
	enum piece_kind kind;
	char number; /* the x of #x and %x */
	bool spaced; /* #x: a space goes before */
	unsigned n;
	struct word {
		int id; /* of @ID; -1: find it by its bytes */
		size_t len;
		unsigned char bytes[WORD_MAX];
	} word[CHOICES_MAX];
};

/* Reads the next piece of *at and moves behind it; false at the end. */
bool sentence_next(const char **at, struct piece *out);

#endif
