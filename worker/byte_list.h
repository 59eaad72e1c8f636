/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byte_list.h - a JSON list of bytes, which mostly spells a text known already
 *
 * Beside a token's text servers send its bytes, [32,116,104,101], and nearly
 * always those are the UTF-8 of the text. Comparing with what the list would
 * then look like is several times faster than reading numbers.
 */
#ifndef RETORT_WORKER_BYTE_LIST_H
#define RETORT_WORKER_BYTE_LIST_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/jtext.h"

/* "116," for 116: the text, little-endian, and its length with the comma. */
struct byte_text {
	uint32_t text;
	uint32_t len;
};
extern const struct byte_text byte_texts[256];

/* Behind the list's ']' if the list, whose first number is at p, spells the n
 * bytes at `text` compactly; else NULL, also if it is not whole. */
static inline const unsigned char *byte_list_spells(const unsigned char *text, size_t n,
	const unsigned char *p, const unsigned char *end)
{
	const struct byte_text *b;

	if ((size_t)(end - p) < 4 * n + 4)
		return NULL;
	if (n == 0)
		return *p == ']' ? p + 1 : NULL;
	for (size_t i = 0; i + 1 < n; i++) {
		b = &byte_texts[text[i]];
		if ((get_u32(p) ^ b->text) << (32 - 8 * b->len))
			return NULL;
		p += b->len;
	}
	b = &byte_texts[text[n - 1]];
	if ((get_u32(p) ^ b->text) << (40 - 8 * b->len) || p[b->len - 1] != ']')
		return NULL;
	return p + b->len;
}

/* The same where a blank stands behind each comma. */
const unsigned char *byte_list_spells_spaced(const unsigned char *text, size_t n,
	const unsigned char *p, const unsigned char *end);

/* Either, from the list's '[' on. */
static inline const unsigned char *byte_list_match(const unsigned char *text, size_t n,
	const unsigned char *p, const unsigned char *end)
{
	if (n > 1 && end - p > 5 && p[1 + byte_texts[text[0]].len] == ' ')
		return byte_list_spells_spaced(text, n, p + 1, end);
	return byte_list_spells(text, n, p + 1, end);
}

/* The same for the bytes of "token_id:" and n digits (n > 0). */
static inline const unsigned char *byte_list_match_id(const unsigned char *digits,
	size_t n, const unsigned char *p, const unsigned char *end)
{
	static const char prefix[] = "[116,111,107,101,110,95,105,100,58,";
	static const char spaced[] = "[116, 111, 107, 101, 110, 95, 105, 100, 58, ";
	const size_t len = sizeof(prefix) - 1; /* 35 */

	if ((size_t)(end - p) < sizeof(spaced) || get_u64(p) != get_u64(prefix) ||
		get_u64(p + 8) != get_u64(prefix + 8) ||
		get_u64(p + 16) != get_u64(prefix + 16) ||
		get_u64(p + 24) != get_u64(prefix + 24) ||
		get_u32(p + 31) != get_u32(prefix + 31)) {
		if ((size_t)(end - p) < sizeof(spaced) ||
			memcmp(p, spaced, sizeof(spaced) - 1) != 0)
			return NULL;
		return byte_list_spells_spaced(digits, n, p + sizeof(spaced) - 1, end);
	}
	return byte_list_spells(digits, n, p + len, end);
}

/* Reads any list of numbers from 0 to 255, from its '[', and appends the bytes
 * to out. JT_MORE and JT_BAD may leave some there. */
enum jt byte_list_read(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct buf *out);

#endif
