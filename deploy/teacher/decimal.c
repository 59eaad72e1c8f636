/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/decimal.h"

#include <ctype.h>
#include <string.h>

#include "common/banned.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Eats "-", "$", "-$" or "$-"; true if there was a minus sign. */
static bool read_sign(const char **at, const char *end)
{
	char first = *at < end ? **at : '\0', second;

	if (first != '-' && first != '$')
		return false;
	(*at)++;
	second = *at < end ? **at : '\0';
	if ((second != '-' && second != '$') || second == first)
		return first == '-';
	(*at)++;
	return true;
}

bool decimal_plain(const char *text, size_t len, char out[DECIMAL_MAX])
{
	const char *at = text, *end = text + len;
	size_t n = 0;
	bool point = false, digits = false;

	while (at < end && isspace((unsigned char)*at))
		at++;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	if (end > at && end[-1] == '.')
		end--;
	if (read_sign(&at, end))
		out[n++] = '-';
	for (; at < end; at++) {
		if (*at == ',' && digits && !point && at + 1 < end && is_digit(at[1]))
			continue;
		if (*at == '.' && !point && at + 1 < end)
			point = true;
		else if (is_digit(*at))
			digits = true;
		else
			return false;
		if (n + 1 >= DECIMAL_MAX)
			return false;
		out[n++] = *at;
	}
	out[n] = '\0';
	return digits;
}

void decimal_group(char text[DECIMAL_MAX])
{
	char plain[DECIMAL_MAX];
	size_t len = strlen(text), first = text[0] == '-', whole, n = 0;

	memcpy(plain, text, len + 1);
	whole = strcspn(plain, ".");
	if (whole == first || len + (whole - first - 1) / 3 >= DECIMAL_MAX)
		return;
	for (size_t i = 0; i < len; i++) {
		if (i > first && i < whole && (whole - i) % 3 == 0)
			text[n++] = ',';
		text[n++] = plain[i];
	}
	text[n] = '\0';
}

/* A plain number in parts: no leading zeros before the point, no trailing
 * ones behind it. */
struct parts {
	bool minus;
	const char *whole, *fraction;
	size_t n_whole, n_fraction;
};

static struct parts parts_of(const char *plain)
{
	struct parts p = {.minus = plain[0] == '-'};

	p.whole = plain + p.minus;
	p.n_whole = strcspn(p.whole, ".");
	p.fraction = p.whole + p.n_whole + (p.whole[p.n_whole] == '.');
	p.n_fraction = strlen(p.fraction);
	for (; p.n_whole > 0 && *p.whole == '0'; p.n_whole--)
		p.whole++;
	while (p.n_fraction > 0 && p.fraction[p.n_fraction - 1] == '0')
		p.n_fraction--;
	if (p.n_whole == 0 && p.n_fraction == 0)
		p.minus = false;
	return p;
}

bool decimal_same(const char *a, const char *b)
{
	char pa[DECIMAL_MAX], pb[DECIMAL_MAX];
	struct parts x, y;

	if (!decimal_plain(a, strlen(a), pa) || !decimal_plain(b, strlen(b), pb))
		return strcmp(a, b) == 0;
	x = parts_of(pa);
	y = parts_of(pb);
	return x.minus == y.minus && x.n_whole == y.n_whole &&
	       x.n_fraction == y.n_fraction &&
	       memcmp(x.whole, y.whole, x.n_whole) == 0 &&
	       memcmp(x.fraction, y.fraction, x.n_fraction) == 0;
}
