/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_rig.h - a ledger in a temporary folder, with shards in it
 */
#ifndef RETORT_TESTS_LEDGER_RIG_H
#define RETORT_TESTS_LEDGER_RIG_H

#include "unit/folder.h"

#include "common/reason.h"
#include "coordinator/ledger.h"

struct ledger_rig {
	struct folder folder;
	char *path;
	struct ledger *l;
};

static inline void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

/* A new run of n samples a prompt. */
static inline void rig_begin(struct ledger_rig *r, uint32_t n)
{
	struct err err;
	bool is_new = false;

	folder_make(&r->folder);
	r->path = file_join(r->folder.path, "ledger.sqlite");
	must(ledger_open(r->path, &r->l, &is_new, &err), &err);
	assert_true(is_new);
	r->l->totals.n = n;
	r->l->totals_changed = true;
	assert_true(ledger_commit(r->l, 1000));
}

static inline void rig_open_again(struct ledger_rig *r)
{
	struct err err;
	bool is_new = true;

	ledger_close(r->l);
	must(ledger_open(r->path, &r->l, &is_new, &err), &err);
	assert_false(is_new);
}

static inline void rig_end(struct ledger_rig *r)
{
	if (r->l)
		assert_false(ledger_failed(r->l));
	ledger_close(r->l);
	free(r->path);
	folder_remove(&r->folder);
}

/* A shard of corpus 0 whose lines are numbered as if there were no other file. */
static inline struct index_shard rig_shard(
	uint64_t shard, uint64_t first_prompt, uint32_t n_lines, uint64_t present)
{
	struct index_shard s = {.shard = shard,
		.first_line = first_prompt + 1,
		.first_prompt = first_prompt,
		.offset = 100 * first_prompt,
		.length = 100 * n_lines,
		.n_lines = n_lines,
		.present = present};

	for (uint32_t i = 0; i < n_lines; i++)
		s.line_hash[i] = (uint32_t)(2654435761u * (first_prompt + i + 1));
	return s;
}

static inline void rig_add_shard(
	struct ledger_rig *r, uint64_t shard, uint64_t first_prompt, uint32_t n_lines)
{
	struct index_shard s = rig_shard(shard, first_prompt, n_lines,
		n_lines < 64 ? ((uint64_t)1 << n_lines) - 1 : UINT64_MAX);

	ledger_add_shard(r->l, &s);
}

static inline struct shard_row rig_row(struct ledger_rig *r, uint64_t shard)
{
	struct shard_row row;

	assert_int_equal(ledger_load_shard(r->l, shard, &row), ERR_NONE);
	return row;
}

/* Counts a changed row and saves it over what stands there. */
static inline void rig_save(struct ledger_rig *r, struct shard_row *now)
{
	struct shard_row was = rig_row(r, now->shard);

	shard_row_count(now, r->l->totals.n);
	ledger_save_shard(r->l, &was, now);
}

static inline struct wire_failed rig_failure(
	uint64_t shard, uint8_t line, uint64_t prompt, uint32_t sample)
{
	return (struct wire_failed){.shard = shard,
		.epoch = 1,
		.line = line,
		.key = {prompt, sample, 0},
		.reason = REASON_BAD_REQUEST,
		.status = 400,
		.attempts = 5,
		.prompt_tokens = 10,
		.completion_tokens = 7,
		.cost_nusd = 3000};
}

/* The columns' names of a table or view, with commas between. */
static inline void rig_columns(struct db *db, const char *sql, struct buf *out)
{
	struct db_query *q = db_query(db, sql, "");

	buf_clear(out);
	for (int i = 0; i < db_columns(q); i++)
		buf_printf(out, "%s%s", i ? "," : "", db_column_name(q, i));
	db_done(q);
}

/* The first row, its values with | between; NULL as -. */
static inline void rig_values(struct db *db, const char *sql, struct buf *out)
{
	struct db_query *q = db_query(db, sql, "");

	buf_clear(out);
	if (!db_next(q))
		return;
	for (int i = 0; i < db_columns(q); i++)
		buf_printf(out, "%s%s", i ? "|" : "",
			db_is_null(q, i) ? "-" : db_text(q, i));
	db_done(q);
}

#endif
