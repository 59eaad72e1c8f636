/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/trace_lmdb.h"

#include <dlfcn.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VISIBLE __attribute__((visibility("default")))

static char *calls; /* of the open transaction */
static size_t len, cap;
/* Of a put with MDB_RESERVE: where the caller is writing the value. */
static const void *reserved;
static size_t reserved_len;

static void add(const void *bytes, size_t n)
{
	if (len + n > cap) {
		cap = (len + n) * 2;
		calls = realloc(calls, cap);
		if (!calls)
			abort();
	}
	if (n)
		memcpy(calls + len, bytes, n);
	len += n;
}

static void take_reserved(void)
{
	if (reserved)
		add(reserved, reserved_len);
	reserved = NULL;
}

static void entry(uint32_t op, MDB_dbi dbi, unsigned flags, size_t key, size_t value)
{
	struct trace_entry e = {op, dbi, flags, (uint32_t)key, (uint32_t)value};

	add(&e, sizeof(e));
}

static void *real(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

VISIBLE int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi)
{
	int (*open)(MDB_txn *, const char *, unsigned, MDB_dbi *) =
		real("mdb_dbi_open");
	int rc = open(txn, name, flags, dbi);

	if (rc == MDB_SUCCESS) {
		entry(TRACE_OPEN, *dbi, flags, strlen(name) + 1, 0);
		add(name, strlen(name) + 1);
	}
	return rc;
}

VISIBLE int mdb_put(
	MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
	int (*put)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned) =
		real("mdb_put");
	int rc;

	take_reserved();
	rc = put(txn, dbi, key, value, flags);
	if (rc != MDB_SUCCESS)
		return rc;
	entry(TRACE_PUT, dbi, flags & ~(unsigned)MDB_RESERVE, key->mv_size,
		value->mv_size);
	add(key->mv_data, key->mv_size);
	reserved = value->mv_data;
	reserved_len = value->mv_size;
	if (!(flags & MDB_RESERVE))
		take_reserved();
	return rc;
}

VISIBLE int mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
	int (*del)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *) = real("mdb_del");
	int rc;

	take_reserved();
	rc = del(txn, dbi, key, value);
	if (rc == MDB_SUCCESS) {
		entry(TRACE_DELETE, dbi, 0, key->mv_size, 0);
		add(key->mv_data, key->mv_size);
	}
	return rc;
}

VISIBLE int mdb_txn_commit(MDB_txn *txn)
{
	int (*commit)(MDB_txn *) = real("mdb_txn_commit");
	FILE *file;

	take_reserved();
	if (len > 0) {
		entry(TRACE_COMMIT, 0, 0, 0, 0);
		file = fopen(getenv("RETORT_TRACE"), "ab");
		if (!file || fwrite(calls, 1, len, file) != len || fclose(file) != 0)
			abort();
	}
	len = 0;
	return commit(txn);
}

VISIBLE void mdb_txn_abort(MDB_txn *txn)
{
	void (*give_up)(MDB_txn *) = real("mdb_txn_abort");

	reserved = NULL;
	len = 0;
	give_up(txn);
}
