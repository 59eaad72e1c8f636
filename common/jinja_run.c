/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, variables, and what is kept until the end. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/jinja_run.h"
#include "common/limits.h"
#include "common/mem.h"

/* -- Errors, steps, values -- */

struct value run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->failed) {
		va_start(ap, fmt);
		vsnprintf(r->error, sizeof(r->error), fmt, ap);
		va_end(ap);
		r->failed = true;
	}
	return (struct value){0};
}

bool run_step(struct run *r, size_t n)
{
	r->steps += n;
	if (r->steps > LIMIT_TEMPLATE_STEPS)
		run_fail(r, "it takes more than %d steps", LIMIT_TEMPLATE_STEPS);
	return !r->failed;
}

static size_t tuple_slot(const struct run *r, const json_t *list)
{
	size_t at = hash64(&list, sizeof(list)) & (r->cap_tuples - 1);

	while (r->tuple[at] && r->tuple[at] != list)
		at = (at + 1) & (r->cap_tuples - 1);
	return at;
}

bool run_is_tuple(const struct run *r, const json_t *list)
{
	return r->n_tuples > 0 && r->tuple[tuple_slot(r, list)];
}

/* Lists are kept until the end, so none is another's address. */
static void note_tuple(struct run *r, const json_t *list)
{
	const json_t **old = r->tuple;
	size_t n = r->cap_tuples;

	if (2 * (r->n_tuples + 1) > n) {
		r->cap_tuples = n ? 2 * n : 64;
		r->tuple = mem_zalloc(r->cap_tuples, sizeof(*r->tuple));
		for (size_t i = 0; i < n; i++)
			if (old[i])
				r->tuple[tuple_slot(r, old[i])] = old[i];
		free(old);
	}
	r->tuple[tuple_slot(r, list)] = list;
	r->n_tuples++;
}

struct value run_keep(struct run *r, json_t *json)
{
	MEM_GROW(r->kept, r->cap_kept, r->n_kept + 1);
	r->kept[r->n_kept++] = json;
	run_step(r, 1);
	return (struct value){.kind = VALUE_JSON,
		.form = json_is_array(json) && run_is_tuple(r, json) ? LIST_TUPLE
								     : LIST_PLAIN,
		.json = json};
}

struct value run_text(struct run *r, const void *text, size_t len)
{
	r->used += len + 64;
	if (r->used > LIMIT_TEMPLATE_MEMORY && !r->failed)
		run_fail(r, "it needs more than %zu MiB", LIMIT_TEMPLATE_MEMORY >> 20);
	if (r->failed)
		len = 0;
	return run_keep(r, json_stringn_nocheck(len ? text : "", len));
}

struct value run_list(struct run *r, enum list_form form)
{
	struct value list = run_keep(r, json_array());

	list.form = form;
	if (form == LIST_TUPLE)
		note_tuple(r, list.json);
	return list;
}

void run_append(struct run *r, struct value list, struct value element)
{
	if (!run_is_plain(element))
		run_fail(r,
			"only what is defined, and is no function, can be in a list or a "
			"dict");
	else if (run_step(r, 1))
		json_array_append(list.json, element.json);
}

bool run_is_plain(struct value v)
{
	return v.kind == VALUE_JSON && v.form <= LIST_TUPLE;
}

struct value run_undefined(const char *name)
{
	return (struct value){.kind = VALUE_UNDEFINED, .name = name};
}

struct value run_bool(bool is)
{
	return (struct value){
		.kind = VALUE_JSON, .json = is ? json_true() : json_false()};
}

/* -- Variables -- */

static void set_variable(struct run *r, const char *name, struct value v)
{
	struct scope *s = r->scope;

	if (v.form == LIST_GENERATOR)
		run_fail(r, "what can be gone through once only cannot be kept "
			    "('|list' makes a list of it)");
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->at[i].name, name) == 0) {
			s->at[i].value = v;
			return;
		}
	}
	MEM_GROW(s->at, s->cap, s->n + 1);
	s->at[s->n++] = (struct variable){name, v};
}

static void open_scope(struct run *r, struct scope *s, struct scope *outer)
{
	*s = (struct scope){.outer = outer};
	r->scope = s;
}

static void close_scope(struct run *r, struct scope *s, struct scope *back)
{
	free(s->at);
	r->scope = back;
}

/* -- Statements -- */

