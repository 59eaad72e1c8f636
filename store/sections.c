/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sections.h"

#include <string.h>

enum form { FORM_INLINE = 0, FORM_SPAN = 1 };

/* Shorter texts are cheaper to write than to search for. */
#define SPAN_MIN 16

void varint_add(struct buf *out, uint64_t v)
{
	while (v >= 0x80) {
		buf_add_byte(out, (unsigned char)(v | 0x80));
		v >>= 7;
	}
	buf_add_byte(out, (unsigned char)v);
}

bool varint_take(struct bytes *from, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 63 && from->len > 0; shift += 7) {
		unsigned char c = from->data[0];

		*from = bytes_of(from->data + 1, from->len - 1);
		*v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

/* Where the text is in the stream; NULL. At its end mostly, and memmem would look at
 * all of the text before it compares anything. */
static const unsigned char *find(struct bytes stream, struct bytes text)
{
	const unsigned char *last = stream.data + (stream.len - text.len);

	if (memcmp(last, text.data, text.len) == 0)
		return last;
	return memmem(stream.data, stream.len, text.data, text.len);
}

static void encode_one(
	int kind, struct bytes text, struct bytes stream, struct buf *out)
{
	const unsigned char *found = NULL;

	if (text.len >= SPAN_MIN && stream.len >= text.len)
		found = find(stream, text);
	buf_add_byte(out, (unsigned char)kind);
	if (found) {
		buf_add_byte(out, FORM_SPAN);
		varint_add(out, (uint64_t)(found - stream.data));
		varint_add(out, text.len);
	} else {
		buf_add_byte(out, FORM_INLINE);
		varint_add(out, text.len);
		buf_add(out, text.data, text.len);
	}
}

void sections_encode(const struct sections *s, bool spans, struct buf *out)
{
	struct bytes stream = bytes_of(NULL, 0);

	for (int kind = 1; kind < SECTIONS_MAX; kind++) {
		if (!sections_has(s, kind))
			continue;
		encode_one(kind, s->at[kind], stream, out);
		if (kind == TEXT_STREAM && spans)
			stream = s->at[kind];
	}
}

static enum err_code bad(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "sections: %s", what);
}

enum err_code sections_decode(struct bytes payload, struct sections *s, struct err *err)
{
	*s = (struct sections){0};
	while (payload.len > 0) {
		struct bytes text;
		uint64_t offset = 0, len;
		unsigned char kind, form;

		if (payload.len < 2)
			return bad(err, "cut short");
		kind = payload.data[0];
		form = payload.data[1];
		payload = bytes_of(payload.data + 2, payload.len - 2);
		if (form > FORM_SPAN)
			return bad(err, "an unknown form");
		if (form == FORM_SPAN && !varint_take(&payload, &offset))
			return bad(err, "a bad offset");
		if (!varint_take(&payload, &len))
			return bad(err, "a bad length");
		if (form == FORM_SPAN) {
			struct bytes stream = s->at[TEXT_STREAM];

			if (!stream.data || offset > stream.len ||
				len > stream.len - offset)
				return bad(err, "a span outside the stream");
			text = bytes_of(stream.data + offset, len);
		} else {
			if (len > payload.len)
				return bad(err, "a text longer than the payload");
			text = bytes_of(payload.data, len);
			payload = bytes_of(payload.data + len, payload.len - len);
		}
		if (kind == 0 || kind >= SECTIONS_MAX)
			continue; /* of a newer writer */
		if (sections_has(s, kind))
			return bad(err, "a section twice");
		s->at[kind] = text.data ? text : bytes_of("", 0);
	}
	return ERR_NONE;
}
