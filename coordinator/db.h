/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h - SQLite behind a few calls; the only place that knows it
 *
 * One connection writes a database and checkpoints it; all others read
 * (version 3.40 can corrupt a WAL that two connections checkpoint at once).
 * WAL, full sync, strict tables; the WAL stays on disk after the end, so that
 * a reader who may not write can still open the database.
 *
 * An error of SQLite other than "busy" on a reader means a broken disk or a
 * bug: the calls then log it and set db_failed, which the caller looks at once
 * a round. So statements need no error handling of their own.
 *
 * Threads: one for each connection.
 */
#ifndef RETORT_COORDINATOR_DB_H
#define RETORT_COORDINATOR_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct db;
struct db_query;

enum db_mode { DB_WRITE, DB_READ };

enum err_code db_open(const char *path, enum db_mode mode, struct db **out,
	struct err *err) MUST_CHECK;
/* Also frees its queries. */
void db_close(struct db *db);
bool db_failed(const struct db *db);
/* What SQLite said last, for messages. */
const char *db_message(const struct db *db);

/* Runs SQL of several statements. */
enum err_code db_script(struct db *db, const char *sql, struct err *err) MUST_CHECK;

bool db_begin(struct db *db);
/* True: durable. */
bool db_commit(struct db *db);
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);

/*
 * A statement, prepared at its first use and kept: `sql` must be a constant
 * that lives as long as the database. `types` names the arguments: i int64_t,
 * u uint64_t (kept as the int64_t of the same bits), d double, t const char *
 * (NULL: null), b pointer and size_t, n (no argument): null.
 *
 * db_run executes it; rows, if any, are dropped. db_query leaves it before the
 * first row; db_next goes to the next row, false behind the last, after which
 * the statement is reset. db_done resets it early.
 */
bool db_run(struct db *db, const char *sql, const char *types, ...);
struct db_query *db_query(struct db *db, const char *sql, const char *types, ...);
bool db_next(struct db_query *q);
void db_done(struct db_query *q);

int64_t db_int(struct db_query *q, int column);
uint64_t db_u64(struct db_query *q, int column);
double db_real(struct db_query *q, int column);
bool db_is_null(struct db_query *q, int column);
/* Lent until the next db_next. "" for null. */
const char *db_text(struct db_query *q, int column);
struct bytes db_blob(struct db_query *q, int column);
int db_columns(struct db_query *q);
const char *db_column_name(struct db_query *q, int column);
/* True if the column holds a number. */
bool db_is_number(struct db_query *q, int column);
bool db_is_integer(struct db_query *q, int column);

/* The first column of the first row, or `fallback`. */
int64_t db_int_of(
	struct db *db, int64_t fallback, const char *sql, const char *types, ...);

/* Rows changed by the last db_run. */
int64_t db_changes(struct db *db);

/* Moves the WAL's contents into the database as far as no reader is in the
 * way; with `all`, also empties it. Returns its size in pages. */
int db_checkpoint(struct db *db, bool all);

#endif
