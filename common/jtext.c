/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jtext.h"

#include <string.h>

#include "common/bytes.h"
#include "common/text.h"

/* As jrun_text, without a call where the run is short. */
static inline const unsigned char *plain_end(
	const unsigned char *p, const unsigned char *end)
{
	if (end - p >= 8) {
		uint64_t stop = jt_special(get_u64(p));

		if (!stop)
			return jrun_text(p + 8, end);
		p += __builtin_ctzll(stop) >> 3;
		if (*p < 0x80)
			return p;
	}
	return jrun_text(p, end);
}

static int hex4(const unsigned char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (c - 'A' + 10);
		else
			return -1;
	}
	return v;
}

/* The length of the escape at p (6 to 12 for \u, else 2); 0 if bad, -1 if the
 * bytes end inside it. */
static int escape_len(const unsigned char *p, const unsigned char *end)
{
	int high, low;

	if (end - p < 2)
		return -1;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 2;
	case 'u':
		break;
	default:
		return 0;
	}
	if (end - p < 6)
		return -1;
	high = hex4(p + 2);
	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return 0;
	if (high < 0xd800 || high > 0xdbff)
		return 6;
	if (end - p < 12) {
		/* Half a pair: bad at once if the other half cannot follow. */
		if ((end - p > 6 && p[6] != '\\') || (end - p > 7 && p[7] != 'u'))
			return 0;
		return -1;
	}
	if (p[6] != '\\' || p[7] != 'u')
		return 0;
	low = hex4(p + 8);
	return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* True if [p, end), shorter than its lead byte says, may become valid. */
static bool utf8_may_complete(const unsigned char *p, const unsigned char *end)
{
	unsigned char whole[4] = {0x80, 0x80, 0x80, 0x80};
	size_t have = (size_t)(end - p);

	if (have >= 4)
		return false;
	memcpy(whole, p, have);
	if (have == 1) {
		/* The second byte's range depends on the first. */
		if (p[0] == 0xe0)
			whole[1] = 0xa0;
		if (p[0] == 0xf0)
			whole[1] = 0x90;
	}
	return utf8_sequence(whole, 4) > have;
}

bool jt_string_part(const unsigned char *p, const unsigned char *end,
	const unsigned char **stop, bool *closed, bool *escaped)
{
	*closed = false;
	*escaped = false;
	for (;;) {
		p = plain_end(p, end);
		*stop = p;
		if (p == end)
			return true;
		if (*p == '"') {
			*closed = true;
			return true;
		}
		if (*p == '\\') {
			int n = escape_len(p, end);

			if (n == 0)
				return false;
			if (n < 0)
				return true;
			*escaped = true;
			p += n;
		} else {
			/* A sequence that is cut, a bad one or a raw control
			 * character. */
			return *p >= 0x80 && utf8_may_complete(p, end);
		}
	}
}

enum jt jt_string(const unsigned char *p, const unsigned char *end,
	const unsigned char **close, bool *escaped)
{
	bool closed;

	if (!jt_string_part(p, end, close, &closed, escaped))
		return JT_BAD;
	return closed ? JT_OK : JT_MORE;
}

/* Writes what the escape at p means; returns behind it, *to behind the result. */
static const unsigned char *unescape_one(const unsigned char *p, unsigned char **to)
{
	static const unsigned char plain[256] = {['"'] = '"',
		['\\'] = '\\',
		['/'] = '/',
		['b'] = '\b',
		['f'] = '\f',
		['n'] = '\n',
		['r'] = '\r',
		['t'] = '\t'};
	uint32_t code;

	if (p[1] != 'u') {
		*(*to)++ = plain[p[1]];
		return p + 2;
	}
	code = (uint32_t)hex4(p + 2);
	p += 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		code = 0x10000 + ((code - 0xd800) << 10) +
		       ((uint32_t)hex4(p + 2) - 0xdc00);
		p += 6;
	}
	*to += utf8_encode(code, *to);
	return p;
}

