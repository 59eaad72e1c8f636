/* SPDX-License-Identifier: Apache-2.0 */
/* jscan against jansson: the same verdict and the same values, however the
 * document is cut into pieces. */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "common/jscan.h"
#include "common/limits.h"

static void write_event(const struct jscan *s, enum jscan_event event,
	const struct buf *sink, struct buf *out)
{
	if (event == JSCAN_KEY)
		buf_printf(out, "K%.*s:", (int)s->text.len, (const char *)s->text.data);
	else if (event == JSCAN_STRING)
		buf_printf(out, "S%.*s;", (int)sink->len, (const char *)sink->data);
	else if (event == JSCAN_NUMBER && s->number.is_integer)
		buf_printf(out, "I%lld;", (long long)s->number.integer);
	else if (event == JSCAN_NUMBER)
		buf_printf(out, "N%.17g;", s->number.value);
	else
		buf_printf(out, "%d;", (int)event);
}

/* Reads a document fed in pieces of at most `piece` bytes and writes it again
 * in one canonical form; false if the scanner refuses it. */
static bool rewrite(const char *text, size_t len, size_t piece, struct buf *out)
{
	struct jscan s;
	struct buf sink;
	size_t at = 0;
	char *copy = NULL;
	enum jscan_event event;

	jscan_init(&s, 64, MIB(1));
	buf_init(&sink, MIB(1));
	s.sink = &sink;
	while ((event = jscan_next(&s)) != JSCAN_DONE && event != JSCAN_ERROR) {
		if (event == JSCAN_MORE && at < len) {
			size_t n = len - at < piece ? len - at : piece;

			/* Exactly as long as the piece, so that ASan sees overreads. */
			free(copy);
			copy = malloc(n);
			memcpy(copy, text + at, n);
			jscan_feed(&s, copy, n);
			at += n;
		} else if (event == JSCAN_MORE) {
			jscan_end(&s);
		} else {
			write_event(&s, event, &sink, out);
			buf_clear(&sink);
			s.sink = &sink;
		}
	}
	free(copy);
	buf_release(&sink);
	jscan_release(&s);
	return event == JSCAN_DONE;
}

static void jansson_walk(json_t *v, struct buf *out)
{
	const char *key;
	json_t *member;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_printf(out, "%d;", JSCAN_OBJECT);
		json_object_foreach(v, key, member) {
			buf_printf(out, "K%s:", key);
			jansson_walk(member, out);
		}
		buf_printf(out, "%d;", JSCAN_OBJECT_END);
		break;
	case JSON_ARRAY:
		buf_printf(out, "%d;", JSCAN_ARRAY);
		json_array_foreach(v, i, member)
			jansson_walk(member, out);
		buf_printf(out, "%d;", JSCAN_ARRAY_END);
		break;
	case JSON_STRING:
		buf_printf(out, "S%s;", json_string_value(v));
		break;
	case JSON_INTEGER:
		buf_printf(out, "I%lld;", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		buf_printf(out, "N%.17g;", json_real_value(v));
		break;
	case JSON_TRUE:
		buf_printf(out, "%d;", JSCAN_TRUE);
		break;
	case JSON_FALSE:
		buf_printf(out, "%d;", JSCAN_FALSE);
		break;
	case JSON_NULL:
		buf_printf(out, "%d;", JSCAN_NULL);
		break;
	}
}

static void check_same_as_jansson(const char *text)
{
	size_t len = strlen(text);
	json_t *tree = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	struct buf want, got;

	buf_init(&want, MIB(1));
	buf_init(&got, MIB(1));
	if (tree)
		jansson_walk(tree, &want);
	for (size_t piece = 1; piece <= len + 1; piece++) {
		bool ok;

		buf_clear(&got);
		ok = rewrite(text, len, piece, &got);
		if (ok != (tree != NULL))
			print_error("piece %zu of: %s\n", piece, text);
		assert_int_equal(ok, tree != NULL);
		if (tree)
			assert_string_equal(buf_text(&got), buf_text(&want));
	}
	json_decref(tree);
	buf_release(&want);
	buf_release(&got);
}

