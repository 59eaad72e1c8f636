/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_layout.h - what stands between the values of an entry
 *
 * A server writes all its entries alike: the same keys in the same order with
 * the same white space. What stood between the values of one entry is compared
 * with the next one's, some machine words at a time, and only an entry that
 * differs is read key by key.
 *
 *   {"token":"a","logprob":-0.1,"bytes":[97]}     {"token":  ,"logprob":  ,"bytes":  }
 *
 * Nothing is taken on trust: a piece that is equal is the same JSON.
 */
#ifndef RETORT_WORKER_OPENAI_LAYOUT_H
#define RETORT_WORKER_OPENAI_LAYOUT_H

#include "worker/openai_entry.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LAYOUT_PIECES 6     /* at most 8: see order */
#define LAYOUT_PIECE_MAX 48 /* enough for an indent of four blanks */
/* So many bytes must be there for layout_is_next, and for a value behind it. */
#define LAYOUT_ROOM 96

struct layout_piece {
	unsigned char text[LAYOUT_PIECE_MAX];
	unsigned char mask[LAYOUT_PIECE_MAX]; /* 0xff where the text counts */
	unsigned char len;
	unsigned char key; /* of the value behind it; 0 behind the last value */
};

struct openai_layout {
	unsigned n;     /* pieces; 0: none is known */
	bool is_short;  /* no piece has more than 16 bytes */
	uint16_t least; /* bytes that it has with the shortest values */
	uint64_t order; /* the keys, eight bits each; the first are the lowest */
	struct layout_piece piece[LAYOUT_PIECES];
};

/* Bytes of the shortest value: "x", -0.1, [1], 1. */
static inline unsigned layout_shortest(unsigned key)
{
	switch (key) {
	case ENTRY_TOKEN:
	case ENTRY_BYTES:
		return 3;
	case ENTRY_LOGPROB:
		return 4;
	default:
		return key == ENTRY_ID;
	}
}

/* Adds the piece [from, to). An entry with one that is too long, or with a key
 * that is not known here, has no layout: then false, and `layout` is empty. */
static inline bool layout_add(struct openai_layout *layout, const unsigned char *from,
	const unsigned char *to, unsigned key)
{
	struct layout_piece *piece = &layout->piece[layout->n];
	size_t len = (size_t)(to - from);

	if (layout->n == LAYOUT_PIECES || len > LAYOUT_PIECE_MAX) {
		layout->n = 0;
		return false;
	}
	*piece = (struct layout_piece){
		.len = (unsigned char)len, .key = (unsigned char)key};
	memcpy(piece->text, from, len);
	memset(piece->mask, 0xff, len);
	if (layout->n == 0) {
		layout->is_short = true;
		layout->least = 0;
		layout->order = 0;
	}
	layout->is_short = layout->is_short && len <= 16;
	layout->least = (uint16_t)(layout->least + len + layout_shortest(key));
	layout->order |= (uint64_t)key << 8 * layout->n;
	layout->n++;
	return true;
}

/* Eight bytes of the piece from byte i on against those at p. */
static inline uint64_t layout_differ(
	const struct layout_piece *piece, const unsigned char *p, unsigned i)
{
	return (get_u64(p + i) ^ get_u64(piece->text + i)) & get_u64(piece->mask + i);
}

/* The piece's first 16 bytes. */
static inline __attribute__((always_inline)) bool layout_begins_with(
	const struct layout_piece *piece, const unsigned char *p)
{
#if defined(__AVX2__)
	const __m128i *text = (const __m128i *)(const void *)piece->text;
	const __m128i *mask = (const __m128i *)(const void *)piece->mask;
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

	return _mm_testz_si128(
		_mm_xor_si128(v, _mm_loadu_si128(text)), _mm_loadu_si128(mask));
#else
	return (layout_differ(piece, p, 0) | layout_differ(piece, p, 8)) == 0;
#endif
}

/* Whether the bytes at p, LAYOUT_PIECE_MAX at least, begin with the piece. */
static inline bool layout_is_next(
	const struct layout_piece *piece, const unsigned char *p)
{
#if defined(__AVX2__)
	__m256i differ =
		_mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)p),
			_mm256_loadu_si256((const __m256i *)(const void *)piece->text));

	if (!_mm256_testz_si256(differ,
		    _mm256_loadu_si256((const __m256i *)(const void *)piece->mask)))
		return false;
	return piece->len <= 32 ||
	       (layout_differ(piece, p, 32) | layout_differ(piece, p, 40)) == 0;
#else
	uint64_t differ = 0;

	for (unsigned i = 16; i < piece->len; i += 16)
		differ |= layout_differ(piece, p, i) | layout_differ(piece, p, i + 8);
	return layout_begins_with(piece, p) && differ == 0;
#endif
}

/* Whether a value begins at p as one of that key mostly does. Else it must not
 * be read by guess, since the readers note what is wrong. */
static inline bool layout_begins(unsigned key, const unsigned char *p)
{
	switch (key) {
	case ENTRY_TOKEN:
		return *p == '"';
	case ENTRY_LOGPROB:
		return *p == '-' || (*p >= '0' && *p <= '9');
	case ENTRY_BYTES:
		return *p == '[' || *p == 'n';
	case ENTRY_ID:
		return *p >= '0' && *p <= '9';
	default:
		return false;
	}
}

#endif
