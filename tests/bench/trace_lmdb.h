/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_lmdb.h - what a program writes into LMDB, call by call
 *
 * trace_lmdb.so, preloaded, appends an entry to the file in RETORT_TRACE for each
 * call that writes, when its transaction is committed. bench_commit replays it.
 */
#ifndef RETORT_TESTS_TRACE_LMDB_H
#define RETORT_TESTS_TRACE_LMDB_H

#include <stdint.h>

enum trace_op {
	TRACE_OPEN,   /* of a database: `dbi`, and its name as the key */
	TRACE_PUT,    /* `dbi`, `flags`, key, value */
	TRACE_DELETE, /* `dbi`, key */
	TRACE_COMMIT
};

struct trace_entry {
	uint32_t op, dbi, flags, key_len, value_len;
	/* the key, the value */
};

#endif
