/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpe.h - byte pair encoding: one word to token ids, by the ranks of merges
 *
 * As the model `BPE` of Hugging Face's tokenizers does it. A word begins as one symbol
 * per character (or per byte, where pieces are byte-level); then, as long as two
 * neighbours have a merge, those of the lowest rank are joined, the leftmost first.
 * A character without a piece is its bytes' pieces if there are all of them, else the
 * unknown token, or nothing at all if there is none.
 *
 * Time: n log n of a word's length, by a heap; memory: about 40 bytes per symbol, kept
 * for the next word.
 *
 * Pure. Ownership: pieces are copied. Threads: encoding has scratch space, so one.
 */
#ifndef RETORT_COMMON_BPE_H
#define RETORT_COMMON_BPE_H

#include "common/token_map.h"

#define BPE_NONE UINT32_MAX

struct bpe_merge {
	uint32_t left, right; /* left BPE_NONE: a free slot */
	uint32_t rank, id;
};

struct bpe_symbol {
	uint32_t id, prev, next; /* places, or BPE_NONE */
	bool gone;
};

struct bpe_candidate {
	uint32_t rank, at, id;
};

/* Zeroed, then bpe_init. */
struct bpe {
	bool by_bytes;      /* symbols are bytes, else characters */
	bool ignore_merges; /* a word that is a piece is that piece */
	bool byte_fallback, fuse_unk;
	uint32_t unk;             /* or BPE_NONE */
	uint32_t byte_piece[256]; /* "<0x0A>", or BPE_NONE */
	struct token_map piece;   /* with ordinal 0 */
	struct bpe_merge *merge;  /* [n_slots], by hash */
	size_t n_slots, n_merges;

	struct bpe_symbol *symbol;
	struct bpe_candidate *heap;
	size_t n_symbols, cap_symbols, n_heap, cap_heap;
};

void bpe_init(struct bpe *b);
void bpe_release(struct bpe *b);

/* The same pair again replaces what it was. */
void bpe_add_merge(
	struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id);

/* Appends the ids, u32 little-endian. The word has at most 2^31 bytes, and is UTF-8
 * unless symbols are bytes. */
void bpe_encode(struct bpe *b, struct bytes word, struct buf *ids);

#endif
