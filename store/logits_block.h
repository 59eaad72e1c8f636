/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_block.h - decoding one block of rows (FORMAT.md, "logits")
 *
 * Nothing that the bytes say is trusted: codes, places, counts and lengths are
 * checked, and reading bits past their end gives zeros until it is noticed.
 *
 * Ownership: the reader owns its scratch memory and keeps it from block to block.
 */
#ifndef RETORT_STORE_LOGITS_BLOCK_H
#define RETORT_STORE_LOGITS_BLOCK_H

#include <stdbool.h>

#include "store/logits_code.h"
#include "store/logits_columns.h"
#include "store/logits_streams.h"

struct block_head {
	uint32_t m;        /* candidates */
	uint32_t listed;   /* of them, by the first row */
	uint32_t n_places; /* in the dictionary */
	uint32_t first_place;
	uint32_t codes, streams[STREAMS]; /* bytes */
	struct bytes body;                /* the codes, the streams, extra bits */
};

struct block_reader {
	unsigned char *data; /* the block's body, and zeros */
	size_t told;         /* bits of the codes that have been read */
	size_t codes_end;    /* of how many */
	struct streams streams;
	struct extra_bits extra;
	struct prefix_reader code;
	unsigned char *symbols; /* a column, or all of gaps */
	uint32_t *numbers;
	uint32_t *at, *own, *keys, *first, *active; /* [rows] */
	uint32_t *ids, *logprobs;                   /* spelled out */
	size_t cap_data, cap_symbols, cap_numbers, cap_at, cap_own, cap_first,
		cap_active, cap_ids, cap_logprobs, cap_keys;
	/* By symbol, as columns_read_* want it. */
	uint64_t number[256], id[256];
	uint32_t dictionary[DICTIONARY_MAX];
	struct powers powers;
};

void block_reader_init(struct block_reader *r);
void block_reader_release(struct block_reader *r);

/* False if it makes no sense. */
bool block_read_head(struct bytes in, struct block_head *head);

/*
 * Decodes a block into rows [row, row + rows) of l's arrays, and its candidates,
 * for which there is room, to `candidate` and behind. False if it does not decode;
 * the arrays then hold anything.
 */
bool block_read(struct block_reader *r, const struct block_head *head, struct logits *l,
	size_t row, uint32_t rows, size_t candidate);

#endif
