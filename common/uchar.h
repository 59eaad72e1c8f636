/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uchar.h - what Unicode says of characters and texts
 *
 * The only file that knows utf8proc, whose tables these are. Texts are valid UTF-8;
 * so that nothing is read behind an end, whoever calls has checked it.
 *
 * Pure.
 */
#ifndef RETORT_COMMON_UCHAR_H
#define RETORT_COMMON_UCHAR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* The character that begins at p, of *len bytes. */
uint32_t uchar_at(const unsigned char *p, size_t *len);
/* The place of the character that ends before `at`, which is not 0. */
size_t uchar_before(const unsigned char *text, size_t at);
size_t uchar_count(struct bytes text);

/* White_Space, as of Unicode; Python's str.isspace has four more, U+001C to U+001F. */
bool uchar_is_space(uint32_t c);
bool uchar_is_python_space(uint32_t c);
/* What regular expressions mean by \w (UTS 18): letters, marks, decimal digits,
 * connecting punctuation, joiners. */
bool uchar_is_word(uint32_t c);
/* Any of the categories N. */
bool uchar_is_number(uint32_t c);
/* As Python's str.isprintable. */
bool uchar_is_printable(uint32_t c);

enum uchar_form { UCHAR_NFC, UCHAR_NFD, UCHAR_NFKC, UCHAR_NFKD };

/* Appends the text in that form. ERR_INVALID if it is not UTF-8. */
enum err_code uchar_normalise(struct bytes text, enum uchar_form form, struct buf *out,
	struct err *err) MUST_CHECK;

#endif
