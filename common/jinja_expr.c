/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "common/jinja_run.h"
#include "common/limits.h"

static struct value missing(struct run *r, struct value v)
{
	return run_fail(r, "'%.60s' is undefined", v.name ? v.name : "this");
}

/* -- Arguments -- */

static void evaluate_arguments(
	struct run *r, const struct node *n, struct arguments *out)
{
	out->n = 0;
	for (size_t i = 0; i < n->n; i++) {
		const struct node *a = n->list[i];
		bool keyword = a->kind == NODE_KEYWORD;

		if (out->n == ARGUMENTS_MAX) {
			run_fail(r, "there are more than %d arguments", ARGUMENTS_MAX);
			return;
		}
		out->name[out->n] = keyword ? a->name : NULL;
		out->at[out->n++] = eval(r, keyword ? a->a : a);
	}
}

bool arguments_bind(struct run *r, const char *what, const struct arguments *given,
	const char *const *names, struct bound *out)
{
	size_t n = 0, places = 0;

	*out = (struct bound){0};
	while (names[n])
		n++;
	for (size_t i = 0; i < given->n; i++) {
		size_t to = given->name[i] ? 0 : places++;

		while (given->name[i] && to < n &&
			strcmp(names[to], given->name[i]) != 0)
			to++;
		if (to >= n || out->given[to]) {
			run_fail(r, "'%.60s' is given an argument that is not offered",
				what);
			return false;
		}
		out->at[to] = given->at[i];
		out->given[to] = true;
	}
	return !r->failed;
}

bool bound_bool(const struct bound *b, size_t i, bool fallback)
{
	return b->given[i] ? value_is_true(b->at[i]) : fallback;
}

const char *bound_text(struct run *r, const struct bound *b, size_t i, size_t *len,
	const char *fallback)
{
	if (b->given[i] && value_is_text(b->at[i])) {
		*len = json_string_length(b->at[i].json);
		return json_string_value(b->at[i].json);
	}
	if (b->given[i] || !fallback)
		run_fail(r, "an argument must be a text");
	*len = fallback ? strlen(fallback) : 0;
	return fallback ? fallback : "";
}

bool bound_integer(struct run *r, const struct bound *b, size_t i, json_int_t *out)
{
	if (!b->given[i])
		return true;
	return value_integer(b->at[i], out) ||
	       run_fail(r, "an argument must be an integer").json;
}

/* -- Names and literals -- */

static struct value take_variable(struct run *r, const struct variable *v)
{
	if (v->value.kind == VALUE_FUNCTION && !*v->value.name)
		return run_fail(
			r, "'%.60s' within its own set block is not offered", v->name);
	return v->value;
}

static struct value eval_name(struct run *r, const char *name)
{
	for (const struct scope *s = r->scope; s; s = s->outer)
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->at[i].name, name) == 0)
				return take_variable(r, &s->at[i]);
	if (function_is(name))
		return (struct value){.kind = VALUE_FUNCTION, .name = name};
	return run_undefined(name);
}

static struct value eval_list(struct run *r, const struct node *n)
{
	struct value list =
		run_list(r, n->kind == NODE_TUPLE ? LIST_TUPLE : LIST_PLAIN);

	for (size_t i = 0; i < n->n && !r->failed; i++)
		run_append(r, list, eval(r, n->list[i]));
	return list;
}

static struct value eval_dict(struct run *r, const struct node *n)
{
	struct value dict = run_keep(r, json_object());

	for (size_t i = 0; i + 1 < n->n && !r->failed; i += 2) {
		struct value key = eval(r, n->list[i]), v = eval(r, n->list[i + 1]);

		if (r->failed)
			break;
		if (!value_is_text(key) || strlen(json_string_value(key.json)) !=
						   json_string_length(key.json))
			return run_fail(r, "a dict's key must be a text");
		if (!run_is_plain(v))
			return run_fail(r, "a dict's value must be defined, and no "
					   "function");
		json_object_set(dict.json, json_string_value(key.json), v.json);
	}
	return dict;
}

