/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/final_text.h"

#include <string.h>

/* What is replaced wherever it stands; the longer before its own beginning. */
static const struct {
	const char *from, *to;
} replaced[] = {
	{"{,}", ","}, {"\\dfrac", "\\frac"}, {"\\tfrac", "\\frac"}, {"\\left", ""},
	{"\\right", ""}, {"\\displaystyle", ""}, {"\\cdot", "*"}, {"\\times", "*"},
	{"\\approx", "="}, {"\\circ", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},
	{"\\degree", ""}, {"\\(", ""}, {"\\)", ""}, {"\\[", ""}, {"\\]", ""},
	{"\\$", ""}, {"\\%", "%"}, {"\\,", ""}, {"\\!", ""}, {"\\;", ""}, {"\\:", ""},
	{"\\ ", " "}, {"$", ""}, {"~", " "}, {"\xc2\xa0", " "}, /* no-break space */
	{"\xe2\x80\xaf", ""},  /* narrow no-break space */
	{"\xe2\x80\x89", ""},  /* thin space */
	{"\xe2\x82\xac", ""},  /* euro */
	{"\xc2\xa3", ""},      /* pound */
	{"\xc2\xa5", ""},      /* yen */
	{"\xc2\xb0", ""},      /* degree */
	{"\xe2\x88\x92", "-"}, /* minus */
	{"\xe2\x80\x93", "-"}, /* en dash */
	{"\xc3\x97", "*"},     /* times */
	{"\xe2\x89\x88", "="}, /* almost equal */
	{"\xe2\x80\x99", "'"}, /* apostrophe */
};

/* Commands whose braces only set the type. */
static const char *const wrappers[] = {"\\text", "\\textbf", "\\textit", "\\textrm",
	"\\mathrm", "\\mathbf", "\\mathit", "\\mathsf", "\\mbox", "\\boxed", "\\fbox"};

static bool begins_with(struct bytes s, const char *prefix, size_t n)
{
	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

static void put(struct final_text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n && t->len < FINAL_TEXT_MAX; i++) {
		char c = s[i];

		if (c >= 0 && c < ' ')
			c = ' ';
		if (c == ' ' && (t->len == 0 || t->text[t->len - 1] == ' '))
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		t->text[t->len++] = c;
	}
}

/* Bytes of a replacement's original at s; 0 if there is none. */
static size_t replace(struct final_text *t, struct bytes s)
{
	/* Nothing else begins one, and nearly everything is something else. */
	if (s.data[0] < 0x80 && !strchr("\\{$~^", s.data[0]))
		return 0;
	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
		size_t n;

		if (replaced[i].from[0] != (char)s.data[0])
			continue;
		n = strlen(replaced[i].from);
		if (!begins_with(s, replaced[i].from, n))
			continue;
		put(t, replaced[i].to, strlen(replaced[i].to));
		return n;
	}
	return 0;
}

/* Bytes of "\text{" and its like at s; 0 if there is none. The closing brace
 * is found by counting. */
static size_t wrapper_at(struct bytes s)
{
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
		size_t n = strlen(wrappers[i]);

		if (!begins_with(s, wrappers[i], n))
			continue;
		while (n < s.len && s.data[n] == ' ')
			n++;
		if (n < s.len && s.data[n] == '{')
			return n + 1;
	}
	return 0;
}

/* \frac12 and \sqrt2 take single characters; with braces they are like others. */
static size_t braced_at(struct final_text *t, struct bytes s)
{
	static const struct {
		const char *name;
		size_t args;
	} commands[] = {{"\\frac", 2}, {"\\dfrac", 2}, {"\\tfrac", 2}, {"\\sqrt", 1}};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		size_t n = strlen(commands[i].name), args = commands[i].args;

		if (!begins_with(s, commands[i].name, n) || s.len < n + args)
			continue;
		for (size_t k = 0; k < args; k++)
			if (s.data[n + k] < '0' || s.data[n + k] > '9')
				return 0;
		put(t, args == 2 ? "\\frac" : "\\sqrt", 5);
		for (size_t k = 0; k < args; k++) {
			put(t, "{", 1);
			put(t, (const char *)s.data + n + k, 1);
			put(t, "}", 1);
		}
		return n + args;
	}
	return 0;
}

static bool is_decoration(char c)
{
	return c == ' ' || c == '*' || c == '`' || c == '"' || c == '\'' || c == '_';
}

static void drop_front(struct final_text *t, size_t n)
{
	t->len -= n;
	memmove(t->text, t->text + n, t->len);
}

static void trim(struct final_text *t)
{
	size_t n = 0;

	while (t->len > 0 && is_decoration(t->text[t->len - 1]))
		t->len--;
	while (n < t->len && is_decoration(t->text[n]))
		n++;
	drop_front(t, n);
}

bool final_text_of(struct bytes in, struct final_text *t)
{
	unsigned depth = 0;
	uint64_t wrapped = 0; /* bit d: the brace open at depth d is a wrapper's */

	t->len = 0;
	if (in.len > FINAL_ANSWER_MAX)
		return false;
	while (in.len > 0) {
		size_t n = in.data[0] == '\\' ? braced_at(t, in) : 0;

		if (n == 0 && in.data[0] == '\\' && (n = wrapper_at(in)) > 0 &&
			depth < 63) {
			wrapped |= (uint64_t)1 << ++depth;
		} else if (n == 0) {
			n = replace(t, in);
		}
		if (n == 0) {
			n = 1;
			if (in.data[0] == '{' && depth < 63)
				wrapped &= ~((uint64_t)1 << ++depth);
			if (in.data[0] != '}' || depth == 0 || !(wrapped >> depth & 1))
				put(t, (const char *)in.data, 1);
			if (in.data[0] == '}' && depth > 0)
				depth--;
		}
		in = bytes_of(in.data + n, in.len - n);
	}
	trim(t);
	t->text[t->len] = '\0';
	return true;
}

static bool is_bracketed(const struct final_text *t)
{
	char open = t->text[0], close = t->text[t->len - 1];

	return t->len >= 2 && !memchr(t->text, ',', t->len) &&
	       ((open == '(' && close == ')') || (open == '[' && close == ']') ||
		       (open == '{' && close == '}'));
}

void final_text_strip(struct final_text *t)
{
	size_t to = 0;

	for (size_t i = 0; i < t->len; i++)
		if (t->text[i] != ' ')
			t->text[to++] = t->text[i];
	t->len = to;
	while (t->len > 0 && strchr(".,;:!", t->text[t->len - 1]))
		t->len--;
	while (t->len > 0 && is_bracketed(t)) {
		t->len--;
		drop_front(t, 1);
	}
	if (t->len > 2 && t->text[1] == '=')
		drop_front(t, 2);
	t->text[t->len] = '\0';
}
