/* SPDX-License-Identifier: Apache-2.0 */
#include "store/env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"

#define FIRST_MAP ((size_t)256 << 20)

static const char *const db_names[DB_N] = {
	[DB_META] = "meta",
	[DB_KEY] = "key",
	[DB_RECORD] = "record",
	[DB_TEXT] = "text",
	[DB_LOGITS] = "logits",
	[DB_PROMPT] = "prompt",
	[DB_PROMPT_KEY] = "prompt_key",
	[DB_VOCAB] = "vocab",
	[DB_SHARD] = "shard",
	[DB_RAW] = "raw",
};

struct env {
	MDB_env *mdb;
	MDB_dbi dbi[DB_N];
	bool has_dbi[DB_N];
	enum env_mode mode;
	int open_txns;
};

struct env_txn {
	struct env *env;
	MDB_txn *mdb;
	bool read_only;
};

struct env_cursor {
	MDB_cursor *mdb;
};

const char *env_db_name(enum env_db db)
{
	assert((unsigned)db < DB_N);
	return db_names[db];
}

static enum err_code lmdb_error(struct err *err, int rc, const char *what)
{
	enum err_code code = ERR_IO;

	switch (rc) {
	case MDB_SUCCESS:
		return ERR_NONE;
	case MDB_NOTFOUND:
		/* Often an answer rather than an error: no text is made for it. */
		if (err)
			err->code = ERR_NOT_FOUND;
		return ERR_NOT_FOUND;
	case MDB_KEYEXIST:
		if (err)
			err->code = ERR_EXISTS;
		return ERR_EXISTS;
	case MDB_MAP_FULL:
	case MDB_MAP_RESIZED:
		code = ERR_AGAIN;
		break;
	case ENOENT:
		code = ERR_NOT_FOUND;
		break;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_BAD_TXN:
	case MDB_PANIC:
		code = ERR_CORRUPT;
		break;
	case EIO:
		/* A write that came to an end too early is told so by LMDB. */
		return err_set(err, ERR_IO, "%s: %s, or the disk is full", what,
			mdb_strerror(rc));
	default:
		break;
	}
	return err_set(err, code, "%s: %s", what, mdb_strerror(rc));
}

static enum err_code open_databases(struct env *env, struct err *err)
{
	bool write = env->mode != ENV_READ;
	MDB_txn *txn;
	int rc = mdb_txn_begin(env->mdb, NULL, write ? 0 : MDB_RDONLY, &txn);

	if (rc != MDB_SUCCESS)
		return lmdb_error(err, rc, "cannot open the dataset");
	for (int i = 0; i < DB_N && rc == MDB_SUCCESS; i++) {
		if (env->mode == ENV_SNAPSHOT && (i == DB_SHARD || i == DB_RAW))
			continue;
		rc = mdb_dbi_open(
			txn, db_names[i], write ? MDB_CREATE : 0, &env->dbi[i]);
		env->has_dbi[i] = rc == MDB_SUCCESS;
		/* Snapshots lack some; a reader takes them as empty. */
		if (rc == MDB_NOTFOUND && !write)
			rc = MDB_SUCCESS;
	}
	if (rc == MDB_SUCCESS)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	return lmdb_error(err, rc, "cannot open the dataset's databases");
}

/* Whether a process has the environment in `dir` open. */
static bool is_open_elsewhere(const char *dir)
{
	/* LMDB keeps a shared lock on the first byte as long as it is open. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char *path = file_join(dir, "lock.mdb");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* What cannot be looked at is taken as held. */
	bool held = fd < 0 ? errno != ENOENT
			   : fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;

	if (fd >= 0)
		close(fd);
	free(path);
	return held;
}

