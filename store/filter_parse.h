/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_parse.h - from words to the tree, inside filter_*.c only
 *
 * By recursive descent, one function for each line of the grammar in filter.h.
 * Each eats its words from the lexer and is false after an error has been told.
 */
#ifndef RETORT_STORE_FILTER_PARSE_H
#define RETORT_STORE_FILTER_PARSE_H

#include "store/filter_lex.h"

struct filter_parser {
	struct filter_lexer x;
	struct filter *f;
	int depth;
};

/* A whole expression, up to what cannot belong to it; its root node. */
bool filter_parse_any(struct filter_parser *p, uint32_t *out);

/* A name or a constant; its operand. */
bool filter_parse_value(struct filter_parser *p, bool only_constants, uint32_t *out);

/* "expected WANTED, not ..."; returns false. */
bool filter_complain_token(struct filter_parser *p, const char *wanted);
/* The same where an operator, or the end, should stand. */
bool filter_complain_operator(struct filter_parser *p);

#endif
