/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/prompt.h"

#include <assert.h>
#include <string.h>

#include "coordinator/json_copy.h"
#include "coordinator/request.h"
#include "coordinator/shape.h"

/* Brackets, role names and the like around the texts. */
#define WRAPPING_MAX KIB(4)

void prompt_init(struct prompt *p)
{
	memset(p, 0, sizeof(*p));
	row_init(&p->row);
	buf_init(&p->messages_buf, PROMPT_TEXT_MAX);
	/* Neither can be longer than the line that it comes from. */
	buf_init(&p->reference_buf, LIMIT_CORPUS_LINE + WRAPPING_MAX);
	buf_init(&p->extra_buf, LIMIT_CORPUS_LINE + WRAPPING_MAX);
	buf_init(&p->scratch, LIMIT_CORPUS_LINE + WRAPPING_MAX);
}

void prompt_release(struct prompt *p)
{
	row_release(&p->row);
	buf_release(&p->messages_buf);
	buf_release(&p->reference_buf);
	buf_release(&p->extra_buf);
	buf_release(&p->scratch);
	memset(p, 0, sizeof(*p));
}

/* What stands between the quotes of a string value. */
static struct bytes inside(struct bytes value)
{
	return bytes_of(value.data + 1, value.len - 2);
}

static void open_message(struct buf *out, const char *role)
{
	if (out->len > 1)
		buf_add_byte(out, ',');
	buf_add_str(out, "{\"role\":\"");
	buf_add_str(out, role);
	buf_add_str(out, "\",\"content\":\"");
}

static void close_message(struct buf *out)
{
	buf_add_str(out, "\"}");
}

static void write_system(
	const struct prompt_rules *rules, const struct shape *shape, struct prompt *p)
{
	struct buf *out = &p->messages_buf;

	if (shape->system != ROW_NO_SLOT) {
		open_message(out, "system");
		json_copy_string(inside(row_get(&p->row, shape->system)->value), out);
		close_message(out);
	} else if (!shape->turns || !shape->turns->has_system) {
		buf_add(out, rules->system_message.data, rules->system_message.len);
	}
}

static void write_template(const struct prompt_rules *rules, struct prompt *p)
{
	struct buf *out = &p->messages_buf;

	open_message(out, "user");
	for (size_t i = 0; i < rules->n_pieces; i++) {
		const struct template_piece *piece = &rules->piece[i];
		const struct row_column *column = row_get(&p->row, piece->slot);

		if (column->type == ROW_IS_STRING) {
			json_copy_string(inside(column->value), out);
		} else if (column->type != ROW_IS_ABSENT) {
			buf_clear(&p->scratch);
			json_copy_value(column->value, &p->scratch);
			json_copy_escaped(p->scratch.data, p->scratch.len, out);
		}
		buf_add(out, rules->literals.data + piece->from, piece->len);
	}
	close_message(out);
}

static void write_text(const struct shape *shape, struct prompt *p)
{
	struct buf *out = &p->messages_buf;

	open_message(out, "user");
	json_copy_string(inside(row_get(&p->row, shape->asked)->value), out);
	if (shape->input != ROW_NO_SLOT) {
		buf_add_str(out, "\\n\\n");
		json_copy_string(inside(row_get(&p->row, shape->input)->value), out);
	}
	close_message(out);
}

/* Where the part of the list that is sent ends. */
static const unsigned char *sent_to(
	const struct prompt_rules *rules, const struct turns *turns)
{
	if (rules->prefill)
		return turns->text.data + turns->text.len - 1;
	return turns->sent_to;
}

static void write_messages(
	const struct prompt_rules *rules, const struct turns *turns, struct buf *out)
{
	const unsigned char *from = turns->text.data + 1;

	if (out->len > 1)
		buf_add_byte(out, ',');
	json_copy_value(bytes_of(from, (size_t)(sent_to(rules, turns) - from)), out);
}

/* ShareGPT's list is read once more, since its words have to be translated. */
static void write_sharegpt(
	const struct prompt_rules *rules, const struct turns *turns, struct prompt *p)
{
	struct jscan *s = &p->row.scan;
	const unsigned char *list = turns->text.data, *end = sent_to(rules, turns);
	struct turn turn;

	jscan_reset(s);
	jscan_feed(s, list, turns->text.len);
	jscan_next(s);
	while (list + jscan_offset(s) < end && jscan_next(s) == JSCAN_OBJECT) {
		turn_read(s, list, TURNS_SHAREGPT, &turn);
		open_message(&p->messages_buf, turn_role_name(turn.role));
		json_copy_string(inside(turn.content), &p->messages_buf);
		close_message(&p->messages_buf);
	}
}

static void write_reference(const struct shape *shape, struct prompt *p)
{
	struct bytes value = shape->answer_turn
				     ? shape->answer_turn->content
				     : row_get(&p->row, shape->reference)->value;

	if (!value.data)
		return;
	if (*value.data == '"')
		json_copy_meaning(value, &p->reference_buf);
	else
		json_copy_value(value, &p->reference_buf);
	p->reference = buf_bytes(&p->reference_buf);
	if (!p->reference.data)
		p->reference.data = (const unsigned char *)"";
}

