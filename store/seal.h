/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - length and checksum before every value (FORMAT.md, "The seal")
 *
 * LMDB has no checksums of its own. The key seeds the checksum, so that a
 * value under the wrong key is found too.
 */
#ifndef RETORT_STORE_SEAL_H
#define RETORT_STORE_SEAL_H

#include "common/buf.h"
#include "common/bytes.h"
#include "common/err.h"
#include "common/hash.h"
#include "store/env.h"

#define SEAL_SIZE 8

static inline void seal_write(unsigned char out[SEAL_SIZE], const void *key,
	size_t key_len, const void *payload, size_t len)
{
	put_u32(out, (uint32_t)len);
	put_u32(out + 4, (uint32_t)hash64_seeded(payload, len, hash64(key, key_len)));
}

/* Checks a whole sealed value and gives its payload. */
enum err_code seal_open(const void *key, size_t key_len, struct bytes value,
	struct bytes *payload, struct err *err) MUST_CHECK;

/* env_put and env_get with the seal; for values that are not in parts. */
enum err_code seal_put(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, const void *payload, size_t len, enum env_put_flags flags,
	struct err *err) MUST_CHECK;
enum err_code seal_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct bytes *payload, struct err *err) MUST_CHECK;

#endif
