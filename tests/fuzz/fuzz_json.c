/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jscan against jansson: the same verdict, the same keys, texts and numbers,
 * however the document is cut, with the portable searches and with this
 * machine's, read or skipped. The first byte says how it is cut.
 *
 * Where they may differ: nesting (ours is capped lower), numbers of more than
 * 800 characters, and two things that jansson does with NUL (it cannot have one
 * in a key, and reads over one behind a number).
 */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "common/jscan.h"
#include "common/limits.h"

#define NUMBER_TEXT_MAX 800

static void write_double(struct buf *out, double v)
{
	buf_add_byte(out, 'N');
	buf_add(out, &v, sizeof(v));
}

static void write_text(struct buf *out, char kind, const void *text, size_t len)
{
	buf_printf(out, "%c%zu:", kind, len);
	buf_add(out, text, len);
}

static void write_tree(struct buf *out, json_t *v)
{
	const char *key;
	json_t *member;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_add_str(out, "{");
		json_object_foreach(v, key, member) {
			write_text(out, 'K', key, strlen(key));
			write_tree(out, member);
		}
		buf_add_str(out, "}");
		break;
	case JSON_ARRAY:
		buf_add_str(out, "[");
		json_array_foreach(v, i, member)
			write_tree(out, member);
		buf_add_str(out, "]");
		break;
	case JSON_STRING:
		write_text(out, 'S', json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_printf(out, "I%lld;", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		write_double(out, json_real_value(v));
		break;
	default:
		buf_add_str(out, json_is_true(v)    ? "true"
				 : json_is_false(v) ? "false"
						    : "null");
	}
}

static size_t depth_of(const json_t *v)
{
	const char *key;
	json_t *member;
	size_t i, most = 0, d;

	if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, member) {
			d = depth_of(member);
			most = d > most ? d : most;
		}
		return most + 1;
	}
	if (json_is_array(v)) {
		json_array_foreach(v, i, member) {
			d = depth_of(member);
			most = d > most ? d : most;
		}
		return most + 1;
	}
	return 0;
}

static void write_event(struct buf *out, const struct jscan *s, enum jscan_event event,
	const struct buf *sink)
{
	static const char *const words[] = {[JSCAN_OBJECT] = "{",
		[JSCAN_OBJECT_END] = "}",
		[JSCAN_ARRAY] = "[",
		[JSCAN_ARRAY_END] = "]",
		[JSCAN_TRUE] = "true",
		[JSCAN_FALSE] = "false",
		[JSCAN_NULL] = "null"};

	if (event == JSCAN_KEY)
		write_text(out, 'K', s->text.data, s->text.len);
	else if (event == JSCAN_STRING)
		write_text(out, 'S', sink->data, sink->len);
	else if (event == JSCAN_NUMBER && s->number.is_integer)
		buf_printf(out, "I%lld;", (long long)s->number.integer);
	else if (event == JSCAN_NUMBER)
		write_double(out, s->number.value);
	else
		buf_add_str(out, words[event]);
}

/* The next piece's length: 1 to 128, or all of it. */
static size_t cut(uint64_t *state, unsigned how, size_t left)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	size_t n;

	if ((how & 7) == 7)
		return left;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	n = 1 + (size_t)(z >> 40) % ((size_t)2 << (how & 7));
	return n < left ? n : left;
}

enum way { READ, SKIP, WAYS };

/* Whether the document is taken; out gets what was read. */
static bool scan(const uint8_t *text, size_t len, unsigned how, enum way way,
	struct buf *out, bool *long_key)
{
	struct jscan s;
	struct buf sink;
	uint8_t *piece = NULL;
	uint64_t state = how;
	size_t at = 0;
	enum jscan_event event;

