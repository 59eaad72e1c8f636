/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "common/text.h"
#include "store/jmember.h"
#include "store/jwrite.h"

static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_init(&out, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_release(&out);
	return 0;
}

static const char *f32(float v)
{
	buf_clear(&out);
	jwrite_f32(&out, v);
	return buf_text(&out);
}

static void jwrite__gives_floats_their_shortest_text(void **state)
{
	static const struct {
		float v;
		const char *want;
	} cases[] = {{0, "0"}, {-0.0f, "-0.0"}, {1, "1"}, {-1, "-1"}, {0.1f, "0.1"},
		{-0.7f, "-0.7"}, {0.5f, "0.5"}, {100, "100"}, {1e8f, "100000000"},
		{16777216, "16777216"}, {0.001f, "0.001"}, {1e-7f, "0.0000001"},
		{1e-8f, "1e-08"}, {3.4028235e38f, "3.4028235e+38"},
		{1e-45f, "1.4013e-45"}, {123456.7f, "123456.7"}, {9999999, "9999999"},
		{0.33333334f, "0.33333334"}, {NAN, "null"}, {INFINITY, "null"},
		{-INFINITY, "null"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(f32(cases[i].v), cases[i].want);
}

/* Significant digits of a number's text. */
static int digits(const char *text)
{
	int n = 0, zeros = 0;
	bool begun = false, fraction = false;

	for (; *text && *text != 'e'; text++) {
		fraction |= *text == '.';
		if (*text < '0' || *text > '9')
			continue;
		begun |= *text != '0';
		n += begun;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return fraction ? n : n - zeros;
}

static void jwrite__gives_back_the_same_float(void **state)
{
	struct chance chance = {6};

	(void)state;
	for (int i = 0; i < 300000; i++) {
		uint32_t bits = (uint32_t)chance_next(&chance);
		float v;
		const char *text;

		memcpy(&v, &bits, sizeof(v));
		if (i % 2)
			v = -(float)chance_below(&chance, 1 << 24) / (1 << 20);
		if (!isfinite(v))
			continue;
		text = f32(v);
		assert_true(strtof(text, NULL) == v);
		/* No shorter one would do; a whole number stays whole. */
		if (i % 16 == 0 && v != floorf(v)) {
			char shorter[32];
			int n = digits(text);

			snprintf(shorter, sizeof(shorter), "%.*g", n - 1, (double)v);
			if (n > 6 && strtof(shorter, NULL) == v)
				fail_msg("%s: %s would do", text, shorter);
		}
	}
}

static void jwrite__writes_integers_and_money(void **state)
{
	(void)state;
	buf_clear(&out);
	jwrite_u64(&out, UINT64_MAX);
	buf_add_byte(&out, ' ');
	jwrite_i64(&out, INT64_MIN);
	buf_add_byte(&out, ' ');
	jwrite_u64(&out, 0);
	buf_add_byte(&out, ' ');
	jwrite_nano(&out, 1500000000);
	buf_add_byte(&out, ' ');
	jwrite_nano(&out, 1);
	buf_add_byte(&out, ' ');
	jwrite_nano(&out, -2000000000);
	buf_add_byte(&out, ' ');
	jwrite_nano(&out, 0);
	assert_string_equal(buf_text(&out),
		"18446744073709551615 -9223372036854775808 0 1.5 0.000000001 -2 0");
}

static void jwrite__escapes_text(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} cases[] = {{"", 0, "\"\""},
		{"plain text, long enough", 23, "\"plain text, long enough\""},
		{"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
		{"\b\t\n\v\f\r\x01\x1f\x7f", 9,
			"\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f\""},
		{"\0", 1, "\"\\u0000\""},
		{"caf\xc3\xa9\xf0\x9f\x99\x82", 9, "\"caf\xc3\xa9\xf0\x9f\x99\x82\""},
		{"a\xff"
		 "b\xc3",
			4,
			"\"a\xef\xbf\xbd"
			"b\xef\xbf\xbd\""},
		{"1234567\"9012345\n", 16, "\"1234567\\\"9012345\\n\""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		jwrite_text(&out, bytes_of(cases[i].text, cases[i].len));
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

static void jwrite__always_writes_json(void **state)
{
	struct chance chance = {7};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned char text[40];
		size_t len = chance_below(&chance, sizeof(text));

		for (size_t k = 0; k < len; k++)
			text[k] =
				(unsigned char)(chance_below(&chance, 3)
							? chance_next(&chance)
							: chance_below(&chance, 0x30));
		buf_clear(&out);
		jwrite_text(&out, bytes_of(text, len));
		assert_true(jmember_is_whole(buf_bytes(&out)));
		assert_int_equal(utf8_valid_prefix(out.data, out.len), out.len);
	}
}

static void jwrite__makes_json_readable(void **state)
{
	static const char json[] =
		"{\"a\":[1,2,[]],\"b\":{},\"c\":[ {\"d\":\"},[\\\"\"} , {}],\n\"e\":[\"x\",null]}";

	(void)state;
	buf_clear(&out);
	jwrite_pretty(&out, bytes_of(json, strlen(json)));
	assert_string_equal(buf_text(&out),
		"{\n  \"a\": [1, 2, []],\n  \"b\": {},\n"
		"  \"c\": [\n    {\n      \"d\": \"},[\\\"\"\n    },\n"
		"    {}\n  ],\n  \"e\": [\"x\", null]\n}");
	buf_clear(&out);
	jwrite_json(&out, bytes_of("[1,\r\n2]", 7));
	assert_string_equal(buf_text(&out), "[1,  2]");
}

static bool find(const char *json, const char *name, struct bytes *v)
{
	return jmember_find(
		bytes_of(json, strlen(json)), bytes_of(name, strlen(name)), v);
}

static void jmember__finds_what_a_reader_would(void **state)
{
	struct bytes v;

	(void)state;
	assert_true(find("{\"a\":1,\"b\":[2,{\"a\":3}]}", "b", &v));
	assert_bytes_equal(v, "[2,{\"a\":3}]");
	assert_true(find(" { \"a\" : 1 , \"a\" : \"last\" } ", "a", &v));
	assert_bytes_equal(v, "\"last\"");
	assert_true(find("{\"\\u0061\\n\":true}", "a\n", &v));
	assert_bytes_equal(v, "true");
	assert_true(find("{\"\":1}", "", &v));
	assert_false(find("{\"a\":1}", "b", &v));
	assert_false(find("{}", "a", &v));
	assert_false(find("[\"a\"]", "a", &v));
	assert_false(find("", "a", &v));
	assert_false(find("{\"a\":1", "a", &v));
	assert_false(find("{\"a\":}", "a", &v));
	assert_false(find("{\"a\" 1}", "a", &v));
}

static void jmember__knows_one_whole_value(void **state)
{
	static const struct {
		const char *json;
		bool want;
	} cases[] = {{"{}", true}, {" [1, 2] ", true}, {"\"x\"", true}, {"null", true},
		{"", false}, {" ", false}, {"{} {}", false}, {"[1", false},
		{"[1]x", false}, {"{\"a\":1,}", false}, {"\"\n\"", false},
		{"nul", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (jmember_is_whole(bytes_of(cases[i].json, strlen(cases[i].json))) !=
			cases[i].want)
			fail_msg("%s: want %d", cases[i].json, cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jwrite__gives_floats_their_shortest_text),
		cmocka_unit_test(jwrite__gives_back_the_same_float),
		cmocka_unit_test(jwrite__writes_integers_and_money),
		cmocka_unit_test(jwrite__escapes_text),
		cmocka_unit_test(jwrite__always_writes_json),
		cmocka_unit_test(jwrite__makes_json_readable),
		cmocka_unit_test(jmember__finds_what_a_reader_would),
		cmocka_unit_test(jmember__knows_one_whole_value),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
