/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob.h - sealed values of any size, cut so that pages are full
 *
 * LMDB gives a value over half a page whole pages of its own: 2 100 bytes
 * take 4 096. So a large value is cut into whole pages and a rest, and the
 * rest into pieces that fill the leaf at hand. Each piece is a value under
 * the blob's key with a part number behind it (FORMAT.md, "The seal").
 *
 * The filler follows, for one database, how much room its last leaf has. It
 * is a guess that costs space, never correctness: mdb_stat corrects it.
 */
#ifndef RETORT_STORE_BLOB_H
#define RETORT_STORE_BLOB_H

#include "store/env.h"

#define BLOB_KEY_MAX 16

/* Zeroed at start and after an aborted transaction. */
struct blob_filler {
	size_t room;
	uint64_t leaf_pages;
};

/* Appends a blob; its key must be behind all others of the database. */
enum err_code blob_append(struct env_txn *txn, enum env_db db,
	struct blob_filler *filler, const void *key, size_t key_len,
	struct bytes payload, struct err *err) MUST_CHECK;

/*
 * Reads a blob and checks its seal. The payload is lent: from the map if the
 * blob is in one part, else from `joined`, which is overwritten.
 */
enum err_code blob_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct buf *joined, struct bytes *payload, struct err *err)
	MUST_CHECK;

enum err_code blob_delete(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct err *err) MUST_CHECK;

#endif
