/* SPDX-License-Identifier: Apache-2.0 */
/* What Python's texts, dicts and lists have behind a dot, and Jinja's functions. */
#include <string.h>

#include "common/jinja_run.h"
#include "common/uchar.h"

/* -- Which there are: ".items" of a dict is the method, whatever its keys are -- */

static const char text_names[] =
	" capitalize casefold center count encode endswith expandtabs find format "
	"format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower "
	"isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans "
	"partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit "
	"rstrip split splitlines startswith strip swapcase title translate upper zfill ";
static const char dict_names[] = " copy fromkeys get items keys values ";
static const char dict_hidden[] = " clear pop popitem setdefault update ";
static const char list_names[] = " clear copy count index pop ";
static const char list_hidden[] = " append extend insert remove reverse sort ";
static const char number_names[] =
	" as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex "
	"hex imag is_integer numerator real to_bytes ";

static bool is_among(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(names, name); at && len > 0;
		at = strstr(at + 1, name))
		if (at[-1] == ' ' && at[len] == ' ')
			return true;
	return false;
}

bool method_is(const json_t *of, const char *name, bool *forbidden)
{
	*forbidden = false;
	if (json_is_string(of))
		return is_among(text_names, name);
	if (json_is_object(of)) {
		*forbidden = is_among(dict_hidden, name);
		return *forbidden || is_among(dict_names, name);
	}
	if (json_is_array(of)) {
		*forbidden = is_among(list_hidden, name);
		return *forbidden || is_among(list_names, name);
	}
	return json_is_number(of) && is_among(number_names, name);
}

/* -- Texts -- */

typedef struct value method_fn(struct run *r, struct value v, const struct bound *b);

static struct bytes bytes_at(struct run *r, const struct bound *b, size_t i)
{
	struct bytes out;

	out.data = (const unsigned char *)bound_text(r, b, i, &out.len, NULL);
	return out;
}

static bool is_given(const struct bound *b, size_t i)
{
	return b->given[i] && !value_is(b->at[i], JSON_NULL);
}

static struct value strip(
	struct run *r, struct value v, const struct bound *b, int sides)
{
	struct bytes chars = {0}, text;

	if (is_given(b, 0))
		chars = bytes_at(r, b, 0);
	text = text_strip(value_text(v), is_given(b, 0) ? &chars : NULL, sides);
	return run_text(r, text.data, text.len);
}

static struct value text_strip_both(
	struct run *r, struct value v, const struct bound *b)
{
	return strip(r, v, b, STRIP_BOTH);
}

static struct value text_lstrip(struct run *r, struct value v, const struct bound *b)
{
	return strip(r, v, b, STRIP_LEFT);
}

static struct value text_rstrip(struct run *r, struct value v, const struct bound *b)
{
	return strip(r, v, b, STRIP_RIGHT);
}

static struct value text_parts(struct run *r, struct value v, const struct bound *b)
{
	struct bytes by = {0};
	json_int_t most = -1;

	if (is_given(b, 0))
		by = bytes_at(r, b, 0);
	bound_integer(r, b, 1, &most);
	return text_split(r, value_text(v), is_given(b, 0) ? &by : NULL, most);
}

static bool begins(struct bytes text, struct bytes with, bool at_end)
{
	const unsigned char *at =
		text.data + (at_end && text.len >= with.len ? text.len - with.len : 0);

	return text.len >= with.len &&
	       (with.len == 0 || memcmp(at, with.data, with.len) == 0);
}

/* With one text, or with any of several. */
static struct value has_end(
	struct run *r, struct value v, const struct bound *b, bool at_end)
{
	const json_t *one;
	size_t i;

	if (!b->given[0] || !value_is(b->at[0], JSON_ARRAY))
		return run_bool(begins(value_text(v), bytes_at(r, b, 0), at_end));
	if (b->at[0].form != LIST_TUPLE)
		return run_fail(r, "several texts must be a tuple");
	json_array_foreach(b->at[0].json, i, one) {
		if (!json_is_string(one))
			return run_fail(r, "an argument must be a text");
		if (begins(value_text(v),
			    bytes_of(json_string_value(one), json_string_length(one)),
			    at_end))
			return run_bool(true);
	}
	return run_bool(false);
}

static struct value text_startswith(
	struct run *r, struct value v, const struct bound *b)
{
	return has_end(r, v, b, false);
}

static struct value text_endswith(struct run *r, struct value v, const struct bound *b)
{
	return has_end(r, v, b, true);
}

static struct value without(
	struct run *r, struct value v, const struct bound *b, bool end)
{
	struct bytes text = value_text(v), part = bytes_at(r, b, 0);

	if (begins(text, part, end))
		text = bytes_of(text.data + (end ? 0 : part.len), text.len - part.len);
	return run_text(r, text.data, text.len);
}

