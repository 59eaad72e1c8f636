/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/jinja_tree.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "common/uchar.h"

struct lexer {
	const unsigned char *s;
	size_t n, at;
	unsigned line;
	bool line_starts; /* what came last ended with a line feed */
	struct tokens *out;
};

static bool fail(struct lexer *l, const char *what)
{
	l->out->line = l->line;
	snprintf(l->out->error, sizeof(l->out->error), "%s", what);
	return false;
}

static struct token *add(
	struct lexer *l, enum token_kind kind, const void *text, size_t len)
{
	struct tokens *t = l->out;

	MEM_GROW(t->at, t->cap, t->n + 1);
	t->at[t->n] = (struct token){
		.kind = kind, .line = l->line, .at = t->texts.len, .len = len};
	buf_add(&t->texts, text, len);
	buf_add_byte(&t->texts, 0);
	return &t->at[t->n++];
}

static bool begins(const struct lexer *l, const char *with)
{
	size_t len = strlen(with);

	return l->n - l->at >= len && memcmp(l->s + l->at, with, len) == 0;
}

static void go_on(struct lexer *l, size_t to)
{
	for (; l->at < to; l->at++)
		l->line += l->s[l->at] == '\n';
}

static void pass_space(struct lexer *l)
{
	size_t at = l->at, len;

	while (at < l->n && uchar_is_python_space(uchar_at(l->s + at, &len)))
		at += len;
	go_on(l, at);
}

/* -- Text between tags -- */

static size_t without_space_behind(const struct lexer *l, size_t from, size_t to)
{
	while (to > from) {
		size_t before = uchar_before(l->s, to), len;

		if (!uchar_is_python_space(uchar_at(l->s + before, &len)))
			break;
		to = before;
	}
	return to;
}

/* lstrip_blocks: blanks between a line's beginning and a block are not text. */
static size_t without_indent(const struct lexer *l, size_t from, size_t to)
{
	const unsigned char *feed =
		to > from ? memrchr(l->s + from, '\n', to - from) : NULL;
	size_t line = feed ? (size_t)(feed - l->s) + 1 : from;

	if (!feed && !l->line_starts)
		return to;
	return without_space_behind(l, line, to) == line ? line : to;
}

/* The end of a tag: passes over it, and over what it takes along. */
static void end_tag(struct lexer *l, size_t len, unsigned char sign, bool trims)
{
	size_t begin = l->at;

	go_on(l, l->at + len);
	if (sign == '-')
		pass_space(l);
	else if (sign != '+' && trims && l->at < l->n && l->s[l->at] == '\n')
		go_on(l, l->at + 1);
	l->line_starts = l->at > begin && l->s[l->at - 1] == '\n';
}

static bool pass_comment(struct lexer *l)
{
	const unsigned char *end = memmem(l->s + l->at, l->n - l->at, "#}", 2);
	unsigned char sign;

	if (!end)
		return fail(l, "a comment does not end");
	sign = end > l->s + l->at ? end[-1] : 0;
	go_on(l, (size_t)(end - l->s));
	end_tag(l, 2, sign, true);
	return true;
}

/* -- Inside of tags -- */

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static unsigned char peek(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->n ? l->s[l->at + ahead] : 0;
}

static void read_name(struct lexer *l)
{
	size_t end = l->at;

	while (end < l->n && (is_letter(l->s[end]) || is_digit(l->s[end])))
		end++;
	add(l, TOKEN_NAME, l->s + l->at, end - l->at);
	l->at = end;
}

static size_t digits(const struct lexer *l, size_t at)
{
	while (at < l->n && is_digit(l->s[at]))
		at++;
	return at;
}