static void exec(struct run *r, const struct node *n);

static void exec_body(struct run *r, const struct node *n)
{
	for (size_t i = 0; i < n->n && !r->failed && r->flow == FLOW_ON; i++)
		exec(r, n->list[i]);
}

/* What a body says, as a text. */
static struct value hold(struct run *r, const struct node *body)
{
	struct buf text, *out = r->out;
	struct value v;

	buf_init(&text, LIMIT_RENDERED);
	r->out = &text;
	exec_body(r, body);
	r->out = out;
	if (text.over)
		run_fail(r, "the text is longer than %zu MiB", text.max >> 20);
	v = run_text(r, text.data, text.len);
	buf_release(&text);
	return v;
}

/* One value to one name, or the parts of a list to several. */
static void set_targets(struct run *r, const struct node *n, struct value v)
{
	json_t *items;

	if (n->n_names == 1) {
		set_variable(r, n->names[0], v);
		return;
	}
	items = value_items(r, v);
	if (json_array_size(items) != n->n_names) {
		run_fail(r, "%zu names cannot be set to %zu values", n->n_names,
			json_array_size(items));
		return;
	}
	for (size_t i = 0; i < n->n_names; i++)
		set_variable(r, n->names[i],
			run_keep(r, json_incref(json_array_get(items, i))));
}

static json_t *filter_items(struct run *r, const struct node *n, json_t *items)
{
	struct value chosen = run_list(r, LIST_PLAIN);
	struct scope *outer = r->scope;
	json_t *v;
	size_t i;

	json_array_foreach(items, i, v) {
		struct scope own;

		if (!run_step(r, 1))
			break;
		open_scope(r, &own, outer);
		set_targets(r, n, run_keep(r, json_incref(v)));
		if (value_is_true(eval(r, n->b)))
			json_array_append(chosen.json, v);
		close_scope(r, &own, outer);
	}
	return chosen.json;
}

static void exec_for(struct run *r, const struct node *n)
{
	struct value of = eval(r, n->a);
	json_t *items = value_items(r, of);
	struct loop loop = {0};
	struct scope *outer = r->scope;

	r->loops++;
	if (n->b)
		items = filter_items(r, n, items);
	loop.items = items;
	for (; loop.at < json_array_size(items) && !r->failed; loop.at++) {
		struct scope own;

		open_scope(r, &own, outer);
		set_variable(
			r, "loop", (struct value){.kind = VALUE_LOOP, .loop = &loop});
		set_targets(
			r, n, run_keep(r, json_incref(json_array_get(items, loop.at))));
		exec_body(r, n->list[0]);
		close_scope(r, &own, outer);
		if (r->flow == FLOW_BREAK)
			break;
		r->flow = FLOW_ON;
	}
	r->flow = FLOW_ON;
	r->loops--;
	if (n->c && json_array_size(items) == 0)
		exec_body(r, n->c);
}

static const struct value *find_variable(const struct run *r, const char *name)
{
	for (const struct scope *s = r->scope; s; s = s->outer)
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->at[i].name, name) == 0)
				return &s->at[i].value;
	return NULL;
}

static void set_attribute(struct run *r, const struct node *n, struct value v)
{
	const struct value *of = find_variable(r, n->name);

	if (!of || of->kind != VALUE_NAMESPACE)
		run_fail(r, "'%.60s' is no namespace, so it has no attributes to set",
			n->name);
	else if (!run_is_plain(v))
		run_fail(r,
			"'%.60s.%.60s' is set to what is undefined or cannot be kept",
			n->name, n->attribute);
	else
		json_object_set(of->json, n->attribute, v.json);
}

/* The block has a scope of its own. What its name is in there depends on where in a
 * template it stands: reading it is an error (eval_name). */
static void exec_set_block(struct run *r, const struct node *n)
{
	struct scope *back = r->scope, inner;
	struct value held;

	open_scope(r, &inner, back);
	if (!n->attribute)
		set_variable(r, n->names[0],
			(struct value){.kind = VALUE_FUNCTION, .name = ""});
	held = hold(r, n->a);
	close_scope(r, &inner, back);

	if (n->b) {
		struct scope *outer = r->scope, own;

		open_scope(r, &own, outer);
		set_variable(r, "", held); /* NODE_HELD */
		held = eval(r, n->b);
		close_scope(r, &own, outer);
	}
	if (n->attribute)
		set_attribute(r, n, held);
	else
		set_variable(r, n->names[0], held);
}