static void jscan__agrees_with_jansson_however_the_text_is_cut(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"[1,2,3]",
		"{\"a\":{\"b\":[true,false,null]},\"c\":\"d\"}",
		" \t\r\n[ 1 , -2.5e3 , 0.1 ] ",
		"\"plain\"",
		"-0",
		"12",
		"1.5",
		"true",
		"[\"\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\"]",
		"[\"\\ud83d\\ude00\"]",
		"[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 text that is long enough\"]",
		"[1e5,1E+5,1e-5,123456789012345678,-0.12345678955316544]",
		"[9223372036854775807,-9223372036854775808]",
		"{\"long key that passes eight bytes\":\"long value that passes it\"}",
		"[[[[[[[[]]]]]]]]",
		"{\"x\":\"\"}",
		/* and what both refuse */
		"",
		" ",
		"{",
		"}",
		"[1,]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"[1 2]",
		"[1]]",
		"[1] x",
		"tru",
		"nul",
		"[01]",
		"[1.]",
		"[.5]",
		"[+1]",
		"[-]",
		"[1e]",
		"[1e+]",
		"[\"\\x\"]",
		"[\"\\u12\"]",
		"[\"\\ud800\"]",
		"[\"\\ud800\\u0041\"]",
		"[\"\\udc00\"]",
		"[\"a\nb\"]",
		"[\"\x01\"]",
		"[\"\xff\"]",
		"[\"\xc0\xaf\"]",
		"[\"\xed\xa0\x80\"]",
		"[\"\xf4\x90\x80\x80\"]",
		"[\"\xe2\x82\"]",
		"[\"\xc3\"]",
		"\xef\xbb\xbf[]",
		"[NaN]",
		"[Infinity]",
		"[-Infinity]",
		"[1e400]",
		"[-1e999]",
		"[9223372036854775808]",
		"[-9223372036854775809]",
		"[123456789012345678901234567890]",
		"{\"a\":1",
		"[\"open",
		"'a'",
		"[1}",
		"{\"a\":1]",
		"//c\n[]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_same_as_jansson(texts[i]);
}

static void jt_number__rounds_as_strtod_does(void **state)
{
	struct chance c = {42};

	(void)state;
	for (int i = 0; i < 2000000; i++) {
		const unsigned char *next;
		struct jnumber n;
		char text[64];
		double want;
		uint64_t bits = chance_next(&c);
		int len;

		switch (i % 4) {
		case 0: { /* a float's shortest double, as Python servers print */
			float f = -(float)(bits >> 40) / 1e6f;
			len = snprintf(text, sizeof(text), "%.17g ", (double)f);
			break;
		}
		case 1: /* any double */
			memcpy(&want, &bits, sizeof(want));
			if (!isfinite(want))
				continue;
			len = snprintf(text, sizeof(text), "%.17g ", want);
			break;
		case 2: /* any mantissa, exponents in and out of the table */
			len = snprintf(text, sizeof(text), "%llue%d ",
				(unsigned long long)bits,
				(int)chance_below(&c, 160) - 100);
			if (bits > 9999999999999999999u)
				continue;
			break;
		default: /* half way between two doubles */
			len = snprintf(text, sizeof(text), "%llu.5 ",
				(unsigned long long)(((uint64_t)1 << 52) +
						     (bits >> 12)));
			break;
		}
		want = strtod(text, NULL);
		if (!isfinite(want))
			continue;
		assert_int_equal(jt_number((unsigned char *)text,
					 (unsigned char *)text + len, &next, &n),
			JT_OK);
		if (memcmp(&n.value, &want, sizeof(want)) != 0)
			print_error("%s: %.17g, not %.17g\n", text, n.value, want);
		assert_memory_equal(&n.value, &want, sizeof(want));
	}
}

static void jscan__skips_and_captures_whole_values(void **state)
{
	static const char text[] =
		"{\"skip\":{\"a\":[1,\"]}\\\"\",{}]},\"keep\" : "
		"[1, {\"b\": \"\\u00e9\"}] , \"n\":-12.5,\"last\":7}";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct jscan s;
		struct buf keep, number;
		size_t at = 0, len = sizeof(text) - 1;
		enum jscan_event event;
		int64_t last = 0;
		bool ended = false;

		jscan_init(&s, 16, 4096);
		buf_init(&keep, 4096);
		buf_init(&number, 4096);
		while ((event = jscan_next(&s)) != JSCAN_DONE) {
			assert_int_not_equal(event, JSCAN_ERROR);
			if (event == JSCAN_MORE && at < len) {
				size_t n = len - at < piece ? len - at : piece;

				jscan_feed(&s, text + at, n);
				at += n;
			} else if (event == JSCAN_MORE) {
				assert_false(ended);
				jscan_end(&s);
				ended = true;
			} else if (event == JSCAN_KEY) {
				if (s.text.len == 4 &&
					memcmp(s.text.data, "skip", 4) == 0)
					jscan_skip(&s);
				else if (s.text.len == 4 &&
					 memcmp(s.text.data, "keep", 4) == 0)
					jscan_capture(&s, &keep);
				else if (s.text.len == 1)
					jscan_capture(&s, &number);
			} else if (event == JSCAN_NUMBER) {
				last = s.number.integer;
			}
		}
		assert_bytes_equal(keep, "[1, {\"b\": \"\\u00e9\"}]");
		assert_bytes_equal(number, "-12.5");
		assert_int_equal(last, 7);
		jscan_release(&s);
		buf_release(&keep);
		buf_release(&number);
	}
}

