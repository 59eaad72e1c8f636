/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_block.h - decoding one block of rows (FORMAT.md, "logits")
 *
 * Nothing that the bytes say is trusted: symbols, places, counts and lengths are
 * checked, and reading extra bits past their end gives zeros until it is noticed.
 *
 * Ownership: the reader owns its scratch memory and keeps it from block to block.
 */
#ifndef RETORT_STORE_LOGITS_BLOCK_H
#define RETORT_STORE_LOGITS_BLOCK_H

#include <stdbool.h>
#include <zstd.h>

#include "store/logits_code.h"

struct block_head {
	uint32_t n_symbols, packed, n_dictionary, first_symbol;
	size_t most_candidates; /* that the symbols can stand for */
	struct bytes body;      /* the packed symbols, then the extra bits */
};

struct block_reader {
	ZSTD_DCtx *zstd;
	unsigned char *symbols, *extra;
	size_t cap_symbols, cap_extra;
	uint32_t *numbers; /* one column, decoded */
	size_t cap_numbers;
	uint32_t *keys, *first, *active; /* [rows] */
	size_t cap_keys, cap_first, cap_active;
	uint32_t *spelled; /* of sampled tokens: ids, then logprobs */
	size_t cap_spelled;
	/* By symbol: base, extra bits << 32, flags; of numbers, and of ids. */
	uint64_t number[256], id[256];
	uint32_t dictionary[DICTIONARY_MAX];
	struct powers powers;
};

void block_reader_init(struct block_reader *r);
void block_reader_release(struct block_reader *r);

/* False if it makes no sense for a block of so many rows. */
bool block_read_head(struct bytes in, uint32_t rows, struct block_head *head);

/*
 * Decodes a block into rows [row, row + rows) of l's arrays, and its candidates,
 * at most `room` of them, to `candidate` and behind; *got is their number. False
 * if it does not decode; the arrays then hold anything.
 */
bool block_read(struct block_reader *r, struct bytes in, struct logits *l, size_t row,
	uint32_t rows, size_t candidate, size_t room, uint32_t *got);

#endif
