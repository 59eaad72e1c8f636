/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_rows.h - what the formats share that give trainers tokens and rows
 *
 * A folder of Parquet files data_0.parquet, data_1.parquet, ... and manifest.json;
 * a row per sample, in key order, as causal.h places it. Such a format is a table of
 * columns and a function that fills them. Samples that cannot be placed are left
 * out, counted by reason in the manifest's `rows`.
 */
#ifndef RETORT_STORE_EXPORT_ROWS_H
#define RETORT_STORE_EXPORT_ROWS_H

#include "store/causal.h"
#include "store/export.h"
#include "store/parquet.h"

struct rows_format {
	const struct parquet_column *column;
	size_t n_columns;
	enum causal_labels labels;
	bool normalise; /* causal.h */
	/* Puts one record into every column. */
	void (*put)(struct parquet *p, const struct causal *c);
};

/* The four of struct export_format. */
enum err_code export_rows_open(
	struct export *e, const struct rows_format *of, struct err *err) MUST_CHECK;
enum err_code export_rows_add(struct export *e, struct sample *s,
	const struct key_entry *entry, struct err *err) MUST_CHECK;
enum err_code export_rows_finish(struct export *e, struct err *err) MUST_CHECK;
void export_rows_close(struct export *e);

#endif
