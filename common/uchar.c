/* SPDX-License-Identifier: Apache-2.0 */
#include "common/uchar.h"

#include <stdlib.h>
#include <utf8proc.h>

uint32_t uchar_at(const unsigned char *p, size_t *len)
{
	if (p[0] < 0x80) {
		*len = 1;
		return p[0];
	}
	if (p[0] < 0xe0) {
		*len = 2;
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	}
	if (p[0] < 0xf0) {
		*len = 3;
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
		       (p[2] & 0x3f);
	}
	*len = 4;
	return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
	       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

size_t uchar_before(const unsigned char *text, size_t at)
{
	at--;
	while (at > 0 && (text[at] & 0xc0) == 0x80)
		at--;
	return at;
}

size_t uchar_count(struct bytes text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += (text.data[i] & 0xc0) != 0x80;
	return n;
}

bool uchar_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 9 && c <= 13);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool uchar_is_python_space(uint32_t c)
{
	return uchar_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

static utf8proc_category_t category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

/* Letters in circles and squares are alphabetic by Other_Alphabetic alone. */
static bool is_enclosed_letter(uint32_t c)
{
	return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
	       (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool uchar_is_word(uint32_t c)
{
	switch (category(c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_PC:
		return true;
	default:
		return c == 0x200c || c == 0x200d || is_enclosed_letter(c);
	}
}

bool uchar_is_number(uint32_t c)
{
	utf8proc_category_t of = category(c);

	return of == UTF8PROC_CATEGORY_ND || of == UTF8PROC_CATEGORY_NL ||
	       of == UTF8PROC_CATEGORY_NO;
}

bool uchar_is_printable(uint32_t c)
{
	switch (category(c)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	case UTF8PROC_CATEGORY_ZS:
		return c == ' ';
	default:
		return true;
	}
}

static bool is_ascii(struct bytes text)
{
	unsigned char all = 0;

	for (size_t i = 0; i < text.len; i++)
		all |= text.data[i];
	return all < 0x80;
}

enum err_code uchar_normalise(
	struct bytes text, enum uchar_form form, struct buf *out, struct err *err)
{
	static const int options[] = {
		[UCHAR_NFC] = UTF8PROC_COMPOSE,
		[UCHAR_NFD] = UTF8PROC_DECOMPOSE,
		[UCHAR_NFKC] = UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
		[UCHAR_NFKD] = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
	};
	utf8proc_uint8_t *made = NULL;
	utf8proc_ssize_t n;

	if (is_ascii(text)) { /* every form of it is itself */
		buf_add(out, text.data, text.len);
		return ERR_NONE;
	}
	n = utf8proc_map(text.data, (utf8proc_ssize_t)text.len, &made,
		(utf8proc_option_t)(UTF8PROC_STABLE | options[form]));
	if (n < 0)
		return err_set(err, ERR_INVALID, "the text cannot be normalised: %s",
			utf8proc_errmsg(n));
	buf_add(out, made, (size_t)n);
	free(made);
	return ERR_NONE;
}
