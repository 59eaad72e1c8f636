/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jscan.h"

#include <assert.h>
#include <string.h>

/* What may stand next in the document. */
enum want {
	WANT_VALUE,        /* at the root, behind a colon, behind '[' and ',' */
	WANT_VALUE_OR_END, /* behind '[' */
	WANT_KEY_OR_END,   /* behind '{' */
	WANT_KEY,          /* behind ',' in an object */
	WANT_COLON,
	WANT_COMMA_OR_END,
	WANT_NOTHING /* the root value has ended */
};

void jscan_init(struct jscan *s, int max_depth, size_t hold_max)
{
	assert(max_depth <= JSCAN_DEPTH_MAX);
	*s = (struct jscan){.max_depth = max_depth, .skip_depth = -1};
	buf_init(&s->carry, hold_max);
	buf_init(&s->scratch, JSCAN_TEXT_MAX);
}

void jscan_release(struct jscan *s)
{
	buf_release(&s->carry);
	buf_release(&s->scratch);
}

void jscan_reset(struct jscan *s)
{
	struct buf carry = s->carry, scratch = s->scratch;

	*s = (struct jscan){
		.max_depth = s->max_depth, .skip_depth = -1, .any_size = s->any_size};
	buf_clear(&carry);
	buf_clear(&scratch);
	s->carry = carry;
	s->scratch = scratch;
}

static enum jscan_event fail_as(
	struct jscan *s, enum jscan_fault fault, const char *why)
{
	if (!s->failed) {
		s->failed = true;
		s->fault = fault;
		s->error = why;
	}
	return JSCAN_ERROR;
}

/* What stood in the window when the end came was the beginning of something
 * well-formed, or it had been refused before: what is wrong then is the end. */
static enum jscan_event fail(struct jscan *s, const char *why)
{
	return fail_as(s, s->ended ? JSCAN_CUT : JSCAN_NOT_JSON,
		s->ended ? "the document ends early" : why);
}

static enum jscan_event fail_long(struct jscan *s, const char *why)
{
	return fail_as(s, JSCAN_TOO_LONG, why);
}

/*
 * What a feed leaves over is carried into the next window. Only as much of the
 * new bytes as it needs is copied behind it: once the carried bytes are used up,
 * the window moves on to the fed bytes themselves.
 */
#define BRIDGE 256

/* Copies the next bytes of the rest behind the carry. */
static bool extend_carry(struct jscan *s, size_t most)
{
	size_t room = s->carry.max - s->carry.len;
	size_t n = s->rest_len < most ? s->rest_len : most;

	if (n > room)
		n = room;
	if (n == 0)
		return false;
	buf_add(&s->carry, s->rest, n);
	s->rest += n;
	s->rest_len -= n;
	return true;
}

void jscan_feed(struct jscan *s, const void *bytes, size_t len)
{
	assert(!s->ended);
	if (s->failed)
		return;
	assert(s->rest_len == 0);
	s->held = s->carry.len;
	if (s->held == 0) {
		s->start = s->p = bytes;
		s->end = s->p + len;
	} else {
		s->rest = bytes;
		s->rest_len = len;
		if (!extend_carry(s, BRIDGE) && len > 0) {
			fail_long(s, "a value is too long");
			return;
		}
		s->start = s->p = s->carry.data;
		s->end = s->p + s->carry.len;
	}
	s->captured_to = s->p;
}

/* Brings more of what has been fed into the window. False if all of it is. */
static bool move_on(struct jscan *s)
{
	size_t at = (size_t)(s->p - s->start);

	if (s->rest_len == 0)
		return false;
	if (at >= s->held) {
		s->consumed += at;
		s->start = s->p = s->rest - (s->end - s->p);
		s->end = s->rest + s->rest_len;
		s->rest_len = 0;
		s->carry.len = 0;
	} else if (extend_carry(s, s->carry.len)) {
		s->start = s->carry.data;
		s->p = s->start + at;
		s->end = s->start + s->carry.len;
	} else {
		return false;
	}
	s->captured_to = s->p;
	return true;
}

void jscan_end(struct jscan *s)
{
	/* A number at the end of the document needs something behind it. */
	if (!s->failed)
		jscan_feed(s, "\n", 1);
	s->ended = true;
}

uint64_t jscan_offset(const struct jscan *s)
{
	return s->consumed + (uint64_t)(s->p - s->start);
}

static void capture_up_to_here(struct jscan *s)
{
	if (s->capture_found) {
		buf_add(s->capture, s->captured_to, (size_t)(s->p - s->captured_to));
		s->captured_to = s->p;
	}
}

/* When the window's bytes do not suffice: JSCAN_AGAIN if there are more now,
 * else keeps what is left of them for the next feed. */
static enum jscan_event want_more(struct jscan *s)
{
	size_t left;

