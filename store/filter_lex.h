/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_lex.h - an expression's words, inside filter_*.c only
 *
 * Ownership: texts are written one behind the other into `texts`, which the
 * caller made as long as the expression and which outlives the lexer.
 */
#ifndef RETORT_STORE_FILTER_LEX_H
#define RETORT_STORE_FILTER_LEX_H

#include "store/filter_tree.h"

enum filter_token {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_TEXT,
	TOKEN_NUMBER,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
	TOKEN_COMPARE, /* op */
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_NOT,
	TOKEN_IN,
	TOKEN_IS,
	TOKEN_NULL,
	TOKEN_EMPTY,
	TOKEN_TRUE,
	TOKEN_FALSE,
	TOKEN_CONTAINS,
	TOKEN_STARTS,
	TOKEN_ENDS,
	TOKEN_WITH
};

struct filter_lexer {
	const char *text, *at;
	char *texts; /* where the next text goes */
	struct err *err;
	size_t *error_column;

	/* The token at hand. */
	enum filter_token token;
	const char *from; /* where it begins */
	size_t len;
	enum filter_op op;                  /* COMPARE */
	struct value value;                 /* TEXT, NUMBER */
	struct bytes path[FILTER_PATH_MAX]; /* NAME: its parts */
	size_t n_path;
};

/* Reads the next token. False after filter_lex_complain. */
bool filter_lex_next(struct filter_lexer *x);

/* The column, in characters from 1, of a place in the text. */
size_t filter_lex_column(const struct filter_lexer *x, const char *at);
/* Sets the error "column N: ..."; returns false. */
bool filter_lex_complain(struct filter_lexer *x, size_t column, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The token at hand as it stands, quoted for a message. */
const char *filter_lex_word(const struct filter_lexer *x, char *out, size_t size);

#endif