/* Unescapes from p on up to stop or a little further; returns how far. There is
 * room for as many bytes as are left. */
static const unsigned char *unescape_run(
	const unsigned char *p, const unsigned char *stop, unsigned char **to)
{
	while (stop - p >= 8) {
		uint64_t w = get_u64(p), slash = jt_stops(w);
		unsigned n = slash ? (unsigned)__builtin_ctzll(slash) >> 3 : 8;

		put_u64(*to, w);
		*to += n;
		p += n;
		if (slash)
			p = unescape_one(p, to);
	}
	while (p < stop) {
		if (*p == '\\')
			p = unescape_one(p, to);
		else
			*(*to)++ = *p++;
	}
	return p;
}

#define UNESCAPE_STEP 4096
#define ESCAPE_MAX 12

/* Near a buffer's cap, which counts what the text means and not how it is
 * written. Its large frame must not become part of the fast way. */
static __attribute__((noinline)) void unescape_in_steps(
	const unsigned char *p, const unsigned char *close, struct buf *out)
{
	unsigned char step[UNESCAPE_STEP + ESCAPE_MAX], *to;

	while (p < close && !out->over) {
		to = step;
		p = unescape_run(
			p, close - p > UNESCAPE_STEP ? p + UNESCAPE_STEP : close, &to);
		buf_add(out, step, (size_t)(to - step));
	}
}

void jt_unescape(const unsigned char *p, const unsigned char *close, struct buf *out)
{
	size_t len = (size_t)(close - p);
	unsigned char *to;

	if (len == 0)
		return;
	/* What an escape means is never longer than the escape itself. */
	if (out->over || len > out->max - out->len) {
		unescape_in_steps(p, close, out);
		return;
	}
	to = buf_reserve(out, len);
	unescape_run(p, close, &to);
	out->len = (size_t)(to - out->data);
}

static enum jt skip_literal(
	const unsigned char *p, const unsigned char *end, const unsigned char **next)
{
	const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
	size_t len = strlen(word), have = (size_t)(end - p);

	if (memcmp(p, word, have < len ? have : len) != 0)
		return JT_BAD;
	*next = p + len;
	return have < len ? JT_MORE : JT_OK;
}

static enum jt skip_members(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, int depth, bool object)
{
	unsigned char closer = object ? '}' : ']';
	enum jt got;
	bool escaped;

	if (depth <= 0)
		return JT_BAD;
	p = jt_space(p + 1, end);
	if (p == end)
		return JT_MORE;
	if (*p == closer) {
		*next = p + 1;
		return JT_OK;
	}
	for (;;) {
		if (object) {
			p = jt_space(p, end);
			if (p == end)
				return JT_MORE;
			if (*p != '"')
				return JT_BAD;
			got = jt_string(p + 1, end, &p, &escaped);
			if (got != JT_OK)
				return got;
			p = jt_space(p + 1, end);
			if (p == end)
				return JT_MORE;
			if (*p++ != ':')
				return JT_BAD;
		}
		got = jt_skip(p, end, &p, depth - 1);
		if (got != JT_OK)
			return got;
		p = jt_space(p, end);
		if (p == end)
			return JT_MORE;
		if (*p == closer) {
			*next = p + 1;
			return JT_OK;
		}
		if (*p++ != ',')
			return JT_BAD;
	}
}

enum jt jt_skip(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, int depth)
{
	bool escaped;
	enum jt got;

	p = jt_space(p, end);
	if (p == end)
		return JT_MORE;
	switch (*p) {
	case '{':
	case '[':
		return skip_members(p, end, next, depth, *p == '{');
	case '"':
		got = jt_string(p + 1, end, &p, &escaped);
		*next = p + 1;
		return got;
	case 't':
	case 'f':
	case 'n':
		return skip_literal(p, end, next);
	default:
		return jt_number_skip(p, end, next);
	}
}
