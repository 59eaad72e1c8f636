/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/jinja_run.h"
#include "common/limits.h"
#include "common/uchar.h"

bool value_is(struct value v, json_type type)
{
	return v.kind == VALUE_JSON && json_typeof(v.json) == type;
}

bool value_is_text(struct value v)
{
	return value_is(v, JSON_STRING);
}

bool value_is_number(struct value v)
{
	return v.kind == VALUE_JSON &&
	       (json_is_number(v.json) || json_is_boolean(v.json));
}

double value_real(struct value v)
{
	return json_is_true(v.json) ? 1 : json_number_value(v.json);
}

bool value_integer(struct value v, json_int_t *out)
{
	if (v.kind != VALUE_JSON ||
		!(json_is_integer(v.json) || json_is_boolean(v.json)))
		return false;
	*out = json_is_boolean(v.json) ? json_is_true(v.json)
				       : json_integer_value(v.json);
	return true;
}

struct bytes value_text(struct value v)
{
	return bytes_of(json_string_value(v.json), json_string_length(v.json));
}

bool value_is_true(struct value v)
{
	if (v.kind != VALUE_JSON)
		return v.kind != VALUE_UNDEFINED;
	switch (json_typeof(v.json)) {
	case JSON_OBJECT:
		return json_object_size(v.json) > 0;
	case JSON_ARRAY:
		return v.form == LIST_GENERATOR || json_array_size(v.json) > 0;
	case JSON_STRING:
		return json_string_length(v.json) > 0;
	case JSON_INTEGER:
		return json_integer_value(v.json) != 0;
	case JSON_REAL:
		return json_real_value(v.json) != 0;
	case JSON_TRUE:
		return true;
	default:
		return false;
	}
}

/* -- Equality and order, as Python has them -- */

static bool is_numeric(const json_t *v)
{
	return json_is_number(v) || json_is_boolean(v);
}

static bool same_numbers(const json_t *a, const json_t *b)
{
	struct value left = {.kind = VALUE_JSON, .json = (json_t *)a};
	struct value right = {.kind = VALUE_JSON, .json = (json_t *)b};
	json_int_t i, j;

	if (value_integer(left, &i) && value_integer(right, &j))
		return i == j;
	return value_real(left) == value_real(right);
}

bool json_same(const json_t *a, const json_t *b)
{
	const char *key;
	size_t i, len;
	json_t *v;

	if (is_numeric(a) && is_numeric(b))
		return same_numbers(a, b);
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, v)
			if (!json_same(v, json_array_get(b, i)))
				return false;
		return true;
	}
	if (json_is_object(a)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_keylen_foreach((json_t *)a, key, len, v)
		{
			const json_t *other = json_object_getn(b, key, len);

			if (!other || !json_same(v, other))
				return false;
		}
		return true;
	}
	return json_equal(a, b);
}

int value_compare(struct run *r, struct value a, struct value b)
{
	if (value_is_number(a) && value_is_number(b)) {
		json_int_t i, j;

		if (value_integer(a, &i) && value_integer(b, &j))
			return (i > j) - (i < j);
		return (value_real(a) > value_real(b)) -
		       (value_real(a) < value_real(b));
	}
	if (value_is_text(a) && value_is_text(b)) {
		/* Bytes of UTF-8 are in the order of code points. */
		struct bytes x = value_text(a), y = value_text(b);
		size_t n = x.len < y.len ? x.len : y.len;
		int order = n ? memcmp(x.data, y.data, n) : 0;

		return order ? order : (x.len > y.len) - (x.len < y.len);
	}
	run_fail(r, "these two have no order");
	return 0;
}

/* -- Printing -- */

