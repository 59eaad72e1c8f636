/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jinja_tree.h - a template's tokens and its tree; private to jinja*.c
 */
#ifndef RETORT_COMMON_JINJA_TREE_H
#define RETORT_COMMON_JINJA_TREE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/buf.h"

/* -- Tokens -- */

enum token_kind {
	TOKEN_END,
	TOKEN_DATA,
	TOKEN_OUTPUT, /* {{ */
	TOKEN_OUTPUT_END,
	TOKEN_BLOCK, /* {% */
	TOKEN_BLOCK_END,
	TOKEN_NAME,
	TOKEN_TEXT,
	TOKEN_INTEGER,
	TOKEN_REAL,
	TOKEN_SIGN /* an operator or a bracket */
};

struct token {
	enum token_kind kind;
	unsigned line;
	size_t at, len; /* in `texts` */
	json_int_t integer;
	double real;
};

struct tokens {
	struct token *at; /* the last is TOKEN_END */
	size_t n, cap;
	struct buf texts; /* what tokens say, each with a NUL behind it */
	unsigned line;    /* of the error */
	char error[160];  /* "" while all is well */
};

bool jinja_lex(struct bytes source, struct tokens *out);
void tokens_release(struct tokens *t);

/* -- The tree -- */

enum node_kind {
	/* expressions */
	NODE_VALUE,
	NODE_NAME,
	NODE_LIST,
	NODE_TUPLE,
	NODE_DICT, /* list: key, value, key, value */
	NODE_ATTRIBUTE,
	NODE_ITEM,
	NODE_SLICE,  /* list[0..3): start, stop, step, or NULL */
	NODE_CALL,   /* a: what is called; list: arguments */
	NODE_FILTER, /* a: of what; name; list: arguments */
	NODE_TEST,
	NODE_KEYWORD, /* an argument by name */
	NODE_NOT,
	NODE_NEGATIVE,
	NODE_POSITIVE,
	NODE_AND,
	NODE_OR,
	NODE_IF,      /* a if b else c */
	NODE_COMPARE, /* a, then list of NODE_OPERAND */
	NODE_OPERAND, /* op, a */
	NODE_BINARY,
	NODE_CONCAT, /* list */
	/* statements */
	NODE_DATA,
	NODE_OUTPUT,
	NODE_BODY,      /* list */
	NODE_SCOPE,     /* a: a body, with variables of its own */
	NODE_CHOICE,    /* a: condition; b: body; c: else, or NULL */
	NODE_FOR,       /* names; a: of what; b: filter; c: else; list[0]: body */
	NODE_SET,       /* names, or name.attribute; a: value */
	NODE_SET_BLOCK, /* name; a: body; b: filters of NODE_HELD, or NULL */
	NODE_HELD,      /* what a block says */
	NODE_MACRO,     /* name; names: parameters; list: defaults or NULL; a: body */
	NODE_BREAK,
	NODE_CONTINUE
};

enum operator{
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_DIVIDE,
	OP_FLOOR,
	OP_MODULO,
	OP_POWER,
	OP_EQUAL,
	OP_UNEQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_IN,
	OP_NOT_IN
};

struct node {
	enum node_kind kind;
	enum operator op;
	unsigned line;
	bool negated;          /* TEST: is not */
	const char *name;      /* of what the kind says; lent from the tokens */
	const char *attribute; /* SET */
	struct bytes text;     /* DATA */
	json_t *value;
	struct node *a, *b, *c;
	struct node **list;
	size_t n, cap;
	const char **names;
	size_t n_names, cap_names;
};

struct jinja {
	char *name;
	struct tokens tokens;
	struct node **node; /* all of them */
	size_t n, cap;
	struct node *root;
};

/* -- jinja_parse.c: expressions -- */

#define JINJA_DEPTH 100

struct parser {
	struct jinja *t;
	size_t at;
	unsigned depth;
	unsigned line; /* of the error */
	char error[200];
};

const struct token *parse_peek(const struct parser *p);
const char *parse_text(const struct parser *p, const struct token *t);
bool parse_is_name(const struct parser *p, const char *name);
bool parse_is_sign(const struct parser *p, const char *sign);
/* Passes over it if it is there. */
bool parse_take_name(struct parser *p, const char *name);
bool parse_take_sign(struct parser *p, const char *sign);
bool parse_want(struct parser *p, enum token_kind kind, const char *what);
/* The name that comes next, or NULL with an error. */
const char *parse_name(struct parser *p);
/* Sets the error, unless there is one; returns NULL. */
struct node *parse_fail(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool parse_enter(struct parser *p);

struct node *node_new(struct parser *p, enum node_kind kind);
void node_add(struct node *n, struct node *child);
void node_add_name(struct node *n, const char *name);

/* NULL after an error. */
struct node *parse_expression(struct parser *p);
/* The same without `if ... else`, for what a loop goes over. */
struct node *parse_or(struct parser *p);
/* With what is separated by commas at the top: a tuple. */
struct node *parse_tuple(struct parser *p);
/* "|filter|filter" behind a node. */
struct node *parse_filters(struct parser *p, struct node *of);

/* -- jinja_statements.c -- */

struct node *parse_template(struct parser *p);

#endif
