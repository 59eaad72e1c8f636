/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for DistillKit's trainer: its "raw" columns (compression/compressor.py,
 * decompress_to_sparse: `token_ids` and `top_values` are taken as they are).
 *
 * DistillKit compares logits[i] with row i, and counts position i if labels[i] is not
 * negative. So a label stands only where there is a row; that of the last token,
 * which has none behind it, is masked, since nothing else would mask what fills it.
 * Its masks multiply, so what fills must be finite (causal.h).
 */
#include "store/export_rows.h"

enum { INPUT_IDS, ATTENTION_MASK, LABELS, TOKEN_IDS, TOP_VALUES };

static const struct parquet_column columns[] = {
	[INPUT_IDS] = {"input_ids", PARQUET_I64, PARQUET_LIST},
	[ATTENTION_MASK] = {"attention_mask", PARQUET_I32, PARQUET_LIST},
	[LABELS] = {"labels", PARQUET_I64, PARQUET_LIST},
	[TOKEN_IDS] = {"token_ids", PARQUET_I32, PARQUET_LISTS},
	[TOP_VALUES] = {"top_values", PARQUET_F32, PARQUET_LISTS},
};

static void put(struct parquet *p, const struct causal *c)
{
	parquet_put(p, INPUT_IDS, c->input_ids, c->n);
	parquet_put(p, ATTENTION_MASK, c->attention_mask, c->n);
	parquet_put(p, LABELS, c->labels, c->n);
	parquet_put_lists(p, TOKEN_IDS, c->ids, c->len, c->n);
	parquet_put_lists(p, TOP_VALUES, c->logprobs, c->len, c->n);
}

static const struct rows_format rows = {.column = columns,
	.n_columns = sizeof(columns) / sizeof(columns[0]),
	.labels = CAUSAL_LABELS_ROWS,
	.put = put};

static enum err_code open_rows(struct export *e, struct err *err)
{
	return export_rows_open(e, &rows, err);
}

const struct export_format export_distillkit = {
	.name = "distillkit",
	.summary = "a folder of Parquet files: tokens, and top-k rows in raw columns",
	.is_folder = true,
	.places_rows = true,
	.open = open_rows,
	.add = export_rows_add,
	.finish = export_rows_finish,
	.close = export_rows_close,
};
