/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet_meta.h - a Parquet file's footer
 *
 * The FileMetaData of the format's parquet.thrift: the schema, where the columns
 * of each row group are, notes. Pure.
 */
#ifndef RETORT_STORE_PARQUET_META_H
#define RETORT_STORE_PARQUET_META_H

#include "store/parquet_column.h"

struct parquet_group {
	uint64_t rows;
	struct parquet_chunk *chunk; /* [n_columns], owned by whoever made it */
};

struct parquet_meta {
	const struct parquet_schema *schema;
	uint64_t rows;
	const struct parquet_group *group;
	size_t n_groups;
};

/* Appends the footer: the metadata, its length, the magic number. */
void parquet_meta_encode(const struct parquet_meta *m, struct buf *out);

#endif
