/* SPDX-License-Identifier: Apache-2.0 */
#include "store/blob.h"

#include <assert.h>
#include <string.h>

#include "store/seal.h"

/*
 * How LMDB 0.9 lays out a page of 4 096 bytes: 16 of header; then for each
 * node a pointer of 2 and, rounded up to an even size, 8 of node header, the
 * key and the value. A node over NODE_MAX keeps its value on pages of its own,
 * whose first has 16 bytes of header too.
 */
#define PAGE 4096
#define PAGE_HEADER 16
#define LEAF_ROOM (PAGE - PAGE_HEADER)
#define NODE_HEADER 8
#define NODE_POINTER 2
#define NODE_MAX 2038
#define PAGE_POINTER 8 /* what a leaf holds of a value on pages of its own */

/* A piece smaller than this is not worth a node. */
#define PIECE_MIN 48
#define PARTS_MAX 255

static size_t node_size(size_t key_len, size_t value_len)
{
	size_t node = NODE_HEADER + key_len + value_len;

	if (node > NODE_MAX)
		node = NODE_HEADER + key_len + PAGE_POINTER;
	return ((node + 1) & ~(size_t)1) + NODE_POINTER;
}

static size_t whole_pages(size_t len)
{
	return (len + PAGE_HEADER + PAGE - 1) / PAGE;
}

/* The length of the next piece of `left` bytes. */
static size_t piece_len(const struct blob_filler *filler, size_t key_len, size_t left)
{
	size_t overhead = NODE_HEADER + NODE_POINTER + key_len + 1;
	size_t inline_max = NODE_MAX - NODE_HEADER - key_len;
	size_t room = filler->room > overhead ? filler->room - overhead : 0;
	size_t waste = whole_pages(left) * PAGE - PAGE_HEADER - left;

	/* On pages of its own if they are nearly full, else as many whole pages
	 * as it fills, else in the leaf. */
	if (left > inline_max && waste <= left / 16)
		return left;
	if (left + PAGE_HEADER >= PAGE)
		return (left + PAGE_HEADER) / PAGE * PAGE - PAGE_HEADER;
	if (room < PIECE_MIN)
		room = inline_max; /* a new leaf */
	if (room > inline_max)
		room = inline_max;
	return left <= room ? left : room;
}

/* After a put of a piece: how much room the last leaf has now. */
static void follow(struct blob_filler *filler, struct env_txn *txn, enum env_db db,
	size_t key_len, size_t len)
{
	uint64_t leaf_pages = env_leaf_pages(txn, db);
	size_t size = node_size(key_len, len);

	if (leaf_pages != filler->leaf_pages) {
		filler->leaf_pages = leaf_pages;
		filler->room = LEAF_ROOM - size;
	} else {
		filler->room = filler->room > size ? filler->room - size : 0;
	}
}

/* Writes bytes [at, at + len) of the sealed value: the seal, then payload. */
static void copy_sealed(unsigned char *to, const unsigned char seal[SEAL_SIZE],
	struct bytes payload, size_t at, size_t len)
{
	if (at < SEAL_SIZE) {
		size_t n = SEAL_SIZE - at < len ? SEAL_SIZE - at : len;

		memcpy(to, seal + at, n);
		to += n;
		at += n;
		len -= n;
	}
	if (len)
		memcpy(to, payload.data + (at - SEAL_SIZE), len);
}

enum err_code blob_append(struct env_txn *txn, enum env_db db,
	struct blob_filler *filler, const void *key, size_t key_len,
	struct bytes payload, struct err *err)
{
	unsigned char part_key[BLOB_KEY_MAX + 1], seal[SEAL_SIZE];
	size_t total = SEAL_SIZE + payload.len, at = 0;

	assert(key_len <= BLOB_KEY_MAX);
	memcpy(part_key, key, key_len);
	part_key[key_len] = 0;
	seal_write(seal, part_key, key_len + 1, payload.data, payload.len);
	for (int part = 0; at < total; part++) {
		size_t len = piece_len(filler, key_len + 1, total - at);
		unsigned char *room;
		enum err_code code;

		assert(part < PARTS_MAX);
		part_key[key_len] = (unsigned char)part;
		code = env_reserve(txn, db, part_key, key_len + 1, len, ENV_PUT_APPEND,
			&room, err);
		if (code != ERR_NONE)
			return code;
		copy_sealed(room, seal, payload, at, len);
		follow(filler, txn, db, key_len + 1, len);
		at += len;
	}
	return ERR_NONE;
}

/* Joins the parts from `first` (part 0) on until `total` bytes are there. */
static enum err_code join(struct env_txn *txn, enum env_db db,
	unsigned char part_key[BLOB_KEY_MAX + 1], size_t key_len, struct bytes first,
	size_t total, struct buf *joined, struct err *err)
{
	struct bytes piece = first;

	buf_clear(joined);
	for (int part = 1;; part++) {
		enum err_code code;

		buf_add(joined, piece.data, piece.len);
		if (joined->over || joined->len > total || part > PARTS_MAX)
			return err_set(err, ERR_CORRUPT,
				"database '%s': too many parts", env_db_name(db));
		if (joined->len == total)
			return ERR_NONE;
		part_key[key_len] = (unsigned char)part;
		code = env_get(txn, db, part_key, key_len + 1, &piece, err);
		if (code == ERR_NOT_FOUND)
			return err_set(err, ERR_CORRUPT,
				"database '%s': part %d is missing", env_db_name(db),
				part);
		if (code != ERR_NONE)
			return code;
	}
}

enum err_code blob_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct buf *joined, struct bytes *payload, struct err *err)
{
	unsigned char part_key[BLOB_KEY_MAX + 1];
	struct bytes value;
	enum err_code code;

	assert(key_len <= BLOB_KEY_MAX);
	memcpy(part_key, key, key_len);
	part_key[key_len] = 0;
	code = env_get(txn, db, part_key, key_len + 1, &value, err);
	if (code != ERR_NONE)
		return code;
	if (value.len < SEAL_SIZE)
		return err_set(err, ERR_CORRUPT,
			"database '%s': a value without a seal", env_db_name(db));
	if (get_u32(value.data) + (size_t)SEAL_SIZE != value.len) {
		code = join(txn, db, part_key, key_len, value,
			get_u32(value.data) + (size_t)SEAL_SIZE, joined, err);
		if (code != ERR_NONE)
			return code;
		value = buf_bytes(joined);
		part_key[key_len] = 0;
	}
	if (seal_open(part_key, key_len + 1, value, payload, err) != ERR_NONE)
		return err_prefix(err, "database '%s'", env_db_name(db));
	return ERR_NONE;
}

enum err_code blob_delete(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct err *err)
{
	unsigned char part_key[BLOB_KEY_MAX + 1];

	memcpy(part_key, key, key_len);
	for (int part = 0; part <= PARTS_MAX; part++) {
		enum err_code code;

		part_key[key_len] = (unsigned char)part;
		code = env_delete(txn, db, part_key, key_len + 1, err);
		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}
