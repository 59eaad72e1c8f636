/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tokenizer_steps.h"

#include <string.h>

#include "common/log.h"
#include "common/text.h"

static bool is(const struct step_text *t, const char *want)
{
	return t->there && strcmp(t->at, want) == 0;
}

/* What one section says. */
struct reading {
	bool byte_level, sign, byte_fallback, fused, strips;
	char at[STEP_TEXT_MAX]; /* the sign */
};

static enum err_code take_sign(
	struct reading *r, const char *section, const char *sign, struct err *err)
{
	if (r->sign && strcmp(r->at, sign) != 0)
		return err_set(
			err, ERR_INVALID, "%s: two signs stand for a blank", section);
	if (!*sign || strcmp(sign, " ") == 0)
		return err_set(
			err, ERR_INVALID, "%s: no sign stands for a blank", section);
	r->sign = true;
	memcpy(r->at, sign, sizeof(r->at));
	return ERR_NONE;
}

/* Metaspace, in either section. Older files have only add_prefix_space. */
static enum err_code take_metaspace(
	struct reading *r, const char *section, const struct step *s, struct err *err)
{
	static const char lower_block[STEP_TEXT_MAX] = "\xe2\x96\x81";

	r->strips =
		r->strips || (s->prepend_scheme.there ? !is(&s->prepend_scheme, "never")
						      : s->add_prefix_space);
	return take_sign(r, section,
		s->replacement.there ? s->replacement.at : lower_block, err);
}

static enum err_code read_decoder(
	const struct steps *steps, struct reading *r, struct err *err)
{
	enum err_code code = ERR_NONE;

	for (size_t i = 0; i < steps->n && code == ERR_NONE; i++) {
		const struct step *s = &steps->at[i];

		if (is(&s->type, "ByteLevel")) {
			r->byte_level = true;
		} else if (is(&s->type, "Metaspace")) {
			code = take_metaspace(r, "decoder", s, err);
		} else if (is(&s->type, "Replace") && s->pattern.there &&
			   is(&s->content, " ")) {
			code = take_sign(r, "decoder", s->pattern.at, err);
		} else if (is(&s->type, "ByteFallback")) {
			r->byte_fallback = true;
		} else if (is(&s->type, "Fuse")) {
			r->fused = true;
		} else if (is(&s->type, "Strip") && is(&s->content, " ") &&
			   s->stop == 0 && r->fused) {
			/* Before Fuse it would take blanks off every token. */
			r->strips = r->strips || s->start > 0;
		} else {
			return err_set(err, ERR_INVALID,
				"decoder: a step %s as here is not understood, so it cannot "
				"be said which bytes an id stands for",
				log_quote(s->type.there ? s->type.at : "").text);
		}
	}
	return code;
}

static enum err_code read_pre_tokenizer(
	const struct steps *steps, struct reading *r, struct err *err)
{
	enum err_code code = ERR_NONE;

	for (size_t i = 0; i < steps->n && code == ERR_NONE; i++) {
		const struct step *s = &steps->at[i];

		if (is(&s->type, "ByteLevel"))
			r->byte_level = true;
		else if (is(&s->type, "Metaspace"))
			code = take_metaspace(r, "pre_tokenizer", s, err);
	}
	return code;
}

enum err_code alphabet_decide(const struct steps *decoder,
	const struct steps *pre_tokenizer, bool model_byte_fallback,
	struct alphabet *out, struct err *err)
{
	struct reading d = {0}, p = {0};
	enum err_code code = read_decoder(decoder, &d, err);

	if (code == ERR_NONE)
		code = read_pre_tokenizer(pre_tokenizer, &p, err);
	if (code != ERR_NONE)
		return code;
	if ((d.byte_level || p.byte_level) &&
		(d.sign || p.sign || d.byte_fallback || d.strips))
		return err_set(err, ERR_INVALID,
			"decoder and pre_tokenizer: they speak of bytes as characters "
			"(ByteLevel) and of a sign for blanks or of byte pieces as well");
	if (d.byte_level || p.byte_level) {
		*out = (struct alphabet){.kind = ALPHABET_BYTE_LEVEL};
		return ERR_NONE;
	}
	if (!d.sign && decoder->n > 0)
		return err_set(err, ERR_INVALID,
			"decoder: no step says how pieces write a blank (ByteLevel, "
			"Metaspace, or Replace by \" \")");
	if (!d.sign && !p.sign)
		return err_set(err, ERR_INVALID,
			"decoder: there is none, and pre_tokenizer does not say either how "
			"pieces stand for bytes (ByteLevel or Metaspace)");
	if (d.sign && p.sign && strcmp(d.at, p.at) != 0)
		return err_set(err, ERR_INVALID,
			"decoder and pre_tokenizer: different signs stand for a blank");
	if (model_byte_fallback && !d.byte_fallback)
		return err_set(err, ERR_INVALID,
			"model.byte_fallback is true, but decoder has no ByteFallback to say "
			"how byte pieces are read");
	*out = (struct alphabet){.kind = ALPHABET_SENTENCEPIECE,
		.byte_fallback = d.byte_fallback,
		.strips = d.sign ? d.strips : p.strips};
	memcpy(out->sign, d.sign ? d.at : p.at, sizeof(out->sign));
	return ERR_NONE;
}

/*
 * GPT-2's table: printable bytes stand for themselves as code points, 33 to
 * 126, 161 to 172 and 174 to 255; the 68 others, in order, are 256 and up.
 */
static int byte_of(uint32_t code)
{
	if ((code >= 33 && code <= 126) || (code >= 161 && code <= 172) ||
		(code >= 174 && code <= 255))
		return (int)code;
	if (code < 256 || code >= 256 + 68)
		return -1;
	code -= 256;
	return code < 33 ? (int)code : code < 67 ? (int)code - 33 + 127 : 173;
}

/* Valid UTF-8 of one or two bytes; all that the table has is so short. */
static uint32_t short_code(const unsigned char *p, size_t len)
{
	return len == 1 ? p[0] : (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
}

size_t byte_level_read(unsigned char *piece, size_t len, bool *is_bytes)
{
	size_t n = 0;

	*is_bytes = false;
	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_sequence(piece + i, len - i);
		if (step == 0 || step > 2 || byte_of(short_code(piece + i, step)) < 0)
			return len; /* its own UTF-8 */
	}
	*is_bytes = true;
	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_sequence(piece + i, len - i);
		piece[n++] = (unsigned char)byte_of(short_code(piece + i, step));
	}
	return n;
}

static int hex(unsigned char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static size_t read_signs(const char *sign, unsigned char *piece, size_t len)
{
	size_t n = 0, sign_len = strlen(sign);

	for (size_t i = 0; i < len;) {
		if (len - i >= sign_len && memcmp(piece + i, sign, sign_len) == 0) {
			piece[n++] = ' ';
			i += sign_len;
		} else {
			piece[n++] = piece[i++];
		}
	}
	return n;
}

size_t alphabet_read(
	const struct alphabet *a, unsigned char *piece, size_t len, bool *mark)
{
	bool added = *mark, is_bytes;

	*mark = false;
	if (a->kind == ALPHABET_BYTE_LEVEL)
		return added ? len : byte_level_read(piece, len, &is_bytes);
	if (a->byte_fallback && len == 6 && memcmp(piece, "<0x", 3) == 0 &&
		piece[5] == '>' && hex(piece[3]) >= 0 && hex(piece[4]) >= 0) {
		piece[0] = (unsigned char)(hex(piece[3]) << 4 | hex(piece[4]));
		*mark = true;
		return 1;
	}
	return read_signs(a->sign, piece, len);
}