static struct value text_removeprefix(
	struct run *r, struct value v, const struct bound *b)
{
	return without(r, v, b, false);
}

static struct value text_removesuffix(
	struct run *r, struct value v, const struct bound *b)
{
	return without(r, v, b, true);
}

static struct value text_replaced(struct run *r, struct value v, const struct bound *b)
{
	struct bytes what = bytes_at(r, b, 0), with = bytes_at(r, b, 1);
	json_int_t count = -1;

	bound_integer(r, b, 2, &count);
	return r->failed ? v : text_replace(r, value_text(v), what, with, count);
}

static struct value text_upper(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return text_to_case(r, value_text(v), CASE_UPPER);
}

static struct value text_lower(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return text_to_case(r, value_text(v), CASE_LOWER);
}

static struct value text_title(struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return text_to_case(r, value_text(v), CASE_TITLE);
}

static struct value text_capitalize(
	struct run *r, struct value v, const struct bound *b)
{
	(void)b;
	return text_to_case(r, value_text(v), CASE_CAPITALIZE);
}

/* In characters, from the left. */
static struct value text_find(struct run *r, struct value v, const struct bound *b)
{
	struct bytes text = value_text(v), part = bytes_at(r, b, 0);
	const unsigned char *at =
		part.len ? memmem(text.data, text.len, part.data, part.len) : text.data;

	return run_keep(r, json_integer(at ? (json_int_t)uchar_count(bytes_of(text.data,
						     (size_t)(at - text.data)))
					   : -1));
}

static struct value text_count(struct run *r, struct value v, const struct bound *b)
{
	struct bytes text = value_text(v), part = bytes_at(r, b, 0);
	json_int_t n = 0;

	if (part.len == 0)
		return run_fail(r, "'count' of an empty text is not offered");
	for (;; n++) {
		const unsigned char *at =
			memmem(text.data, text.len, part.data, part.len);

		if (!at || !run_step(r, 1))
			return run_keep(r, json_integer(n));
		text.len -= (size_t)(at - text.data) + part.len;
		text.data = at + part.len;
	}
}

/* Of ASCII; what else Unicode takes for a digit is an error. */
static struct value text_isdigit(struct run *r, struct value v, const struct bound *b)
{
	struct bytes text = value_text(v);
	bool all = text.len > 0;

	(void)b;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] >= 0x80)
			return run_fail(r, "'isdigit' of other signs is not offered");
		all = all && text.data[i] >= '0' && text.data[i] <= '9';
	}
	return run_bool(all);
}

static struct value text_join(struct run *r, struct value v, const struct bound *b)
{
	struct arguments by = {.at = {v}, .n = 1};
	json_t *items = b->given[0] ? value_items(r, b->at[0]) : NULL, *one;
	size_t i;

	json_array_foreach(items, i, one)
		if (!json_is_string(one))
			return run_fail(r, "'join' is for texts");
	if (!items)
		return run_fail(r, "'join' needs a list");
	return filter_apply(r, "join", b->at[0], &by);
}

/* -- Dicts and lists -- */

static struct value dict_get(struct run *r, struct value v, const struct bound *b)
{
	json_t *found;

	if (!b->given[0] || b->at[0].kind != VALUE_JSON ||
		json_is_array(b->at[0].json) || json_is_object(b->at[0].json))
		return run_fail(r, "'get' needs a key");
	found = value_is_text(b->at[0])
			? json_object_getn(v.json, json_string_value(b->at[0].json),
				  json_string_length(b->at[0].json))
			: NULL;
	if (found)
		return run_keep(r, json_incref(found));
	return b->given[1] ? b->at[1]
			   : (struct value){.kind = VALUE_JSON, .json = json_null()};
}

static struct value dict_items(struct run *r, struct value v, const struct bound *b)
{
	struct arguments none = {0};
	struct value out = filter_apply(r, "items", v, &none);

	(void)b;
	out.form = LIST_VIEW;
	return out;
}

static struct value dict_keys(struct run *r, struct value v, const struct bound *b)
{
	struct value out = run_list(r, LIST_VIEW);

	(void)b;
	json_array_extend(out.json, value_items(r, v));
	return out;
}

static struct value dict_values(struct run *r, struct value v, const struct bound *b)
{
	struct value out = run_list(r, LIST_VIEW);
	const char *key;
	json_t *one;

	(void)b;
	json_object_foreach(v.json, key, one)
		json_array_append(out.json, one);
	run_step(r, json_array_size(out.json));
	return out;
}

#define NONE                                                                           \
	{                                                                              \
		NULL                                                                   \
	}