	capture_up_to_here(s);
	if (s->ended)
		return fail(s, "the document ends early");
	if (move_on(s))
		return JSCAN_AGAIN;
	if (s->rest_len > 0)
		return fail_long(s, "a value is too long");
	left = (size_t)(s->end - s->p);
	s->consumed += (uint64_t)(s->p - s->start);
	if (s->carry.len > 0) {
		memmove(s->carry.data, s->p, left);
		s->carry.len = left;
	} else if (left > 0) {
		buf_add(&s->carry, s->p, left);
		if (s->carry.over)
			return fail_long(s, "a value is too long");
	}
	/* A null pointer must not even have 0 added to it. */
	s->start = s->p = left ? s->carry.data : (const unsigned char *)"";
	s->end = s->p + left;
	s->captured_to = s->p;
	return JSCAN_MORE;
}

static bool in_object(const struct jscan *s)
{
	int i = s->depth - 1;

	return s->depth > 0 && (s->is_object[i / 64] >> (i % 64) & 1);
}

static bool open_level(struct jscan *s, bool object)
{
	uint64_t bit;

	if (s->depth >= s->max_depth)
		return false;
	bit = (uint64_t)1 << (s->depth % 64);
	if (object)
		s->is_object[s->depth / 64] |= bit;
	else
		s->is_object[s->depth / 64] &= ~bit;
	s->depth++;
	s->want = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	return true;
}

