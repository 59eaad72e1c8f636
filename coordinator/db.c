/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/db.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

#define BUSY_MS 5000
#define WAL_MAX_BYTES "67108864"

struct db_query {
	const char *sql;
	sqlite3_stmt *stmt;
	struct db *db;
};

struct db {
	sqlite3 *handle;
	struct db_query **query; /* by address of their SQL */
	size_t n_queries, cap_queries;
	bool failed;
};

static enum err_code sqlite_error(struct err *err, sqlite3 *handle, const char *what)
{
	int rc = sqlite3_errcode(handle) & 0xff;
	enum err_code code = rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_CORRUPT
			     : rc == SQLITE_BUSY                         ? ERR_AGAIN
			     : rc == SQLITE_CANTOPEN                     ? ERR_NOT_FOUND
									 : ERR_IO;

	return err_set(err, code, "%s: %s", what, sqlite3_errmsg(handle));
}

static const char writer_setup[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
	"PRAGMA wal_autocheckpoint=0; PRAGMA trusted_schema=OFF;"
	"PRAGMA cell_size_check=ON; PRAGMA journal_size_limit=" WAL_MAX_BYTES ";"
	"PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;";

static const char reader_setup[] = "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF;";

enum err_code db_open(
	const char *path, enum db_mode mode, struct db **out, struct err *err)
{
	int flags = mode == DB_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
				     : SQLITE_OPEN_READONLY;
	struct db *db = mem_zalloc(1, sizeof(*db));
	enum err_code code = ERR_NONE;
	int keep_wal = 1;

	*out = NULL;
	if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK) {
		code = sqlite_error(err, db->handle, path);
	} else {
		sqlite3_busy_timeout(db->handle, BUSY_MS);
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		if (mode == DB_WRITE)
			sqlite3_file_control(db->handle, "main",
				SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
		code = db_script(
			db, mode == DB_WRITE ? writer_setup : reader_setup, err);
		if (code != ERR_NONE)
			err_prefix(err, "%s", path);
	}
	if (code != ERR_NONE) {
		db_close(db);
		return code;
	}
	*out = db;
	return ERR_NONE;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->n_queries; i++) {
		sqlite3_finalize(db->query[i]->stmt);
		free(db->query[i]);
	}
	free(db->query);
	sqlite3_close(db->handle);
	free(db);
}

bool db_failed(const struct db *db)
{
	return db->failed;
}

const char *db_message(const struct db *db)
{
	return sqlite3_errmsg(db->handle);
}

enum err_code db_script(struct db *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_error(err, db->handle, "SQLite");
	return ERR_NONE;
}

static bool fail(struct db *db, const char *sql)
{
	log_error("ledger", "SQLite failed", "why=%s sql=%s",
		log_quote(sqlite3_errmsg(db->handle)).text, log_quote(sql).text);
	db->failed = true;
	return false;
}

static struct db_query *prepare(struct db *db, const char *sql)
{
	struct db_query *q;

	for (size_t i = 0; i < db->n_queries; i++)
		if (db->query[i]->sql == sql)
			return db->query[i];
	MEM_GROW(db->query, db->cap_queries, db->n_queries + 1);
	q = mem_zalloc(1, sizeof(*q));
	q->sql = sql;
	q->db = db;
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt,
		    NULL) != SQLITE_OK)
		fail(db, sql);
	db->query[db->n_queries++] = q;
	return q;
}

static void bind_all(struct db_query *q, const char *types, va_list ap)
{
	for (int i = 1; *types; types++, i++) {
		const void *blob;

		switch (*types) {
		case 'i':
			sqlite3_bind_int64(q->stmt, i, va_arg(ap, int64_t));
			break;
		case 'u':
			sqlite3_bind_int64(q->stmt, i, (int64_t)va_arg(ap, uint64_t));
			break;
		case 'd':
			sqlite3_bind_double(q->stmt, i, va_arg(ap, double));
			break;
		case 't':
			sqlite3_bind_text(q->stmt, i, va_arg(ap, const char *), -1,
				SQLITE_TRANSIENT);
			break;
		case 'b':
			blob = va_arg(ap, const void *);
			sqlite3_bind_blob64(
				q->stmt, i, blob, va_arg(ap, size_t), SQLITE_TRANSIENT);
			break;
		case 'n':
			sqlite3_bind_null(q->stmt, i);
			break;
		default:
			abort();
		}
	}
}

static struct db_query *begin_query(
	struct db *db, const char *sql, const char *types, va_list ap)
{
	struct db_query *q = prepare(db, sql);

	if (q->stmt) {
		sqlite3_reset(q->stmt);
		bind_all(q, types, ap);
	}
	return q;
}

struct db_query *db_query(struct db *db, const char *sql, const char *types, ...)
{
	struct db_query *q;
	va_list ap;

	va_start(ap, types);
	q = begin_query(db, sql, types, ap);
	va_end(ap);
	return q;
}

bool db_next(struct db_query *q)
{
	int rc = q->stmt ? sqlite3_step(q->stmt) : SQLITE_ERROR;

	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		fail(q->db, q->sql);
	db_done(q);
	return false;
}

void db_done(struct db_query *q)
{
	if (q->stmt)
		sqlite3_reset(q->stmt);
}

bool db_run(struct db *db, const char *sql, const char *types, ...)
{
	struct db_query *q;
	va_list ap;

	va_start(ap, types);
	q = begin_query(db, sql, types, ap);
	va_end(ap);
	while (db_next(q))
		;
	return !db->failed;
}

int64_t db_int_of(
	struct db *db, int64_t fallback, const char *sql, const char *types, ...)
{
	struct db_query *q;
	va_list ap;

	va_start(ap, types);
	q = begin_query(db, sql, types, ap);
	va_end(ap);
	if (db_next(q)) {
		if (!db_is_null(q, 0))
			fallback = db_int(q, 0);
		db_done(q);
	}
	return fallback;
}

bool db_begin(struct db *db)
{
	return db_run(db, "BEGIN IMMEDIATE", "");
}

bool db_commit(struct db *db)
{
	return db_run(db, "COMMIT", "");
}

void db_rollback(struct db *db)
{
	if (db_in_transaction(db))
		db_run(db, "ROLLBACK", "");
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->handle);
}

int64_t db_int(struct db_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

uint64_t db_u64(struct db_query *q, int column)
{
	return (uint64_t)sqlite3_column_int64(q->stmt, column);
}

double db_real(struct db_query *q, int column)
{
	return sqlite3_column_double(q->stmt, column);
}

bool db_is_null(struct db_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

const char *db_text(struct db_query *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, column);

	return text ? (const char *)text : "";
}

struct bytes db_blob(struct db_query *q, int column)
{
	const void *blob = sqlite3_column_blob(q->stmt, column);

	return bytes_of(blob, (size_t)sqlite3_column_bytes(q->stmt, column));
}

int db_columns(struct db_query *q)
{
	return q->stmt ? sqlite3_column_count(q->stmt) : 0;
}

const char *db_column_name(struct db_query *q, int column)
{
	return sqlite3_column_name(q->stmt, column);
}

bool db_is_number(struct db_query *q, int column)
{
	int type = sqlite3_column_type(q->stmt, column);

	return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

bool db_is_integer(struct db_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_INTEGER;
}

int64_t db_changes(struct db *db)
{
	return sqlite3_changes64(db->handle);
}

int db_checkpoint(struct db *db, bool all)
{
	int pages = 0, moved = 0;

	/* A reader in the way is no error: the rest is moved another time. */
	sqlite3_wal_checkpoint_v2(db->handle, NULL,
		all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &pages,
		&moved);
	return pages;
}