/* True if all of the prompt's column is sent, or is the reference. */
static bool asked_is_elsewhere(
	const struct prompt_rules *rules, const struct shape *shape)
{
	const struct turns *turns = shape->turns;

	if (!turns)
		return true;
	if (shape->set_aside)
		return false;
	if (shape->kind == SHAPE_SHAREGPT && !turns->whole)
		return false;
	return rules->prefill || turns->n_behind == 0 ||
	       (turns->n_behind == 1 && shape->answer_turn && turns->last.whole);
}

/* Columns that are in what is scored. */
static bool is_scored(const struct prompt_rules *rules, int slot)
{
	return rules->scores && (slot == ROW_PROMPT_LEN || slot == ROW_TEXT);
}

static void write_extra(
	const struct prompt_rules *rules, const struct shape *shape, struct prompt *p)
{
	int asked = asked_is_elsewhere(rules, shape) ? shape->asked : ROW_NO_SLOT;
	struct buf *out = &p->extra_buf;

	for (size_t i = 0; i < p->row.n_columns; i++) {
		const struct row_column *column = &p->row.column[i];
		int slot = column->slot;

		if (slot != ROW_NO_SLOT && !rules->in_template[slot] &&
			(slot == shape->id || is_scored(rules, slot) ||
				slot == shape->reference || slot == asked ||
				slot == shape->input || slot == shape->system ||
				request_has_column(rules, slot) ||
				(shape->batch &&
					(slot == ROW_METHOD || slot == ROW_URL))))
			continue;
		buf_add_str(out, out->len ? ",\"" : "{\"");
		json_copy_string(column->name, out);
		buf_add_str(out, "\":");
		json_copy_value(column->value, out);
	}
	if (out->len > 0) {
		buf_add_byte(out, '}');
		p->extra = buf_bytes(out);
	}
}

/* See common/PROTOCOL.md, GRANT. */
static void write_ids(
	const struct prompt_rules *rules, const struct shape *shape, struct prompt *p)
{
	write_reference(shape, p);
	write_extra(rules, shape, p);
	buf_add_str(&p->messages_buf, "{\"input_ids\":");
	json_copy_value(row_get(&p->row, shape->asked)->value, &p->messages_buf);
	if (rules->scores) {
		const struct row_column *text = row_get(&p->row, ROW_TEXT);

		buf_printf(&p->messages_buf, ",\"prompt_len\":%u", shape->prompt_len);
		if (text->type == ROW_IS_STRING) {
			buf_add_str(&p->messages_buf, ",\"text\":");
			json_copy_value(text->value, &p->messages_buf);
		}
	}
	buf_add_byte(&p->messages_buf, '}');
}

static void write_given(
	const struct prompt_rules *rules, const struct shape *shape, struct prompt *p)
{
	write_reference(shape, p);
	write_extra(rules, shape, p);
	buf_add_str(&p->messages_buf, "{\"text\":");
	json_copy_value(row_get(&p->row, shape->asked)->value, &p->messages_buf);
	buf_add_byte(&p->messages_buf, '}');
}

static void write_all(
	const struct prompt_rules *rules, const struct shape *shape, struct prompt *p)
{
	if (shape->kind == SHAPE_IDS) {
		write_ids(rules, shape, p);
		return;
	}
	if (shape->kind == SHAPE_GIVEN) {
		write_given(rules, shape, p);
		return;
	}
	buf_add_byte(&p->messages_buf, '[');
	write_system(rules, shape, p);
	/* Before the scanner is used again, below. */
	write_reference(shape, p);
	write_extra(rules, shape, p);
	switch (shape->kind) {
	case SHAPE_TEMPLATE:
		write_template(rules, p);
		break;
	case SHAPE_MESSAGES:
		write_messages(rules, shape->turns, &p->messages_buf);
		break;
	case SHAPE_SHAREGPT:
		write_sharegpt(rules, shape->turns, p);
		break;
	case SHAPE_TEXT:
		write_text(shape, p);
		break;
	case SHAPE_IDS:
	case SHAPE_GIVEN: /* see above */
		break;
	}
	buf_add_byte(&p->messages_buf, ']');
}

enum err_code prompt_build(const struct prompt_rules *rules, const void *line,
	size_t len, struct prompt *out, struct err *err)
{
	enum reject_reason reason = REJECT_TOO_LONG;
	struct shape shape;

	out->id = out->messages = out->reference = out->extra = bytes_of(NULL, 0);
	out->request = bytes_of(NULL, 0);
	buf_clear(&out->messages_buf);
	buf_clear(&out->reference_buf);
	buf_clear(&out->extra_buf);
	out->messages_buf.max =
		PROMPT_TEXT_MAX + rules->system_message.len + WRAPPING_MAX;
	if (len <= LIMIT_CORPUS_LINE)
		reason = row_read(&out->row, &rules->names, line, len);
	if (reason == REJECT_NONE)
		reason = shape_find(rules, &out->row, line, len, &shape);
	if (reason != REJECT_NONE)
		return err_set(err, ERR_INVALID, "%s: %s", reject_name(reason),
			reject_hint(reason));
	write_all(rules, &shape, out);
	assert(!out->row.request.over && !out->messages_buf.over &&
		!out->reference_buf.over && !out->extra_buf.over);
	out->id = buf_bytes(&out->row.id);
	out->messages = buf_bytes(&out->messages_buf);
	if (out->row.request.len > 0)
		out->request = buf_bytes(&out->row.request);
	return ERR_NONE;
}