static void value_ended(struct jscan *s)
{
	s->want = s->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static enum jscan_event close_level(struct jscan *s)
{
	enum jscan_event event = in_object(s) ? JSCAN_OBJECT_END : JSCAN_ARRAY_END;

	s->p++;
	s->depth--;
	value_ended(s);
	return event;
}

static enum jscan_event string_ended(struct jscan *s)
{
	s->in_string = false;
	s->sink = NULL;
	if (s->string_is_key) {
		s->want = WANT_COLON;
		return JSCAN_KEY;
	}
	value_ended(s);
	return JSCAN_STRING;
}

/* Adds checked string text to where the string goes. */
static bool deliver(struct jscan *s, const unsigned char *from, const unsigned char *to,
	bool escaped)
{
	struct buf *out = s->sink ? s->sink : &s->scratch;

	if (s->skip_depth >= 0)
		return true;
	if (escaped)
		jt_unescape(from, to, out);
	else
		buf_add(out, from, (size_t)(to - from));
	if (!out->over)
		return true;
	if (s->sink)
		return false;
	s->text_cut = true;
	return true;
}

static enum jscan_event string_goes_on(struct jscan *s)
{
	const unsigned char *from = s->p, *stop;
	bool closed, escaped;

	if (!jt_string_part(from, s->end, &stop, &closed, &escaped))
		return fail(s, "bad text in a string");
	s->p = stop;
	/* The usual case: all of a short string is here, and nobody wants it
	 * elsewhere. */
	if (closed && !escaped && !s->begun_string && !s->sink) {
		s->text = bytes_of(from, (size_t)(stop - from));
		s->p++;
		return string_ended(s);
	}
	if (!deliver(s, from, stop, escaped))
		return fail_long(s, "a string is too long");
	s->begun_string = true;
	if (!closed)
		return want_more(s);
	s->p++;
	if (!s->sink)
		s->text = buf_bytes(&s->scratch);
	return string_ended(s);
}

static enum jscan_event string_begins(struct jscan *s, bool is_key)
{
	s->p++;
	s->in_string = true;
	s->string_is_key = is_key;
	s->begun_string = false;
	s->text_cut = false;
	s->text = bytes_of("", 0);
	buf_clear(&s->scratch);
	if (is_key)
		s->sink = NULL;
	return string_goes_on(s);
}

static enum jscan_event literal(
	struct jscan *s, const char *word, size_t len, enum jscan_event event)
{
	size_t have = (size_t)(s->end - s->p);

	if (memcmp(s->p, word, have < len ? have : len) != 0)
		return fail(s, "not a JSON value");
	if (have < len)
		return want_more(s);
	s->p += len;
	s->sink = NULL;
	value_ended(s);
	return event;
}

static enum jt read_number(struct jscan *s, const unsigned char **next)
{
	enum jt got;

	if (s->skip_depth >= 0)
		return jt_number_skip(s->p, s->end, next);
	got = jt_number(s->p, s->end, next, &s->number);
	if (got == JT_BAD && s->any_size) {
		s->number.is_integer = false;
		got = jt_real(s->p, s->end, next, &s->number.value);
	}
	return got;
}

static enum jscan_event number(struct jscan *s)
{
	const unsigned char *next;

	switch (read_number(s, &next)) {
	case JT_OK:
		s->p = next;
		s->sink = NULL;
		value_ended(s);
		return JSCAN_NUMBER;
	case JT_MORE:
		return want_more(s);
	default:
		return fail(s, "not a JSON value");
	}
}

/* What Python servers write for a number that is none. */
static enum jscan_event odd_number(struct jscan *s)
{
	bool minus = *s->p == '-' && s->end - s->p > 1 && s->p[1] == 'I';

	if (!s->takes_nan || s->skip_depth >= 0)
		return number(s);
	if (*s->p == 'N')
		return literal(s, "NaN", 3, JSCAN_NULL);
	if (*s->p == 'I')
		return literal(s, "Infinity", 8, JSCAN_NULL);
	return minus ? literal(s, "-Infinity", 9, JSCAN_NULL) : number(s);
}

static enum jscan_event value(struct jscan *s)
{
	switch (*s->p) {
	case '{':
	case '[': {
		bool object = *s->p == '{';

		if (!open_level(s, object))
			return fail(s, "nested too deep");
		s->p++;
		s->sink = NULL;
		return object ? JSCAN_OBJECT : JSCAN_ARRAY;
	}
	case '"':
		return string_begins(s, false);
	case 't':
		return literal(s, "true", 4, JSCAN_TRUE);
	case 'f':
		return literal(s, "false", 5, JSCAN_FALSE);
	case 'n':
		return literal(s, "null", 4, JSCAN_NULL);
	default:
		return odd_number(s);
	}
}

/* The next event, skipping or not. */
static enum jscan_event step(struct jscan *s)
{
	for (;;) {
		if (s->in_string)
			return string_goes_on(s);
		s->p = jt_space(s->p, s->end);
		if (s->p == s->end) {
			if (s->ended && s->want == WANT_NOTHING)
				return JSCAN_DONE;
			return want_more(s);
		}
		switch ((enum want)s->want) {
		case WANT_VALUE_OR_END:
			if (*s->p == ']')
				return close_level(s);
			return value(s);
		case WANT_VALUE:
			return value(s);
		case WANT_KEY_OR_END:
			if (*s->p == '}')
				return close_level(s);
			if (*s->p != '"')
				return fail(s, "a key or '}' is missing");
			return string_begins(s, true);
		case WANT_KEY:
			if (*s->p != '"')
				return fail(s, "a key is missing");
			return string_begins(s, true);
		case WANT_COLON:
			if (*s->p != ':')
				return fail(s, "':' is missing");
			s->p++;
			s->want = WANT_VALUE;
			break;
		case WANT_COMMA_OR_END:
			if (*s->p == (in_object(s) ? '}' : ']'))
				return close_level(s);
			if (*s->p != ',')
				return fail(s, "',' or a closing bracket is missing");
			s->p++;
			s->want = in_object(s) ? WANT_KEY : WANT_VALUE;
			break;
		case WANT_NOTHING:
			return fail(s, "there is more behind the document");
		}
	}
}

void jscan_skip(struct jscan *s)
{
	s->skip_depth = s->depth;
	s->sink = NULL;
}

void jscan_skip_rest(struct jscan *s)
{
	s->skip_depth = s->depth - 1;
	s->sink = NULL;
}

void jscan_capture(struct jscan *s, struct buf *out)
{
	jscan_skip(s);
	s->capture = out;
	s->capture_found = false;
}

/* Steps over white space and the colon, so that a capture begins at the value.
 * False if the value's first byte is not there yet. */
static bool find_captured_value(struct jscan *s)
{
	s->p = jt_space(s->p, s->end);
	if (s->want == WANT_COLON && s->p < s->end && *s->p == ':') {
		s->p++;
		s->want = WANT_VALUE;
		s->p = jt_space(s->p, s->end);
	}
	if (s->p == s->end)
		return false;
	s->captured_to = s->p;
	s->capture_found = true;
	return true;
}

enum jscan_event jscan_next(struct jscan *s)
{
	enum jscan_event event;

	if (s->failed)
		return JSCAN_ERROR;
	while (s->capture && !s->capture_found && !find_captured_value(s)) {
		event = want_more(s);
		if (event != JSCAN_AGAIN)
			return event;
	}
	for (;;) {
		event = step(s);
		if (event == JSCAN_AGAIN)
			continue;
		if (s->skip_depth < 0 || event == JSCAN_MORE || event == JSCAN_ERROR)
			return event;
		if (event == JSCAN_KEY || s->depth > s->skip_depth)
			continue;
		capture_up_to_here(s);
		if (s->capture && s->capture->over)
			return fail_long(s, "a value is too long");
		s->capture = NULL;
		s->capture_found = false;
		s->skip_depth = -1;
		return JSCAN_SKIPPED;
	}
}

void jscan_close(struct jscan *s, const unsigned char *behind)
{
	assert(behind > s->p && behind <= s->end);
	s->p = behind;
	s->depth--;
	value_ended(s);
}

enum jscan_event jscan_hold(struct jscan *s)
{
	return want_more(s);
}
