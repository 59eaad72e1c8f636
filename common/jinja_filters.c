/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/jinja_run.h"
#include "common/limits.h"

typedef struct value filter_fn(struct run *r, struct value v, const struct bound *b);

static struct value as_text(struct run *r, struct value v)
{
	if (v.kind == VALUE_UNDEFINED)
		return run_text(r, "", 0);
	return value_string(r, v);
}

/* -- Numbers and texts -- */

static struct value filter_abs(struct run *r, struct value v, const struct bound *b)
{
	json_int_t i;

	(void)b;
	if (value_integer(v, &i) && i != INT64_MIN)
		return run_keep(r, json_integer(i < 0 ? -i : i));
	if (value_is(v, JSON_REAL))
		return run_keep(r,
			json_real(value_real(v) < 0 ? -value_real(v) : value_real(v)));
	return run_fail(r, "'abs' of what is no number");
}

/* A text as Python's int() reads it, with the fallback where it does not. */
static struct value filter_int(struct run *r, struct value v, const struct bound *b)
{
	struct value fallback = b->given[0] ? b->at[0] : run_keep(r, json_integer(0));
	struct bytes text;
	json_int_t i = 0;
	size_t at = 0;

	if (v.kind == VALUE_UNDEFINED)
		return run_fail(r, "'%.60s' is undefined", v.name ? v.name : "this");
	if (value_integer(v, &i))
		return run_keep(r, json_integer(i));
	if (value_is(v, JSON_REAL)) {
		double real = value_real(v);

		return real > -9e18 && real < 9e18
			       ? run_keep(r, json_integer((json_int_t)real))
			       : run_fail(r, "a number is too large");
	}
	if (!value_is_text(v))
		return fallback;
	text = text_strip(value_text(v), NULL, STRIP_BOTH);
	at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
	if (at == text.len || text.len > 18)
		return text.len > 18 ? run_fail(r, "such a number is not offered")
				     : fallback;
	for (; at < text.len; at++) {
		if (text.data[at] < '0' || text.data[at] > '9')
			return memchr("._eExX", text.data[at], 6) ||
					       text.data[at] >= 0x80
				       ? run_fail(r, "such a number is not offered")
				       : fallback;
		i = 10 * i + (text.data[at] - '0');
	}
	return run_keep(r, json_integer(text.data[0] == '-' ? -i : i));
}

static struct value filter_float(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	if (value_is_number(v))
		return run_keep(r, json_real(value_real(v)));
	return run_fail(r, "'float' of what is no number is not offered");
}

static struct value filter_string(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return as_text(r, v);
}

static struct value to_case(struct run *r, struct value v, enum text_case to)
{
	return text_to_case(r, value_text(as_text(r, v)), to);
}

static struct value filter_upper(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return to_case(r, v, CASE_UPPER);
}

static struct value filter_lower(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return to_case(r, v, CASE_LOWER);
}

static struct value filter_capitalize(
	struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return to_case(r, v, CASE_CAPITALIZE);
}

static struct value filter_trim(struct run *r, struct value v, const struct bound *b)
{
	struct bytes text = value_text(as_text(r, v)), chars = {0};
	bool has_chars = b->given[0] && !value_is(b->at[0], JSON_NULL);

	if (has_chars)
		chars.data =
			(const unsigned char *)bound_text(r, b, 0, &chars.len, NULL);
	text = text_strip(text, has_chars ? &chars : NULL, STRIP_BOTH);
	return run_text(r, text.data, text.len);
}

static struct value filter_replace(struct run *r, struct value v, const struct bound *b)
{
	struct bytes what, with;
	json_int_t count = -1;

	what.data = (const unsigned char *)bound_text(r, b, 0, &what.len, NULL);
	with.data = (const unsigned char *)bound_text(r, b, 1, &with.len, NULL);
	if (b->given[2] && !value_is(b->at[2], JSON_NULL))
		bound_integer(r, b, 2, &count);
	return r->failed
		       ? v
		       : text_replace(r, value_text(as_text(r, v)), what, with, count);
}

/* indent: a number of blanks, or a text; NULL and false for none. */
static bool read_indent(struct run *r, struct value v, struct buf *room)
{
	json_int_t n;

	if (v.kind != VALUE_JSON || json_is_null(v.json))
		return false;
	if (value_integer(v, &n))
		buf_add_fill(room, ' ', n > 0 && n < 64 ? (size_t)n : 0);
	else if (value_is_text(v))
		buf_add(room, value_text(v).data, value_text(v).len);
	else
		run_fail(r, "an indent is a number or a text");
	return true;
}

static struct value filter_tojson(struct run *r, struct value v, const struct bound *b)
{
	struct json_style style = {.ensure_ascii = bound_bool(b, 0, false),
		.sort_keys = bound_bool(b, 3, false)};
	struct buf text, indent;
	struct value out;

