/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.h - the LMDB environment of a dataset; the only place that knows LMDB
 *
 * Thin: transactions, puts, gets, cursors on a fixed set of databases, with
 * our error codes. Rules that LMDB leaves to its users are kept here: one
 * environment per path and process, no WRITEMAP, no DUPSORT, stale readers
 * cleared, the map grown only while no transaction is open.
 *
 * Error codes: ERR_NOT_FOUND and ERR_EXISTS as one expects; ERR_AGAIN: the
 * map is full (abort, env_grow, do it again) or was grown by another process;
 * ERR_IO: the disk failed, after which nothing may be acknowledged and the
 * process must end; ERR_CORRUPT.
 *
 * Bytes got are lent until the transaction's next write or its end, and they
 * are not aligned. Threads: one.
 */
#ifndef RETORT_STORE_ENV_H
#define RETORT_STORE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum env_db {
	DB_META,
	DB_KEY,
	DB_RECORD,
	DB_TEXT,
	DB_LOGITS,
	DB_PROMPT,
	DB_PROMPT_KEY,
	DB_VOCAB,
	DB_SHARD,
	DB_RAW,
	DB_N
};
const char *env_db_name(enum env_db db);

struct env;
struct env_txn;
struct env_cursor;

enum env_mode {
	/* A reader beside a writer; ERR_NOT_FOUND if there is none. Where this user
	 * may not register as a reader: ERR_REFUSED while somebody has it open. */
	ENV_READ,
	ENV_WRITE,  /* the writer of an existing dataset */
	ENV_CREATE, /* as ENV_WRITE, made if it is not there */
	/* A new one in a folder that nobody else sees yet: without the databases
	 * that snapshots lack, without locks, and durable only by env_sync. */
	ENV_SNAPSHOT,
};

/* `dir` is the dataset's folder. */
enum err_code env_open(const char *dir, enum env_mode mode, struct env **out,
	struct err *err) MUST_CHECK;
void env_close(struct env *env);

enum err_code env_begin_write(struct env *env, struct env_txn **out, struct err *err)
	MUST_CHECK;
/* A consistent view. Long ones make the file grow: renew every so often. */
enum err_code env_begin_read(struct env *env, struct env_txn **out, struct err *err)
	MUST_CHECK;
/* The view as of now; its cursors must be closed before. */
enum err_code env_renew(struct env_txn *txn, struct err *err) MUST_CHECK;
/* Synced to disk when it returns ERR_NONE. Frees txn in every case. */
enum err_code env_commit(struct env_txn *txn, struct err *err) MUST_CHECK;
void env_abort(struct env_txn *txn);
/* Makes all that was committed durable; only needed after ENV_SNAPSHOT. */
enum err_code env_sync(struct env *env, struct err *err) MUST_CHECK;

enum env_put_flags {
	ENV_PUT = 0,
	ENV_PUT_NEW = 1,    /* ERR_EXISTS if the key is there */
	ENV_PUT_APPEND = 2, /* the key is behind all others */
};

enum err_code env_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct bytes *value, struct err *err) MUST_CHECK;
enum err_code env_put(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, const void *value, size_t len, enum env_put_flags flags,
	struct err *err) MUST_CHECK;
/* Makes room for a value of len bytes, which the caller writes at once. */
enum err_code env_reserve(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, size_t len, enum env_put_flags flags, unsigned char **room,
	struct err *err) MUST_CHECK;
enum err_code env_delete(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct err *err) MUST_CHECK;

enum err_code env_cursor_open(struct env_txn *txn, enum env_db db,
	struct env_cursor **out, struct err *err) MUST_CHECK;
void env_cursor_close(struct env_cursor *c);
/* At the first key that is not before `key`. ERR_NOT_FOUND behind the last. */
enum err_code env_seek(struct env_cursor *c, const void *key, size_t key_len,
	struct bytes *found, struct bytes *value, struct err *err) MUST_CHECK;
enum err_code env_first(struct env_cursor *c, struct bytes *found, struct bytes *value,
	struct err *err) MUST_CHECK;
enum err_code env_last(struct env_cursor *c, struct bytes *found, struct bytes *value,
	struct err *err) MUST_CHECK;
enum err_code env_next(struct env_cursor *c, struct bytes *found, struct bytes *value,
	struct err *err) MUST_CHECK;

uint64_t env_entries(struct env_txn *txn, enum env_db db);
uint64_t env_leaf_pages(struct env_txn *txn, enum env_db db);
/* Bytes of the map in use, freed pages included, and its size. */
uint64_t env_used(struct env *env);
uint64_t env_map_size(struct env *env);
/* Doubles the map until `room` bytes are free in it. No transaction may be
 * open in this process; readers elsewhere follow by themselves. */
enum err_code env_grow(struct env *env, uint64_t room, struct err *err) MUST_CHECK;
/* Frees the slots of readers that died, which would keep old pages alive. */
void env_clear_stale_readers(struct env *env);

/*
 * Fits the process's heap to a writer, before anything is opened. LMDB keeps the
 * pages of a transaction on the heap and frees them at its commit: they stay with
 * the process (up to 256 MiB) instead of being fetched anew from the system.
 */
void env_fit_heap(void);

#endif