static const struct {
	json_type of;
	const char *name;
	method_fn *call;
	const char *params[4];
} methods[] = {
	{JSON_STRING, "strip", text_strip_both, {"", NULL}},
	{JSON_STRING, "lstrip", text_lstrip, {"", NULL}},
	{JSON_STRING, "rstrip", text_rstrip, {"", NULL}},
	{JSON_STRING, "split", text_parts, {"sep", "maxsplit", NULL}},
	{JSON_STRING, "startswith", text_startswith, {"", NULL}},
	{JSON_STRING, "endswith", text_endswith, {"", NULL}},
	{JSON_STRING, "removeprefix", text_removeprefix, {"", NULL}},
	{JSON_STRING, "removesuffix", text_removesuffix, {"", NULL}},
	{JSON_STRING, "replace", text_replaced, {"", "", "", NULL}},
	{JSON_STRING, "upper", text_upper, NONE},
	{JSON_STRING, "lower", text_lower, NONE},
	{JSON_STRING, "title", text_title, NONE},
	{JSON_STRING, "capitalize", text_capitalize, NONE},
	{JSON_STRING, "find", text_find, {"", NULL}},
	{JSON_STRING, "count", text_count, {"", NULL}},
	{JSON_STRING, "isdigit", text_isdigit, NONE},
	{JSON_STRING, "join", text_join, {"", NULL}},
	{JSON_OBJECT, "get", dict_get, {"", "", NULL}},
	{JSON_OBJECT, "items", dict_items, NONE},
	{JSON_OBJECT, "keys", dict_keys, NONE},
	{JSON_OBJECT, "values", dict_values, NONE},
};

struct value method_call(
	struct run *r, struct value method, const struct arguments *given)
{
	struct value of = {.kind = VALUE_JSON, .json = method.json};
	struct bound b;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (json_typeof(of.json) == methods[i].of &&
			strcmp(method.name, methods[i].name) == 0)
			return arguments_bind(
				       r, method.name, given, methods[i].params, &b)
				       ? methods[i].call(r, of, &b)
				       : of;
	return run_fail(r, "a method '%.60s' is not offered", method.name);
}

/* -- Functions -- */

static const char functions[] = " range dict namespace raise_exception strftime_now "
				"lipsum cycler joiner ";

bool function_is(const char *name)
{
	return is_among(functions, name);
}

static struct value make_range(struct run *r, const struct arguments *given)
{
	static const char *const names[] = {"", "", "", NULL};
	json_int_t start = 0, stop = 0, step = 1;
	struct value out = run_list(r, LIST_VIEW);
	struct bound b;

	if (!arguments_bind(r, "range", given, names, &b) ||
		!bound_integer(r, &b, 0, &start) || !bound_integer(r, &b, 1, &stop) ||
		!bound_integer(r, &b, 2, &step))
		return out;
	if (!b.given[0] || step == 0)
		return run_fail(r, "'range' needs integers, and a step that is not 0");
	if (!b.given[1]) {
		stop = start;
		start = 0;
	}
	if (start < -1000000000 || start > 1000000000 || stop < -1000000000 ||
		stop > 1000000000 || step < -1000000000 || step > 1000000000)
		return run_fail(r, "a number is too large");
	for (json_int_t i = start; (step > 0 ? i < stop : i > stop) && !r->failed;
		i += step)
		run_append(r, out, run_keep(r, json_integer(i)));
	return out;
}

/* name=value, ...; or, for both, one dict before them. */
static struct value make_dict(
	struct run *r, const char *name, const struct arguments *given)
{
	struct value out = run_keep(r, json_object());

	for (size_t i = 0; i < given->n && !r->failed; i++) {
		struct value v = given->at[i];

		if (!given->name[i] && i == 0 && value_is(v, JSON_OBJECT))
			json_object_update(out.json, v.json);
		else if (!given->name[i] || !run_is_plain(v))
			return run_fail(r,
				"'%s' is given what it does not take, or what is "
				"undefined",
				name);
		else
			json_object_set(out.json, given->name[i], v.json);
	}
	if (name[0] == 'n')
		out.kind = VALUE_NAMESPACE;
	return out;
}

struct value function_call(
	struct run *r, const char *name, const struct arguments *given)
{
	if (strcmp(name, "range") == 0)
		return make_range(r, given);
	if (strcmp(name, "dict") == 0 || strcmp(name, "namespace") == 0)
		return make_dict(r, name, given);
	if (strcmp(name, "raise_exception") == 0)
		return run_fail(r, "the template refuses: %.200s",
			given->n > 0 && value_is_text(given->at[0])
				? json_string_value(given->at[0].json)
				: "");
	if (strcmp(name, "strftime_now") == 0)
		return run_fail(r, "strftime_now: the day on which the server rendered "
				   "is not known");
	return run_fail(r, "a function '%.60s' is not offered", name);
}
