/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet.h - writes Parquet files: rows of numbers, texts and lists of them
 *
 * The part of the Apache Parquet format (the pages of apache/parquet-format,
 * version 2.10) that a trainer's reader needs: columns of scalars, of lists and of
 * lists of lists, the latter two as the three-level LIST of "Logical types";
 * plain values, run-length levels, data pages of version 1, each packed with
 * zstd. No statistics, no dictionaries, no indices.
 *
 * A row is one record of every column, in any order of columns, then
 * parquet_end_row. Memory: a row group (group_bytes before packing) and one row.
 * Pages end where rows end.
 *
 * Ownership: values are copied; the writer is freed by parquet_finish or
 * parquet_abort. Errors are those of the file; after one, parquet_abort.
 */
#ifndef RETORT_STORE_PARQUET_H
#define RETORT_STORE_PARQUET_H

#include "store/outfile.h"

enum parquet_type {   /* what the values of a column point at */
	PARQUET_BOOL, /* bool */
	PARQUET_I32,  /* int32_t */
	PARQUET_I64,  /* int64_t */
	PARQUET_F32,  /* float */
	PARQUET_F64,  /* double */
	PARQUET_TEXT  /* struct bytes, UTF-8 */
};

enum parquet_shape {
	PARQUET_REQUIRED, /* a value in every row */
	PARQUET_OPTIONAL, /* a value or none */
	PARQUET_LIST,     /* a list, of any length */
	PARQUET_LISTS     /* a list of lists */
};

struct parquet_column {
	const char *name; /* lent until the end, as are all texts here */
	enum parquet_type type;
	enum parquet_shape shape;
};

/* Goes into the footer. */
struct parquet_note {
	const char *key, *value;
};

struct parquet_schema {
	const struct parquet_column *column;
	size_t n_columns;
	const struct parquet_note *note;
	size_t n_notes;
	size_t page_bytes, group_bytes; /* before packing; 0: 1 and 16 MiB */
};

struct parquet;

/* `path` must not be there. */
enum err_code parquet_open(const char *path, const struct parquet_schema *schema,
	struct parquet **out, struct err *err) MUST_CHECK;

/* A record of a scalar, n being 1 (or 0 where it may be absent), or of a list of n
 * values. */
void parquet_put(struct parquet *p, size_t column, const void *values, size_t n);
/* A record of a list of n lists, of len[i] values each, one behind the other. */
void parquet_put_lists(struct parquet *p, size_t column, const void *values,
	const uint32_t *len, size_t n);
/* Every column has its record; writes what is full. ERR_INVALID for a row that no
 * page can hold. */
enum err_code parquet_end_row(struct parquet *p, struct err *err) MUST_CHECK;

uint64_t parquet_rows(const struct parquet *p);
/* Bytes in the file so far. */
uint64_t parquet_written(const struct parquet *p);

/* Writes the rest and the footer and puts the file in place. `sum` may be NULL. */
enum err_code parquet_finish(
	struct parquet *p, struct outfile_sum *sum, struct err *err) MUST_CHECK;
/* Removes what was written. NULL is fine. */
void parquet_abort(struct parquet *p);

#endif
