/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions as text: the normal form, and the place of an error. */
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "store/filter_tree.h"

static const char *const op_words[] = {
	[FILTER_EQ] = "==",
	[FILTER_NE] = "!=",
	[FILTER_LT] = "<",
	[FILTER_LE] = "<=",
	[FILTER_GT] = ">",
	[FILTER_GE] = ">=",
	[FILTER_CONTAINS] = "contains",
	[FILTER_STARTS] = "starts with",
	[FILTER_ENDS] = "ends with",
	[FILTER_IN] = "in",
	[FILTER_NULL] = "null",
	[FILTER_EMPTY] = "empty",
};

static void print_quoted(struct bytes text, struct buf *out)
{
	buf_add_byte(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c == '\'' || c == '\\')
			buf_add_byte(out, '\\');
		if (c == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_byte(out, c);
	}
	buf_add_byte(out, '\'');
}

static void print_operand(const struct filter_operand *o, struct buf *out)
{
	if (o->field) {
		buf_add_str(out, o->field->name);
		for (size_t i = 0; i < o->n_path; i++) {
			buf_add_byte(out, '.');
			print_quoted(o->path[i], out);
		}
		return;
	}
	switch (o->constant.kind) {
	case VALUE_TEXT:
		print_quoted(o->constant.text, out);
		break;
	case VALUE_INTEGER:
		buf_printf(out, "%lld", (long long)o->constant.integer);
		break;
	case VALUE_BOOL:
		buf_add_str(out, o->constant.truth ? "true" : "false");
		break;
	default:
		buf_printf(out, "%.17g", o->constant.real);
		break;
	}
}

static void print_test(
	const struct filter *f, const struct filter_node *n, struct buf *out)
{
	print_operand(&f->operands[n->left], out);
	if (n->op == FILTER_TRUTH)
		return;
	if (n->op == FILTER_NULL || n->op == FILTER_EMPTY) {
		buf_printf(out, " is %s%s", n->negated ? "not " : "", op_words[n->op]);
		return;
	}
	buf_printf(out, " %s%s ", n->negated ? "not " : "", op_words[n->op]);
	if (n->op == FILTER_IN)
		buf_add_byte(out, '(');
	for (uint32_t i = 0; i < n->n_right; i++) {
		if (i > 0)
			buf_add_str(out, ", ");
		print_operand(&f->operands[n->right + i], out);
	}
	if (n->op == FILTER_IN)
		buf_add_byte(out, ')');
}

static void print_node(const struct filter *f, uint32_t index, struct buf *out)
{
	const struct filter_node *n = &f->nodes[index];

	switch (n->op) {
	case FILTER_NOT:
		buf_add_str(out, "not (");
		print_node(f, n->first, out);
		buf_add_byte(out, ')');
		break;
	case FILTER_ALL:
	case FILTER_ANY:
		for (uint32_t at = n->first; at != FILTER_NO_NODE;
			at = f->nodes[at].next) {
			if (at != n->first)
				buf_add_str(
					out, n->op == FILTER_ALL ? " and " : " or ");
			buf_add_byte(out, '(');
			print_node(f, at, out);
			buf_add_byte(out, ')');
		}
		break;
	default:
		print_test(f, n, out);
		break;
	}
}

void filter_print(const struct filter *f, struct buf *out)
{
	print_node(f, f->root, out);
}

/* Characters shown before and behind the column. */
#define SHOWN_BEFORE 48
#define SHOWN_BEHIND 24

void filter_point_at(const char *text, size_t column, struct buf *out)
{
	size_t len = strlen(text), at = 0, number = 1, caret = 0;

	buf_add_str(out, "  ");
	while (at < len && number < column + SHOWN_BEHIND) {
		size_t n = utf8_sequence(text + at, len - at);
		char piece[16];

		if (n == 0)
			n = 1;
		if (number + SHOWN_BEFORE >= column) {
			if ((unsigned char)text[at] < 0x20)
				snprintf(piece, sizeof(piece), " ");
			else
				text_printable(text + at, n, piece);
			/* What is escaped takes more than one place. */
			if (number < column)
				caret += utf8_sequence(piece, strlen(piece)) ==
							 strlen(piece)
						 ? 1
						 : strlen(piece);
			buf_add_str(out, piece);
		}
		at += n;
		number++;
	}
	buf_add_str(out, "\n  ");
	buf_add_fill(out, ' ', caret);
	buf_add_str(out, "^\n");
}
