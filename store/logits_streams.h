/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_streams.h - columns of symbols as words of a prefix code
 *
 * Only for the files logits_*.c. A column is divided over STREAMS strings of bits,
 * an eighth each: where a word begins is known when the one before it has been read,
 * so that eight are on their way at a time.
 *
 * Nothing is trusted: words are read behind a string's end, and of what stands there,
 * until that is noticed.
 */
#ifndef RETORT_STORE_LOGITS_STREAMS_H
#define RETORT_STORE_LOGITS_STREAMS_H

#include "store/logits_prefix.h"

#define STREAMS 8
/* Bytes that must be readable behind the last stream. */
#define STREAMS_PAD 64

/* How many of n symbols are in the streams before `stream`. */
static inline size_t stream_begin(size_t n, unsigned stream)
{
	size_t begin = (n + STREAMS - 1) / STREAMS * stream;

	return begin < n ? begin : n;
}

struct streams {
	const unsigned char *data;
	size_t end;         /* of the last, in bits */
	size_t at[STREAMS]; /* bits from data on */
};

/* A column of n symbols; false if it does not end before the last stream does. */
bool streams_read(struct streams *s, const struct prefix_reader *code, size_t n,
	unsigned char *symbols);

/* The same to the ends of the streams, each with room for it and BITS_PAD bytes. */
void streams_write(struct bit_writer streams[STREAMS], const struct prefix_writer *code,
	const unsigned char *symbols, size_t n);

#endif
