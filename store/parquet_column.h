/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet_column.h - one column of a row group: records to levels, to packed pages
 *
 * Levels are those of Dremel, as "Nested encoding" of the Parquet format has them:
 * a value's repetition level is 0 where a row begins, 1 where an inner list does
 * (or a further value of a plain list), 2 within it; its definition level says how
 * much of the way to it is there.
 *
 * Pure: all goes into buffers. A column lives as long as its file and is emptied
 * after each row group.
 */
#ifndef RETORT_STORE_PARQUET_COLUMN_H
#define RETORT_STORE_PARQUET_COLUMN_H

#include <zstd.h>

#include "store/parquet.h"

/* Of one column in one row group, for the footer. */
struct parquet_chunk {
	uint64_t offset;           /* of its first page in the file */
	uint64_t n_values;         /* levels, that is, with what is absent */
	uint64_t unpacked, packed; /* bytes, page heads included */
};

struct parquet_writer {
	struct parquet_column of;
	/* The page at hand. */
	struct buf repetition, definition; /* a level a byte */
	struct buf values;
	size_t n_levels;
	size_t n_bits; /* PARQUET_BOOL: values in it */
	/* The pages before it. */
	struct buf pages;
	struct parquet_chunk chunk;
	uint64_t records; /* of all row groups */
};

/* What packs the pages of a file's columns, one after the other. */
struct parquet_packer {
	ZSTD_CCtx *zstd;
	struct buf body, packed;
};
void parquet_packer_init(struct parquet_packer *p);
void parquet_packer_release(struct parquet_packer *p);

void parquet_writer_init(struct parquet_writer *w, const struct parquet_column *of);
void parquet_writer_release(struct parquet_writer *w);
void parquet_writer_put(struct parquet_writer *w, const void *values, size_t n);
void parquet_writer_put_lists(
	struct parquet_writer *w, const void *values, const uint32_t *len, size_t n);

/* Bytes of the page at hand before packing. */
size_t parquet_writer_page_size(const struct parquet_writer *w);
/* Whether a row was too long for any page: all that follows is void. */
bool parquet_writer_is_over(const struct parquet_writer *w);
/* Packs the page at hand, if it holds anything. */
void parquet_writer_end_page(struct parquet_writer *w, struct parquet_packer *p);
/* Forgets the row group. */
void parquet_writer_clear(struct parquet_writer *w);

/* Highest levels of a shape. */
int parquet_repetition_max(enum parquet_shape shape);
int parquet_definition_max(enum parquet_shape shape);

#endif
