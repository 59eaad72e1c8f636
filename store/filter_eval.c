/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict of a compiled expression on one sample. */
#include <string.h>

#include "store/filter_tree.h"
#include "store/jmember.h"

struct verdict {
	struct filter *f;
	struct sample *s;
	bool as_duplicate;
	struct err *err;
	enum err_code code; /* sticky: of reading the sample */
};

uint32_t filter_flag_bit(struct bytes name)
{
	for (int i = 0; i < 32; i++) {
		const char *known = flag_name(i);

		if (known && strlen(known) == name.len &&
			memcmp(known, name.data, name.len) == 0)
			return (uint32_t)1 << i;
	}
	return 0;
}

/* A value of `extra` or `request`: down its path. */
static void follow_path(
	const struct filter_operand *o, struct buf *room, struct value *v)
{
	struct bytes json = v->text;

	for (size_t i = 0; i < o->n_path; i++) {
		if (!jmember_find(json, o->path[i], &json)) {
			*v = (struct value){.kind = VALUE_ABSENT};
			return;
		}
	}
	value_from_json(json, room, v);
}

static struct value get(
	struct verdict *w, const struct filter_operand *o, struct buf *room)
{
	struct value v = {.kind = VALUE_ABSENT};

	if (!o->field)
		return o->constant;
	if (w->code == ERR_NONE)
		w->code = field_get(o->field, w->s, w->as_duplicate, room, &v, w->err);
	if (w->code != ERR_NONE)
		v = (struct value){.kind = VALUE_ABSENT};
	else if (o->n_path > 0 && v.kind == VALUE_JSON)
		follow_path(o, room, &v);
	else if (v.kind == VALUE_JSON && o->type == FIELD_TEXT)
		v.kind = VALUE_TEXT;
	return v;
}

static bool is_number(const struct value *v)
{
	return v->kind == VALUE_INTEGER || v->kind == VALUE_REAL ||
	       v->kind == VALUE_REAL32 || v->kind == VALUE_NANO;
}

static double real_of(const struct value *v)
{
	if (v->kind == VALUE_INTEGER)
		return (double)v->integer;
	if (v->kind == VALUE_NANO)
		return (double)v->integer / 1e9;
	return v->real;
}

static int sign_of(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int order_numbers(const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_INTEGER && b->kind == VALUE_INTEGER)
		return a->integer < b->integer ? -1 : a->integer > b->integer;
	if (a->kind == VALUE_REAL32 || b->kind == VALUE_REAL32)
		return sign_of((double)(float)real_of(a), (double)(float)real_of(b));
	return sign_of(real_of(a), real_of(b));
}

static int order_texts(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* False if they are of two types, or of one without order. */
static bool compare(const struct value *a, const struct value *b, int *order)
{
	if (is_number(a) && is_number(b))
		*order = order_numbers(a, b);
	else if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT)
		*order = order_texts(a->text, b->text);
	else if (a->kind == VALUE_BOOL && b->kind == VALUE_BOOL)
		*order = a->truth - b->truth;
	else
		return false;
	return true;
}