static int open_mdb(struct env *env, const char *dir, unsigned flags, mode_t mode)
{
	int rc = mdb_env_create(&env->mdb);

	if (rc == MDB_SUCCESS)
		rc = mdb_env_set_maxdbs(env->mdb, DB_N);
	/* An existing environment keeps its size if that is larger. */
	if (rc == MDB_SUCCESS && !(flags & MDB_RDONLY))
		rc = mdb_env_set_mapsize(env->mdb, FIRST_MAP);
	if (rc == MDB_SUCCESS)
		rc = mdb_env_open(env->mdb, dir, flags | MDB_NOTLS, mode);
	if (rc != MDB_SUCCESS) {
		mdb_env_close(env->mdb);
		env->mdb = NULL;
	}
	return rc;
}

/* A reader registers in lock.mdb. If it may not, it reads without, which is
 * right as long as nobody writes. */
static enum err_code open_to_read(struct env *env, const char *dir, struct err *err)
{
	int rc = open_mdb(env, dir, MDB_RDONLY, 0640);

	if (rc != EACCES && rc != EPERM && rc != EROFS)
		return lmdb_error(err, rc, "cannot open the dataset");
	if (is_open_elsewhere(dir))
		return err_set(err, ERR_REFUSED,
			"the dataset is in use, and this user may not write its lock.mdb, "
			"where readers register; read it as the store's user, or read a "
			"snapshot");
	return lmdb_error(err, open_mdb(env, dir, MDB_RDONLY | MDB_NOLOCK, 0640),
		"cannot open the dataset");
}

static enum err_code open_env(struct env *env, const char *dir, struct err *err)
{
	switch (env->mode) {
	case ENV_READ:
		return open_to_read(env, dir, err);
	case ENV_SNAPSHOT:
		return lmdb_error(err,
			open_mdb(env, dir, MDB_NOLOCK | MDB_NOSYNC, 0666),
			"cannot make a snapshot");
	default:
		if (file_check_local(dir, err) != ERR_NONE)
			return err->code;
		return lmdb_error(
			err, open_mdb(env, dir, 0, 0640), "cannot open the dataset");
	}
}

enum err_code env_open(
	const char *dir, enum env_mode mode, struct env **out, struct err *err)
{
	struct err ours;
	struct env *env;
	char *path = file_join(dir, "data.mdb");
	bool there = file_exists(path);
	enum err_code code = ERR_NONE;

	free(path);
	*out = NULL;
	if (!err)
		err = &ours;
	if (!there && (mode == ENV_READ || mode == ENV_WRITE))
		return err_set(err, ERR_NOT_FOUND, "there is no dataset in '%s'", dir);
	if (mode == ENV_CREATE)
		code = file_make_dir(dir, 0750, err);
	if (code != ERR_NONE)
		return code;
	env = mem_zalloc(1, sizeof(*env));
	env->mode = mode;
	code = open_env(env, dir, err);
	if (code == ERR_NONE)
		code = open_databases(env, err);
	if (code != ERR_NONE) {
		err_prefix(err, "'%s'", dir);
		env_close(env);
		return code;
	}
	if (mode == ENV_WRITE || mode == ENV_CREATE)
		env_clear_stale_readers(env);
	*out = env;
	return ERR_NONE;
}

void env_close(struct env *env)
{
	if (!env)
		return;
	assert(env->open_txns == 0);
	mdb_env_close(env->mdb);
	free(env);
}

static enum err_code begin(
	struct env *env, bool read_only, struct env_txn **out, struct err *err)
{
	struct env_txn *txn;
	MDB_txn *mdb;
	int rc = mdb_txn_begin(env->mdb, NULL, read_only ? MDB_RDONLY : 0, &mdb);

	*out = NULL;
	if (rc == MDB_MAP_RESIZED && env->open_txns == 0) {
		/* The writer grew the map: take its size and try once more. */
		rc = mdb_env_set_mapsize(env->mdb, 0);
		if (rc == MDB_SUCCESS)
			rc = mdb_txn_begin(
				env->mdb, NULL, read_only ? MDB_RDONLY : 0, &mdb);
	}
	if (rc != MDB_SUCCESS)
		return lmdb_error(err, rc, "cannot begin a transaction");
	txn = mem_zalloc(1, sizeof(*txn));
	*txn = (struct env_txn){env, mdb, read_only};
	env->open_txns++;
	*out = txn;
	return ERR_NONE;
}