static void exec_scope(struct run *r, const struct node *n)
{
	struct scope *back = r->scope, own;

	open_scope(r, &own, back);
	exec_body(r, n->a);
	close_scope(r, &own, back);
}

static void exec(struct run *r, const struct node *n)
{
	struct value v;

	r->line = r->failed ? r->line : n->line;
	if (!run_step(r, 1))
		return;
	switch (n->kind) {
	case NODE_DATA:
		buf_add(r->out, n->text.data, n->text.len);
		break;
	case NODE_OUTPUT:
		v = eval(r, n->a);
		if (!r->failed)
			value_print(r, v, r->out);
		break;
	case NODE_BODY:
		exec_body(r, n);
		break;
	case NODE_SCOPE:
		exec_scope(r, n);
		break;
	case NODE_CHOICE:
		v = eval(r, n->a);
		if (!r->failed && value_is_true(v))
			exec(r, n->b);
		else if (!r->failed && n->c)
			exec(r, n->c);
		break;
	case NODE_FOR:
		exec_for(r, n);
		break;
	case NODE_SET:
		v = eval(r, n->a);
		if (r->failed)
			break;
		if (n->attribute)
			set_attribute(r, n, v);
		else
			set_targets(r, n, v);
		break;
	case NODE_SET_BLOCK:
		exec_set_block(r, n);
		break;
	case NODE_MACRO:
		set_variable(r, n->name,
			(struct value){.kind = VALUE_MACRO,
				.macro = n,
				.scope = r->scope,
				.name = n->name});
		break;
	case NODE_BREAK:
	case NODE_CONTINUE:
		if (r->loops == 0)
			run_fail(r, "there is no loop here");
		r->flow = n->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
		break;
	default:
		run_fail(r, "a part of the template is not understood");
	}
	if (r->out->over)
		run_fail(r, "the text is longer than %zu MiB", r->out->max >> 20);
}

struct value run_macro(struct run *r, struct value macro, const struct arguments *given)
{
	const struct node *n = macro.macro;
	struct scope own, *back = r->scope;
	unsigned loops = r->loops, line = r->line;
	bool set[ARGUMENTS_MAX] = {0};
	size_t places = 0;
	struct value said;

	if (n->n_names > ARGUMENTS_MAX || ++r->depth > JINJA_DEPTH / 2)
		return run_fail(r,
			"macro '%.60s': too many parameters, or calls within "
			"calls",
			n->name);
	open_scope(r, &own, macro.scope);
	r->loops = 0;
	/* A default sees the parameters, also those that have no value yet. */
	for (size_t i = 0; i < n->n_names; i++)
		set_variable(r, n->names[i], run_undefined(n->names[i]));
	for (size_t i = 0; i < given->n; i++) {
		size_t to = given->name[i] ? 0 : places++;

		while (given->name[i] && to < n->n_names &&
			strcmp(n->names[to], given->name[i]) != 0)
			to++;
		if (to >= n->n_names || set[to])
			run_fail(r,
				"macro '%.60s' is given an argument that it does not "
				"take",
				n->name);
		else
			set_variable(r, n->names[to], given->at[i]);
		if (to < n->n_names)
			set[to] = true;
	}
	for (size_t i = 0; i < n->n_names && !r->failed; i++)
		if (!set[i] && n->list[i])
			set_variable(r, n->names[i], eval(r, n->list[i]));
	said = hold(r, n->a);
	r->flow = FLOW_ON;
	r->loops = loops;
	r->depth--;
	close_scope(r, &own, back);
	r->line = r->failed ? r->line : line;
	return said;
}

/* -- The whole -- */

void run_begin(struct run *r, const struct jinja *t, struct buf *out)
{
	*r = (struct run){.t = t, .out = out, .line = 1};
	r->scope = &r->root;
}

void run_end(struct run *r)
{
	for (size_t i = 0; i < r->n_kept; i++)
		json_decref(r->kept[i]);
	free(r->kept);
	free(r->tuple);
	free(r->root.at);
}

bool run_template(struct run *r, json_t *variables)
{
	const char *name;
	json_t *v;

	json_object_foreach(variables, name, v)
		set_variable(r, name, run_keep(r, json_incref(v)));
	exec(r, r->t->root);
	return !r->failed;
}