/* -- Operators -- */

static struct value overflow(struct run *r)
{
	return run_fail(r, "a number is too large");
}

/* Python's // and % go towards minus infinity. */
static struct value divide_integers(
	struct run *r, enum operator op, json_int_t a, json_int_t b)
{
	json_int_t quotient, rest;

	if (b == 0)
		return run_fail(r, "division by zero");
	if (op == OP_DIVIDE)
		return run_keep(r, json_real((double)a / (double)b));
	if (b == -1)
		return a == INT64_MIN
			       ? overflow(r)
			       : run_keep(r, json_integer(op == OP_FLOOR ? -a : 0));
	quotient = a / b;
	rest = a % b;
	if (rest != 0 && (rest < 0) != (b < 0)) {
		quotient--;
		rest += b;
	}
	return run_keep(r, json_integer(op == OP_FLOOR ? quotient : rest));
}

static struct value power(struct run *r, json_int_t a, json_int_t b)
{
	json_int_t all = 1;

	if (b < 0 || b > 64)
		return run_fail(r, "such a power is not offered");
	for (; b > 0; b--)
		if (__builtin_mul_overflow(all, a, &all))
			return overflow(r);
	return run_keep(r, json_integer(all));
}

static struct value integers(
	struct run *r, enum operator op, json_int_t a, json_int_t b)
{
	json_int_t all;
	bool over;

	switch (op) {
	case OP_ADD:
		over = __builtin_add_overflow(a, b, &all);
		break;
	case OP_SUBTRACT:
		over = __builtin_sub_overflow(a, b, &all);
		break;
	case OP_MULTIPLY:
		over = __builtin_mul_overflow(a, b, &all);
		break;
	case OP_POWER:
		return power(r, a, b);
	default:
		return divide_integers(r, op, a, b);
	}
	return over ? overflow(r) : run_keep(r, json_integer(all));
}

static struct value reals(struct run *r, enum operator op, double a, double b)
{
	double all;

	if ((op == OP_DIVIDE || op == OP_FLOOR || op == OP_MODULO) && b == 0)
		return run_fail(r, "division by zero");
	switch (op) {
	case OP_ADD:
		all = a + b;
		break;
	case OP_SUBTRACT:
		all = a - b;
		break;
	case OP_MULTIPLY:
		all = a * b;
		break;
	case OP_DIVIDE:
		all = a / b;
		break;
	default:
		return run_fail(r, "this is not offered for numbers with a fraction");
	}
	return isfinite(all) ? run_keep(r, json_real(all)) : overflow(r);
}

static struct value repeat(struct run *r, struct value text, json_int_t n)
{
	struct bytes one = value_text(text);
	struct value out;
	struct buf all;

	buf_init(&all, LIMIT_RENDERED);
	for (json_int_t i = 0; i < n && one.len && !all.over && run_step(r, 1); i++)
		buf_add(&all, one.data, one.len);
	if (all.over)
		run_fail(r, "the text is longer than %zu MiB", all.max >> 20);
	out = run_text(r, all.data, all.len);
	buf_release(&all);
	return out;
}

static struct value join_two(struct run *r, struct value a, struct value b)
{
	struct buf all;
	struct value out;

	if (value_is(a, JSON_ARRAY)) {
		out = run_list(r, a.form);
		json_array_extend(out.json, a.json);
		json_array_extend(out.json, b.json);
		run_step(r, json_array_size(out.json));
		return out;
	}
	buf_init(&all, LIMIT_RENDERED);
	buf_add(&all, value_text(a).data, value_text(a).len);
	buf_add(&all, value_text(b).data, value_text(b).len);
	if (all.over)
		run_fail(r, "the text is longer than %zu MiB", all.max >> 20);
	out = run_text(r, all.data, all.len);
	buf_release(&all);
	return out;
}

