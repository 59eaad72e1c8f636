/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jline.h"

#include <string.h>

#include "store/jmember.h"
#include "store/jwrite.h"

/* Rows of logits between two calls of relieve. */
#define ROWS_A_PIECE 256

void jline_init(struct jline *j, bool with_logits, jline_relieve relieve, void *to)
{
	*j = (struct jline){.with_logits = with_logits, .relieve = relieve, .to = to};
	buf_init(&j->room, PACK_RAW_MAX + 64);
}

void jline_release(struct jline *j)
{
	buf_release(&j->room);
	logits_release(&j->logits);
	j->has_logits = false;
}

static void write_flags(struct buf *out, uint32_t flags)
{
	bool first = true;

	buf_add_byte(out, '[');
	for (int i = 0; i < 32; i++) {
		if (!(flags >> i & 1) || !flag_name(i))
			continue;
		if (!first)
			buf_add_byte(out, ',');
		first = false;
		buf_add_byte(out, '"');
		buf_add_str(out, flag_name(i));
		buf_add_byte(out, '"');
	}
	buf_add_byte(out, ']');
}

static void write_value(struct buf *out, const struct value *v)
{
	switch (v->kind) {
	case VALUE_ABSENT:
		buf_add_str(out, "null");
		break;
	case VALUE_INTEGER:
		jwrite_i64(out, v->integer);
		break;
	case VALUE_REAL:
		buf_printf(out, "%.17g", v->real);
		break;
	case VALUE_REAL32:
		jwrite_f32(out, (float)v->real);
		break;
	case VALUE_NANO:
		jwrite_nano(out, v->integer);
		break;
	case VALUE_TEXT:
		jwrite_text(out, v->text);
		break;
	case VALUE_BOOL:
		buf_add_str(out, v->truth ? "true" : "false");
		break;
	case VALUE_FLAGS:
		write_flags(out, v->flags);
		break;
	case VALUE_JSON:
		jwrite_json(out, v->text);
		break;
	}
}

/* Row by row, `write` gives row i. */
static enum err_code write_rows(struct jline *j, struct buf *out, size_t n,
	void (*write)(const struct jline *j, struct buf *out, size_t i),
	struct err *err)
{
	buf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		write(j, out, i);
		if (i % ROWS_A_PIECE == 0 && j->relieve) {
			enum err_code code = j->relieve(j->to, err);

			if (code != ERR_NONE)
				return code;
		}
	}
	buf_add_byte(out, ']');
	return ERR_NONE;
}

static void add_id(struct buf *out, uint32_t id)
{
	if (id == TOKEN_ID_UNKNOWN)
		buf_add_str(out, "null");
	else
		jwrite_u64(out, id);
}

static void write_id(const struct jline *j, struct buf *out, size_t i)
{
	add_id(out, j->logits.id[i]);
}

static void write_logprob(const struct jline *j, struct buf *out, size_t i)
{
	jwrite_f32(out, j->logits.logprob[i]);
}

static void write_tail(const struct jline *j, struct buf *out, size_t i)
{
	jwrite_f32(out, j->logits.tail[i]);
}

/* Lists of lists. */
static enum err_code write_candidates(
	struct jline *j, struct buf *out, bool ids, struct err *err)
{
	const struct logits *l = &j->logits;
	size_t at = 0;

	buf_add_byte(out, '[');
	for (size_t i = 0; i < l->n; i++) {
		buf_add_str(out, i > 0 ? ",[" : "[");
		for (size_t k = 0; k < l->listed[i]; k++, at++) {
			if (k > 0)
				buf_add_byte(out, ',');
			if (ids)
				add_id(out, l->ids[at]);
			else
				jwrite_f32(out, l->logprobs[at]);
		}
		buf_add_byte(out, ']');
		if (i % ROWS_A_PIECE == 0 && j->relieve) {
			enum err_code code = j->relieve(j->to, err);

			if (code != ERR_NONE)
				return code;
		}
	}
	buf_add_byte(out, ']');
	return ERR_NONE;
}

static enum err_code write_prompt_ids(
	struct sample *s, struct buf *out, struct err *err)
{
	struct bytes ids;
	enum err_code code = sample_prompt_ids(s, &ids, err);

