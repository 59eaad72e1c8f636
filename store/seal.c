/* SPDX-License-Identifier: Apache-2.0 */
#include "store/seal.h"

#include <string.h>

enum err_code seal_open(const void *key, size_t key_len, struct bytes value,
	struct bytes *payload, struct err *err)
{
	unsigned char want[SEAL_SIZE];

	if (value.len < SEAL_SIZE || get_u32(value.data) != value.len - SEAL_SIZE)
		return err_set(err, ERR_CORRUPT, "a value has the wrong length");
	*payload = bytes_of(value.data + SEAL_SIZE, value.len - SEAL_SIZE);
	seal_write(want, key, key_len, payload->data, payload->len);
	if (memcmp(want, value.data, SEAL_SIZE) != 0)
		return err_set(err, ERR_CORRUPT, "a value's checksum is wrong");
	return ERR_NONE;
}

enum err_code seal_put(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, const void *payload, size_t len, enum env_put_flags flags,
	struct err *err)
{
	unsigned char *room;
	enum err_code code =
		env_reserve(txn, db, key, key_len, SEAL_SIZE + len, flags, &room, err);

	if (code != ERR_NONE)
		return code;
	seal_write(room, key, key_len, payload, len);
	if (len)
		memcpy(room + SEAL_SIZE, payload, len);
	return ERR_NONE;
}

enum err_code seal_get(struct env_txn *txn, enum env_db db, const void *key,
	size_t key_len, struct bytes *payload, struct err *err)
{
	struct bytes value;
	enum err_code code = env_get(txn, db, key, key_len, &value, err);

	if (code != ERR_NONE)
		return code;
	if (seal_open(key, key_len, value, payload, err) != ERR_NONE)
		return err_prefix(err, "database '%s'", env_db_name(db));
	return ERR_NONE;
}
