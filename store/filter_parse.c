/* SPDX-License-Identifier: Apache-2.0 */
/* From words to the tree; filter_check.c judges the types. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "store/filter_check.h"
#include "store/filter_lex.h"

#define ROOM_MAX (PACK_RAW_MAX + 64)

struct parser {
	struct filter_lexer x;
	struct filter *f;
	int depth;
};

static bool parse_any(struct parser *p, uint32_t *out);

static uint32_t new_node(struct filter *f, enum filter_op op)
{
	MEM_GROW(f->nodes, f->cap_nodes, f->n_nodes + 1);
	f->nodes[f->n_nodes] = (struct filter_node){
		.op = op, .first = FILTER_NO_NODE, .next = FILTER_NO_NODE};
	return (uint32_t)f->n_nodes++;
}

static uint32_t new_operand(struct filter *f, const struct filter_operand *operand)
{
	MEM_GROW(f->operands, f->cap_operands, f->n_operands + 1);
	f->operands[f->n_operands] = *operand;
	return (uint32_t)f->n_operands++;
}

static bool complain_at(
	struct parser *p, const struct filter_operand *o, const char *what)
{
	return filter_lex_complain(
		&p->x, filter_lex_column(&p->x, o->from), "%s", what);
}

static bool complain_token(struct parser *p, const char *wanted)
{
	char word[80];

	return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
		"expected %s, not %s", wanted,
		filter_lex_word(&p->x, word, sizeof(word)));
}

/* A word where an operator should stand. */
static bool complain_operator(struct parser *p)
{
	static const char *const operators[] = {"and", "or", "not", "in", "is",
		"contains", "starts with", "ends with", NULL};
	char word[80], lower[80];
	const char *nearest;

	if (p->x.token != TOKEN_NAME)
		return complain_token(p, "'and', 'or' or the end");
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

static bool complain_name(struct parser *p, const char *name)
{
	size_t column = filter_lex_column(&p->x, p->x.from);
	const char *nearest = field_nearest(name);
	char shown[120];

	text_escape(name, strlen(name), shown, sizeof(shown));
	if (field_is_group(name))
		return filter_lex_complain(&p->x, column,
			"'%s' is a group of fields; name one of them", shown);
	if (nearest)
		return filter_lex_complain(&p->x, column,
			"unknown name '%s' (did you mean '%s'?)", shown, nearest);
	return filter_lex_complain(&p->x, column,
		"unknown name '%s'; the corpus's own columns are under 'extra'", shown);
}

/* The parts of the name at hand with dots between them. */
static void join_path(const struct filter_lexer *x, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < x->n_path; i++) {
		size_t room = size - at - 1, len = x->path[i].len;

		if (i > 0 && room > 0) {
			out[at++] = '.';
			room--;
		}
		if (len > room)
			len = room;
		memcpy(out + at, x->path[i].data, len);
		at += len;
	}
	out[at] = '\0';
}

static bool parse_name(struct parser *p, struct filter_operand *o)
{
	struct filter_lexer *x = &p->x;
	char name[128];

	join_path(x, name, sizeof(name));
	if (x->n_path > 1 && x->path[0].len == 5 &&
		memcmp(x->path[0].data, "extra", 5) == 0) {
		o->field = field_find("extra");
		o->type = FIELD_ANY;
		o->n_path = x->n_path - 1;
		memcpy(o->path, x->path + 1, o->n_path * sizeof(o->path[0]));
	} else {
		o->field = field_find(name);
		if (!o->field)
			return complain_name(p, name);
		o->type = o->field->type;
	}
	if (o->type == FIELD_COLUMN)
		return filter_lex_complain(x, filter_lex_column(x, x->from),
			"'%s' is a column of the logits, which filters do not read",
			name);
	p->f->needs |= o->field->needs;
	return true;
}

static bool parse_constant(struct parser *p, struct filter_operand *o)
{
	switch (p->x.token) {
	case TOKEN_TEXT:
		o->type = FIELD_TEXT;
		o->constant = p->x.value;
		break;
	case TOKEN_NUMBER:
		o->type = FIELD_NUMBER;
		o->constant = p->x.value;
		break;
	case TOKEN_TRUE:
	case TOKEN_FALSE:
		o->type = FIELD_BOOL;
		o->constant = (struct value){
			.kind = VALUE_BOOL, .truth = p->x.token == TOKEN_TRUE};
		break;
	case TOKEN_NULL:
		return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
			"nothing equals null; write 'is null' or 'is not null'");
	default:
		return complain_token(p, "a constant");
	}
	return true;
}

static bool parse_value(struct parser *p, bool only_constants, uint32_t *out)
{
	struct filter_operand o = {.from = p->x.from, .len = p->x.len};

	if (p->x.token == TOKEN_NAME && !only_constants) {
		if (!parse_name(p, &o))
			return false;
	} else if (!only_constants && p->x.token != TOKEN_TEXT &&
		   p->x.token != TOKEN_NUMBER && p->x.token != TOKEN_TRUE &&
		   p->x.token != TOKEN_FALSE && p->x.token != TOKEN_NULL) {
		return complain_token(p, "a name or a constant");
	} else if (!parse_constant(p, &o)) {
		return false;
	}
	*out = new_operand(p->f, &o);
	return filter_lex_next(&p->x);
}

/* Behind `in (`: constants up to the bracket. */
static bool parse_list(struct parser *p, struct filter_node *n)
{
	uint32_t operand;

	n->op = FILTER_IN;
	n->right = (uint32_t)p->f->n_operands;
	for (;;) {
		if (!parse_value(p, true, &operand))
			return false;
		n->n_right++;
		if (p->x.token == TOKEN_CLOSE)
			return filter_lex_next(&p->x);
		if (p->x.token != TOKEN_COMMA)
			return complain_token(p, "',' or ')'");
		if (!filter_lex_next(&p->x))
			return false;
	}
}

