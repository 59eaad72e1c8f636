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

#define LAYOUT_PIECES 6
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
	unsigned n; /* pieces; 0: none is known */
	struct layout_piece piece[LAYOUT_PIECES];
};

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
	layout->n++;
	return true;
}

/* Eight bytes of the piece from byte i on against those at p. */
static inline uint64_t layout_differ(
	const struct layout_piece *piece, const unsigned char *p, unsigned i)
{
	return (get_u64(p + i) ^ get_u64(piece->text + i)) & get_u64(piece->mask + i);
}

/* Whether the bytes at p, LAYOUT_PIECE_MAX at least, begin with the piece. */
static inline bool layout_is_next(
	const struct layout_piece *piece, const unsigned char *p)
{
	uint64_t differ = layout_differ(piece, p, 0) | layout_differ(piece, p, 8);

	for (unsigned i = 16; i < piece->len; i += 16)
		differ |= layout_differ(piece, p, i) | layout_differ(piece, p, i + 8);
	return differ == 0;
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
