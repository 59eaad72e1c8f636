/* SPDX-License-Identifier: Apache-2.0 */
#include "store/blob_walk.h"

#include <assert.h>
#include <string.h>

#include "store/pack.h"
#include "store/seal.h"

#define PARTS_MAX 256

static enum err_code seek(
	struct blob_walk *w, const void *from, size_t len, struct err *err)
{
	enum err_code code = env_cursor_open(w->txn, w->db, &w->cursor, err);

	if (code == ERR_NONE)
		code = env_seek(w->cursor, from, len, &w->key, &w->value, err);
	w->ended = code == ERR_NOT_FOUND;
	return w->ended ? ERR_NONE : code;
}

enum err_code blob_walk_open(struct blob_walk *w, struct env_txn *txn, enum env_db db,
	size_t key_len, struct err *err)
{
	assert(key_len <= BLOB_KEY_MAX);
	*w = (struct blob_walk){.txn = txn, .db = db, .key_len = key_len};
	buf_init(&w->joined, PACK_RAW_MAX + 65536 + SEAL_SIZE);
	return seek(w, "", 1, err);
}

void blob_walk_close(struct blob_walk *w)
{
	env_cursor_close(w->cursor);
	w->cursor = NULL;
	buf_release(&w->joined);
}

static enum err_code advance(struct blob_walk *w, struct err *err)
{
	enum err_code code = env_next(w->cursor, &w->key, &w->value, err);

	w->ended = code == ERR_NOT_FOUND;
	return w->ended ? ERR_NONE : code;
}

static bool is_same_blob(const struct blob_walk *w)
{
	return !w->ended && w->key.len == w->key_len + 1 &&
	       memcmp(w->key.data, w->base, w->key_len) == 0;
}

/* Joins the parts of the blob that the cursor stands on; *whole if they are
 * numbered 0, 1, ... */
static enum err_code join(struct blob_walk *w, bool *whole, struct err *err)
{
	enum err_code code = ERR_NONE;

	*whole = true;
	buf_clear(&w->joined);
	for (unsigned part = 0; is_same_blob(w) && code == ERR_NONE; part++) {
		if (part >= PARTS_MAX || w->key.data[w->key_len] != part)
			*whole = false;
		buf_add(&w->joined, w->value.data, w->value.len);
		code = advance(w, err);
	}
	return code;
}

enum err_code blob_walk_next(struct blob_walk *w, struct err *err)
{
	const char *db = env_db_name(w->db);
	enum err_code code;
	bool whole;

	if (w->ended)
		return ERR_NOT_FOUND;
	memset(w->base, 0, sizeof(w->base));
	if (w->key.len != w->key_len + 1) {
		size_t len = w->key.len;

		memcpy(w->base, w->key.data, len < w->key_len ? len : w->key_len);
		code = advance(w, err);
		return code == ERR_NONE ? err_set(err, ERR_CORRUPT,
						  "%s: a key of %zu bytes", db, len)
					: code;
	}
	memcpy(w->base, w->key.data, w->key_len);
	code = join(w, &whole, err);
	if (code != ERR_NONE)
		return code;
	if (!whole || w->joined.over)
		return err_set(
			err, ERR_CORRUPT, "%s: a part is missing or too many", db);
	if (seal_open(w->base, w->key_len + 1, buf_bytes(&w->joined), &w->payload,
		    err) != ERR_NONE)
		return err_prefix(err, "%s", db);
	return ERR_NONE;
}

void blob_walk_pause(struct blob_walk *w)
{
	env_cursor_close(w->cursor);
	w->cursor = NULL;
}

enum err_code blob_walk_go_on(struct blob_walk *w, struct err *err)
{
	unsigned char behind[BLOB_KEY_MAX + 1];

	if (w->ended)
		return env_cursor_open(w->txn, w->db, &w->cursor, err);
	/* Behind every part of the blob at hand. */
	memcpy(behind, w->base, w->key_len);
	behind[w->key_len] = 0xff;
	return seek(w, behind, w->key_len + 1, err);
}
