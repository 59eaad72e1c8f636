/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/jinja_tree.h"
#include "common/limits.h"
#include "common/mem.h"

static struct node *parse_body(struct parser *p, const char *const *ends);

static bool end_block(struct parser *p)
{
	return parse_want(p, TOKEN_BLOCK_END, "'%}'");
}

/* Whether the block that comes next is named so; does not pass over anything. */
static bool is_block(const struct parser *p, const char *name)
{
	const struct token *t = parse_peek(p);

	return t->kind == TOKEN_BLOCK && t[1].kind == TOKEN_NAME &&
	       strcmp(parse_text(p, t + 1), name) == 0;
}

static bool take_block(struct parser *p, const char *name)
{
	if (!is_block(p, name))
		return false;
	p->at += 2;
	return true;
}

static struct node *parse_if(struct parser *p)
{
	static const char *const ends[] = {"elif", "else", "endif", NULL};
	struct node *n = node_new(p, NODE_CHOICE);

	n->a = parse_or(p);
	if (!n->a || !end_block(p))
		return NULL;
	n->b = parse_body(p, ends);
	if (!n->b)
		return NULL;
	if (take_block(p, "elif")) {
		if (!parse_enter(p))
			return NULL;
		n->c = parse_if(p);
		p->depth--;
		return n->c ? n : NULL;
	}
	if (take_block(p, "else")) {
		if (!end_block(p))
			return NULL;
		n->c = parse_body(p, ends + 2);
		if (!n->c)
			return NULL;
	}
	take_block(p, "endif");
	return end_block(p) ? n : NULL;
}

/* a, b or (a, b): the names that are set. */
static bool parse_targets(struct parser *p, struct node *n)
{
	bool in_brackets = parse_take_sign(p, "(");

	do {
		const char *name = parse_name(p);

		if (!name)
			return false;
		node_add_name(n, name);
	} while (parse_take_sign(p, ","));
	return !in_brackets || parse_want(p, TOKEN_SIGN, ")");
}

static struct node *parse_for(struct parser *p)
{
	static const char *const ends[] = {"else", "endfor", NULL};
	struct node *n = node_new(p, NODE_FOR), *body;

	if (!parse_targets(p, n))
		return NULL;
	if (!parse_take_name(p, "in"))
		return parse_fail(p, "'in' is missing");
	n->a = parse_or(p);
	if (!n->a)
		return NULL;
	if (parse_take_name(p, "if")) {
		n->b = parse_expression(p);
		if (!n->b)
			return NULL;
	}
	if (parse_is_name(p, "recursive"))
		return parse_fail(p, "a recursive loop is not offered");
	if (!end_block(p))
		return NULL;
	body = parse_body(p, ends);
	if (!body)
		return NULL;
	node_add(n, body);
	if (take_block(p, "else")) {
		if (!end_block(p))
			return NULL;
		n->c = parse_body(p, ends + 1);
		if (!n->c)
			return NULL;
	}
	take_block(p, "endfor");
	return end_block(p) ? n : NULL;
}

/* {% set name %} ... {% endset %}, with filters behind the name */
static struct node *parse_set_block(struct parser *p, struct node *n)
{
	static const char *const ends[] = {"endset", NULL};

	n->kind = NODE_SET_BLOCK;
	if (n->n_names != 1)
		return parse_fail(p, "'=' is missing");
	if (parse_is_sign(p, "|")) {
		n->b = parse_filters(p, node_new(p, NODE_HELD));
		if (!n->b)
			return NULL;
	}
	if (!end_block(p))
		return NULL;
	n->a = parse_body(p, ends);
	if (!n->a)
		return NULL;
	take_block(p, "endset");
	return end_block(p) ? n : NULL;
}

static struct node *parse_set(struct parser *p)
{
	struct node *n = node_new(p, NODE_SET);

	if (!parse_targets(p, n))
		return NULL;
	n->name = n->names[0];
	if (n->n_names == 1 && parse_take_sign(p, ".")) {
		n->attribute = parse_name(p);
		if (!n->attribute)
			return NULL;
	}
	if (!parse_take_sign(p, "="))
		return parse_set_block(p, n);
	n->a = parse_tuple(p);
	return n->a && end_block(p) ? n : NULL;
}