/* `x in name` is `name contains x`. */
static bool parse_in(struct parser *p, struct filter_node *n)
{
	uint32_t item = n->left;

	if (p->x.token == TOKEN_OPEN)
		return filter_lex_next(&p->x) && parse_list(p, n);
	if (p->x.token != TOKEN_NAME)
		return complain_token(p, "a name, or a list of constants in brackets");
	n->op = FILTER_CONTAINS;
	n->right = item;
	n->n_right = 1;
	return parse_value(p, false, &n->left);
}

static bool parse_is(struct parser *p, struct filter_node *n)
{
	if (p->x.token == TOKEN_NOT) {
		n->negated = true;
		if (!filter_lex_next(&p->x))
			return false;
	}
	if (p->x.token != TOKEN_NULL && p->x.token != TOKEN_EMPTY)
		return complain_token(p, "'null' or 'empty'");
	n->op = p->x.token == TOKEN_NULL ? FILTER_NULL : FILTER_EMPTY;
	return filter_lex_next(&p->x);
}

/* `starts with`, `ends with`. */
static bool parse_with(struct parser *p, struct filter_node *n)
{
	if (p->x.token != TOKEN_WITH)
		return complain_token(p, "'with'");
	n->n_right = 1;
	return filter_lex_next(&p->x) && parse_value(p, false, &n->right);
}

/* The operator behind a test's first value. */
static bool parse_operator(struct parser *p, struct filter_node *n)
{
	enum filter_token token = p->x.token;

	if (token == TOKEN_NOT) {
		n->negated = true;
		if (!filter_lex_next(&p->x))
			return false;
		token = p->x.token;
		if (token != TOKEN_IN && token != TOKEN_CONTAINS &&
			token != TOKEN_STARTS && token != TOKEN_ENDS)
			return complain_token(
				p, "'in', 'contains', 'starts' or 'ends'");
	}
	switch (token) {
	case TOKEN_COMPARE:
	case TOKEN_CONTAINS:
		n->op = token == TOKEN_COMPARE ? p->x.op : FILTER_CONTAINS;
		n->n_right = 1;
		return filter_lex_next(&p->x) && parse_value(p, false, &n->right);
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
		return complain_operator(p);
	default:
		n->op = FILTER_TRUTH;
		return true;
	}
}

static bool parse_test(struct parser *p, uint32_t *out)
{
	struct filter_node n = {.first = FILTER_NO_NODE, .next = FILTER_NO_NODE};
	struct filter_complaint complaint;

	if (!parse_value(p, false, &n.left) || !parse_operator(p, &n))
		return false;
	if (!filter_check(p->f, &n, &complaint))
		return complain_at(p, complaint.at, complaint.what);
	*out = new_node(p->f, n.op);
	p->f->nodes[*out] = n;
	return true;
}

static bool parse_one(struct parser *p, uint32_t *out)
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
		ok = filter_lex_next(&p->x) && parse_any(p, out);
		if (ok && p->x.token != TOKEN_CLOSE)
			ok = p->x.token == TOKEN_NAME
				     ? complain_operator(p)
				     : complain_token(p, "'and', 'or' or ')'");
		ok = ok && filter_lex_next(&p->x);
	}
	p->depth--;
	return ok;
}

/* Children of `op` with `separator` between them; one child stands alone. */
static bool parse_chain(struct parser *p, enum filter_op op,
	enum filter_token separator, bool (*parse_child)(struct parser *, uint32_t *),
	uint32_t *out)
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

static bool parse_all(struct parser *p, uint32_t *out)
{
	return parse_chain(p, FILTER_ALL, TOKEN_AND, parse_one, out);
}

static bool parse_any(struct parser *p, uint32_t *out)
{
	return parse_chain(p, FILTER_ANY, TOKEN_OR, parse_all, out);
}

static bool parse_text(struct parser *p)
{
	const char *text = p->x.text;
	size_t len = strlen(text), valid = utf8_valid_prefix(text, len);

	if (len > LIMIT_FILTER_TEXT)
		return filter_lex_complain(
			&p->x, 1, "longer than %zu bytes", (size_t)LIMIT_FILTER_TEXT);
	if (valid < len)
		return filter_lex_complain(&p->x,
			filter_lex_column(&p->x, text + valid), "this is not UTF-8");
	if (!filter_lex_next(&p->x))
		return false;
	if (p->x.token == TOKEN_END)
		return filter_lex_complain(&p->x, 1, "the expression is empty");
	if (!parse_any(p, &p->f->root))
		return false;
	return p->x.token == TOKEN_END || complain_operator(p);
}

enum err_code filter_compile(
	const char *text, struct filter **out, size_t *column, struct err *err)
{
	struct filter *f = mem_zalloc(1, sizeof(*f));
	struct parser p = {
		.x = {.text = text, .at = text, .from = text, .err = err}, .f = f};

	p.x.error_column = column;
	f->texts = p.x.texts = mem_alloc(strlen(text) + 1);
	buf_init(&f->left_room, ROOM_MAX);
	buf_init(&f->right_room, ROOM_MAX);
	*out = NULL;
	if (!parse_text(&p)) {
		filter_free(f);
		return ERR_INVALID;
	}
	*out = f;
	return ERR_NONE;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	free(f->nodes);
	free(f->operands);
	free(f->texts);
	buf_release(&f->left_room);
	buf_release(&f->right_room);
	free(f);
}

unsigned filter_needs(const struct filter *f)
{
	return f->needs;
}
