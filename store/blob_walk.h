/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_walk.h - all values in parts of one database, in key order
 *
 * blob_get finds what it looks for; this looks at what is there, so it also
 * sees parts that nothing asks for: a part without its first one, a gap, a part
 * too many. It renews nothing: its view must stay open while it walks, or be
 * renewed between blob_walk_pause and blob_walk_go_on.
 *
 * Ownership: the payload is lent until the next call.
 */
#ifndef RETORT_STORE_BLOB_WALK_H
#define RETORT_STORE_BLOB_WALK_H

#include "store/blob.h"

struct blob_walk {
	struct env_txn *txn;
	enum env_db db;
	size_t key_len; /* without the part */
	struct env_cursor *cursor;
	bool ended;
	struct bytes key, value; /* what the cursor stands on */
	struct buf joined;

	/* The blob at hand. */
	unsigned char base[BLOB_KEY_MAX + 1];
	struct bytes payload;
};

enum err_code blob_walk_open(struct blob_walk *w, struct env_txn *txn, enum env_db db,
	size_t key_len, struct err *err) MUST_CHECK;
void blob_walk_close(struct blob_walk *w);

/*
 * The next blob. ERR_NOT_FOUND behind the last. ERR_CORRUPT if this one is
 * damaged: `base` has its key, as far as it has one, and the walk can go on. Any
 * other error ends it.
 */
enum err_code blob_walk_next(struct blob_walk *w, struct err *err) MUST_CHECK;

/* The view is about to be renewed, and has been. */
void blob_walk_pause(struct blob_walk *w);
enum err_code blob_walk_go_on(struct blob_walk *w, struct err *err) MUST_CHECK;

#endif