static void print_text(struct bytes text, struct buf *out)
{
	bool has_single = text.len && memchr(text.data, '\'', text.len);
	bool has_double = text.len && memchr(text.data, '"', text.len);
	unsigned char quote = has_single && !has_double ? '"' : '\'';

	buf_add_byte(out, quote);
	for (size_t i = 0, len; i < text.len; i += len) {
		uint32_t c = uchar_at(text.data + i, &len);

		if (c == quote || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_printf(out, "\\%c",
				c == '\n'   ? 'n'
				: c == '\r' ? 'r'
					    : 't');
		else if (uchar_is_printable(c))
			buf_add(out, text.data + i, len);
		else
			buf_printf(out,
				c < 0x100     ? "\\x%02x"
				: c < 0x10000 ? "\\u%04x"
					      : "\\U%08x",
				c);
	}
	buf_add_byte(out, quote);
}

static void print_json(struct run *r, const json_t *v, bool quoted, struct buf *out);

static void print_list(struct run *r, const json_t *v, struct buf *out)
{
	bool is_tuple = run_is_tuple(r, v);
	json_t *one;
	size_t i;

	buf_add_byte(out, is_tuple ? '(' : '[');
	json_array_foreach(v, i, one) {
		buf_add_str(out, i ? ", " : "");
		print_json(r, one, true, out);
	}
	if (is_tuple && json_array_size(v) == 1)
		buf_add_byte(out, ',');
	buf_add_byte(out, is_tuple ? ')' : ']');
}

static void print_json(struct run *r, const json_t *v, bool quoted, struct buf *out)
{
	const char *key;
	size_t len, n = 0;
	json_t *one;

	if (!run_step(r, 1))
		return;
	switch (json_typeof(v)) {
	case JSON_NULL:
		buf_add_str(out, "None");
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_add_str(out, json_is_true(v) ? "True" : "False");
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		json_print_real(json_real_value(v), out);
		break;
	case JSON_STRING:
		if (quoted)
			print_text(
				bytes_of(json_string_value(v), json_string_length(v)),
				out);
		else
			buf_add(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_ARRAY:
		print_list(r, v, out);
		break;
	case JSON_OBJECT:
		buf_add_byte(out, '{');
		json_object_keylen_foreach((json_t *)v, key, len, one)
		{
			buf_add_str(out, n++ ? ", " : "");
			print_text(bytes_of(key, len), out);
			buf_add_str(out, ": ");
			print_json(r, one, true, out);
		}
		buf_add_byte(out, '}');
		break;
	}
}

void value_print(struct run *r, struct value v, struct buf *out)
{
	if (v.kind == VALUE_UNDEFINED)
		return;
	if (v.kind != VALUE_JSON) {
		run_fail(r, "a function, macro, namespace or loop cannot be printed");
	} else if (v.form <= LIST_TUPLE) {
		print_json(r, v.json, false, out);
	} else {
		run_fail(r,
			"what is no plain list cannot be printed ('|list' makes one)");
	}
	if (out->over)
		run_fail(r, "the text is longer than %zu MiB", out->max >> 20);
}

struct value value_string(struct run *r, struct value v)
{
	struct buf text;
	struct value out;

	if (value_is_text(v))
		return v;
	buf_init(&text, LIMIT_RENDERED);
	value_print(r, v, &text);
	out = run_text(r, text.data, text.len);
	buf_release(&text);
	return out;
}

/* -- Parts -- */

json_t *value_items(struct run *r, struct value v)
{
	struct value list;
	const char *key;
	size_t len;
	json_t *one;

	if (v.kind == VALUE_JSON && json_is_array(v.json))
		return v.json;
	list = run_list(r, LIST_PLAIN);
	if (v.kind == VALUE_UNDEFINED)
		return list.json;
	if (value_is(v, JSON_OBJECT)) {
		json_object_keylen_foreach(v.json, key, len, one)
			run_append(r, list, run_text(r, key, len));
	} else if (value_is_text(v)) {
		struct bytes text = value_text(v);

		for (size_t i = 0; i < text.len && !r->failed; i += len) {
			uchar_at(text.data + i, &len);
			run_append(r, list, run_text(r, text.data + i, len));
		}
	} else {
		run_fail(r, "what is no list, dict or text cannot be gone through");
	}
	return list.json;
}

bool value_length(struct run *r, struct value v, size_t *n)
{
	*n = 0;
	if (v.kind == VALUE_UNDEFINED)
		return true;
	if (value_is(v, JSON_ARRAY) && v.form != LIST_GENERATOR)
		*n = json_array_size(v.json);
	else if (value_is(v, JSON_OBJECT))
		*n = json_object_size(v.json);
	else if (value_is_text(v))
		*n = uchar_count(value_text(v));
	else
		return run_fail(r, "it has no length").kind != VALUE_UNDEFINED;
	return true;
}

static const char *name_of(struct run *r, const void *text, size_t len)
{
	return json_string_value(run_text(r, text, len).json);
}

/* A bound method, or nothing where the sandbox hides it. */
static bool find_method(struct value of, const char *name, struct value *out)
{
	bool forbidden;

	if (of.kind != VALUE_JSON || !method_is(of.json, name, &forbidden))
		return false;
	*out = forbidden ? run_undefined(name)
			 : (struct value){
				   .kind = VALUE_METHOD, .json = of.json, .name = name};
	return true;
}

static struct value loop_attribute(
	struct run *r, const struct loop *l, const char *name)
{
	json_int_t n = (json_int_t)json_array_size(l->items), at = (json_int_t)l->at;
	const struct {
		const char *name;
		json_int_t value;
	} numbers[] = {{"index", at + 1}, {"index0", at}, {"revindex", n - at},
		{"revindex0", n - at - 1}, {"length", n},
		/* of recursion, which is not offered */ {"depth", 1}, {"depth0", 0}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(name, numbers[i].name) == 0)
			return run_keep(r, json_integer(numbers[i].value));
	if (strcmp(name, "first") == 0)
		return run_bool(at == 0);
	if (strcmp(name, "last") == 0)
		return run_bool(at == n - 1);
	if (strcmp(name, "previtem") == 0 || strcmp(name, "nextitem") == 0) {
		json_t *v = name[0] == 'n' ? json_array_get(l->items, l->at + 1)
			    : at > 0       ? json_array_get(l->items, l->at - 1)
					   : NULL;

		return v ? run_keep(r, json_incref(v)) : run_undefined(name);
	}
	return run_fail(r, "loop.%.40s is not offered", name);
}

struct value value_attribute(struct run *r, struct value of, const char *name)
{
	struct value method;
	json_t *v = NULL;

	if (of.kind == VALUE_UNDEFINED)
		return run_fail(r, "'%.60s' is undefined", of.name ? of.name : "this");
	if (of.kind == VALUE_LOOP)
		return loop_attribute(r, of.loop, name);
	if (of.kind != VALUE_JSON && of.kind != VALUE_NAMESPACE)
		return run_fail(r, "'.%.60s' of this is not offered", name);
	if (strncmp(name, "__", 2) == 0 || of.form >= LIST_VIEW)
		return run_fail(r, "'.%.60s' of this is not offered", name);
	if (find_method(of, name, &method))
		return method;
	if (json_is_object(of.json))
		v = json_object_get(of.json, name);
	return v ? run_keep(r, json_incref(v)) : run_undefined(name);
}

static struct value list_item(struct run *r, struct value of, json_int_t at)
{
	json_int_t n = (json_int_t)json_array_size(of.json);

	if (of.form >= LIST_VIEW)
		return run_fail(r, "an item of what is no plain list is not offered");
	at += at < 0 ? n : 0;
	if (at < 0 || at >= n)
		return run_undefined("item");
	return run_keep(r, json_incref(json_array_get(of.json, (size_t)at)));
}

/* The place of the at-th character; the end's if there are no more. */
static size_t place_of(struct bytes text, json_int_t at)
{
	size_t i = 0, len;

	for (; i < text.len && at > 0; i += len, at--)
		uchar_at(text.data + i, &len);
	return i;
}

static struct value text_item(struct run *r, struct bytes text, json_int_t at)
{
	json_int_t n = (json_int_t)uchar_count(text);
	size_t i, len;

	at += at < 0 ? n : 0;
	if (at < 0 || at >= n)
		return run_undefined("item");
	i = place_of(text, at);
	uchar_at(text.data + i, &len);
	return run_text(r, text.data + i, len);
}

struct value value_item(struct run *r, struct value of, struct value key)
{
	struct value method;
	json_int_t at;
	json_t *v = NULL;
	struct bytes name;

	run_step(r, 1);
	if (of.kind == VALUE_UNDEFINED)
		return run_fail(r, "'%.60s' is undefined", of.name ? of.name : "this");
	if (of.kind == VALUE_LOOP && value_is_text(key))
		return loop_attribute(r, of.loop, json_string_value(key.json));
	if (of.kind != VALUE_JSON)
		return run_fail(r, "an item of this is not offered");
	if (value_is(of, JSON_ARRAY) && value_integer(key, &at))
		return list_item(r, of, at);
	if (value_is_text(of) && value_integer(key, &at))
		return text_item(r, value_text(of), at);
	if (!value_is_text(key))
		return run_undefined("item");
	name = value_text(key);
	if (json_is_object(of.json))
		v = json_object_getn(of.json, (const char *)name.data, name.len);
	if (v)
		return run_keep(r, json_incref(v));
	if (strncmp((const char *)name.data, "__", 2) == 0)
		return run_fail(r, "['%.60s'] is not offered", (const char *)name.data);
	/* As Jinja has it: then an attribute of that name. */
	if (find_method(of, name_of(r, name.data, name.len), &method))
		return method;
	return run_undefined(name_of(r, name.data, name.len));
}

/* Python's slice.indices. */
static bool slice_part(struct run *r, struct value v, json_int_t n, json_int_t step,
	bool is_stop, json_int_t *out)
{
	bool back = step < 0;

	if (v.kind == VALUE_JSON && !json_is_null(v.json)) {
		if (!value_integer(v, out))
			return run_fail(r, "a slice's parts are integers").json != NULL;
		if (*out < 0)
			*out = *out < -n ? (back ? -1 : 0) : *out + n;
		else if (*out >= n)
			*out = back ? n - 1 : n;
		return true;
	}
	if (v.kind != VALUE_JSON && v.kind != VALUE_UNDEFINED)
		return run_fail(r, "a slice's parts are integers").json != NULL;
	*out = is_stop ? (back ? -1 : n) : (back ? n - 1 : 0);
	return true;
}

struct value value_slice(struct run *r, struct value of, const struct value part[3])
{
	json_int_t n, step = 1, start, stop;
	struct value list;
	json_t *items;

	if (of.kind == VALUE_UNDEFINED)
		return run_fail(r, "'%.60s' is undefined", of.name ? of.name : "this");
	if (!value_is_text(of) && (!value_is(of, JSON_ARRAY) || of.form == LIST_VIEW ||
					  of.form == LIST_GENERATOR))
		return run_fail(r, "only a list or a text can be sliced");
	if (part[2].kind == VALUE_JSON && !json_is_null(part[2].json) &&
		(!value_integer(part[2], &step) || step == 0))
		return run_fail(r, "a slice's step is an integer, and not 0");
	items = value_items(r, of);
	n = (json_int_t)json_array_size(items);
	if (!slice_part(r, part[0], n, step, false, &start) ||
		!slice_part(r, part[1], n, step, true, &stop))
		return run_undefined(NULL);
	list = run_list(r, of.form);
	for (json_int_t i = start; (step > 0 ? i < stop : i > stop) && !r->failed;
		i += step) {
		json_array_append(list.json, json_array_get(items, (size_t)i));
		run_step(r, 1);
		if ((step > 0 && step > n) || (step < 0 && step < -n))
			break; /* so that it does not overflow */
	}
	if (value_is_text(of)) {
		struct arguments none = {0};

		list.form = LIST_PLAIN;
		return filter_apply(r, "join", list, &none);
	}
	return list;
}

bool value_contains(struct run *r, struct value in, struct value what)
{
	struct bytes text;
	size_t i;
	json_t *one;

	if (in.kind == VALUE_UNDEFINED)
		return false;
	if (value_is_text(in)) {
		struct bytes part;

		if (!value_is_text(what))
			return run_fail(r, "only a text can be in a text").json != NULL;
		text = value_text(in);
		part = value_text(what);
		return part.len == 0 ||
		       memmem(text.data, text.len, part.data, part.len);
	}
	if (value_is(in, JSON_OBJECT) &&
		(value_is(what, JSON_ARRAY) || value_is(what, JSON_OBJECT)))
		return run_fail(r, "a list or a dict is no key").json != NULL;
	if (value_is(in, JSON_OBJECT))
		return value_is_text(what) &&
		       json_object_getn(in.json, json_string_value(what.json),
			       json_string_length(what.json)) != NULL;
	if (!value_is(in, JSON_ARRAY))
		return run_fail(r, "nothing can be in what is no list, dict or text")
			       .json != NULL;
	if (what.kind != VALUE_JSON)
		return false;
	json_array_foreach(in.json, i, one) {
		if (!run_step(r, 1) || json_same(one, what.json))
			return true;
	}
	return false;
}
