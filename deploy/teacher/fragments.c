/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "deploy/teacher/json_out.h"
#include "deploy/teacher/repair.h"

struct place {
	uint32_t at; /* 0: not written yet */
	uint16_t front, back;
};

struct fragments {
	const struct vocabulary *vocabulary;
	struct fragment_style style;
	struct buf pool;
	struct place place[VOCABULARY_SIZE];
};

struct fragments *fragments_new(
	const struct vocabulary *v, const struct fragment_style *style)
{
	struct fragments *f = mem_zalloc(1, sizeof(*f));

	f->vocabulary = v;
	f->style = *style;
	buf_init(&f->pool, MIB(64));
	buf_add_byte(&f->pool, '\0');
	return f;
}

void fragments_free(struct fragments *f)
{
	if (!f)
		return;
	buf_release(&f->pool);
	free(f);
}

bool fragments_have(const struct fragments *f, const struct fragment_style *style)
{
	return f->style.as_ids == style->as_ids && f->style.with_id == style->with_id &&
	       f->style.cuts_text == style->cuts_text &&
	       f->style.broken == style->broken && f->style.bytes == style->bytes;
}

void fragments_text(const struct vocabulary *v, const struct fragment_style *style,
	unsigned id, struct buf *out)
{
	struct bytes raw = teacher_vocabulary_bytes(v, id);

	if (style->broken)
		buf_add_str(out, "\xef\xbf\xbd");
	else if (style->as_ids)
		buf_printf(out, "token_id:%u", id);
	else if (style->cuts_text)
		buf_add(out, raw.data, utf8_valid_prefix(raw.data, raw.len));
	else
		repair_text(raw, out);
}

static void add_bytes(struct fragments *f, unsigned id, struct bytes text)
{
	struct bytes raw = teacher_vocabulary_bytes(f->vocabulary, id);
	bool is_half = utf8_valid_prefix(raw.data, raw.len) < raw.len;

	switch (f->style.bytes) {
	case FRAGMENT_TRUE:
		json_out_bytes(&f->pool, raw);
		break;
	case FRAGMENT_OF_TEXT:
		json_out_bytes(&f->pool, text);
		break;
	case FRAGMENT_SOME_NULL:
		if (is_half || id % 7 == 0)
			buf_add_str(&f->pool, "null");
		else
			json_out_bytes(&f->pool, raw);
		break;
	case FRAGMENT_ALL_NULL:
		buf_add_str(&f->pool, "null");
		break;
	case FRAGMENT_OF_OTHER:
		json_out_bytes(&f->pool, teacher_vocabulary_bytes(f->vocabulary,
						 (id + 1) % VOCABULARY_SIZE));
		break;
	}
}

static void write_place(struct fragments *f, unsigned id, struct place *p)
{
	struct buf text;
	struct bytes lent;

	buf_init(&text, KIB(4));
	fragments_text(f->vocabulary, &f->style, id, &text);
	lent = buf_bytes(&text);
	p->at = (uint32_t)f->pool.len;
	buf_add_byte(&f->pool, '{');
	if (f->style.with_id)
		buf_printf(&f->pool, "\"id\":%u,", id);
	buf_add_str(&f->pool, "\"token\":");
	json_out_text(&f->pool, lent);
	if (f->style.with_id) {
		buf_add_str(&f->pool, ",\"bytes\":");
		add_bytes(f, id, lent);
	}
	buf_add_str(&f->pool, ",\"logprob\":");
	p->front = (uint16_t)(f->pool.len - p->at);
	if (!f->style.with_id) {
		buf_add_str(&f->pool, ",\"bytes\":");
		add_bytes(f, id, lent);
	}
	buf_add_byte(&f->pool, '}');
	p->back = (uint16_t)(f->pool.len - p->at - p->front);
	buf_release(&text);
}

void fragments_of(
	struct fragments *f, unsigned id, struct bytes *front, struct bytes *back)
{
	struct place *p = &f->place[id];

	if (p->at == 0)
		write_place(f, id, p);
	*front = bytes_of(f->pool.data + p->at, p->front);
	*back = bytes_of(f->pool.data + p->at + p->front, p->back);
}