	if (code != ERR_NONE)
		return code;
	if (!ids.data) {
		buf_add_str(out, "null");
		return ERR_NONE;
	}
	buf_add_byte(out, '[');
	for (size_t i = 0; i < ids.len; i += 4) {
		if (i > 0)
			buf_add_byte(out, ',');
		jwrite_u64(out, get_u32(ids.data + i));
	}
	buf_add_byte(out, ']');
	return ERR_NONE;
}

static enum err_code write_column(struct jline *j, struct sample *s, const char *name,
	struct buf *out, struct err *err)
{
	if (strcmp(name, "prompt_token_ids") == 0)
		return write_prompt_ids(s, out, err);
	if (!j->has_logits) {
		buf_add_str(out, "null");
		return ERR_NONE;
	}
	if (strcmp(name, "capture") == 0) {
		jwrite_u64(out, (uint64_t)j->capture);
		return ERR_NONE;
	}
	if (strcmp(name, "token_ids") == 0)
		return write_rows(j, out, j->logits.n, write_id, err);
	if (strcmp(name, "logprobs") == 0)
		return write_rows(j, out, j->logits.n, write_logprob, err);
	if (strcmp(name, "tail_mass") == 0)
		return write_rows(j, out, j->logits.n, write_tail, err);
	return write_candidates(j, out, strcmp(name, "top_ids") == 0, err);
}

static enum err_code load_logits(struct jline *j, struct sample *s, struct err *err)
{
	enum err_code code;

	j->has_logits = false;
	j->capture = CAPTURE_NONE;
	if (!j->with_logits)
		return ERR_NONE;
	code = sample_capture(s, j->choice, &j->capture, err);
	if (code != ERR_NONE || j->capture == CAPTURE_NONE)
		return code;
	code = sample_logits(s, (uint8_t)j->capture, &j->logits, err);
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT,
			"sequence %llu: the logits are missing",
			(unsigned long long)s->sequence);
	j->has_logits = code == ERR_NONE;
	return code;
}

/* Length of the group in "usage.prompt_tokens"; 0: none. */
static size_t group_len(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? (size_t)(dot - name) : 0;
}

/* What stands between the last value and this field's. */
static void write_key(struct buf *out, const char *last, const char *name)
{
	size_t len = group_len(name), was = last ? group_len(last) : 0;
	bool same = last && len == was && len > 0 && memcmp(last, name, len) == 0;

	if (was > 0 && !same)
		buf_add_byte(out, '}');
	buf_add_byte(out, last ? ',' : '{');
	if (len > 0 && !same) {
		buf_add_byte(out, '"');
		buf_add(out, name, len);
		buf_add_str(out, "\":{");
	}
	buf_add_byte(out, '"');
	buf_add_str(out, len > 0 ? name + len + 1 : name);
	buf_add_str(out, "\":");
}

static enum err_code write_field(struct jline *j, struct sample *s,
	const struct field *f, struct buf *out, struct err *err)
{
	struct value v;
	enum err_code code;

	if (f->type == FIELD_COLUMN)
		return write_column(j, s, f->name, out, err);
	/* The teachers of a sample's captures may mean different things. */
	if (j->has_logits && strcmp(f->name, "logprobs_mode") == 0) {
		buf_printf(out, "\"%s\"",
			logprobs_mode_name((enum logprobs_mode)j->logits.mode));
		return ERR_NONE;
	}
	code = field_get(f, s, s->is_duplicate, &j->room, &v, err);
	if (code != ERR_NONE)
		return code;
	if (v.kind == VALUE_JSON && !jmember_is_whole(v.text))
		return err_set(err, ERR_CORRUPT, "sequence %llu: %s is not JSON",
			(unsigned long long)s->sequence, f->name);
	write_value(out, &v);
	return ERR_NONE;
}

enum err_code jline_write(
	struct jline *j, struct sample *s, struct buf *out, struct err *err)
{
	const char *last = NULL;
	enum err_code code = load_logits(j, s, err);

	for (size_t i = 0; i < n_fields && code == ERR_NONE; i++) {
		if (fields[i].with_logits && !j->with_logits)
			continue;
		write_key(out, last, fields[i].name);
		last = fields[i].name;
		code = write_field(j, s, &fields[i], out, err);
		if (code == ERR_NONE && j->relieve)
			code = j->relieve(j->to, err);
	}
	/* The last field may stand in a group. */
	buf_add_str(out, last && group_len(last) > 0 ? "}}" : "}");
	return code;
}
