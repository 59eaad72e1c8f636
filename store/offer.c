/* SPDX-License-Identifier: Apache-2.0 */
#include "store/offer.h"

#include "common/bytes.h"
#include "common/limits.h"

enum part {
	PART_HEAD = 1,
	PART_TEXT,
	PART_PROMPT,
	PART_PROMPT_IDS,
	PART_VOCABULARY,
	PART_LOGITS /* + capture */
};

static void add_part(struct buf *out, int kind, struct bytes bytes)
{
	buf_add_byte(out, (unsigned char)kind);
	buf_add_u32(out, (uint32_t)bytes.len);
	buf_add(out, bytes.data, bytes.len);
}

void offer_encode(const struct offer *o, struct buf *out)
{
	unsigned char head[RECORD_SIZE];

	record_encode(&o->head, head);
	add_part(out, PART_HEAD, bytes_of(head, sizeof(head)));
	add_part(out, PART_TEXT, o->text);
	if (o->prompt.data)
		add_part(out, PART_PROMPT, o->prompt);
	if (o->prompt_ids.data)
		add_part(out, PART_PROMPT_IDS, o->prompt_ids);
	if (o->vocabulary.len > 0)
		add_part(out, PART_VOCABULARY, o->vocabulary);
	for (int i = 0; i < OFFER_CAPTURES_MAX; i++)
		if (o->logits[i].data)
			add_part(out, PART_LOGITS + i, o->logits[i]);
}

static struct bytes *place_of(struct offer *o, int kind)
{
	switch (kind) {
	case PART_TEXT:
		return &o->text;
	case PART_PROMPT:
		return &o->prompt;
	case PART_PROMPT_IDS:
		return &o->prompt_ids;
	case PART_VOCABULARY:
		return &o->vocabulary;
	default:
		return kind >= PART_LOGITS && kind < PART_LOGITS + OFFER_CAPTURES_MAX
			       ? &o->logits[kind - PART_LOGITS]
			       : NULL;
	}
}

enum err_code offer_decode(struct bytes in, struct offer *o, struct err *err)
{
	struct bytes head = {NULL, 0};
	uint16_t captures = 0;
	int last = 0;

	*o = (struct offer){0};
	while (in.len > 0) {
		struct bytes part, *place;
		int kind = in.data[0];
		uint32_t len;

		if (in.len < 5 || (len = get_u32(in.data + 1)) > in.len - 5)
			return err_set(err, ERR_INVALID, "offer: cut short");
		if (kind <= last)
			return err_set(err, ERR_INVALID, "offer: parts out of order");
		last = kind;
		part = bytes_of(in.data + 5, len);
		in = bytes_of(part.data + len, in.len - 5 - len);
		if (kind == PART_HEAD) {
			head = part;
			continue;
		}
		place = place_of(o, kind);
		if (!place)
			return err_set(
				err, ERR_INVALID, "offer: unknown part %d", kind);
		*place = part;
		if (kind >= PART_LOGITS)
			captures |= (uint16_t)(1 << (kind - PART_LOGITS));
	}
	if (!head.data || !o->text.data)
		return err_set(err, ERR_INVALID, "offer: head or text is missing");
	if (record_decode(head, &o->head, err) != ERR_NONE)
		return err_set(err, ERR_INVALID, "offer: bad head");
	if (o->head.captures != captures)
		return err_set(err, ERR_INVALID, "offer: head and captures disagree");
	return ERR_NONE;
}

void vocab_entry_add(
	struct buf *out, uint32_t vocabulary, uint32_t id, struct bytes token)
{
	buf_add_u32(out, vocabulary);
	buf_add_u32(out, id);
	buf_add_u16(out, (uint16_t)token.len);
	buf_add(out, token.data, token.len);
}

bool vocab_entry_take(struct bytes *from, struct vocab_entry *entry, bool *bad)
{
	size_t len;

	*bad = false;
	if (from->len == 0)
		return false;
	if (from->len < 10 || (len = get_u16(from->data + 8)) > from->len - 10 ||
		len > LIMIT_TOKEN_BYTES) {
		*bad = true;
		return false;
	}
	entry->vocabulary = get_u32(from->data);
	entry->id = get_u32(from->data + 4);
	entry->token = bytes_of(from->data + 10, len);
	*from = bytes_of(entry->token.data + len, from->len - 10 - len);
	return true;
}
