/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include <math.h>

#include "coordinator/db.h"

static struct folder folder;
static char *path;
static struct db *db;

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

static int begin(void **state)
{
	struct err err;

	(void)state;
	folder_make(&folder);
	path = file_join(folder.path, "test.sqlite");
	must(db_open(path, DB_WRITE, &db, &err), &err);
	must(db_script(db, "CREATE TABLE t (a ANY, b ANY) STRICT;", &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	db_close(db);
	db = NULL;
	free(path);
	folder_remove(&folder);
	return 0;
}

static int64_t count(struct db *of)
{
	return db_int_of(of, -1, "SELECT count(*) FROM t", "");
}

static void db__gives_back_what_was_bound(void **state)
{
	struct db_query *q;

	(void)state;
	assert_true(
		db_run(db, "INSERT INTO t VALUES (?, ?)", "iu", INT64_MIN, UINT64_MAX));
	assert_true(db_run(db, "INSERT INTO t VALUES (?, ?)", "dt", 0.1, "a'b"));
	assert_true(db_run(db, "INSERT INTO t VALUES (?, ?)", "bn", "x\0y", (size_t)3));
	assert_true(db_run(db, "INSERT INTO t VALUES (?, ?)", "tb", (char *)NULL,
		(void *)NULL, (size_t)0));
	q = db_query(db, "SELECT a, b FROM t ORDER BY rowid", "");
	assert_int_equal(db_columns(q), 2);
	assert_string_equal(db_column_name(q, 1), "b");
	assert_true(db_next(q));
	assert_true(db_int(q, 0) == INT64_MIN && db_u64(q, 1) == UINT64_MAX);
	assert_true(db_is_number(q, 0) && db_is_integer(q, 0));
	assert_true(db_next(q));
	assert_true(db_real(q, 0) == 0.1);
	assert_string_equal(db_text(q, 1), "a'b");
	assert_true(db_is_number(q, 0) && !db_is_integer(q, 0));
	assert_false(db_is_number(q, 1));
	assert_true(db_next(q));
	assert_int_equal(db_blob(q, 0).len, 3);
	assert_memory_equal(db_blob(q, 0).data, "x\0y", 3);
	assert_true(db_is_null(q, 1) && !db_is_null(q, 0));
	assert_false(db_is_number(q, 1));
	assert_true(db_next(q));
	assert_true(db_is_null(q, 0) && db_is_null(q, 1));
	assert_string_equal(db_text(q, 0), "");
	assert_int_equal(db_blob(q, 1).len, 0);
	assert_false(db_next(q));
	assert_false(db_failed(db));
}

static void db__keeps_statements_and_binds_them_anew(void **state)
{
	static const char insert[] = "INSERT INTO t VALUES (?, 0)";
	static const char find[] = "SELECT a FROM t WHERE a >= ? ORDER BY a";
	struct db_query *q;

	(void)state;
	for (int64_t i = 0; i < 10; i++)
		assert_true(db_run(db, insert, "i", i));
	q = db_query(db, find, "i", (int64_t)3);
	assert_true(db_next(q) && db_int(q, 0) == 3);
	/* The same statement again, in the middle of its rows. */
	assert_ptr_equal(db_query(db, find, "i", (int64_t)8), q);
	assert_true(db_next(q) && db_int(q, 0) == 8);
	assert_true(db_next(q) && db_int(q, 0) == 9);
	assert_false(db_next(q));
	/* After the end it is reset, with the same arguments. */
	assert_true(db_next(q) && db_int(q, 0) == 8);
	db_done(q);
	assert_true(db_next(q) && db_int(q, 0) == 8);
	db_done(q);
	db_run(db, "UPDATE t SET b = 1 WHERE a < ?", "i", (int64_t)4);
	assert_int_equal(db_changes(db), 4);
}

static void db_int_of__falls_back_without_a_value(void **state)
{
	static const char first[] = "SELECT a FROM t ORDER BY rowid";

	(void)state;
	assert_int_equal(db_int_of(db, 42, first, ""), 42);
	db_run(db, "INSERT INTO t VALUES (NULL, 1)", "");
	assert_int_equal(db_int_of(db, 42, first, ""), 42);
	assert_int_equal(db_int_of(db, 42, "SELECT sum(a) FROM t", ""), 42);
	db_run(db, "UPDATE t SET a = 0", "");
	assert_int_equal(db_int_of(db, 42, first, ""), 0);
}

static void db__commits_or_rolls_back(void **state)
{
	struct db *reader;
	struct err err;

	(void)state;
	must(db_open(path, DB_READ, &reader, &err), &err);
	assert_false(db_in_transaction(db));
	assert_true(db_begin(db));
	assert_true(db_in_transaction(db));
	db_run(db, "INSERT INTO t VALUES (1, 1)", "");
	assert_int_equal(count(reader), 0);
	db_rollback(db);
	assert_false(db_in_transaction(db));
	assert_int_equal(count(db), 0);
	db_rollback(db); /* nothing to do */
	assert_true(db_begin(db));
	db_run(db, "INSERT INTO t VALUES (2, 2)", "");
	assert_true(db_commit(db));
	assert_int_equal(count(reader), 1);
	/* A statement that was left in the middle is in nobody's way. */
	assert_true(db_next(db_query(db, "SELECT a FROM t", "")));
	assert_true(db_begin(db));
	db_run(db, "INSERT INTO t VALUES (3, 3)", "");
	assert_true(db_commit(db));
	assert_int_equal(count(reader), 2);
	assert_false(db_failed(db) || db_failed(reader));
	db_close(reader);
}

static void db__says_that_a_statement_failed(void **state)
{
	(void)state;
	assert_false(db_failed(db));
	assert_false(db_run(db, "INSERT INTO no_such_table VALUES (1)", ""));
	assert_true(db_failed(db));
	assert_non_null(strstr(db_message(db), "no_such_table"));
	/* It stays so, and the others still work. */
	assert_false(db_run(db, "INSERT INTO t VALUES (1, 1)", ""));
	assert_int_equal(count(db), 1);
	assert_true(db_failed(db));
	assert_int_equal(db_int_of(db, 7, "SELECT x FROM t", ""), 7);
	assert_int_equal(db_columns(db_query(db, "SELECT x FROM t", "")), 0);
}

static void db__of_a_reader_changes_nothing(void **state)
{
	struct db *reader;
	struct err err;

	(void)state;
	must(db_open(path, DB_READ, &reader, &err), &err);
	assert_false(db_run(reader, "INSERT INTO t VALUES (1, 1)", ""));
	assert_true(db_failed(reader));
	db_close(reader);
	assert_int_equal(count(db), 0);
}

static void db__refuses_what_is_no_database(void **state)
{
	char *other = folder_write_text(&folder, "other",
		"this is not a database at "
		"all, only some text");
	char *none = file_join(folder.path, "none");
	struct db *out = db;
	struct err err;

	(void)state;
	assert_int_equal(db_open(other, DB_WRITE, &out, &err), ERR_CORRUPT);
	assert_null(out);
	assert_non_null(strstr(err.msg, other));
	assert_int_equal(db_open(none, DB_READ, &out, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, none));
	/* Reading does not make it. */
	assert_false(file_exists(none));
	assert_int_equal(db_script(db, "SELECT 1; NONSENSE;", &err), ERR_IO);
	assert_non_null(strstr(err.msg, "NONSENSE"));
	assert_false(db_failed(db));
	free(other);
	free(none);
}

/* So that who may not write can still open it. */
static void db__leaves_its_wal_on_disk(void **state)
{
	char *wal = file_join(folder.path, "test.sqlite-wal");
	struct db *reader;
	struct err err;

	(void)state;
	for (int64_t i = 0; i < 100; i++)
		db_run(db, "INSERT INTO t VALUES (?, 0)", "i", i);
	assert_true(db_checkpoint(db, false) > 50);
	assert_int_equal(db_checkpoint(db, true), 0);
	db_run(db, "INSERT INTO t VALUES (1, 1)", "");
	assert_in_range(db_checkpoint(db, false), 1, 5);
	db_close(db);
	db = NULL;
	assert_true(file_exists(wal));
	must(db_open(path, DB_READ, &reader, &err), &err);
	assert_int_equal(count(reader), 101);
	db_close(reader);
	assert_true(file_exists(wal));
	free(wal);
}

static void db__syncs_every_commit(void **state)
{
	(void)state;
	assert_int_equal(db_int_of(db, -1, "PRAGMA synchronous", ""), 2);
	assert_int_equal(db_int_of(db, -1, "PRAGMA wal_autocheckpoint", ""), 0);
	assert_int_equal(db_int_of(db, -1, "PRAGMA foreign_keys", ""), 1);
	assert_int_equal(db_int_of(db, -1,
				 "SELECT journal_mode = 'wal' FROM"
				 " pragma_journal_mode",
				 ""),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(db__gives_back_what_was_bound),
		TEST(db__keeps_statements_and_binds_them_anew),
		TEST(db_int_of__falls_back_without_a_value),
		TEST(db__commits_or_rolls_back),
		TEST(db__says_that_a_statement_failed),
		TEST(db__of_a_reader_changes_nothing),
		TEST(db__refuses_what_is_no_database),
		TEST(db__leaves_its_wal_on_disk),
		TEST(db__syncs_every_commit),
	};

	return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