static struct value eval_binary(struct run *r, const struct node *n)
{
	struct value a = eval(r, n->a), b = eval(r, n->b);
	json_int_t i, j;

	if (r->failed)
		return a;
	if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
		return missing(r, a.kind == VALUE_UNDEFINED ? a : b);
	if (value_integer(a, &i) && value_integer(b, &j))
		return integers(r, n->op, i, j);
	if (value_is_number(a) && value_is_number(b))
		return reals(r, n->op, value_real(a), value_real(b));
	if (n->op == OP_ADD &&
		((value_is_text(a) && value_is_text(b)) ||
			(value_is(a, JSON_ARRAY) && value_is(b, JSON_ARRAY) &&
				a.form == b.form && a.form <= LIST_TUPLE)))
		return join_two(r, a, b);
	if (n->op == OP_MULTIPLY && value_is_text(a) && value_integer(b, &j))
		return repeat(r, a, j);
	if (n->op == OP_MULTIPLY && value_is_text(b) && value_integer(a, &i))
		return repeat(r, b, i);
	return run_fail(r, "such an operation on these two is not offered");
}

static struct value eval_concat(struct run *r, const struct node *n)
{
	struct buf all;
	struct value out;

	buf_init(&all, LIMIT_RENDERED);
	for (size_t i = 0; i < n->n && !r->failed; i++)
		value_print(r, eval(r, n->list[i]), &all);
	out = run_text(r, all.data, all.len);
	buf_release(&all);
	return out;
}

static bool are_same(struct run *r, struct value a, struct value b)
{
	if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
		return a.kind == b.kind;
	if (a.kind != VALUE_JSON || b.kind != VALUE_JSON || a.form == LIST_GENERATOR ||
		b.form == LIST_GENERATOR)
		return run_fail(r, "these two cannot be compared").json != NULL;
	if (value_is(a, JSON_ARRAY) && value_is(b, JSON_ARRAY) && a.form != b.form)
		return false;
	return json_same(a.json, b.json);
}

static bool compare(struct run *r, enum operator op, struct value a, struct value b)
{
	int order;

	switch (op) {
	case OP_EQUAL:
		return are_same(r, a, b);
	case OP_UNEQUAL:
		return !are_same(r, a, b);
	case OP_IN:
		return value_contains(r, b, a);
	case OP_NOT_IN:
		return !value_contains(r, b, a);
	default:
		break;
	}
	if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
		return missing(r, a.kind == VALUE_UNDEFINED ? a : b).json != NULL;
	order = value_compare(r, a, b);
	return op == OP_LESS         ? order < 0
	       : op == OP_LESS_EQUAL ? order <= 0
	       : op == OP_GREATER    ? order > 0
				     : order >= 0;
}

/* a < b < c: each with the one before it, up to the first that is not so. */
static struct value eval_compare(struct run *r, const struct node *n)
{
	struct value left = eval(r, n->a);

	for (size_t i = 0; i < n->n && !r->failed; i++) {
		struct value right = eval(r, n->list[i]->a);

		if (r->failed || !compare(r, n->list[i]->op, left, right))
			return run_bool(false);
		left = right;
	}
	return run_bool(true);
}

static struct value eval_sign(struct run *r, const struct node *n)
{
	struct value v = eval(r, n->a);
	bool negative = n->kind == NODE_NEGATIVE;
	json_int_t i;

	if (r->failed)
		return v;
	if (v.kind == VALUE_UNDEFINED)
		return missing(r, v);
	if (value_integer(v, &i))
		return negative ? integers(r, OP_SUBTRACT, 0, i)
				: run_keep(r, json_integer(i));
	if (!value_is_number(v))
		return run_fail(r, "a sign stands before what is no number");
	return run_keep(r, json_real(negative ? -value_real(v) : value_real(v)));
}

/* -- What stands behind -- */