static bool compare_by(enum filter_op op, const struct value *a, const struct value *b)
{
	int order;

	if (!compare(a, b, &order))
		return op == FILTER_NE;
	if (a->kind == VALUE_BOOL && op != FILTER_EQ && op != FILTER_NE)
		return false;
	switch (op) {
	case FILTER_EQ:
		return order == 0;
	case FILTER_NE:
		return order != 0;
	case FILTER_LT:
		return order < 0;
	case FILTER_LE:
		return order <= 0;
	case FILTER_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool has_member(struct bytes array, const struct value *item)
{
	const unsigned char *at = NULL;
	struct bytes json;
	struct buf room;
	bool found = false;

	buf_init(&room, PACK_RAW_MAX);
	while (!found && jmember_next(array, &at, &json)) {
		struct value member;

		value_from_json(json, &room, &member);
		found = compare_by(FILTER_EQ, &member, item);
	}
	buf_release(&room);
	return found;
}

static bool contains(const struct value *in, const struct value *item)
{
	if (in->kind == VALUE_JSON)
		return has_member(in->text, item);
	if (item->kind != VALUE_TEXT)
		return false;
	if (in->kind == VALUE_FLAGS)
		return in->flags & filter_flag_bit(item->text);
	return in->kind == VALUE_TEXT &&
	       (item->text.len == 0 ||
		       memmem(in->text.data, in->text.len, item->text.data,
			       item->text.len) != NULL);
}

static bool has_at_end(
	enum filter_op op, const struct value *in, const struct value *part)
{
	size_t skip;

	if (in->kind != VALUE_TEXT || part->kind != VALUE_TEXT ||
		part->text.len > in->text.len)
		return false;
	skip = op == FILTER_ENDS ? in->text.len - part->text.len : 0;
	return part->text.len == 0 ||
	       memcmp(in->text.data + skip, part->text.data, part->text.len) == 0;
}

static bool is_empty(const struct value *v)
{
	const unsigned char *at = NULL;
	struct bytes member;

	switch (v->kind) {
	case VALUE_ABSENT:
		return true;
	case VALUE_TEXT:
		return v->text.len == 0;
	case VALUE_FLAGS:
		return v->flags == 0;
	case VALUE_JSON: /* as it stands, with white space perhaps */
		if (v->text.len > 0 && v->text.data[0] == '[')
			return !jmember_next(v->text, &at, &member);
		for (size_t i = 1; i + 1 < v->text.len; i++)
			if (!strchr(" \t\r\n", v->text.data[i]))
				return false;
		return true;
	default:
		return false;
	}
}

static bool is_in(struct verdict *w, const struct filter_node *n, const struct value *v)
{
	for (uint32_t i = 0; i < n->n_right; i++)
		if (compare_by(FILTER_EQ, v, &w->f->operands[n->right + i].constant))
			return true;
	return false;
}

static bool test(struct verdict *w, const struct filter_node *n)
{
	struct value a = get(w, &w->f->operands[n->left], &w->f->left_room), b;

	if (n->op == FILTER_NULL)
		return (a.kind == VALUE_ABSENT) != n->negated;
	if (n->op == FILTER_EMPTY)
		return is_empty(&a) != n->negated;
	if (a.kind == VALUE_ABSENT)
		return false;
	if (n->op == FILTER_TRUTH)
		return a.kind == VALUE_BOOL && a.truth;
	if (n->op == FILTER_IN)
		return is_in(w, n, &a) != n->negated;
	b = get(w, &w->f->operands[n->right], &w->f->right_room);
	if (b.kind == VALUE_ABSENT)
		return false;
	if (n->op == FILTER_CONTAINS)
		return contains(&a, &b) != n->negated;
	if (n->op == FILTER_STARTS || n->op == FILTER_ENDS)
		return has_at_end(n->op, &a, &b) != n->negated;
	return compare_by(n->op, &a, &b);
}

static bool judge(struct verdict *w, uint32_t index)
{
	const struct filter_node *n = &w->f->nodes[index];
	bool all = n->op == FILTER_ALL;

	if (n->op == FILTER_NOT)
		return !judge(w, n->first);
	if (n->op != FILTER_ALL && n->op != FILTER_ANY)
		return test(w, n);
	for (uint32_t at = n->first; at != FILTER_NO_NODE; at = w->f->nodes[at].next)
		if (judge(w, at) != all)
			return !all;
	return all;
}

enum err_code filter_passes(struct filter *f, struct sample *s, bool as_duplicate,
	bool *passes, struct err *err)
{
	struct verdict w = {f, s, as_duplicate, err, ERR_NONE};

	*passes = judge(&w, f->root);
	return w.code;
}

enum err_code filter_bits(
	struct filter *f, struct sample *s, uint8_t *bits, struct err *err)
{
	bool passes, as_duplicate;
	enum err_code code = filter_passes(f, s, false, &passes, err);

	as_duplicate = passes;
	if (code == ERR_NONE && (f->needs & NEEDS_DUPLICATE))
		code = filter_passes(f, s, true, &as_duplicate, err);
	*bits = (uint8_t)((passes ? KEY_PASSES : 0) |
			  (as_duplicate ? KEY_PASSES_AS_DUPLICATE : 0));
	return code;
}