static bool read_number(struct lexer *l)
{
	size_t end = digits(l, l->at), power;
	bool is_real = false;
	char text[64];
	struct token *t;

	if (end + 1 < l->n && l->s[end] == '.' && is_digit(l->s[end + 1])) {
		end = digits(l, end + 1);
		is_real = true;
	}
	power = end + 1;
	if (end < l->n && (l->s[end] == 'e' || l->s[end] == 'E')) {
		if (power < l->n && (l->s[power] == '+' || l->s[power] == '-'))
			power++;
		if (power < l->n && is_digit(l->s[power])) {
			end = digits(l, power);
			is_real = true;
		}
	}
	if (end - l->at >= sizeof(text) || (end < l->n && is_letter(l->s[end])) ||
		(!is_real && end - l->at > 1 && l->s[l->at] == '0'))
		return fail(l, "a number is written in a way that is not offered");
	memcpy(text, l->s + l->at, end - l->at);
	text[end - l->at] = '\0';
	t = add(l, is_real ? TOKEN_REAL : TOKEN_INTEGER, text, end - l->at);
	errno = 0;
	t->real = strtod(text, NULL);
	t->integer = is_real ? 0 : strtoll(text, NULL, 10);
	l->at = end;
	return errno == 0 || fail(l, "a number is too large");
}

