/* SPDX-License-Identifier: Apache-2.0 */
/* The leaves of the grammar: names and constants. */
#include <string.h>

#include "common/mem.h"
#include "common/text.h"
#include "store/filter_parse.h"

static uint32_t new_operand(struct filter *f, const struct filter_operand *operand)
{
	MEM_GROW(f->operands, f->cap_operands, f->n_operands + 1);
	f->operands[f->n_operands] = *operand;
	return (uint32_t)f->n_operands++;
}

bool filter_complain_token(struct filter_parser *p, const char *wanted)
{
	char word[80];

	return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
		"expected %s, not %s", wanted,
		filter_lex_word(&p->x, word, sizeof(word)));
}

static bool complain_name(struct filter_parser *p, const char *name)
{
	size_t column = filter_lex_column(&p->x, p->x.from);
	const char *nearest = field_nearest(name);
	char shown[120];

	text_escape(name, strlen(name), shown, sizeof(shown));
	if (field_is_group(name))
		return filter_lex_complain(&p->x, column,
			"'%s' is a group of fields; name one of them", shown);
	if (nearest)
		return filter_lex_complain(&p->x, column,
			"unknown name '%s' (did you mean '%s'?)", shown, nearest);
	return filter_lex_complain(&p->x, column,
		"unknown name '%s'; the corpus's own columns are under 'extra'", shown);
}

/* The parts of the name at hand with dots between them. */
static void join_path(const struct filter_lexer *x, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < x->n_path; i++) {
		size_t room = size - at - 1, len = x->path[i].len;

		if (i > 0 && room > 0) {
			out[at++] = '.';
			room--;
		}
		if (len > room)
			len = room;
		memcpy(out + at, x->path[i].data, len);
		at += len;
	}
	out[at] = '\0';
}

static bool is_word(struct bytes text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

static bool parse_name(struct filter_parser *p, struct filter_operand *o)
{
	struct filter_lexer *x = &p->x;
	char name[128];

	join_path(x, name, sizeof(name));
	if (x->n_path > 1 &&
		(is_word(x->path[0], "extra") || is_word(x->path[0], "request"))) {
		o->field = field_find(x->path[0].len == 5 ? "extra" : "request");
		o->type = FIELD_ANY;
		o->n_path = x->n_path - 1;
		memcpy(o->path, x->path + 1, o->n_path * sizeof(o->path[0]));
	} else {
		o->field = field_find(name);
		if (!o->field)
			return complain_name(p, name);
		o->type = o->field->type;
	}
	if (o->type == FIELD_COLUMN)
		return filter_lex_complain(x, filter_lex_column(x, x->from),
			"'%s' is a column of the logits, which filters do not read",
			name);
	p->f->needs |= o->field->needs;
	return true;
}

static bool parse_constant(struct filter_parser *p, struct filter_operand *o)
{
	switch (p->x.token) {
	case TOKEN_TEXT:
		o->type = FIELD_TEXT;
		o->constant = p->x.value;
		break;
	case TOKEN_NUMBER:
		o->type = FIELD_NUMBER;
		o->constant = p->x.value;
		break;
	case TOKEN_TRUE:
	case TOKEN_FALSE:
		o->type = FIELD_BOOL;
		o->constant = (struct value){
			.kind = VALUE_BOOL, .truth = p->x.token == TOKEN_TRUE};
		break;
	case TOKEN_NULL:
		return filter_lex_complain(&p->x, filter_lex_column(&p->x, p->x.from),
			"nothing equals null; write 'is null' or 'is not null'");
	default:
		return filter_complain_token(p, "a constant");
	}
	return true;
}

bool filter_parse_value(struct filter_parser *p, bool only_constants, uint32_t *out)
{
	struct filter_operand o = {.from = p->x.from, .len = p->x.len};

	if (p->x.token == TOKEN_NAME && !only_constants) {
		if (!parse_name(p, &o))
			return false;
	} else if (!only_constants && p->x.token != TOKEN_TEXT &&
		   p->x.token != TOKEN_NUMBER && p->x.token != TOKEN_TRUE &&
		   p->x.token != TOKEN_FALSE && p->x.token != TOKEN_NULL) {
		return filter_complain_token(p, "a name or a constant");
	} else if (!parse_constant(p, &o)) {
		return false;
	}
	*out = new_operand(p->f, &o);
	return filter_lex_next(&p->x);
}
