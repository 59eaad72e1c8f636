/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions, with Jinja's precedence, from `if ... else` down to names. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jinja_tree.h"
#include "common/mem.h"

/* -- Tokens and nodes -- */

const struct token *parse_peek(const struct parser *p)
{
	return &p->t->tokens.at[p->at];
}

const char *parse_text(const struct parser *p, const struct token *t)
{
	return (const char *)p->t->tokens.texts.data + t->at;
}

struct node *parse_fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	if (p->error[0])
		return NULL;
	p->line = parse_peek(p)->line;
	va_start(ap, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, ap);
	va_end(ap);
	return NULL;
}

static bool is(const struct parser *p, enum token_kind kind, const char *text)
{
	const struct token *t = parse_peek(p);

	return t->kind == kind && strcmp(parse_text(p, t), text) == 0;
}

bool parse_is_name(const struct parser *p, const char *name)
{
	return is(p, TOKEN_NAME, name);
}

bool parse_is_sign(const struct parser *p, const char *sign)
{
	return is(p, TOKEN_SIGN, sign);
}

bool parse_take_name(struct parser *p, const char *name)
{
	bool there = parse_is_name(p, name);

	p->at += there;
	return there;
}

bool parse_take_sign(struct parser *p, const char *sign)
{
	bool there = parse_is_sign(p, sign);

	p->at += there;
	return there;
}

bool parse_want(struct parser *p, enum token_kind kind, const char *what)
{
	const struct token *t = parse_peek(p);

	if (t->kind != kind || (kind == TOKEN_SIGN && !parse_is_sign(p, what)))
		return parse_fail(p, "%s is missing", what) != NULL;
	p->at++;
	return true;
}

const char *parse_name(struct parser *p)
{
	const struct token *t = parse_peek(p);

	if (t->kind != TOKEN_NAME) {
		parse_fail(p, "a name is missing");
		return NULL;
	}
	p->at++;
	return parse_text(p, t);
}

bool parse_enter(struct parser *p)
{
	if (p->depth == JINJA_DEPTH)
		return parse_fail(p, "it is nested too deeply") != NULL;
	p->depth++;
	return true;
}

struct node *node_new(struct parser *p, enum node_kind kind)
{
	struct node *n = mem_zalloc(1, sizeof(*n));

	n->kind = kind;
	n->line = parse_peek(p)->line;
	MEM_GROW(p->t->node, p->t->cap, p->t->n + 1);
	p->t->node[p->t->n++] = n;
	return n;
}

void node_add(struct node *n, struct node *child)
{
	MEM_GROW(n->list, n->cap, n->n + 1);
	n->list[n->n++] = child;
}

void node_add_name(struct node *n, const char *name)
{
	MEM_GROW(n->names, n->cap_names, n->n_names + 1);
	n->names[n->n_names++] = name;
}

static struct node *value_node(struct parser *p, json_t *value)
{
	struct node *n = node_new(p, NODE_VALUE);

	n->value = value;
	return n;
}

static struct node *unary(struct parser *p, enum node_kind kind, struct node *a)
{
	struct node *n = a ? node_new(p, kind) : NULL;

	if (n)
		n->a = a;
	return n;
}

/* -- Literals -- */

/* Adjoining texts are one. */
static struct node *parse_string(struct parser *p)
{
	struct node *n = value_node(p, NULL);
	struct buf all;

	buf_init(&all, p->t->tokens.texts.max);
	while (parse_peek(p)->kind == TOKEN_TEXT) {
		const struct token *t = parse_peek(p);

		buf_add(&all, parse_text(p, t), t->len);
		p->at++;
	}
	n->value = json_stringn(all.len ? (const char *)all.data : "", all.len);
	buf_release(&all);
	return n;
}

/* Members up to the bracket that ends them, into n->list. */
static struct node *parse_members(struct parser *p, struct node *n, const char *end)
{
	bool is_dict = n->kind == NODE_DICT;