static struct value eval_call(struct run *r, const struct node *n)
{
	struct value of = eval(r, n->a);
	struct arguments given;

	if (r->failed)
		return of;
	evaluate_arguments(r, n, &given);
	if (r->failed)
		return of;
	r->line = n->line;
	switch (of.kind) {
	case VALUE_MACRO:
		return run_macro(r, of, &given);
	case VALUE_METHOD:
		return method_call(r, of, &given);
	case VALUE_FUNCTION:
		return function_call(r, of.name, &given);
	case VALUE_UNDEFINED:
		return missing(r, of);
	default:
		return run_fail(r, "what is no function is called");
	}
}

static struct value eval_filter(struct run *r, const struct node *n)
{
	struct value v = eval(r, n->a);
	struct arguments given;

	if (!r->failed)
		evaluate_arguments(r, n, &given);
	return r->failed ? v : filter_apply(r, n->name, v, &given);
}

static struct value eval_test(struct run *r, const struct node *n)
{
	struct value v = eval(r, n->a);
	struct arguments given;

	if (!r->failed)
		evaluate_arguments(r, n, &given);
	return r->failed ? v
			 : run_bool(test_apply(r, n->name, v, &given) != n->negated);
}

static struct value eval_slice(struct run *r, const struct node *n)
{
	struct value of = eval(r, n->a), part[3];

	for (size_t i = 0; i < 3; i++)
		part[i] = n->list[i] ? eval(r, n->list[i]) : run_undefined(NULL);
	return r->failed ? of : value_slice(r, of, part);
}

static struct value eval_item(struct run *r, const struct node *n)
{
	struct value of = eval(r, n->a), key = eval(r, n->b);

	return r->failed ? of : value_item(r, of, key);
}

static struct value eval_if(struct run *r, const struct node *n)
{
	struct value is = eval(r, n->b);

	if (r->failed)
		return is;
	if (value_is_true(is))
		return eval(r, n->a);
	return n->c ? eval(r, n->c) : run_undefined("the inline if without else");
}

static struct value eval_logic(struct run *r, const struct node *n)
{
	struct value v = eval(r, n->a);

	if (r->failed || value_is_true(v) == (n->kind == NODE_OR))
		return v;
	return eval(r, n->b);
}

struct value eval(struct run *r, const struct node *n)
{
	if (!run_step(r, 1))
		return (struct value){0};
	r->line = n->line;
	switch (n->kind) {
	case NODE_VALUE:
		return (struct value){.kind = VALUE_JSON, .json = n->value};
	case NODE_NAME:
		return eval_name(r, n->name);
	case NODE_HELD:
		return eval_name(r, "");
	case NODE_LIST:
	case NODE_TUPLE:
		return eval_list(r, n);
	case NODE_DICT:
		return eval_dict(r, n);
	case NODE_ATTRIBUTE: {
		struct value of = eval(r, n->a);

		return r->failed ? of : value_attribute(r, of, n->name);
	}
	case NODE_ITEM:
		return eval_item(r, n);
	case NODE_SLICE:
		return eval_slice(r, n);
	case NODE_CALL:
		return eval_call(r, n);
	case NODE_FILTER:
		return eval_filter(r, n);
	case NODE_TEST:
		return eval_test(r, n);
	case NODE_NOT: {
		struct value v = eval(r, n->a);

		return r->failed ? v : run_bool(!value_is_true(v));
	}
	case NODE_NEGATIVE:
	case NODE_POSITIVE:
		return eval_sign(r, n);
	case NODE_AND:
	case NODE_OR:
		return eval_logic(r, n);
	case NODE_IF:
		return eval_if(r, n);
	case NODE_COMPARE:
		return eval_compare(r, n);
	case NODE_BINARY:
		return eval_binary(r, n);
	case NODE_CONCAT:
		return eval_concat(r, n);
	default:
		return run_fail(r, "an expression is not understood");
	}
}