static void jscan__caps_depth_and_lengths(void **state)
{
	struct jscan s;
	struct buf small;
	char deep[200];

	(void)state;
	memset(deep, '[', sizeof(deep));
	jscan_init(&s, 100, 4096);
	jscan_feed(&s, deep, sizeof(deep));
	for (int i = 0; i < 100; i++)
		assert_int_equal(jscan_next(&s), JSCAN_ARRAY);
	assert_int_equal(jscan_next(&s), JSCAN_ERROR);
	assert_string_equal(s.error, "nested too deep");
	jscan_release(&s);

	jscan_init(&s, 4, 4096);
	buf_init(&small, 3);
	jscan_feed(&s, "\"four\"", 6);
	s.sink = &small;
	assert_int_equal(jscan_next(&s), JSCAN_ERROR);
	assert_string_equal(s.error, "a string is too long");
	buf_release(&small);
	jscan_release(&s);
}

static void jscan__skips_numbers_that_no_type_of_ours_holds(void **state)
{
	static const char text[] = "{\"hash\":14695981039346656037,\"x\":[1e400]}";
	struct jscan s;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	jscan_init(&s, 8, 100);
	jscan_feed(&s, text, strlen(text));
	assert_int_equal(jscan_next(&s), JSCAN_OBJECT);
	assert_int_equal(jscan_next(&s), JSCAN_KEY);
	jscan_capture(&s, &out);
	assert_int_equal(jscan_next(&s), JSCAN_SKIPPED);
	assert_bytes_equal(out, "14695981039346656037");
	assert_int_equal(jscan_next(&s), JSCAN_KEY);
	jscan_skip(&s);
	assert_int_equal(jscan_next(&s), JSCAN_SKIPPED);
	assert_int_equal(jscan_next(&s), JSCAN_OBJECT_END);
	jscan_release(&s);
	buf_release(&out);
}

/* The literals are read where they are allowed, and nowhere else, however the bytes
 * are cut. */
static void jscan__takes_what_is_no_number_when_told_so(void **state)
{
	static const char text[] = "[NaN,-Infinity,Infinity,-1,[NaN]]";
	size_t len = strlen(text);

	(void)state;
	for (size_t piece = 1; piece <= len; piece++) {
		struct jscan s;
		size_t at = 0, nulls = 0, numbers = 0;
		enum jscan_event event;

		jscan_init(&s, 8, 100);
		s.takes_nan = true;
		for (;;) {
			event = jscan_next(&s);
			if (event == JSCAN_MORE && at < len) {
				size_t n = len - at < piece ? len - at : piece;

				jscan_feed(&s, text + at, n);
				at += n;
			} else if (event == JSCAN_MORE) {
				jscan_end(&s);
			} else if (event == JSCAN_ERROR || event == JSCAN_DONE) {
				break;
			}
			nulls += event == JSCAN_NULL;
			numbers += event == JSCAN_NUMBER;
			/* The last one stands where it must not. */
			if (numbers == 1)
				s.takes_nan = false;
		}
		assert_int_equal(event, JSCAN_ERROR);
		assert_int_equal(s.fault, JSCAN_NOT_JSON);
		assert_int_equal(nulls, 3);
		assert_int_equal(numbers, 1);
		jscan_release(&s);
	}
}

static void jscan__reports_numbers_of_any_size_when_told_so(void **state)
{
	static const char text[] = "[1e400,18446744073709551616,7,-0]";
	struct jscan s;

	(void)state;
	jscan_init(&s, 8, 100);
	s.any_size = true;
	for (int round = 0; round < 2; round++) {
		jscan_feed(&s, text, strlen(text));
		assert_int_equal(jscan_next(&s), JSCAN_ARRAY);
		assert_int_equal(jscan_next(&s), JSCAN_NUMBER);
		assert_false(s.number.is_integer);
		assert_true(isinf(s.number.value));
		assert_int_equal(jscan_next(&s), JSCAN_NUMBER);
		assert_false(s.number.is_integer);
		assert_true(s.number.value == 18446744073709551616.0);
		assert_int_equal(jscan_next(&s), JSCAN_NUMBER);
		assert_true(s.number.is_integer);
		jscan_reset(&s);
	}
	jscan_release(&s);
}

