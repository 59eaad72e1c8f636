/* SPDX-License-Identifier: Apache-2.0 */
/* A filter's life; filter_parse.c, filter_eval.c and filter_print.c do the rest. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "store/filter_parse.h"

/* Larger than any text that a sample can have. */
#define ROOM_MAX (PACK_RAW_MAX + 64)

static bool parse_text(struct filter_parser *p)
{
	const char *text = p->x.text;
	size_t len = strlen(text), valid = utf8_valid_prefix(text, len);

	if (len > LIMIT_FILTER_TEXT)
		return filter_lex_complain(
			&p->x, 1, "longer than %zu bytes", (size_t)LIMIT_FILTER_TEXT);
	if (valid < len)
		return filter_lex_complain(&p->x,
			filter_lex_column(&p->x, text + valid), "this is not UTF-8");
	if (!filter_lex_next(&p->x))
		return false;
	if (p->x.token == TOKEN_END)
		return filter_lex_complain(&p->x, 1, "the expression is empty");
	if (!filter_parse_any(p, &p->f->root))
		return false;
	return p->x.token == TOKEN_END || filter_complain_operator(p);
}

enum err_code filter_compile(
	const char *text, struct filter **out, size_t *column, struct err *err)
{
	struct filter *f = mem_zalloc(1, sizeof(*f));
	struct filter_parser p = {
		.x = {.text = text, .at = text, .from = text, .err = err}, .f = f};

	p.x.error_column = column;
	f->texts = p.x.texts = mem_alloc(strlen(text) + 1);
	buf_init(&f->left_room, ROOM_MAX);
	buf_init(&f->right_room, ROOM_MAX);
	*out = NULL;
	if (!parse_text(&p)) {
		filter_free(f);
		return ERR_INVALID;
	}
	*out = f;
	return ERR_NONE;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	free(f->nodes);
	free(f->operands);
	free(f->texts);
	buf_release(&f->left_room);
	buf_release(&f->right_room);
	free(f);
}

unsigned filter_needs(const struct filter *f)
{
	return f->needs;
}
