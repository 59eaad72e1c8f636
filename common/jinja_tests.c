/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/jinja_run.h"

typedef bool test_fn(struct run *r, struct value v, const struct bound *b);

#define TEST(name)                                                                     \
	static bool name(struct run *r, struct value v, const struct bound *b)
#define UNUSED (void)r, (void)b

TEST(is_defined)
{
	UNUSED;
	return v.kind != VALUE_UNDEFINED;
}

TEST(is_undefined)
{
	UNUSED;
	return v.kind == VALUE_UNDEFINED;
}

TEST(is_none)
{
	UNUSED;
	return value_is(v, JSON_NULL);
}

TEST(is_string)
{
	UNUSED;
	return value_is_text(v);
}

TEST(is_mapping)
{
	UNUSED;
	return value_is(v, JSON_OBJECT);
}

/* What is undefined can be gone through: there is nothing. */
TEST(is_iterable)
{
	UNUSED;
	return v.kind == VALUE_UNDEFINED || value_is(v, JSON_ARRAY) ||
	       value_is(v, JSON_OBJECT) || value_is_text(v);
}

TEST(is_sequence)
{
	(void)b;
	if (v.form == LIST_VIEW)
		run_fail(r, "'sequence' of what is no plain list is not offered");
	return v.kind == VALUE_UNDEFINED || value_is(v, JSON_OBJECT) ||
	       value_is_text(v) || (value_is(v, JSON_ARRAY) && v.form <= LIST_TUPLE);
}

TEST(is_number)
{
	UNUSED;
	return value_is_number(v);
}

TEST(is_integer)
{
	UNUSED;
	return value_is(v, JSON_INTEGER);
}

TEST(is_float)
{
	UNUSED;
	return value_is(v, JSON_REAL);
}

TEST(is_boolean)
{
	UNUSED;
	return v.kind == VALUE_JSON && json_is_boolean(v.json);
}

TEST(is_true)
{
	UNUSED;
	return value_is(v, JSON_TRUE);
}

TEST(is_false)
{
	UNUSED;
	return value_is(v, JSON_FALSE);
}

TEST(is_callable)
{
	UNUSED;
	return v.kind != VALUE_JSON && v.kind != VALUE_NAMESPACE;
}

static json_int_t rest_of(struct run *r, struct value v, json_int_t by)
{
	json_int_t i = 0;

	if (!value_integer(v, &i))
		run_fail(r, "a test of an integer is given something else");
	return by == -1 ? 0 : i % by; /* which would overflow */
}

TEST(is_odd)
{
	(void)b;
	return rest_of(r, v, 2) != 0;
}

TEST(is_even)
{
	(void)b;
	return rest_of(r, v, 2) == 0;
}

TEST(is_divisible)
{
	json_int_t by = 0;

	if (!b->given[0] || !value_integer(b->at[0], &by) || by == 0)
		return run_fail(r, "a divisor is missing").json != NULL;
	return rest_of(r, v, by) == 0;
}

TEST(is_equal)
{
	struct value other = b->at[0];

	if (!b->given[0])
		return run_fail(r, "what to compare with is missing").json != NULL;
	if (v.kind != VALUE_JSON || other.kind != VALUE_JSON)
		return v.kind == VALUE_UNDEFINED && other.kind == VALUE_UNDEFINED;
	return json_same(v.json, other.json);
}

TEST(is_unequal)
{
	return !is_equal(r, v, b);
}

static int order(struct run *r, struct value v, const struct bound *b)
{
	if (!b->given[0])
		run_fail(r, "what to compare with is missing");
	return r->failed ? 0 : value_compare(r, v, b->at[0]);
}

TEST(is_less)
{
	return order(r, v, b) < 0;
}

TEST(is_less_or_equal)
{
	return order(r, v, b) <= 0;
}

TEST(is_greater)
{
	return order(r, v, b) > 0;
}

TEST(is_greater_or_equal)
{
	return order(r, v, b) >= 0;
}

TEST(is_in)
{
	if (!b->given[0])
		return run_fail(r, "what it is in is missing").json != NULL;
	return value_contains(r, b->at[0], v);
}

static const struct {
	const char *name;
	test_fn *apply;
	bool other; /* takes one argument */
} tests[] = {
	{"defined", is_defined, false},
	{"undefined", is_undefined, false},
	{"none", is_none, false},
	{"string", is_string, false},
	{"mapping", is_mapping, false},
	{"iterable", is_iterable, false},
	{"sequence", is_sequence, false},
	{"number", is_number, false},
	{"integer", is_integer, false},
	{"float", is_float, false},
	{"boolean", is_boolean, false},
	{"true", is_true, false},
	{"false", is_false, false},
	{"callable", is_callable, false},
	{"odd", is_odd, false},
	{"even", is_even, false},
	{"divisibleby", is_divisible, true},
	{"eq", is_equal, true},
	{"equalto", is_equal, true},
	{"==", is_equal, true},
	{"ne", is_unequal, true},
	{"!=", is_unequal, true},
	{"lt", is_less, true},
	{"lessthan", is_less, true},
	{"<", is_less, true},
	{"le", is_less_or_equal, true},
	{"<=", is_less_or_equal, true},
	{"gt", is_greater, true},
	{"greaterthan", is_greater, true},
	{">", is_greater, true},
	{"ge", is_greater_or_equal, true},
	{">=", is_greater_or_equal, true},
	{"in", is_in, true},
};

bool test_apply(
	struct run *r, const char *name, struct value v, const struct arguments *given)
{
	static const char *const none[] = {NULL}, *const one[] = {"other", NULL};
	struct bound b;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(name, tests[i].name) == 0)
			return arguments_bind(r, name, given,
				       tests[i].other ? one : none, &b) &&
			       tests[i].apply(r, v, &b);
	return run_fail(r, "a test '%.60s' is not offered", name).json != NULL;
}