	jscan_init(&s, LIMIT_JSON_DEPTH, MIB(4));
	buf_init(&sink, MIB(4));
	s.sink = &sink;
	buf_clear(out);
	*long_key = false;
	if (way == SKIP)
		jscan_skip(&s);
	while ((event = jscan_next(&s)) != JSCAN_DONE && event != JSCAN_ERROR) {
		if (event == JSCAN_MORE && at < len) {
			size_t n = cut(&state, how, len - at);

			/* As long as the piece, so that a checker sees overreads. */
			free(piece);
			piece = malloc(n);
			MUST(piece);
			memcpy(piece, text + at, n);
			jscan_feed(&s, piece, n);
			at += n;
		} else if (event == JSCAN_MORE) {
			jscan_end(&s);
		} else if (event != JSCAN_SKIPPED) {
			*long_key |= event == JSCAN_KEY && s.text_cut;
			write_event(out, &s, event, &sink);
			buf_clear(&sink);
			s.sink = &sink;
		}
	}
	free(piece);
	buf_release(&sink);
	jscan_release(&s);
	return event == JSCAN_DONE;
}

static bool has_long_number(const uint8_t *text, size_t len)
{
	size_t run = 0;

	for (size_t i = 0; i < len; i++) {
		run = text[i] && strchr("+-.0123456789Ee", text[i]) ? run + 1 : 0;
		if (run > NUMBER_TEXT_MAX)
			return true;
	}
	return false;
}

/* What jansson says, and whether ours has to say the same. */
struct oracle {
	json_t *tree;  /* NULL: refused */
	bool is_range; /* because of a number's size */
	bool is_nul, is_deep, is_twice;
};

static struct oracle ask_jansson(const uint8_t *text, size_t len)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	json_error_t error = {.text = ""};
	struct oracle o = {.is_nul = memchr(text, 0, len) != NULL};
	json_t *once;

	o.tree = json_loadb((const char *)text, len, flags, &error);
	o.is_nul |= strstr(error.text, "NUL byte") != NULL;
	o.is_range = strstr(error.text, "too big") || strstr(error.text, "overflow");
	o.is_deep = (o.tree && depth_of(o.tree) > LIMIT_JSON_DEPTH) ||
		    strstr(error.text, "depth");
	once = json_loadb(
		(const char *)text, len, flags | JSON_REJECT_DUPLICATES, NULL);
	o.is_twice = o.tree && !once;
	json_decref(once);
	return o;
}

static void check_skipped(bool taken, bool read, const struct oracle *o)
{
	/* A number that is thrown away may have any size. */
	MUST(taken || !read);
	MUST(taken == read || o->is_range);
}

static void check(const uint8_t *text, size_t len, unsigned how)
{
	struct oracle o = ask_jansson(text, len);
	struct buf want, got;
	const unsigned char *next;
	/* With something behind it, as a number needs. */
	uint8_t *whole = malloc(len + 1);
	bool long_key, ignored, taken = false, is_long = has_long_number(text, len);

	MUST(whole);
	if (len > 0)
		memcpy(whole, text, len);
	whole[len] = '\n';
	buf_init(&want, MIB(64));
	buf_init(&got, MIB(64));
	for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
		enum jt skipped;

		jrun_force(form);
		taken = scan(text, len, how, READ, &got, &long_key);
		if (taken && o.tree && !o.is_twice && !long_key && !o.is_nul) {
			buf_clear(&want);
			write_tree(&want, o.tree);
			MUST(got.len == want.len &&
				(got.len == 0 ||
					memcmp(got.data, want.data, got.len) == 0));
		}
		if (taken != (o.tree != NULL))
			MUST(o.is_nul || (!taken && (o.is_deep || is_long)));
		check_skipped(scan(text, len, how, SKIP, &got, &ignored), taken, &o);
		skipped = jt_skip(whole, whole + len + 1, &next, LIMIT_JSON_DEPTH);
		if (taken)
			MUST(skipped == JT_OK && next <= whole + len);
	}
	json_decref(o.tree);
	buf_release(&want);
	buf_release(&got);
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	if (len > 0 && len < MIB(1))
		check(input + 1, len - 1, input[0]);
	return 0;
}