	if (v.kind != VALUE_JSON || v.form >= LIST_VIEW)
		return run_fail(r, "'tojson' of what is undefined, or no plain value");
	buf_init(&text, LIMIT_RENDERED);
	buf_init(&indent, 64);
	if (read_indent(r, b->at[1], &indent))
		style.indent = buf_text(&indent);
	style.item = style.indent ? "," : ", ";
	style.key = ": ";
	if (b->given[2] && !value_is(b->at[2], JSON_NULL)) {
		const json_t *list = b->at[2].kind == VALUE_JSON ? b->at[2].json : NULL;

		style.item = json_string_value(json_array_get(list, 0));
		style.key = json_string_value(json_array_get(list, 1));
		if (json_array_size(list) != 2 || !style.item || !style.key)
			run_fail(r, "separators are two texts");
	}
	if (!r->failed)
		json_print(v.json, &style, &text);
	if (text.over)
		run_fail(r, "the text is longer than %zu MiB", text.max >> 20);
	run_step(r, text.len / 16);
	out = run_text(r, text.data, text.len);
	buf_release(&text);
	buf_release(&indent);
	return out;
}

/* -- Lists and dicts -- */

static struct value filter_length(struct run *r, struct value v, const struct bound *b)
{
	size_t n;

	(void)b;
	value_length(r, v, &n);
	return run_keep(r, json_integer((json_int_t)n));
}

static struct value filter_default(struct run *r, struct value v, const struct bound *b)
{
	bool also_false = bound_bool(b, 1, false);

	if (v.kind != VALUE_UNDEFINED && !(also_false && !value_is_true(v)))
		return v;
	return b->given[0] ? b->at[0] : run_text(r, "", 0);
}

static struct value filter_first(struct run *r, struct value v, const struct bound *b)
{
	json_t *one = json_array_get(value_items(r, v), 0);

	(void)b;
	return one ? run_keep(r, json_incref(one)) : run_undefined("first");
}

static struct value filter_last(struct run *r, struct value v, const struct bound *b)
{
	json_t *items = value_items(r, v);
	size_t n = json_array_size(items);

	(void)b;
	if (v.form == LIST_GENERATOR)
		return run_fail(r, "'last' of what can only be gone through");
	return n ? run_keep(r, json_incref(json_array_get(items, n - 1)))
		 : run_undefined("last");
}

static struct value filter_list(struct run *r, struct value v, const struct bound *b)
{
	struct value out = run_list(r, LIST_PLAIN);

	(void)b;
	json_array_extend(out.json, value_items(r, v));
	run_step(r, json_array_size(out.json));
	return out;
}

static struct value filter_items(struct run *r, struct value v, const struct bound *b)
{
	struct value out = run_list(r, LIST_GENERATOR);
	const char *key;
	json_t *one;
	size_t len;

	(void)b;
	if (v.kind == VALUE_UNDEFINED)
		return out;
	if (!value_is(v, JSON_OBJECT))
		return run_fail(r, "'items' of what is no dict");
	json_object_keylen_foreach(v.json, key, len, one)
	{
		struct value pair = run_list(r, LIST_TUPLE);

		run_append(r, pair, run_text(r, key, len));
		json_array_append(pair.json, one);
		run_append(r, out, pair);
	}
	return out;
}

static struct value filter_reverse(struct run *r, struct value v, const struct bound *b)
{
	json_t *items = value_items(r, v);
	struct value out = run_list(r, value_is_text(v) ? LIST_PLAIN : LIST_GENERATOR);

	(void)b;
	for (size_t i = json_array_size(items); i-- > 0 && run_step(r, 1);)
		json_array_append(out.json, json_array_get(items, i));
	if (value_is_text(v)) {
		struct arguments none = {0};

		return filter_apply(r, "join", out, &none);
	}
	return out;
}

/* An attribute's path: "function.name", or a number. */
static struct value walk(struct run *r, struct value v, const char *path)
{
	while (*path && !r->failed) {
		size_t len = strcspn(path, ".");
		struct value key = run_text(r, path, len);
		const char *text = json_string_value(key.json);

		if (len > 0 && strspn(text, "0123456789") == len)
			key = run_keep(r, json_integer(strtoll(text, NULL, 10)));
		v = v.kind == VALUE_UNDEFINED ? v : value_item(r, v, key);
		path += len + (path[len] == '.');
	}
	return v;
}

static struct value filter_join(struct run *r, struct value v, const struct bound *b)
{
	json_t *items = value_items(r, v), *one;
	size_t i, len, path_len;
	const char *by = bound_text(r, b, 0, &len, "");
	const char *path = bound_text(r, b, 1, &path_len, "");
	struct value out;
	struct buf text;

	buf_init(&text, LIMIT_RENDERED);
	json_array_foreach(items, i, one) {
		if (i)
			buf_add(&text, by, len);
		value_print(r, walk(r, run_keep(r, json_incref(one)), path), &text);
		if (r->failed)
			break;
	}
	out = run_text(r, text.data, text.len);
	buf_release(&text);
	return out;
}

