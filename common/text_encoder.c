/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/text.h"
#include "common/text_encoder_parts.h"

static void release_needle(struct needle *n)
{
	pattern_free(n->pattern);
	free(n->text);
}

void text_encoder_free(struct text_encoder *e)
{
	if (!e)
		return;
	bpe_release(&e->bpe);
	for (size_t i = 0; i < e->n_normal; i++) {
		release_needle(&e->normal[i].needle);
		free(e->normal[i].with);
	}
	for (size_t i = 0; i < e->n_words; i++) {
		release_needle(&e->word[i].needle);
		buf_release(&e->word[i].room);
		free(e->word[i].span);
	}
	added_release(&e->raw);
	added_release(&e->normalised);
	buf_release(&e->before);
	buf_release(&e->after);
	buf_release(&e->text[0]);
	buf_release(&e->text[1]);
	free(e);
}

uint64_t text_encoder_digest(const struct text_encoder *e)
{
	return e->digest;
}

/* What is between two added tokens that are not normalised. */
static enum err_code encode_stretch(struct text_encoder *e, struct bytes text,
	bool first, struct buf *ids, struct err *err)
{
	struct added_walk walk;
	struct stretch s;
	enum err_code code = steps_normalise(e, text, &text, err);

	walk = added_begin(&e->normalised, text);
	while (code == ERR_NONE && added_next(&walk, &s)) {
		if (s.id != BPE_NONE)
			buf_add_u32(ids, s.id);
		else
			code = steps_encode(e,
				bytes_of(text.data + s.start, s.end - s.start),
				first && s.start == 0, ids, err);
	}
	return code;
}

static enum err_code encode_text(
	struct text_encoder *e, struct bytes text, struct buf *ids, struct err *err)
{
	struct added_walk walk = added_begin(&e->raw, text);
	enum err_code code = ERR_NONE;
	struct stretch s;

	while (code == ERR_NONE && added_next(&walk, &s)) {
		if (s.id != BPE_NONE)
			buf_add_u32(ids, s.id);
		else
			code = encode_stretch(e,
				bytes_of(text.data + s.start, s.end - s.start),
				s.start == 0, ids, err);
	}
	return code;
}

enum err_code text_encoder_encode(struct text_encoder *e, struct bytes text,
	bool special, struct buf *ids, struct err *err)
{
	enum err_code code;

	if (special && e->no_special.code != ERR_NONE)
		return err_set(err, e->no_special.code, "%s", e->no_special.msg);
	if (utf8_valid_prefix(text.data, text.len) != text.len)
		return err_set(err, ERR_INVALID, "the text is not UTF-8");
	if (special)
		buf_add(ids, e->before.data, e->before.len);
	code = encode_text(e, text, ids, err);
	if (special)
		buf_add(ids, e->after.data, e->after.len);
	if (code == ERR_NONE && ids->over)
		return err_set(err, ERR_INVALID, "the text has more than %zu tokens",
			ids->max / 4);
	return code;
}
