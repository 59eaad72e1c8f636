/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jtext.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/jdecimal.h"

/* Text longer than this is no number that anyone wrote on purpose. */
#define NUMBER_MAX 800

/* The checked number text [p, end) by the C library. False if it overflows. Its
 * large frame must not become part of the fast ways. */
static __attribute__((noinline)) bool number_by_library(
	const unsigned char *p, const unsigned char *end, double *out)
{
	char text[NUMBER_MAX + 1];
	size_t len = (size_t)(end - p);

	memcpy(text, p, len);
	text[len] = '\0';
	*out = strtod(text, NULL);
	return *out < (double)__builtin_inf() && *out > -(double)__builtin_inf();
}

/* Eight digits at once, if the eight bytes at p are digits. */
static inline bool eight_digits(const unsigned char *p, uint64_t *value)
{
	uint64_t w = get_u64(p);

	if (((w & JDECIMAL_EACH(0xf0)) |
		    (((w + JDECIMAL_EACH(6)) & JDECIMAL_EACH(0xf0)) >> 4)) !=
		JDECIMAL_EACH(0x33))
		return false;
	*value = jdecimal_eight(w - JDECIMAL_EACH('0'));
	return true;
}

/* Digits from p on, into *w as long as they fit; counts those that matter. */
static inline const unsigned char *digits(
	const unsigned char *p, const unsigned char *end, uint64_t *w, int *n)
{
	uint64_t eight;

	while (end - p >= 8 && *n <= 11 && eight_digits(p, &eight)) {
		*w = *w * 100000000 + eight;
		if (*n > 0 || eight > 0)
			*n += 8; /* may count leading zeros: too many is safe */
		p += 8;
	}
	while (p < end && jdecimal_is_digit(*p)) {
		if (*n > 0 || *p != '0')
			(*n)++;
		if (*n <= 19)
			*w = *w * 10 + (uint64_t)(*p - '0');
		p++;
	}
	return p;
}

/* A number's text in parts: w * 10^exponent, if n_digits <= 19. */
struct parts {
	uint64_t w;
	int64_t exponent;
	int n_digits;
	bool negative, plain; /* plain: no fraction and no exponent */
};

static inline enum jt scan_exponent(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct parts *out)
{
	bool minus = false;
	int64_t e = 0;

	if (p < end && (*p == '+' || *p == '-'))
		minus = *p++ == '-';
	if (p == end)
		return JT_MORE;
	if (!jdecimal_is_digit(*p))
		return JT_BAD;
	for (; p < end && jdecimal_is_digit(*p); p++)
		if (e < 100000)
			e = e * 10 + (*p - '0');
	out->exponent += minus ? -e : e;
	*next = p;
	return JT_OK;
}

static inline enum jt scan_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct parts *out)
{
	const unsigned char *start = p, *from;

	*out = (struct parts){.plain = true};
	if (p < end && *p == '-') {
		out->negative = true;
		p++;
	}
	if (p == end)
		return JT_MORE;
	if (!jdecimal_is_digit(*p))
		return JT_BAD;
	if (*p == '0') {
		p++;
		if (p < end && jdecimal_is_digit(*p))
			return JT_BAD;
	} else {
		p = digits(p, end, &out->w, &out->n_digits);
	}
	if (p < end && *p == '.') {
		out->plain = false;
		from = ++p;
		p = digits(p, end, &out->w, &out->n_digits);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
		out->exponent = from - p;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		enum jt got = scan_exponent(p + 1, end, &p, out);

		out->plain = false;
		if (got != JT_OK)
			return got;
	}
	if (p - start > NUMBER_MAX)
		return JT_BAD;
	*next = p;
	return p == end ? JT_MORE : JT_OK;
}

/* From the parts alone; JDECIMAL_NONE if that is not possible. */
static inline double value_of_parts(struct parts n)
{
	static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
		1e22};
	double v;

	if (n.n_digits > 19 || n.exponent < JDECIMAL_MIN || n.exponent > JDECIMAL_MAX)
		return JDECIMAL_NONE;
	if (n.w > (uint64_t)1 << 53 || n.exponent < -22 || n.exponent > 22)
		v = n.w ? jdecimal_scale(n.w, (int)n.exponent) : 0;
	else if (n.exponent < 0)
		v = (double)n.w / tens[-n.exponent];
	else
		v = (double)n.w * tens[n.exponent];
	return n.negative ? -v : v;
}

/* False, and an infinity, beyond the range. */
static inline bool value_of_number(
	const unsigned char *p, const unsigned char *end, struct parts n, double *out)
{
	*out = value_of_parts(n);
	return *out == *out || number_by_library(p, end, out);
}

enum jt jt_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct jnumber *out)
{
	struct parts n;
	enum jt got = scan_number(p, end, next, &n);

	if (got != JT_OK)
		return got;
	out->is_integer = false;
	if (n.plain) {
		if (n.n_digits > 19 || n.w > (uint64_t)INT64_MAX + n.negative)
			return JT_BAD;
		out->is_integer = true;
		out->integer = (int64_t)(n.negative ? 0 - n.w : n.w);
	}
	return value_of_number(p, *next, n, &out->value) ? JT_OK : JT_BAD;
}

static __attribute__((noinline)) enum jt any_real(const unsigned char *p,
	const unsigned char *end, const unsigned char **next, double *out)
{
	struct parts n;
	enum jt got = scan_number(p, end, next, &n);

	if (got == JT_OK)
		value_of_number(p, *next, n, out);
	return got;
}

enum jt jt_real(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, double *out)
{
	if (end - p >= JDECIMAL_ROOM) {
		*out = jdecimal_common(p, next);
		if (*out == *out)
			return JT_OK;
	}
	return any_real(p, end, next, out);
}

static const unsigned char *skip_digits(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end && jdecimal_is_digit(*p))
		p++;
	return p;
}

enum jt jt_number_skip(
	const unsigned char *p, const unsigned char *end, const unsigned char **next)
{
	const unsigned char *start = p, *from;

	if (p < end && *p == '-')
		p++;
	from = p;
	p = skip_digits(p, end);
	if (p == from)
		return p == end ? JT_MORE : JT_BAD;
	if (*from == '0' && p - from > 1)
		return JT_BAD;
	if (p < end && *p == '.') {
		from = ++p;
		p = skip_digits(p, end);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = skip_digits(p, end);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
	}
	if (p - start > NUMBER_MAX)
		return JT_BAD;
	*next = p;
	return p == end ? JT_MORE : JT_OK;
}