static const struct {
	const char *name;
	filter_fn *apply;
	const char *params[5];
} filters[] = {
	{"abs", filter_abs, {NULL}},
	{"capitalize", filter_capitalize, {NULL}},
	{"count", filter_length, {NULL}},
	{"d", filter_default, {"default_value", "boolean", NULL}},
	{"default", filter_default, {"default_value", "boolean", NULL}},
	{"first", filter_first, {NULL}},
	{"float", filter_float, {NULL}},
	{"int", filter_int, {"default", NULL}},
	{"items", filter_items, {NULL}},
	{"join", filter_join, {"d", "attribute", NULL}},
	{"last", filter_last, {NULL}},
	{"length", filter_length, {NULL}},
	{"list", filter_list, {NULL}},
	{"lower", filter_lower, {NULL}},
	{"replace", filter_replace, {"old", "new", "count", NULL}},
	{"reverse", filter_reverse, {NULL}},
	{"safe", filter_string, {NULL}},
	{"string", filter_string, {NULL}},
	{"tojson", filter_tojson,
		{"ensure_ascii", "indent", "separators", "sort_keys", NULL}},
	{"trim", filter_trim, {"chars", NULL}},
	{"upper", filter_upper, {NULL}},
};

/* -- map, select, reject, selectattr, rejectattr -- */

/* The arguments behind the first `n`, for the filter or test that they are for. */
static struct arguments behind(const struct arguments *given, size_t n)
{
	struct arguments out = {0};

	for (size_t i = n; i < given->n; i++) {
		out.at[out.n] = given->at[i];
		out.name[out.n++] = given->name[i];
	}
	return out;
}

/* The argument's text, which is a name or a path; NULL with an error. */
static const char *text_at(struct run *r, const struct arguments *given, size_t i)
{
	if (i < given->n && !given->name[i] && value_is_text(given->at[i]))
		return json_string_value(given->at[i].json);
	run_fail(r, "an argument must be a text");
	return NULL;
}

static struct value map_attribute(
	struct run *r, struct value v, const struct arguments *given)
{
	static const char *const names[] = {"attribute", "default", NULL};
	struct bound b;
	size_t len;
	struct value out;

	if (!arguments_bind(r, "map", given, names, &b))
		return v;
	out = walk(r, v, bound_text(r, &b, 0, &len, NULL));
	if (out.kind == VALUE_UNDEFINED && b.given[1])
		return b.at[1];
	return out;
}

static struct value filter_map(
	struct run *r, struct value v, const struct arguments *given)
{
	bool by_attribute = given->n > 0 && given->name[0];
	const char *name = by_attribute ? NULL : text_at(r, given, 0);
	struct arguments rest = behind(given, 1);
	struct value out = run_list(r, LIST_GENERATOR);
	json_t *items = value_items(r, v), *one;
	size_t i;

	json_array_foreach(items, i, one) {
		struct value element = run_keep(r, json_incref(one));

		if (r->failed)
			break;
		run_append(r, out,
			by_attribute ? map_attribute(r, element, given)
				     : filter_apply(r, name, element, &rest));
	}
	return out;
}

/* Of elements, or of what an attribute of theirs is; without a test: what is true. */
static struct value filter_select(struct run *r, struct value v,
	const struct arguments *given, bool of_attribute, bool wanted)
{
	const char *path = of_attribute ? text_at(r, given, 0) : "";
	size_t at = of_attribute;
	const char *test = given->n > at ? text_at(r, given, at) : NULL;
	struct arguments rest = behind(given, at + 1);
	struct value out = run_list(r, LIST_GENERATOR);
	json_t *items = value_items(r, v), *one;
	size_t i;

	json_array_foreach(items, i, one) {
		struct value element = run_keep(r, json_incref(one));
		bool is;

		if (r->failed)
			break;
		element = walk(r, element, path);
		is = test ? test_apply(r, test, element, &rest)
			  : value_is_true(element);
		if (!r->failed && is == wanted)
			json_array_append(out.json, one);
	}
	return out;
}

struct value filter_apply(
	struct run *r, const char *name, struct value v, const struct arguments *given)
{
	struct bound b;

	if (r->failed || !run_step(r, 1))
		return v;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (strcmp(name, filters[i].name) == 0)
			return arguments_bind(r, name, given, filters[i].params, &b)
				       ? filters[i].apply(r, v, &b)
				       : v;
	if (strcmp(name, "map") == 0)
		return filter_map(r, v, given);
	if (strcmp(name, "select") == 0 || strcmp(name, "reject") == 0)
		return filter_select(r, v, given, false, name[0] == 's');
	if (strcmp(name, "selectattr") == 0 || strcmp(name, "rejectattr") == 0)
		return filter_select(r, v, given, true, name[0] == 's');
	return run_fail(r, "a filter '%.60s' is not offered", name);
}
