/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rate_headers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void rate_told_init(struct rate_told *t)
{
	*t = (struct rate_told){0};
	for (int i = 0; i < TOLD_N; i++)
		t->of[i] = (struct told_limit){-1, -1, -1, false};
}

/* Digits, perhaps with a fraction; no sign, no exponent. NULL if there are none. */
static const char *read_decimal(const char *s, double *out)
{
	const char *p = s;
	double unit = 1;

	*out = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		*out = *out * 10 + (*p - '0');
	if (p == s)
		return NULL;
	if (*p == '.' && p[1] >= '0' && p[1] <= '9')
		for (p++; *p >= '0' && *p <= '9'; p++)
			*out += (*p - '0') * (unit /= 10);
	return p;
}

static int64_t in_range(double ms)
{
	return ms <= TOLD_RESET_MAX_MS ? (int64_t)ceil(ms) : -1;
}

/* As Go writes it: numbers with units, the largest first. */
static int64_t go_duration(const char *s)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"h", 3600000}, {"ms", 1}, {"m", 60000}, {"s", 1000}, {"us", 1e-3},
		{"\xc2\xb5s", 1e-3}, {"ns", 1e-6}};
	double sum = 0, last = INFINITY;

	while (*s) {
		double n;
		size_t i = 0;

		s = read_decimal(s, &n);
		if (!s)
			return -1;
		while (i < 7 && strncmp(s, units[i].name, strlen(units[i].name)) != 0)
			i++;
		if (i == 7 || units[i].ms >= last)
			return -1;
		last = units[i].ms;
		sum += n * units[i].ms;
		s += strlen(units[i].name);
	}
	return in_range(sum);
}

int64_t rate_duration(const char *text)
{
	double seconds;
	const char *end = read_decimal(text, &seconds);

	if (!end)
		return -1;
	return *end ? go_duration(text) : in_range(seconds * 1000);
}

/* n digits; -1 if they are not there. */
static int digits(const char *s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	/* Years begin in March, so that the odd day is the last. */
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

/* Behind the seconds: "Z", or so many hours and minutes. In minutes; INT_MIN if it is
 * neither. */
#define NO_OFFSET 10000
static int offset_of(const char *s)
{
	int hours, minutes;

	if ((*s == 'Z' || *s == 'z') && !s[1])
		return 0;
	if (*s != '+' && *s != '-')
		return NO_OFFSET;
	hours = digits(s + 1, 2);
	minutes = hours >= 0 && s[3] == ':' ? digits(s + 4, 2) : -1;
	if (hours > 23 || minutes < 0 || minutes > 59 || s[6])
		return NO_OFFSET;
	return (*s == '-' ? -1 : 1) * (hours * 60 + minutes);
}

int64_t rate_time(const char *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	int64_t ms;
	double fraction = 0;
	int part[6], offset;

	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd'
				? s[i] < '0' || s[i] > '9'
				: s[i] != form[i] && !(form[i] == 'T' && s[i] == 't'))
			return -1;
	part[0] = digits(s, 4);
	for (int i = 1; i < 6; i++)
		part[i] = digits(s + 2 + 3 * i, 2);
	if (part[0] < 1970 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
		part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return -1;
	s += sizeof(form) - 1;
	if (*s == '.') {
		double unit = 1;

		for (s++; *s >= '0' && *s <= '9'; s++)
			fraction += (*s - '0') * (unit /= 10);
	}
	offset = offset_of(s);
	if (offset == NO_OFFSET)
		return -1;
	ms = days_of(part[0], part[1], part[2]) * 86400 + part[3] * 3600 +
	     (part[4] - offset) * 60 + part[5];
	ms = ms * 1000 + (int64_t)(fraction * 1000);
	return ms < 0 ? -1 : ms;
}

/* Whether s begins with `word`, in any case; goes behind it. */
static bool skip(const char **s, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *s) < n || strncasecmp(*s, word, n) != 0)
		return false;
	*s += n;
	return true;
}

/* The one of the names that stands there, up to `behind` ('\0': the end). */
static int find(const char **s, const char *end, const char *const *names, char behind)
{
	for (int i = 0; names[i]; i++) {
		const char *at = *s;

		if (skip(&at, end, names[i]) &&
			(behind ? at < end && *at == behind : at == end)) {
			*s = at + (behind != '\0');
			return i;
		}
	}
	return -1;
}

enum { LIMIT, REMAINING, RESET };

static bool read_name(const char *name, size_t len, int *what, int *kind)
{
	static const char *const whats[] = {"limit", "remaining", "reset", NULL};
	static const char *const kinds[] = {
		"requests", "tokens", "input-tokens", "output-tokens", NULL};
	const char *s = name, *end = name + len;

	if (skip(&s, end, "x-ratelimit-")) {
		*what = find(&s, end, whats, '-');
		*kind = find(&s, end, kinds, '\0');
	} else if (skip(&s, end, "anthropic-ratelimit-")) {
		*kind = find(&s, end, kinds, '-');
		*what = find(&s, end, whats, '\0');
	} else {
		return false;
	}
	return *what >= 0 && *kind >= 0;
}

static double read_count(const char *value)
{
	double n;
	const char *end = read_decimal(value, &n);

	return end && !*end && n <= TOLD_MAX ? n : -1;
}

bool rate_told_header(
	struct rate_told *t, const char *name, size_t name_len, const char *value)
{
	struct told_limit *to;
	int what, kind;

	if (!read_name(name, name_len, &what, &kind))
		return false;
	to = &t->of[kind];
	if (what == LIMIT) {
		to->limit = read_count(value);
	} else if (what == REMAINING) {
		to->remaining = read_count(value);
		t->any = t->any || to->remaining >= 0;
	} else {
		to->reset_ms = rate_time(value);
		to->is_time = to->reset_ms >= 0;
		if (!to->is_time)
			to->reset_ms = rate_duration(value);
	}
	return true;
}

int64_t rate_told_reset(const struct rate_told *t, enum told_kind kind, int64_t wall_ms)
{
	const struct told_limit *l = &t->of[kind];
	int64_t left;

	if (!l->is_time || l->reset_ms < 0)
		return l->reset_ms;
	left = l->reset_ms - (t->date_ms > 0 ? t->date_ms : wall_ms);
	return left < 0 ? 0 : left > TOLD_RESET_MAX_MS ? -1 : left;
}
