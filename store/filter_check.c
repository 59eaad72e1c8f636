/* SPDX-License-Identifier: Apache-2.0 */
#include "store/filter_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define NAME_MAX_SHOWN 80

struct checker {
	const struct filter_node *n;
	const struct filter_operand *left, *right;
	struct filter_complaint *complaint;
};

static bool complain(struct checker *c, const struct filter_operand *at,
	const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool complain(
	struct checker *c, const struct filter_operand *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->complaint->what, sizeof(c->complaint->what), fmt, ap);
	va_end(ap);
	c->complaint->at = at;
	return false;
}

/* The operand as written, for a message. */
static const char *shown(const struct filter_operand *o, char out[NAME_MAX_SHOWN])
{
	text_escape(o->from, o->len, out, NAME_MAX_SHOWN);
	return out;
}

static const char *type_name(enum field_type type)
{
	switch (type) {
	case FIELD_TEXT:
		return "text";
	case FIELD_NUMBER:
		return "a number";
	case FIELD_BOOL:
		return "a boolean";
	case FIELD_FLAGS:
		return "a list of flags";
	default:
		return "an object";
	}
}

static bool is_order(enum filter_op op)
{
	return op == FILTER_LT || op == FILTER_LE || op == FILTER_GT || op == FILTER_GE;
}

/* A single value, which can be compared. */
static bool check_plain(struct checker *c, const struct filter_operand *o)
{
	char name[NAME_MAX_SHOWN];

	if (o->type == FIELD_FLAGS)
		return complain(c, o,
			"%s is a list: write 'truncated' in flags, or flags is empty",
			shown(o, name));
	if (o->type == FIELD_PRESENCE)
		return complain(
			c, o, "%s can only be tested with 'is null'", shown(o, name));
	return true;
}

/* A field with a closed list of texts against one that is not in it. */
static bool check_choice(struct checker *c, const struct filter_operand *field,
	const struct filter_operand *constant)
{
	char text[NAME_MAX_SHOWN];
	const char *nearest;

	if (!field->field || !field->field->choices || constant->field)
		return true;
	snprintf(text, sizeof(text), "%.*s", (int)constant->constant.text.len,
		(const char *)constant->constant.text.data);
	for (const char *const *choice = field->field->choices; *choice; choice++)
		if (strlen(*choice) == constant->constant.text.len &&
			strcmp(*choice, text) == 0)
			return true;
	nearest = text_nearest(text, field->field->choices);
	return complain(c, constant, "%s is never %.*s%s%s%s", field->field->name,
		(int)constant->len, constant->from, nearest ? " (did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?)" : "");
}

static bool check_compared(struct checker *c, const struct filter_operand *a,
	const struct filter_operand *b)
{
	char left[NAME_MAX_SHOWN], right[NAME_MAX_SHOWN];

	if (!check_plain(c, a) || !check_plain(c, b))
		return false;
	if (a->type != FIELD_ANY && b->type != FIELD_ANY && a->type != b->type)
		return complain(c, b, "%s is %s, %s is %s", shown(a, left),
			type_name(a->type), shown(b, right), type_name(b->type));
	if (is_order(c->n->op) && (a->type == FIELD_BOOL || b->type == FIELD_BOOL))
		return complain(c, b, "booleans have no order");
	if (c->n->op != FILTER_EQ && c->n->op != FILTER_NE && c->n->op != FILTER_IN)
		return true;
	return check_choice(c, a, b) && check_choice(c, b, a);
}

/* `'truncatd' in flags`. */
static bool check_flag(struct checker *c, const struct filter_operand *item)
{
	const char *names[33], *nearest;
	char text[NAME_MAX_SHOWN];
	size_t n = 0;

	if (item->field || filter_flag_bit(item->constant.text))
		return true;
	for (int i = 0; i < 32; i++)
		if (flag_name(i))
			names[n++] = flag_name(i);
	names[n] = NULL;
	snprintf(text, sizeof(text), "%.*s", (int)item->constant.text.len,
		(const char *)item->constant.text.data);
	nearest = text_nearest(text, names);
	return complain(c, item, "there is no flag %.*s%s%s%s", (int)item->len,
		item->from, nearest ? " (did you mean '" : "", nearest ? nearest : "",
		nearest ? "'?)" : "");
}

static bool check_contains(struct checker *c)
{
	const struct filter_operand *in = c->left, *item = c->right;
	char name[NAME_MAX_SHOWN], what[NAME_MAX_SHOWN];

	if (!check_plain(c, item))
		return false;
	if (in->type == FIELD_ANY)
		return true;
	if (in->type != FIELD_TEXT && in->type != FIELD_FLAGS)
		return complain(c, in, "%s is %s and contains nothing", shown(in, name),
			type_name(in->type));
	if (item->type != FIELD_TEXT && item->type != FIELD_ANY)
		return complain(c, item, "%s is %s, %s is %s", shown(in, name),
			type_name(in->type), shown(item, what), type_name(item->type));
	return in->type != FIELD_FLAGS || check_flag(c, item);
}

static bool check_ends(struct checker *c)
{
	const struct filter_operand *sides[] = {c->left, c->right};
	char name[NAME_MAX_SHOWN];

	for (int i = 0; i < 2; i++)
		if (sides[i]->type != FIELD_TEXT && sides[i]->type != FIELD_ANY)
			return complain(c, sides[i], "%s is %s, not text",
				shown(sides[i], name), type_name(sides[i]->type));
	return true;
}

static bool check_one(struct checker *c)
{
	const struct filter_operand *o = c->left;
	char name[NAME_MAX_SHOWN];

	switch (c->n->op) {
	case FILTER_TRUTH:
		if (o->type != FIELD_BOOL && o->type != FIELD_ANY)
			return complain(c, o, "%s is %s, not a condition",
				shown(o, name), type_name(o->type));
		return true;
	case FILTER_NULL:
		if (!o->field)
			return complain(c, o, "%s is a constant and never null",
				shown(o, name));
		if (o->type == FIELD_FLAGS)
			return complain(c, o, "%s is never null: write 'is empty'",
				shown(o, name));
		return true;
	default: /* FILTER_EMPTY */
		if (!o->field || o->type == FIELD_NUMBER || o->type == FIELD_BOOL ||
			o->type == FIELD_PRESENCE)
			return complain(c, o, "%s is %s and never empty%s",
				shown(o, name),
				o->field ? type_name(o->type) : "a constant",
				o->field ? ": write 'is null'" : "");
		return true;
	}
}

bool filter_check(const struct filter *f, const struct filter_node *n,
	struct filter_complaint *complaint)
{
	struct checker c = {n, &f->operands[n->left], NULL, complaint};

	if (n->n_right == 0)
		return check_one(&c);
	c.right = &f->operands[n->right];
	switch (n->op) {
	case FILTER_CONTAINS:
		return check_contains(&c);
	case FILTER_STARTS:
	case FILTER_ENDS:
		return check_ends(&c);
	default:
		for (uint32_t i = 0; i < n->n_right; i++)
			if (!check_compared(&c, c.left, &c.right[i]))
				return false;
		return true;
	}
}