	while (!parse_is_sign(p, end)) {
		struct node *member = parse_expression(p);

		if (!member)
			return NULL;
		node_add(n, member);
		if (is_dict) {
			if (!parse_want(p, TOKEN_SIGN, ":"))
				return NULL;
			member = parse_expression(p);
			if (!member)
				return NULL;
			node_add(n, member);
		}
		if (!parse_is_sign(p, end) && !parse_want(p, TOKEN_SIGN, ","))
			return NULL;
	}
	p->at++;
	return n;
}

static struct node *parse_brackets(struct parser *p)
{
	struct node *n;

	if (parse_take_sign(p, ")"))
		return node_new(p, NODE_TUPLE);
	n = parse_tuple(p);
	return n && parse_want(p, TOKEN_SIGN, ")") ? n : NULL;
}

static struct node *parse_named(struct parser *p)
{
	static const char *const names[] = {
		"true", "True", "false", "False", "none", "None"};
	const char *name = parse_name(p);
	struct node *n;

	for (size_t i = 0; i < 6; i++)
		if (strcmp(name, names[i]) == 0)
			return value_node(p, i < 2   ? json_true()
					     : i < 4 ? json_false()
						     : json_null());
	n = node_new(p, NODE_NAME);
	n->name = name;
	return n;
}

static struct node *parse_primary(struct parser *p)
{
	const struct token *t = parse_peek(p);

	switch (t->kind) {
	case TOKEN_NAME:
		return parse_named(p);
	case TOKEN_TEXT:
		return parse_string(p);
	case TOKEN_INTEGER:
		p->at++;
		return value_node(p, json_integer(t->integer));
	case TOKEN_REAL:
		p->at++;
		return value_node(p, json_real(t->real));
	default:
		if (parse_take_sign(p, "("))
			return parse_brackets(p);
		if (parse_take_sign(p, "["))
			return parse_members(p, node_new(p, NODE_LIST), "]");
		if (parse_take_sign(p, "{"))
			return parse_members(p, node_new(p, NODE_DICT), "}");
		return parse_fail(p, "an expression is missing");
	}
}

/* -- What stands behind: attributes, items, calls, filters, tests -- */

/* Behind the opening bracket, into call->list. */
static bool parse_arguments(struct parser *p, struct node *call)
{
	while (!parse_take_sign(p, ")")) {
		const struct token *t, *next;
		struct node *n, *keyword = NULL;

		if (call->n > 0 && (!parse_want(p, TOKEN_SIGN, ",")))
			return false;
		if (call->n > 0 && parse_take_sign(p, ")"))
			return true;
		t = parse_peek(p);
		next = t + (t->kind != TOKEN_END);
		if (t->kind == TOKEN_NAME && next->kind == TOKEN_SIGN &&
			strcmp(parse_text(p, next), "=") == 0) {
			keyword = node_new(p, NODE_KEYWORD);
			keyword->name = parse_text(p, t);
			p->at += 2;
		} else if (call->n > 0 &&
			   call->list[call->n - 1]->kind == NODE_KEYWORD) {
			return parse_fail(
				p, "an argument by place is behind one by name");
		}
		n = parse_expression(p);
		if (!n)
			return false;
		if (keyword)
			keyword->a = n;
		node_add(call, keyword ? keyword : n);
	}
	return true;
}

static struct node *parse_subscript(struct parser *p, struct node *of)
{
	struct node *n = unary(p, NODE_ITEM, of), *part[3] = {0};
	size_t colons = 0;

	while (!parse_is_sign(p, "]")) {
		if (parse_take_sign(p, ":")) {
			if (++colons > 2)
				return parse_fail(p, "a slice has three parts at most");
		} else if (part[colons]) {
			return parse_fail(p, "']' is missing");
		} else {
			part[colons] = parse_expression(p);
			if (!part[colons])
				return NULL;
		}
	}
	p->at++;
	n->b = part[0];
	if (colons == 0)
		return n->b ? n : parse_fail(p, "an index is missing");
	n->kind = NODE_SLICE;
	for (size_t i = 0; i < 3; i++)
		node_add(n, part[i]);
	return n;
}

static struct node *parse_attribute(struct parser *p, struct node *of)
{
	const struct token *t = parse_peek(p);
	struct node *n;

