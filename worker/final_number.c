/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/final_text.h"

/*
 * A number with decorations:
 *
 *   [words] [sign] value [%] [unit] [punctuation]
 *   value    real | real real/real | real/real | \frac{real}{real}
 *            | real\frac{real}{real} | real*10^n | 10^n
 *   real     digits, with commas between groups of three, a fraction, an
 *            exponent
 *
 * Where an equation stands, what is behind its last '=' counts.
 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	/* Bytes of other scripts are letters. */
	return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static const char *spaces(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* Digits and commas between groups of three, into *to. NULL if the commas are
 * not there; `p` if there are no digits. */
static const char *whole_digits(const char *p, char **to)
{
	const char *begin = p;
	bool grouped = false;

	while (is_digit(*p) || (*p == ',' && is_digit(p[1]))) {
		if (*p == ',') {
			if (p - begin > 3 && !grouped)
				return NULL;
			if (!(is_digit(p[2]) && is_digit(p[3]) && !is_digit(p[4])))
				return NULL;
			grouped = true;
		} else {
			*(*to)++ = *p;
		}
		p++;
	}
	return p;
}

#define REAL_DIGITS 64

/* Behind the number; NULL if there is none. */
static const char *real(const char *p, double *out)
{
	char plain[FINAL_TEXT_MAX + 1], *to = plain;
	const char *begin = p;

	if (strnlen(p, FINAL_TEXT_MAX) >= FINAL_TEXT_MAX)
		return NULL;
	p = whole_digits(p, &to);
	if (!p)
		return NULL;
	if (*p == '.' && is_digit(p[1])) {
		*to++ = *p++;
		while (is_digit(*p))
			*to++ = *p++;
	}
	if (p == begin)
		return NULL;
	if (*p == 'e' &&
		(is_digit(p[1]) || ((p[1] == '-' || p[1] == '+') && is_digit(p[2])))) {
		*to++ = *p++;
		*to++ = *p++;
		while (is_digit(*p))
			*to++ = *p++;
	}
	*to = '\0';
	*out = strtod(plain, NULL);
	return isfinite(*out) ? p : NULL;
}

static const char *signed_real(const char *p, double *out)
{
	bool negative = *p == '-';

	if (*p == '-' || *p == '+')
		p = spaces(p + 1);
	p = real(p, out);
	if (p && negative)
		*out = -*out;
	return p;
}

/* \frac{a}{b} */
static const char *fraction(const char *p, double *out)
{
	double above, below;

	if (strncmp(p, "\\frac{", 6) != 0)
		return NULL;
	p = signed_real(spaces(p + 6), &above);
	if (!p || *(p = spaces(p)) != '}' || *(p = spaces(p + 1)) != '{')
		return NULL;
	p = signed_real(spaces(p + 1), &below);
	if (!p || *(p = spaces(p)) != '}' || below == 0)
		return NULL;
	*out = above / below;
	return p + 1;
}

/* "^n" or "^{n}", as a power of ten that multiplies *out. */
static const char *power_of_ten(const char *p, double *out)
{
	bool braced;
	double n;

	if (*p++ != '^')
		return NULL;
	braced = *p == '{';
	p = signed_real(spaces(p + braced), &n);
	if (!p || fabs(n) > 300 || (braced && *(p = spaces(p)) != '}'))
		return NULL;
	*out *= pow(10, n);
	return p + braced;
}

/* What may follow a real and change its value. */
static const char *rest_of_value(const char *p, double *out)
{
	const char *behind, *q = spaces(p);
	double more, below;

	behind = fraction(q, &more);
	if (behind) {
		*out += more;
		return behind;
	}
	if (*q == '/' && (behind = real(spaces(q + 1), &below)) != NULL) {
		if (below == 0)
			return NULL;
		*out /= below;
		return behind;
	}
	if (*q == '*' && strncmp(spaces(q + 1), "10^", 3) == 0)
		return power_of_ten(spaces(q + 1) + 2, out);
	if (*out == 10 && *q == '^') {
		*out = 1;
		return power_of_ten(q, out);
	}
	/* "1 1/2" */
	if (q > p && (behind = real(q, &more)) != NULL &&
		*(q = spaces(behind)) == '/' &&
		(behind = real(spaces(q + 1), &below)) != NULL && below != 0) {
		*out += more / below;
		return behind;
	}
	return p;
}

static const char *value(const char *p, double *out)
{
	bool negative = *p == '-';
	const char *behind;

	if (*p == '-' || *p == '+')
		p = spaces(p + 1);
	behind = fraction(p, out);
	if (!behind) {
		behind = real(p, out);
		if (behind)
			behind = rest_of_value(behind, out);
	}
	if (behind && negative)
		*out = -*out;
	return behind;
}

#define WORDS_MAX 6

/* Only words and punctuation, not too many, no single letter: a variable. */
static bool is_unit(const char *p, bool attached)
{
	static const char units[] = "mgshlckf";
	size_t words = 0, letters = 0;

	for (; *p; p++) {
		if (is_letter(*p)) {
			words += letters++ == 0;
		} else if (strchr(" .,;:!?'-/%\")*", *p)) {
			letters = 0;
			attached = false;
		} else {
			return false;
		}
		if (words > WORDS_MAX)
			return false;
		/* "5x" is no 5; "5m" is. */
		if (letters == 1 && words == 1 && !is_letter(p[1]) &&
			(attached || spaces(p + 1)[0] == '\0') && !strchr(units, *p))
			return false;
	}
	return true;
}

/* Steps over words before the number ("janet makes 18 dollars"). */
static const char *skip_words(const char *p)
{
	const char *begin = p;
	size_t words = 0;

	while (is_letter(*p) || strchr(" :,'(\"*", *p)) {
		if (!*p || (is_letter(*p) && (p == begin || !is_letter(p[-1])) &&
				   ++words > WORDS_MAX))
			return NULL;
		p++;
	}
	/* "x5" and "b-5" are names. */
	if (p > begin && (is_letter(p[-1]) || (*p == '-' && !is_digit(p[1]))))
		return NULL;
	return p;
}

bool final_text_number(const struct final_text *t, double *out)
{
	const char *p = t->text, *equals = strrchr(p, '=');

	if (equals)
		p = equals + 1;
	p = spaces(p);
	while (*p == '(' || *p == '[')
		p = spaces(p + 1);
	if (is_letter(*p))
		p = skip_words(p);
	if (!p)
		return false;
	p = value(p, out);
	if (!p)
		return false;
	while (*p == '%' || *p == ']' || *p == ')')
		p++;
	return is_unit(p, is_letter(*p));
}