static enum jscan_fault fault_of(const char *text, size_t hold_max)
{
	struct jscan s;
	enum jscan_fault fault;
	enum jscan_event event;

	jscan_init(&s, 8, hold_max);
	jscan_feed(&s, text, strlen(text));
	while ((event = jscan_next(&s)) != JSCAN_MORE && event != JSCAN_ERROR)
		;
	if (event == JSCAN_MORE) {
		jscan_end(&s);
		while ((event = jscan_next(&s)) != JSCAN_DONE && event != JSCAN_ERROR)
			;
	}
	assert_int_equal(event, JSCAN_ERROR);
	fault = s.fault;
	jscan_release(&s);
	return fault;
}

static void jscan__tells_a_cut_document_from_a_bad_one(void **state)
{
	static const char whole[] =
		"{\"a\":[1.5e3,true,\"\\u00e9\\n\xe2\x82\xac\",null]}";
	char cut[sizeof(whole)];

	(void)state;
	for (size_t len = 0; len < strlen(whole); len++) {
		memcpy(cut, whole, len);
		cut[len] = '\0';
		assert_int_equal(fault_of(cut, 100), JSCAN_CUT);
	}
	assert_int_equal(fault_of("<html>", 100), JSCAN_NOT_JSON);
	assert_int_equal(fault_of("{}{", 100), JSCAN_NOT_JSON);
	assert_int_equal(fault_of("\xef\xbb\xbf{}", 100), JSCAN_NOT_JSON);
	assert_int_equal(fault_of("[1234567890", 4), JSCAN_TOO_LONG);
}

/* A document of many small values, in pieces that are now small, now large. */
static void jscan__reads_on_in_the_fed_bytes_behind_what_it_held(void **state)
{
	struct chance chance = {11};
	struct buf doc, want, got, sink;

	(void)state;
	buf_init(&doc, MIB(1));
	buf_init(&want, MIB(1));
	buf_init(&got, MIB(1));
	buf_init(&sink, MIB(1));
	buf_add_str(&doc, "[");
	for (int i = 0; i < 400; i++)
		buf_printf(&doc,
			"{\"key %d\":[%d.25,true,\"\\u00e9 text %d\",\"%0*d\"]},", i, i,
			i, (int)chance_below(&chance, 90) + 1, i);
	buf_add_str(&doc, "null]");
	assert_true(rewrite((const char *)doc.data, doc.len, doc.len, &want));
	for (int round = 0; round < 200; round++) {
		struct jscan s;
		size_t at = 0;
		enum jscan_event event;
		unsigned char *copy = NULL;

		/* No piece that must be contiguous is longer than 100 bytes. */
		jscan_init(&s, 64, 100);
		buf_clear(&got);
		buf_clear(&sink);
		s.sink = &sink;
		while ((event = jscan_next(&s)) != JSCAN_DONE) {
			assert_int_not_equal(event, JSCAN_ERROR);
			if (event == JSCAN_MORE && at < doc.len) {
				size_t n = 1 +
					   chance_below(&chance,
						   chance_below(&chance, 2) ? 9 : 3000);

				if (n > doc.len - at)
					n = doc.len - at;
				free(copy);
				copy = malloc(n);
				memcpy(copy, doc.data + at, n);
				jscan_feed(&s, copy, n);
				at += n;
				assert_true(jscan_offset(&s) <= at);
			} else if (event == JSCAN_MORE) {
				jscan_end(&s);
			} else {
				write_event(&s, event, &sink, &got);
				buf_clear(&sink);
				s.sink = &sink;
			}
		}
		free(copy);
		assert_string_equal(buf_text(&got), buf_text(&want));
		jscan_release(&s);
	}
	buf_release(&doc);
	buf_release(&want);
	buf_release(&got);
	buf_release(&sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jscan__agrees_with_jansson_however_the_text_is_cut),
		cmocka_unit_test(jt_number__rounds_as_strtod_does),
		cmocka_unit_test(jscan__skips_and_captures_whole_values),
		cmocka_unit_test(jscan__caps_depth_and_lengths),
		cmocka_unit_test(jscan__skips_numbers_that_no_type_of_ours_holds),
		cmocka_unit_test(jscan__reports_numbers_of_any_size_when_told_so),
		cmocka_unit_test(jscan__takes_what_is_no_number_when_told_so),
		cmocka_unit_test(jscan__tells_a_cut_document_from_a_bad_one),
		cmocka_unit_test(jscan__reads_on_in_the_fed_bytes_behind_what_it_held),
	};

	return cmocka_run_group_tests_name("jscan", tests, NULL, NULL);
}
