/* SPDX-License-Identifier: Apache-2.0 */
#include "store/filter_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/jtext.h"
#include "common/text.h"

static const struct {
	const char *word;
	enum filter_token token;
} keywords[] = {
	{"and", TOKEN_AND},
	{"or", TOKEN_OR},
	{"not", TOKEN_NOT},
	{"in", TOKEN_IN},
	{"is", TOKEN_IS},
	{"null", TOKEN_NULL},
	{"empty", TOKEN_EMPTY},
	{"true", TOKEN_TRUE},
	{"false", TOKEN_FALSE},
	{"contains", TOKEN_CONTAINS},
	{"starts", TOKEN_STARTS},
	{"ends", TOKEN_ENDS},
	{"with", TOKEN_WITH},
};

/* Longer ones before those that they begin with. */
static const struct {
	const char *sign;
	enum filter_token token;
	enum filter_op op;
	const char *instead; /* not ours: what to write */
} signs[] = {
	{"==", TOKEN_COMPARE, FILTER_EQ, NULL},
	{"!=", TOKEN_COMPARE, FILTER_NE, NULL},
	{"<>", TOKEN_END, FILTER_NE, "!="},
	{"<=", TOKEN_COMPARE, FILTER_LE, NULL},
	{">=", TOKEN_COMPARE, FILTER_GE, NULL},
	{"<", TOKEN_COMPARE, FILTER_LT, NULL},
	{">", TOKEN_COMPARE, FILTER_GT, NULL},
	{"=", TOKEN_END, FILTER_EQ, "=="},
	{"&&", TOKEN_END, FILTER_ALL, "and"},
	{"&", TOKEN_END, FILTER_ALL, "and"},
	{"||", TOKEN_END, FILTER_ANY, "or"},
	{"|", TOKEN_END, FILTER_ANY, "or"},
	{"!", TOKEN_END, FILTER_NOT, "not"},
	{"(", TOKEN_OPEN, FILTER_ALL, NULL},
	{")", TOKEN_CLOSE, FILTER_ALL, NULL},
	{",", TOKEN_COMMA, FILTER_ALL, NULL},
};

size_t filter_lex_column(const struct filter_lexer *x, const char *at)
{
	size_t column = 1;

	for (const char *p = x->text; p < at; p++)
		column += ((unsigned char)*p & 0xc0) != 0x80;
	return column;
}

bool filter_lex_complain(struct filter_lexer *x, size_t column, const char *fmt, ...)
{
	char what[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(x->err, ERR_INVALID, "column %zu: %s", column, what);
	if (x->error_column)
		*x->error_column = column;
	return false;
}

const char *filter_lex_word(const struct filter_lexer *x, char *out, size_t size)
{
	char text[64];

	if (x->token == TOKEN_END)
		return "the end";
	text_escape(x->from, x->len, text, sizeof(text));
	snprintf(out, size, "'%s'", text);
	return out;
}

static bool complain_here(struct filter_lexer *x, const char *at, const char *what)
{
	return filter_lex_complain(x, filter_lex_column(x, at), "%s", what);
}

/* A quoted text at x->at; what it means goes into x->texts. */
static bool take_quoted(struct filter_lexer *x, struct bytes *out)
{
	const char *from = x->at, *p = from + 1;
	char quote = *from, *to = x->texts;

	for (; *p != quote; p++) {
		if (*p == '\0')
			return complain_here(x, from, "this text has no closing quote");
		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		p++;
		if (*p == 'n' || *p == 't')
			*to++ = *p == 'n' ? '\n' : '\t';
		else if (*p == '\'' || *p == '"' || *p == '\\')
			*to++ = *p;
		else
			return complain_here(x, p - 1,
				"unknown escape; known are \\' \\\" \\\\ \\n and \\t");
	}
	*out = bytes_of(x->texts, (size_t)(to - x->texts));
	x->texts = to;
	x->at = p + 1;
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One part of a name. Behind the first one, which is ours, names are other
 * people's. */
static bool take_part(struct filter_lexer *x, struct bytes *part)
{
	const char *from = x->at;
	bool first = x->n_path == 0;

	if (!first && (*from == '\'' || *from == '"'))
		return take_quoted(x, part);
	while (is_letter(*x->at) || is_digit(*x->at) || (!first && *x->at == '-') ||
		(!first && (unsigned char)*x->at >= 0x80))
		x->at++;
	if (x->at == from)
		return complain_here(x, from, "a name is missing behind the dot");
	*part = bytes_of(from, (size_t)(x->at - from));
	memcpy(x->texts, part->data, part->len);
	part->data = (const unsigned char *)x->texts;
	x->texts += part->len;
	return true;
}

static bool take_name(struct filter_lexer *x)
{
	x->token = TOKEN_NAME;
	x->n_path = 0;
	for (;;) {
		if (x->n_path == FILTER_PATH_MAX)
			return complain_here(
				x, x->from, "this name has too many parts");
		if (!take_part(x, &x->path[x->n_path]))
			return false;
		x->n_path++;
		if (*x->at != '.')
			break;
		x->at++;
	}
	x->len = (size_t)(x->at - x->from);
	for (size_t i = 0; x->n_path == 1 && i < sizeof(keywords) / sizeof(keywords[0]);
		i++)
		if (x->len == strlen(keywords[i].word) &&
			memcmp(x->from, keywords[i].word, x->len) == 0)
			x->token = keywords[i].token;
	return true;
}

static bool take_number(struct filter_lexer *x)
{
	const unsigned char *from = (const unsigned char *)x->at, *next;
	struct jnumber number;

	/* The NUL behind the text ends a number. */
	if (jt_number(from, from + strlen(x->at) + 1, &next, &number) != JT_OK ||
		is_letter((char)*next) || *next == '.')
		return complain_here(x, x->at, "this is not a number");
	x->token = TOKEN_NUMBER;
	x->value =
		(struct value){.kind = number.is_integer ? VALUE_INTEGER : VALUE_REAL,
			.integer = number.integer,
			.real = number.value};
	x->at = (const char *)next;
	return true;
}

static bool take_sign(struct filter_lexer *x)
{
	char word[64];

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t len = strlen(signs[i].sign);

		if (strncmp(x->at, signs[i].sign, len) != 0)
			continue;
		if (signs[i].instead)
			return filter_lex_complain(x, filter_lex_column(x, x->at),
				"unknown sign '%s' (did you mean '%s'?)", signs[i].sign,
				signs[i].instead);
		x->token = signs[i].token;
		x->op = signs[i].op;
		x->at += len;
		return true;
	}
	text_escape(x->at, utf8_sequence(x->at, strlen(x->at)), word, sizeof(word));
	return filter_lex_complain(
		x, filter_lex_column(x, x->at), "unknown sign '%s'", word);
}

bool filter_lex_next(struct filter_lexer *x)
{
	bool ok = true;

	x->at += strspn(x->at, " \t\r\n");
	x->from = x->at;
	if (*x->at == '\0') {
		x->token = TOKEN_END;
	} else if (*x->at == '\'' || *x->at == '"') {
		x->token = TOKEN_TEXT;
		x->value = (struct value){.kind = VALUE_TEXT};
		ok = take_quoted(x, &x->value.text);
	} else if (is_letter(*x->at)) {
		ok = take_name(x);
	} else if (is_digit(*x->at) || *x->at == '-') {
		ok = take_number(x);
	} else {
		ok = take_sign(x);
	}
	x->len = (size_t)(x->at - x->from);
	return ok;
}
