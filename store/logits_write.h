/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_write.h - encoding one block of rows (FORMAT.md, "logits")
 *
 * Ownership: the writer owns its scratch memory and keeps it from block to block; a
 * zeroed one is ready. About 100 KiB, and 30 bytes for each candidate of a block.
 */
#ifndef RETORT_STORE_LOGITS_WRITE_H
#define RETORT_STORE_LOGITS_WRITE_H

#include "store/logits_columns.h"
#include "store/logits_dictionary.h"
#include "store/logits_streams.h"

/* Codes of a block: of gaps, and of nine other columns. */
#define CODES_MAX (CLASSES_MAX + 9)

struct block_writer {
	/* The block at hand. */
	const struct logits *l;
	size_t row;
	uint32_t rows;
	float steps;
	bool by_eight;
	size_t m;              /* candidates */
	const uint32_t *ids;   /* [m] */
	const float *logprobs; /* [m] */
	/* Its rows. */
	uint32_t *at, *own, *numbers; /* [rows] */
	size_t cap_at, cap_own, cap_numbers;
	/* Its candidates. */
	struct id_dictionary dictionary;
	uint32_t *keys, *gaps;
	size_t cap_keys, cap_gaps;
	/* Of gaps, by class of ranks: how many there are, and of each symbol. */
	size_t n_gaps[CLASSES_MAX];
	uint32_t counts[CLASSES_MAX][256];
	/* What it becomes: symbols of a column, or of all gaps; the codes, their words
	 * and the extra bits. */
	unsigned char *symbols, *extra_room, *room;
	size_t cap_symbols, cap_extra_room, cap_room, a_stream;
	unsigned char told[CODES_MAX * PREFIX_TOLD_MAX];
	struct bit_writer tell, extra, streams[STREAMS];
};

void block_writer_release(struct block_writer *w);

/* Appends rows [row, row + rows) of the capture, whose candidates are m, from
 * `candidate` on, to `out`. */
void block_write(struct block_writer *w, const struct logits *l, size_t row,
	uint32_t rows, size_t candidate, size_t m, struct buf *out);

#endif