enum err_code env_begin_write(struct env *env, struct env_txn **out, struct err *err)
{
	assert(env->mode != ENV_READ);
	return begin(env, false, out, err);
}

enum err_code env_begin_read(struct env *env, struct env_txn **out, struct err *err)
{
	return begin(env, true, out, err);
}

enum err_code env_renew(struct env_txn *txn, struct err *err)
{
	int rc;

	assert(txn->read_only);
	mdb_txn_reset(txn->mdb);
	rc = mdb_txn_renew(txn->mdb);
	if (rc == MDB_MAP_RESIZED && txn->env->open_txns == 1) {
		rc = mdb_env_set_mapsize(txn->env->mdb, 0);
		if (rc == MDB_SUCCESS)
			rc = mdb_txn_renew(txn->mdb);
	}
	return lmdb_error(err, rc, "cannot renew a transaction");
}

enum err_code env_commit(struct env_txn *txn, struct err *err)
{
	int rc = mdb_txn_commit(txn->mdb);

	txn->env->open_txns--;
	free(txn);
	return lmdb_error(err, rc, "cannot commit");
}

enum err_code env_sync(struct env *env, struct err *err)
{
	return lmdb_error(err, mdb_env_sync(env->mdb, 1), "cannot sync the dataset");
}

void env_abort(struct env_txn *txn)
{
	if (!txn)
		return;
	mdb_txn_abort(txn->mdb);
	txn->env->open_txns--;
	free(txn);
}

static inline MDB_val val_of(const void *p, size_t len)
{
	return (MDB_val){len, (void *)(uintptr_t)p};
}

enum err_code env_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct bytes *value, struct err *err)
{
	MDB_val k = val_of(key, key_len), v;
	int rc;

	if (!txn->env->has_dbi[db])
		return lmdb_error(err, MDB_NOTFOUND, "");
	rc = mdb_get(txn->mdb, txn->env->dbi[db], &k, &v);
	if (rc != MDB_SUCCESS)
		return lmdb_error(err, rc, "cannot read");
	*value = bytes_of(v.mv_data, v.mv_size);
	return ERR_NONE;
}

static unsigned lmdb_flags(enum env_put_flags flags)
{
	return (flags & ENV_PUT_NEW ? MDB_NOOVERWRITE : 0u) |
	       (flags & ENV_PUT_APPEND ? MDB_APPEND : 0u);
}

enum err_code env_put(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, const void *value, size_t len, enum env_put_flags flags,
	struct err *err)
{
	MDB_val k = val_of(key, key_len), v = val_of(value, len);

	return lmdb_error(err,
		mdb_put(txn->mdb, txn->env->dbi[db], &k, &v, lmdb_flags(flags)),
		"cannot write");
}

enum err_code env_reserve(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, size_t len, enum env_put_flags flags, unsigned char **room,
	struct err *err)
{
	MDB_val k = val_of(key, key_len), v = {len, NULL};
	int rc = mdb_put(
		txn->mdb, txn->env->dbi[db], &k, &v, lmdb_flags(flags) | MDB_RESERVE);

	*room = rc == MDB_SUCCESS ? v.mv_data : NULL;
	return lmdb_error(err, rc, "cannot write");
}

enum err_code env_delete(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct err *err)
{
	MDB_val k = val_of(key, key_len);

	return lmdb_error(
		err, mdb_del(txn->mdb, txn->env->dbi[db], &k, NULL), "cannot delete");
}

enum err_code env_cursor_open(
	struct env_txn *txn, enum env_db db, struct env_cursor **out, struct err *err)
{
	struct env_cursor *c = mem_zalloc(1, sizeof(*c));
	int rc = MDB_SUCCESS;