static int hex_digit(unsigned char c)
{
	return is_digit(c)            ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH at `at`, behind the letter. */
static bool read_hex(struct lexer *l, size_t at, size_t n, struct buf *to)
{
	unsigned char utf8[4];
	uint32_t code = 0;

	for (size_t i = 0; i < n; i++) {
		int d = at + i < l->n ? hex_digit(l->s[at + i]) : -1;

		if (d < 0)
			return fail(l, "an escape lacks hexadecimal digits");
		code = code << 4 | (uint32_t)d;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return fail(l, "an escape is no character");
	buf_add(to, utf8, utf8_encode(code, utf8));
	return true;
}

/* Python's escapes; *at is behind the backslash. */
static bool read_escape(struct lexer *l, size_t *at, struct buf *to)
{
	static const char names[] = "abfnrtv\\'\"", means[] = "\a\b\f\n\r\t\v\\'\"";
	unsigned char c = l->s[*at];
	const char *known = c ? strchr(names, c) : NULL;
	size_t n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;

	(*at)++;
	if (known) {
		buf_add_byte(to, (unsigned char)means[known - names]);
	} else if (n) {
		*at += n;
		return read_hex(l, *at - n, n, to);
	} else if (c == 'N' || is_digit(c) || c >= 0x80) {
		return fail(l, "an escape is not offered");
	} else if (c != '\n') { /* which a backslash takes away */
		buf_add_byte(to, '\\');
		buf_add_byte(to, c);
	}
	return true;
}

static bool read_string(struct lexer *l)
{
	unsigned char quote = l->s[l->at];
	size_t at = l->at + 1;
	struct buf text;
	bool ok = true;

	buf_init(&text, LIMIT_TEMPLATE);
	while (ok && at < l->n && l->s[at] != quote) {
		if (l->s[at] != '\\') {
			buf_add_byte(&text, l->s[at++]);
		} else if (++at < l->n) {
			ok = read_escape(l, &at, &text);
		}
	}
	if (ok && at >= l->n)
		ok = fail(l, "a text does not end");
	if (ok) {
		add(l, TOKEN_TEXT, text.data, text.len);
		go_on(l, at + 1);
	}
	buf_release(&text);
	return ok;
}

static bool read_sign(struct lexer *l, struct buf *open)
{
	static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
	unsigned char c = l->s[l->at];
	size_t len = 1;

	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		if (begins(l, two[i]))
			len = 2;
	if (len == 1 && !strchr("+-/*%~[](){}><=.:|,;", c))
		return fail(l, "a character is out of place");
	if (strchr("([{", c)) {
		buf_add_byte(open, c == '(' ? ')' : c == '[' ? ']' : '}');
	} else if (strchr(")]}", c)) {
		if (open->len == 0 || open->data[open->len - 1] != c)
			return fail(l, "a bracket is closed that is not open");
		open->len--;
	}
	add(l, TOKEN_SIGN, l->s + l->at, len);
	l->at += len;
	return true;
}

/* Whether the tag ends here; *len is the end's, *sign the one before it. */
static bool at_end(const struct lexer *l, bool block, size_t *len, unsigned char *sign)
{
	const char *end = block ? "%}" : "}}";
	unsigned char c = peek(l, 0);

	*sign = 0;
	*len = 2;
	if (begins(l, end))
		return true;
	*sign = c;
	*len = 3;
	return (c == '-' || (c == '+' && block)) && peek(l, 1) == end[0] &&
	       peek(l, 2) == '}';
}

static bool read_tag(struct lexer *l, bool block)
{
	struct buf open;
	bool ok = true;

	buf_init(&open, KIB(64));
	add(l, block ? TOKEN_BLOCK : TOKEN_OUTPUT, "", 0);
	while (ok) {
		unsigned char sign;
		size_t len;

		pass_space(l);
		if (l->at >= l->n) {
			ok = fail(l, "a tag does not end");
		} else if (open.len == 0 && at_end(l, block, &len, &sign)) {
			add(l, block ? TOKEN_BLOCK_END : TOKEN_OUTPUT_END, "", 0);
			end_tag(l, len, sign, block);
			break;
		} else if (is_digit(l->s[l->at])) {
			ok = read_number(l);
		} else if (is_letter(l->s[l->at])) {
			read_name(l);
		} else if (l->s[l->at] == '\'' || l->s[l->at] == '"') {
			ok = read_string(l);
		} else {
			ok = l->s[l->at] != 0 ? read_sign(l, &open)
					      : fail(l, "a NUL is out of place");
		}
	}
	buf_release(&open);
	return ok;
}

/* -- The whole -- */

/* The next "{{", "{%" or "{#", or the end. */
static size_t next_tag(const struct lexer *l)
{
	size_t at = l->at;

	while (at < l->n) {
		const unsigned char *p = memchr(l->s + at, '{', l->n - at);

		if (!p)
			return l->n;
		at = (size_t)(p - l->s);
		if (at + 1 < l->n && p[1] && strchr("{%#", p[1]))
			return at;
		at++;
	}
	return l->n;
}

static bool lex(struct lexer *l)
{
	bool ok = true;

	while (ok && l->at < l->n) {
		size_t tag = next_tag(l), end = tag;
		unsigned char kind = tag < l->n ? l->s[tag + 1] : 0;
		unsigned char sign = tag + 2 < l->n ? l->s[tag + 2] : 0;

		if (kind && sign == '-')
			end = without_space_behind(l, l->at, tag);
		else if (kind && sign != '+' && kind != '{')
			end = without_indent(l, l->at, tag);
		if (end > l->at)
			add(l, TOKEN_DATA, l->s + l->at, end - l->at);
		go_on(l, tag);
		if (!kind)
			break;
		go_on(l, tag + 2 + (sign == '-' || sign == '+'));
		ok = kind == '#' ? pass_comment(l) : read_tag(l, kind == '%');
	}
	add(l, TOKEN_END, "", 0);
	return ok;
}

/* Line ends are line feeds, and one at the very end is not part of the text. */
static void normalise(struct bytes source, struct buf *out)
{
	for (size_t i = 0; i < source.len; i++) {
		if (source.data[i] != '\r')
			buf_add_byte(out, source.data[i]);
		else if (i + 1 == source.len || source.data[i + 1] != '\n')
			buf_add_byte(out, '\n');
	}
	if (out->len > 0 && out->data[out->len - 1] == '\n')
		out->len--;
}

bool jinja_lex(struct bytes source, struct tokens *out)
{
	struct lexer l = {.line = 1, .line_starts = true, .out = out};
	struct buf text;
	bool ok;

	*out = (struct tokens){0};
	buf_init(&out->texts, 4 * LIMIT_TEMPLATE);
	buf_init(&text, LIMIT_TEMPLATE);
	if (source.len > LIMIT_TEMPLATE)
		return fail(&l, "the template is too long");
	if (utf8_valid_prefix(source.data, source.len) != source.len)
		return fail(&l, "the template is not UTF-8");
	normalise(source, &text);
	l.s = text.data;
	l.n = text.len;
	ok = lex(&l);
	if (ok && out->texts.over)
		ok = fail(&l, "the template is too long");
	buf_release(&text);
	return ok;
}

void tokens_release(struct tokens *t)
{
	free(t->at);
	buf_release(&t->texts);
}
