/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for axolotl's knowledge distillation, as its training reads them when they are
 * prepared (integrations/kd/collator.py, kernels/liger.py).
 *
 * The kernel compares hidden[i] with row i as it stands, and shifts the labels by
 * itself. target_mask alone says what of a row counts, candidate by candidate. When
 * axolotl prepares rows by itself (chat_template.py), it makes a row's candidates sum
 * to 1, and the kernel takes them for that; these are for a kd_temperature of 1.
 */
#include "store/export_rows.h"

enum {
	INPUT_IDS,
	ATTENTION_MASK,
	LABELS,
	TARGET_LOGPROBS,
	TARGET_TOKEN_IDS,
	TARGET_MASK
};

static const struct parquet_column columns[] = {
	[INPUT_IDS] = {"input_ids", PARQUET_I64, PARQUET_LIST},
	[ATTENTION_MASK] = {"attention_mask", PARQUET_I32, PARQUET_LIST},
	[LABELS] = {"labels", PARQUET_I64, PARQUET_LIST},
	[TARGET_LOGPROBS] = {"target_logprobs", PARQUET_F32, PARQUET_LISTS},
	[TARGET_TOKEN_IDS] = {"target_token_ids", PARQUET_I32, PARQUET_LISTS},
	[TARGET_MASK] = {"target_mask", PARQUET_I32, PARQUET_LISTS},
};

static void put(struct parquet *p, const struct causal *c)
{
	parquet_put(p, INPUT_IDS, c->input_ids, c->n);
	parquet_put(p, ATTENTION_MASK, c->attention_mask, c->n);
	parquet_put(p, LABELS, c->labels, c->n);
	parquet_put_lists(p, TARGET_LOGPROBS, c->logprobs, c->len, c->n);
	parquet_put_lists(p, TARGET_TOKEN_IDS, c->ids, c->len, c->n);
	parquet_put_lists(p, TARGET_MASK, c->mask, c->len, c->n);
}

static const struct rows_format rows = {.column = columns,
	.n_columns = sizeof(columns) / sizeof(columns[0]),
	.labels = CAUSAL_LABELS_TOKENS,
	.normalise = true,
	.put = put};

static enum err_code open_rows(struct export *e, struct err *err)
{
	return export_rows_open(e, &rows, err);
}

const struct export_format export_axolotl = {
	.name = "axolotl",
	.summary =
		"a folder of Parquet files: tokens, and top-k rows in prepared columns",
	.is_folder = true,
	.places_rows = true,
	.open = open_rows,
	.add = export_rows_add,
	.finish = export_rows_finish,
	.close = export_rows_close,
};
