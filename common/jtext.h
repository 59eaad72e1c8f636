/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jtext.h - the smallest pieces of JSON text, read from contiguous bytes
 *
 * Strict RFC 8259: numbers, escapes and UTF-8 are checked even where the
 * value is thrown away. Each reader says JT_MORE when the bytes end inside
 * the piece; it has then eaten nothing, and the same call works once more
 * bytes are there. jscan.h builds a whole-document scanner from these.
 *
 * Pure; reads nothing at or past `end`.
 */
#ifndef RETORT_COMMON_JTEXT_H
#define RETORT_COMMON_JTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/jrun.h"

enum jt { JT_OK, JT_MORE, JT_BAD };

struct jnumber {
	double value;    /* correctly rounded */
	int64_t integer; /* valid if is_integer */
	bool is_integer; /* no fraction, no exponent, fits int64_t */
};

static inline bool jt_is_space(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Behind the white space at p. */
static inline const unsigned char *jt_space(
	const unsigned char *p, const unsigned char *end)
{
	if (p == end || *p > ' ')
		return p;
	/* Mostly one blank or a line break; a longer one is an indent. */
	if (!jt_is_space(*p) || ++p == end || !jt_is_space(*p))
		return p;
	return jrun_space(p, end);
}

/* A set top bit for each byte of w, eight bytes of a string, that may end it: a
 * quote, a backslash or a control character. Only the lowest set bit is exact. */
static inline uint64_t jt_stops(uint64_t w)
{
	const uint64_t each = 0x0101010101010101u;
	uint64_t quote = w ^ each * '"', slash = w ^ each * '\\';

	return (((w - each * 0x20) & ~w) | ((quote - each) & ~quote) |
		       ((slash - each) & ~slash)) &
	       each * 0x80;
}

/* The same, or a byte above ASCII. */
static inline uint64_t jt_special(uint64_t w)
{
	return jt_stops(w) | (w & 0x8080808080808080u);
}

/* From behind the opening quote to the closing one, which *close points at
 * then. *escaped tells whether a backslash was seen. */
enum jt jt_string(const unsigned char *p, const unsigned char *end,
	const unsigned char **close, bool *escaped);

/* As jt_string, but never JT_MORE: stops where the bytes end, in *stop, at a
 * place where a later call can go on (never inside an escape or a UTF-8
 * sequence). *closed tells whether *stop is the closing quote. False if bad. */
bool jt_string_part(const unsigned char *p, const unsigned char *end,
	const unsigned char **stop, bool *closed, bool *escaped);

/* Appends what the checked string text [p, close) means. */
void jt_unescape(const unsigned char *p, const unsigned char *close, struct buf *out);

/* A number; *next is behind it. A number that touches `end` is JT_MORE, since
 * more digits may follow. 1e400 and integers beyond int64_t are bad. */
enum jt jt_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct jnumber *out);

/* As jt_number for a measured value: one beyond the range of double is an
 * infinity, and integers may have any size. */
enum jt jt_real(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, double *out);

/* As jt_number for a number that is thrown away: its form is checked, its size
 * is not, since nobody is going to compute with it. */
enum jt jt_number_skip(
	const unsigned char *p, const unsigned char *end, const unsigned char **next);

/* Any value, checked and thrown away; *next is behind it. */
enum jt jt_skip(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, int depth);

#endif
