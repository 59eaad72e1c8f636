/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_prefix.h - prefix codes: symbols by fewer bits the more frequent they are
 *
 * Only for the files logits_*.c. A code is told by the lengths of its symbols'
 * words, 1 to PREFIX_BITS bits, or 0 for symbols that do not occur; words are
 * given out by rising length, and by rising symbol where it is equal
 * (canonical Huffman codes: D. A. Huffman, 1952; E. S. Schwartz and B. Kallick,
 * 1964): the first is all zeros, and the next one more, counted from the first bit
 * as the highest. All words that there can be are used. A code of one symbol has a
 * word of no bits.
 *
 * Pure. No ownership: all is in the caller's structs.
 */
#ifndef RETORT_STORE_LOGITS_PREFIX_H
#define RETORT_STORE_LOGITS_PREFIX_H

#include <stdbool.h>

#include "store/logits_bits.h"

#define PREFIX_BITS 11
#define PREFIX_WORDS (1u << PREFIX_BITS)
/* A description has two bytes, and of each symbol at most 22 bits. */
#define PREFIX_TOLD_MAX (2 + 256 * 22 / 8 + BITS_PAD)

struct prefix_lengths {
	unsigned first, last; /* symbols that occur */
	unsigned char bits[256];
};

/* Of the symbols that have a count; at least one has. Not always the shortest
 * there are: where Huffman's would be longer than PREFIX_BITS, near them. */
void prefix_choose(const uint32_t counts[256], struct prefix_lengths *lengths);

/* Bits that the symbols will take, times 256, about; their extra bits, which no
 * code changes, are not counted. */
uint64_t prefix_cost(const uint32_t counts[256]);

void prefix_tell(const struct prefix_lengths *lengths, struct bit_writer *w);

/* Reads a description from *at on, before `end`, both in bits; false if it is none.
 * Behind `end` PREFIX_TOLD_MAX bytes must be readable. */
bool prefix_hear(struct prefix_lengths *lengths, const unsigned char *data, size_t *at,
	size_t end);

/* To write: by symbol, its word << 8 | how many bits it has. */
struct prefix_writer {
	uint32_t word[256];
};
void prefix_to_write(
	const struct prefix_lengths *lengths, struct prefix_writer *writer);

/* To read: by as many of the next bits as the longest word has, the symbol << 8 | how
 * many bits its word has. */
struct prefix_reader {
	unsigned bits;
	uint16_t entry[PREFIX_WORDS];
};
void prefix_to_read(const struct prefix_lengths *lengths, struct prefix_reader *reader);

#endif
