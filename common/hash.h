/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - fast hashes, for identity and damage, not against attackers
 *
 * XXH3 throughout. Digests that leave the machine in a manifest are BLAKE2b
 * (store/manifest.h).
 */
#ifndef RETORT_COMMON_HASH_H
#define RETORT_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash128 {
	uint64_t low, high;
};

static inline uint64_t hash64(const void *p, size_t len)
{
	return XXH3_64bits(p, len);
}

/* For what is worth a call: the widest vectors that the machine has. */
uint64_t hash64_long(const void *p, size_t len, uint64_t seed);

#define HASH_LONG 1024

static inline uint64_t hash64_seeded(const void *p, size_t len, uint64_t seed)
{
	return len < HASH_LONG ? XXH3_64bits_withSeed(p, len, seed)
			       : hash64_long(p, len, seed);
}

static inline struct hash128 hash128(const void *p, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(p, len);

	return (struct hash128){h.low64, h.high64};
}

#endif
