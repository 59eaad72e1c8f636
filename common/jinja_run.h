/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jinja_run.h - a template while it is rendered; private to jinja*.c
 *
 * Whatever is made on the way is kept until the end (run_keep), and its size counted
 * against a limit: so values are lent freely, and nothing is freed too early. After the
 * first error, which sets run->failed, all functions go through the motions: what they
 * return means nothing then, and loops end.
 */
#ifndef RETORT_COMMON_JINJA_RUN_H
#define RETORT_COMMON_JINJA_RUN_H

#include "common/jinja.h"
#include "common/jinja_tree.h"

enum value_kind {
	VALUE_UNDEFINED,
	VALUE_JSON,
	VALUE_NAMESPACE,
	VALUE_MACRO,
	VALUE_METHOD,
	VALUE_FUNCTION,
	VALUE_LOOP
};

/* What Python would have where we have a list: they print otherwise, and a generator
 * has no length and is always true. */
enum list_form { LIST_PLAIN, LIST_TUPLE, LIST_VIEW, LIST_GENERATOR };

struct value {
	enum value_kind kind;
	enum list_form form;
	json_t *json;     /* JSON; NAMESPACE: its members; METHOD: of what */
	const char *name; /* UNDEFINED: what is; METHOD, FUNCTION: which one */
	const struct node *macro;
	struct scope *scope; /* MACRO: where it was defined */
	const struct loop *loop;
};

struct loop {
	json_t *items;
	size_t at;
};

struct variable {
	const char *name;
	struct value value;
};

struct scope {
	struct scope *outer;
	struct variable *at;
	size_t n, cap;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct run {
	const struct jinja *t;
	struct buf *out;
	struct scope root, *scope;
	enum flow flow;
	unsigned depth, loops;
	size_t steps, used;
	const json_t **tuple; /* lists that are tuples, by hash */
	size_t n_tuples, cap_tuples;
	json_t **kept;
	size_t n_kept, cap_kept;
	bool failed;
	unsigned line; /* of the error, and of what is done now */
	char error[300];
};

/* -- jinja_run.c -- */

void run_begin(struct run *r, const struct jinja *t, struct buf *out);
void run_end(struct run *r);
bool run_template(struct run *r, json_t *variables);
/* What a macro says. */
struct arguments;
struct value run_macro(
	struct run *r, struct value macro, const struct arguments *given);

/* Sets the error, if it is the first. Returns an undefined value. */
struct value run_fail(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Counts a step, a few for what takes long; false if there were too many. */
bool run_step(struct run *r, size_t n);
/* Takes a reference over. */
struct value run_keep(struct run *r, json_t *json);
struct value run_text(struct run *r, const void *text, size_t len);
struct value run_list(struct run *r, enum list_form form);
/* Whether a list is a tuple, wherever it lies. */
bool run_is_tuple(const struct run *r, const json_t *list);
/* An element for a list or a dict: JSON only. */
void run_append(struct run *r, struct value list, struct value element);
/* A value that can lie in a list or a dict. */
bool run_is_plain(struct value v);
struct value run_undefined(const char *name);
struct value run_bool(bool is);

/* -- jinja_value.c -- */

bool value_is(struct value v, json_type type); /* of VALUE_JSON */
bool value_is_text(struct value v);
bool value_is_number(struct value v); /* true and false are */
bool value_is_true(struct value v);
double value_real(struct value v);
/* Of an integer, true or false. */
bool value_integer(struct value v, json_int_t *out);
struct bytes value_text(struct value v);
bool json_same(const json_t *a, const json_t *b);
/* Orders numbers, or texts; an error for others. */
int value_compare(struct run *r, struct value a, struct value b);
/* As Python's str() and repr(). */
void value_print(struct run *r, struct value v, struct buf *out);
struct value value_string(struct run *r, struct value v);
/* What a loop goes over, as a plain list; an error for what cannot be. */
json_t *value_items(struct run *r, struct value v);
bool value_length(struct run *r, struct value v, size_t *n);
struct value value_attribute(struct run *r, struct value of, const char *name);
struct value value_item(struct run *r, struct value of, struct value key);
struct value value_slice(struct run *r, struct value of, const struct value part[3]);
bool value_contains(struct run *r, struct value in, struct value what);

/* -- jinja_json.c -- */

/* As Python's repr() of a float. */
void json_print_real(double v, struct buf *out);
struct json_style {
	bool ensure_ascii, sort_keys;
	const char *indent; /* of one level; NULL: all on one line */
	const char *item, *key;
};
void json_print(const json_t *v, const struct json_style *style, struct buf *out);

/* -- jinja_expr.c -- */

struct value eval(struct run *r, const struct node *n);

#define ARGUMENTS_MAX 16
struct arguments {
	struct value at[ARGUMENTS_MAX];
	const char *name[ARGUMENTS_MAX]; /* NULL: by place */
	size_t n;
};

/* Arguments by parameters. */
#define PARAMETERS_MAX 6
struct bound {
	struct value at[PARAMETERS_MAX];
	bool given[PARAMETERS_MAX];
};
/* `names` ends with NULL. */
bool arguments_bind(struct run *r, const char *what, const struct arguments *given,
	const char *const *names, struct bound *out);
/* What one is as a bool, or what stands for it. */
bool bound_bool(const struct bound *b, size_t i, bool fallback);
/* A text that was given; else an error, or the fallback if there is one. */
const char *bound_text(struct run *r, const struct bound *b, size_t i, size_t *len,
	const char *fallback);
bool bound_integer(struct run *r, const struct bound *b, size_t i, json_int_t *out);

/* -- jinja_filters.c, jinja_tests.c, jinja_methods.c -- */

struct value filter_apply(
	struct run *r, const char *name, struct value v, const struct arguments *given);
bool test_apply(
	struct run *r, const char *name, struct value v, const struct arguments *given);
struct value method_call(
	struct run *r, struct value method, const struct arguments *given);
/* What a name that no variable has may be: range and the like. */
bool function_is(const char *name);
struct value function_call(
	struct run *r, const char *name, const struct arguments *given);
/* Whether Python has such an attribute; *forbidden: the sandbox hides it. */
bool method_is(const json_t *of, const char *name, bool *forbidden);

/* -- jinja_strings.c -- */

enum strip_side { STRIP_LEFT = 1, STRIP_RIGHT = 2, STRIP_BOTH = 3 };
/* `chars` NULL: white space. */
struct bytes text_strip(struct bytes text, const struct bytes *chars, int sides);
enum text_case { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE };
/* An error for letters beyond ASCII. */
struct value text_to_case(struct run *r, struct bytes text, enum text_case to);
struct value text_replace(struct run *r, struct bytes text, struct bytes what,
	struct bytes with, json_int_t count);
struct value text_split(
	struct run *r, struct bytes text, const struct bytes *by, json_int_t most);

#endif