	if (t->kind == TOKEN_INTEGER) {
		n = unary(p, NODE_ITEM, of);
		p->at++;
		n->b = value_node(p, json_integer(t->integer));
		return n;
	}
	n = unary(p, NODE_ATTRIBUTE, of);
	n->name = parse_name(p);
	return n->name ? n : NULL;
}

static struct node *parse_call(struct parser *p, struct node *of)
{
	struct node *n = unary(p, NODE_CALL, of);

	return parse_arguments(p, n) ? n : NULL;
}

static struct node *parse_postfix(struct parser *p, struct node *n)
{
	while (n) {
		if (parse_take_sign(p, "."))
			n = parse_attribute(p, n);
		else if (parse_take_sign(p, "["))
			n = parse_subscript(p, n);
		else if (parse_take_sign(p, "("))
			n = parse_call(p, n);
		else
			break;
	}
	return n;
}

static struct node *parse_filter(struct parser *p, struct node *of)
{
	struct node *n = unary(p, NODE_FILTER, of);

	n->name = parse_name(p);
	if (!n->name)
		return NULL;
	if (parse_take_sign(p, "(") && !parse_arguments(p, n))
		return NULL;
	return n;
}

struct node *parse_filters(struct parser *p, struct node *of)
{
	while (of && parse_take_sign(p, "|"))
		of = parse_filter(p, of);
	return of;
}

/* Whether a test's argument follows without brackets. */
static bool has_bare_argument(const struct parser *p)
{
	const struct token *t = parse_peek(p);

	if (t->kind == TOKEN_NAME)
		return !parse_is_name(p, "else") && !parse_is_name(p, "or") &&
		       !parse_is_name(p, "and") && !parse_is_name(p, "is");
	return t->kind == TOKEN_TEXT || t->kind == TOKEN_INTEGER ||
	       t->kind == TOKEN_REAL || parse_is_sign(p, "[") || parse_is_sign(p, "{");
}

static struct node *parse_test(struct parser *p, struct node *of)
{
	struct node *n = unary(p, NODE_TEST, of), *argument;

	n->negated = parse_take_name(p, "not");
	n->name = parse_name(p);
	if (!n->name)
		return NULL;
	if (parse_take_sign(p, "("))
		return parse_arguments(p, n) ? n : NULL;
	if (parse_is_name(p, "is"))
		return parse_fail(p, "tests cannot be chained with is");
	if (!has_bare_argument(p))
		return n;
	argument = parse_postfix(p, parse_primary(p));
	if (!argument)
		return NULL;
	node_add(n, argument);
	return n;
}

static struct node *parse_behind(struct parser *p, struct node *n)
{
	while (n) {
		if (parse_take_sign(p, "|"))
			n = parse_filter(p, n);
		else if (parse_take_name(p, "is"))
			n = parse_test(p, n);
		else if (parse_take_sign(p, "("))
			n = parse_call(p, n);
		else
			break;
	}
	return n;
}

/* -- Operators -- */

static struct node *parse_unary(struct parser *p, bool with_filters)
{
	struct node *n;

	if (!parse_enter(p))
		return NULL;
	if (parse_take_sign(p, "-"))
		n = unary(p, NODE_NEGATIVE, parse_unary(p, false));
	else if (parse_take_sign(p, "+"))
		n = unary(p, NODE_POSITIVE, parse_unary(p, false));
	else
		n = parse_postfix(p, parse_primary(p));
	p->depth--;
	return with_filters ? parse_behind(p, n) : n;
}

struct level {
	const char *sign[4];
	enum operator op[4];
};

static const struct level levels[] = {
	{{"+", "-"}, {OP_ADD, OP_SUBTRACT}},
	{{"~"}, {OP_ADD}},
	{{"*", "/", "//", "%"}, {OP_MULTIPLY, OP_DIVIDE, OP_FLOOR, OP_MODULO}},
	{{"**"}, {OP_POWER}},
};
#define CONCAT 1
#define LEVELS 4

static int take_operator(struct parser *p, const struct level *of)
{
	for (int i = 0; i < 4 && of->sign[i]; i++)
		if (parse_take_sign(p, of->sign[i]))
			return i;
	return -1;
}