static struct node *parse_macro(struct parser *p)
{
	static const char *const ends[] = {"endmacro", NULL};
	struct node *n = node_new(p, NODE_MACRO);

	n->name = parse_name(p);
	if (!n->name || !parse_want(p, TOKEN_SIGN, "("))
		return NULL;
	while (!parse_take_sign(p, ")")) {
		const char *name;
		struct node *fallback = NULL;

		if (n->n_names > 0 && !parse_want(p, TOKEN_SIGN, ","))
			return NULL;
		name = parse_name(p);
		if (!name)
			return NULL;
		if (parse_take_sign(p, "=")) {
			fallback = parse_expression(p);
			if (!fallback)
				return NULL;
		} else if (n->n > 0 && n->list[n->n - 1]) {
			return parse_fail(
				p, "a parameter without a default is behind one with");
		}
		node_add_name(n, name);
		node_add(n, fallback);
	}
	if (!end_block(p))
		return NULL;
	n->a = parse_body(p, ends);
	if (!n->a)
		return NULL;
	take_block(p, "endmacro");
	parse_take_name(p, n->name);
	return end_block(p) ? n : NULL;
}

/* Marks what the model has said, for its training; what it holds is rendered. */
static struct node *parse_generation(struct parser *p)
{
	static const char *const ends[] = {"endgeneration", NULL};
	struct node *n = node_new(p, NODE_SCOPE);

	if (!end_block(p))
		return NULL;
	n->a = parse_body(p, ends);
	if (!n->a)
		return NULL;
	take_block(p, "endgeneration");
	return end_block(p) ? n : NULL;
}

static struct node *parse_word(struct parser *p, enum node_kind kind)
{
	struct node *n = node_new(p, kind);

	return end_block(p) ? n : NULL;
}

static struct node *parse_statement(struct parser *p)
{
	const char *name;

	p->at++;
	if (parse_take_name(p, "if"))
		return parse_if(p);
	if (parse_take_name(p, "for"))
		return parse_for(p);
	if (parse_take_name(p, "set"))
		return parse_set(p);
	if (parse_take_name(p, "macro"))
		return parse_macro(p);
	if (parse_take_name(p, "generation"))
		return parse_generation(p);
	if (parse_take_name(p, "break"))
		return parse_word(p, NODE_BREAK);
	if (parse_take_name(p, "continue"))
		return parse_word(p, NODE_CONTINUE);
	name = parse_name(p);
	return name ? parse_fail(p, "a block '%.40s' is not offered here", name) : NULL;
}

static struct node *parse_part(struct parser *p)
{
	const struct token *t = parse_peek(p);
	struct node *n;

	if (t->kind == TOKEN_DATA) {
		n = node_new(p, NODE_DATA);
		n->text = bytes_of(parse_text(p, t), t->len);
		p->at++;
		return n;
	}
	if (t->kind != TOKEN_OUTPUT)
		return parse_statement(p);
	n = node_new(p, NODE_OUTPUT);
	p->at++;
	n->a = parse_tuple(p);
	return n->a && parse_want(p, TOKEN_OUTPUT_END, "'}}'") ? n : NULL;
}

/* Up to a block of one of those names; without names, up to the end. */
static struct node *parse_body(struct parser *p, const char *const *ends)
{
	struct node *n = node_new(p, NODE_BODY);

	if (!parse_enter(p))
		return NULL;
	for (;;) {
		struct node *part;

		for (size_t i = 0; ends && ends[i]; i++) {
			if (is_block(p, ends[i])) {
				p->depth--;
				return n;
			}
		}
		if (parse_peek(p)->kind == TOKEN_END) {
			p->depth--;
			return ends ? parse_fail(p, "a block '%s' is missing", ends[0])
				    : n;
		}
		part = parse_part(p);
		if (!part)
			return NULL;
		node_add(n, part);
	}
}

struct node *parse_template(struct parser *p)
{
	return parse_body(p, NULL);
}
