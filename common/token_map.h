/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_map.h - from a token's bytes to its id
 *
 * The key is (ordinal, bytes): two candidates of one row with equal bytes are
 * two tokens. Grows as needed and never shrinks; vocabularies do not either.
 *
 * Ownership: the map copies the bytes.
 */
#ifndef RETORT_COMMON_TOKEN_MAP_H
#define RETORT_COMMON_TOKEN_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct token_entry {
	uint32_t at; /* of its bytes in the pool */
	uint16_t len, ordinal;
	uint32_t id;
};

/* Zeroed memory is an empty map. */
struct token_map {
	struct token_entry *entry;
	size_t n, cap;
	unsigned char *pool;
	size_t pool_len, pool_cap;
	/* Half of the hash, then entry + 1; 0: free. So most of what is not meant
	 * is passed over without a look at its entry. */
	uint64_t *slot;
	size_t n_slots; /* a power of two, more than twice n */
};

void token_map_release(struct token_map *m);
bool token_map_find(
	const struct token_map *m, uint16_t ordinal, struct bytes token, uint32_t *id);
/* The key must not be there. token.len is at most LIMIT_TOKEN_BYTES. */
void token_map_add(
	struct token_map *m, uint16_t ordinal, struct bytes token, uint32_t id);

#endif