	/* A database that a snapshot lacks reads as empty: no cursor inside. */
	if (txn->env->has_dbi[db])
		rc = mdb_cursor_open(txn->mdb, txn->env->dbi[db], &c->mdb);
	if (rc != MDB_SUCCESS) {
		free(c);
		c = NULL;
	}
	*out = c;
	return lmdb_error(err, rc, "cannot open a cursor");
}

void env_cursor_close(struct env_cursor *c)
{
	if (!c)
		return;
	if (c->mdb)
		mdb_cursor_close(c->mdb);
	free(c);
}

static enum err_code cursor_get(struct env_cursor *c, MDB_val k, MDB_cursor_op op,
	struct bytes *found, struct bytes *value, struct err *err)
{
	MDB_val v;
	int rc = c->mdb ? mdb_cursor_get(c->mdb, &k, &v, op) : MDB_NOTFOUND;

	if (rc != MDB_SUCCESS)
		return lmdb_error(err, rc, "cannot read");
	*found = bytes_of(k.mv_data, k.mv_size);
	*value = bytes_of(v.mv_data, v.mv_size);
	return ERR_NONE;
}

enum err_code env_seek(struct env_cursor *c, const void *key, size_t key_len,
	struct bytes *found, struct bytes *value, struct err *err)
{
	return cursor_get(c, val_of(key, key_len), MDB_SET_RANGE, found, value, err);
}

enum err_code env_first(
	struct env_cursor *c, struct bytes *found, struct bytes *value, struct err *err)
{
	return cursor_get(c, val_of(NULL, 0), MDB_FIRST, found, value, err);
}

enum err_code env_last(
	struct env_cursor *c, struct bytes *found, struct bytes *value, struct err *err)
{
	return cursor_get(c, val_of(NULL, 0), MDB_LAST, found, value, err);
}

enum err_code env_next(
	struct env_cursor *c, struct bytes *found, struct bytes *value, struct err *err)
{
	return cursor_get(c, val_of(NULL, 0), MDB_NEXT, found, value, err);
}

static MDB_stat stat_of(struct env_txn *txn, enum env_db db)
{
	MDB_stat st = {0};

	if (txn->env->has_dbi[db])
		mdb_stat(txn->mdb, txn->env->dbi[db], &st);
	return st;
}

uint64_t env_entries(struct env_txn *txn, enum env_db db)
{
	return stat_of(txn, db).ms_entries;
}

uint64_t env_leaf_pages(struct env_txn *txn, enum env_db db)
{
	return stat_of(txn, db).ms_leaf_pages;
}

uint64_t env_used(struct env *env)
{
	MDB_envinfo at;
	MDB_stat st;

	mdb_env_info(env->mdb, &at);
	mdb_env_stat(env->mdb, &st);
	return (uint64_t)(at.me_last_pgno + 1) * st.ms_psize;
}

uint64_t env_map_size(struct env *env)
{
	MDB_envinfo at;

	mdb_env_info(env->mdb, &at);
	return at.me_mapsize;
}

enum err_code env_grow(struct env *env, uint64_t room, struct err *err)
{
	uint64_t size = env_map_size(env), need = env_used(env) + room;

	assert(env->open_txns == 0);
	if (size >= need)
		return ERR_NONE;
	while (size < need)
		size *= 2;
	return lmdb_error(err, mdb_env_set_mapsize(env->mdb, size),
		"cannot grow the dataset's map");
}

void env_clear_stale_readers(struct env *env)
{
	int dead = 0;

	mdb_reader_check(env->mdb, &dead);
}

void env_fit_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, (int)MIB(32));
	mallopt(M_TRIM_THRESHOLD, (int)MIB(256));
	/* Else each free of 64 KiB and more tidies what small frees left. */
	mallopt(M_MXFAST, 0);
}
