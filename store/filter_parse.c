/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar; filter_value.c has its leaves, filter_check.c judges the types. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "store/filter_check.h"
#include "store/filter_parse.h"

static uint32_t new_node(struct filter *f, enum filter_op op)
{
	MEM_GROW(f->nodes, f->cap_nodes, f->n_nodes + 1);
	f->nodes[f->n_nodes] = (struct filter_node){
		.op = op, .first = FILTER_NO_NODE, .next = FILTER_NO_NODE};
	return (uint32_t)f->n_nodes++;
}

static bool complain_at(
	struct filter_parser *p, const struct filter_operand *o, const char *what)
{
	return filter_lex_complain(
		&p->x, filter_lex_column(&p->x, o->from), "%s", what);
}

/* A word where an operator should stand. */
bool filter_complain_operator(struct filter_parser *p)
{
	static const char *const operators[] = {"and", "or", "not", "in", "is",
		"contains", "starts with", "ends with", NULL};
	char word[80], lower[80];
	const char *nearest;

	if (p->x.token != TOKEN_NAME)
		return filter_complain_token(p, "'and', 'or' or the end");
	filter_lex_word(&p->x, word, sizeof(word));
	snprintf(lower, sizeof(lower), "%.*s", (int)(strlen(word) - 2), word + 1);
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	nearest = text_nearest(lower, operators);
	return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
		"expected an operator, not %s%s%s%s", word,
		nearest ? " (did you mean '" : "", nearest ? nearest : "",
		nearest ? "'?)" : "");
}

/* Behind `in (`: constants up to the bracket. */
static bool parse_list(struct filter_parser *p, struct filter_node *n)
{
	uint32_t operand;

	n->op = FILTER_IN;
	n->right = (uint32_t)p->f->n_operands;
	for (;;) {
		if (!filter_parse_value(p, true, &operand))
			return false;
		n->n_right++;
		if (p->x.token == TOKEN_CLOSE)
			return filter_lex_next(&p->x);
		if (p->x.token != TOKEN_COMMA)
			return filter_complain_token(p, "',' or ')'");
		if (!filter_lex_next(&p->x))
			return false;
	}
}

/* `x in name` is `name contains x`. */
static bool parse_in(struct filter_parser *p, struct filter_node *n)
{
	uint32_t item = n->left;

	if (p->x.token == TOKEN_OPEN)
		return filter_lex_next(&p->x) && parse_list(p, n);
	if (p->x.token != TOKEN_NAME)
		return filter_complain_token(
			p, "a name, or a list of constants in brackets");
	n->op = FILTER_CONTAINS;
	n->right = item;
	n->n_right = 1;
	return filter_parse_value(p, false, &n->left);
}

static bool parse_is(struct filter_parser *p, struct filter_node *n)
{
	if (p->x.token == TOKEN_NOT) {
		n->negated = true;
		if (!filter_lex_next(&p->x))
			return false;
	}
	if (p->x.token != TOKEN_NULL && p->x.token != TOKEN_EMPTY)
		return filter_complain_token(p, "'null' or 'empty'");
	n->op = p->x.token == TOKEN_NULL ? FILTER_NULL : FILTER_EMPTY;
	return filter_lex_next(&p->x);
}

/* `starts with`, `ends with`. */
static bool parse_with(struct filter_parser *p, struct filter_node *n)
{
	if (p->x.token != TOKEN_WITH)
		return filter_complain_token(p, "'with'");
	n->n_right = 1;
	return filter_lex_next(&p->x) && filter_parse_value(p, false, &n->right);
}

/* The operator behind a test's first value. */
static bool parse_operator(struct filter_parser *p, struct filter_node *n)
{
	enum filter_token token = p->x.token;

	if (token == TOKEN_NOT) {
		n->negated = true;
		if (!filter_lex_next(&p->x))
			return false;
		token = p->x.token;
		if (token != TOKEN_IN && token != TOKEN_CONTAINS &&
			token != TOKEN_STARTS && token != TOKEN_ENDS)
			return filter_complain_token(
				p, "'in', 'contains', 'starts' or 'ends'");
	}
	switch (token) {
	case TOKEN_COMPARE:
	case TOKEN_CONTAINS:
		n->op = token == TOKEN_COMPARE ? p->x.op : FILTER_CONTAINS;
		n->n_right = 1;
		return filter_lex_next(&p->x) &&
		       filter_parse_value(p, false, &n->right);
	case TOKEN_IN:
		return filter_lex_next(&p->x) && parse_in(p, n);
	case TOKEN_STARTS:
	case TOKEN_ENDS:
		n->op = token == TOKEN_STARTS ? FILTER_STARTS : FILTER_ENDS;
		return filter_lex_next(&p->x) && parse_with(p, n);
	case TOKEN_IS:
		return filter_lex_next(&p->x) && parse_is(p, n);
	case TOKEN_NAME:
	case TOKEN_TEXT:
	case TOKEN_NUMBER:
		return filter_complain_operator(p);
	default:
		n->op = FILTER_TRUTH;
		return true;
	}
}

static bool parse_test(struct filter_parser *p, uint32_t *out)
{
	struct filter_node n = {.first = FILTER_NO_NODE, .next = FILTER_NO_NODE};
	struct filter_complaint complaint;

	if (!filter_parse_value(p, false, &n.left) || !parse_operator(p, &n))
		return false;
	if (!filter_check(p->f, &n, &complaint))
		return complain_at(p, complaint.at, complaint.what);
	*out = new_node(p->f, n.op);
	p->f->nodes[*out] = n;
	return true;
}

static bool parse_one(struct filter_parser *p, uint32_t *out)
{
	bool ok;

	if (p->x.token != TOKEN_NOT && p->x.token != TOKEN_OPEN)
		return parse_test(p, out);
	if (++p->depth > LIMIT_FILTER_DEPTH)
		return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
			"nested more than %d deep", LIMIT_FILTER_DEPTH);
	if (p->x.token == TOKEN_NOT) {
		uint32_t child;

		ok = filter_lex_next(&p->x) && parse_one(p, &child);
		if (ok) {
			*out = new_node(p->f, FILTER_NOT);
			p->f->nodes[*out].first = child;
		}
	} else {
		ok = filter_lex_next(&p->x) && filter_parse_any(p, out);
		if (ok && p->x.token != TOKEN_CLOSE)
			ok = p->x.token == TOKEN_NAME
				     ? filter_complain_operator(p)
				     : filter_complain_token(p, "'and', 'or' or ')'");
		ok = ok && filter_lex_next(&p->x);
	}
	p->depth--;
	return ok;
}

/* Children of `op` with `separator` between them; one child stands alone. */
static bool parse_chain(struct filter_parser *p, enum filter_op op,
	enum filter_token separator,
	bool (*parse_child)(struct filter_parser *, uint32_t *), uint32_t *out)
{
	uint32_t last;

	if (!parse_child(p, out))
		return false;
	if (p->x.token != separator)
		return true;
	last = *out;
	*out = new_node(p->f, op);
	p->f->nodes[*out].first = last;
	while (p->x.token == separator) {
		uint32_t child;

		if (!filter_lex_next(&p->x) || !parse_child(p, &child))
			return false;
		p->f->nodes[last].next = child;
		last = child;
	}
	return true;
}

static bool parse_all(struct filter_parser *p, uint32_t *out)
{
	return parse_chain(p, FILTER_ALL, TOKEN_AND, parse_one, out);
}

bool filter_parse_any(struct filter_parser *p, uint32_t *out)
{
	return parse_chain(p, FILTER_ANY, TOKEN_OR, parse_all, out);
}