static struct node *parse_level(struct parser *p, int level)
{
	struct node *left, *right, *n;

	if (level == LEVELS)
		return parse_unary(p, true);
	left = parse_level(p, level + 1);
	for (int op; left && (op = take_operator(p, &levels[level])) >= 0; left = n) {
		right = parse_level(p, level + 1);
		if (!right)
			return NULL;
		if (level == CONCAT && left->kind == NODE_CONCAT) {
			node_add(left, right);
			n = left;
			continue;
		}
		n = node_new(p, level == CONCAT ? NODE_CONCAT : NODE_BINARY);
		n->op = levels[level].op[op];
		n->a = left;
		n->b = right;
		if (level == CONCAT) {
			node_add(n, left);
			node_add(n, right);
		}
	}
	return left;
}

static bool take_comparison(struct parser *p, enum operator* op)
{
	static const struct {
		const char *sign;
		enum operator op;
	} signs[] = {{"==", OP_EQUAL}, {"!=", OP_UNEQUAL}, {"<", OP_LESS},
		{"<=", OP_LESS_EQUAL}, {">", OP_GREATER}, {">=", OP_GREATER_EQUAL}};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (parse_take_sign(p, signs[i].sign)) {
			*op = signs[i].op;
			return true;
		}
	}
	*op = OP_IN;
	if (parse_take_name(p, "in"))
		return true;
	*op = OP_NOT_IN;
	if (!parse_is_name(p, "not"))
		return false;
	p->at++;
	if (parse_take_name(p, "in"))
		return true;
	p->at--;
	return false;
}

static struct node *parse_compare(struct parser *p)
{
	struct node *left = parse_level(p, 0), *n = NULL;
	enum operator op;

	while (left && take_comparison(p, &op)) {
		struct node *operand = node_new(p, NODE_OPERAND);

		operand->op = op;
		operand->a = parse_level(p, 0);
		if (!operand->a)
			return NULL;
		if (!n)
			n = unary(p, NODE_COMPARE, left);
		node_add(n, operand);
	}
	return n ? n : left;
}

static struct node *parse_not(struct parser *p)
{
	struct node *n;

	if (!parse_take_name(p, "not"))
		return parse_compare(p);
	if (!parse_enter(p))
		return NULL;
	n = unary(p, NODE_NOT, parse_not(p));
	p->depth--;
	return n;
}

static struct node *join(
	struct parser *p, enum node_kind kind, struct node *a, struct node *b)
{
	struct node *n = b ? unary(p, kind, a) : NULL;

	if (n)
		n->b = b;
	return n;
}

static struct node *parse_and(struct parser *p)
{
	struct node *n = parse_not(p);

	while (n && parse_take_name(p, "and"))
		n = join(p, NODE_AND, n, parse_not(p));
	return n;
}

struct node *parse_or(struct parser *p)
{
	struct node *n = parse_and(p);

	while (n && parse_take_name(p, "or"))
		n = join(p, NODE_OR, n, parse_and(p));
	return n;
}

struct node *parse_expression(struct parser *p)
{
	struct node *n;

	if (!parse_enter(p))
		return NULL;
	n = parse_or(p);
	while (n && parse_take_name(p, "if")) {
		n = join(p, NODE_IF, n, parse_or(p));
		if (n && parse_take_name(p, "else")) {
			n->c = parse_expression(p);
			if (!n->c)
				n = NULL;
		}
	}
	p->depth--;
	return n;
}

struct node *parse_tuple(struct parser *p)
{
	struct node *first = parse_expression(p), *n;

	if (!first || !parse_is_sign(p, ","))
		return first;
	n = node_new(p, NODE_TUPLE);
	node_add(n, first);
	while (parse_take_sign(p, ",")) {
		const struct token *t = parse_peek(p);
		struct node *next;

		if (t->kind == TOKEN_OUTPUT_END || t->kind == TOKEN_BLOCK_END ||
			parse_is_sign(p, ")"))
			break;
		next = parse_expression(p);
		if (!next)
			return NULL;
		node_add(n, next);
	}
	return n;
}
