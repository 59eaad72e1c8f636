/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

/* Not hash.h, which inlines xxhash.h: here the shared library is wanted, which on
 * x86 chooses AVX2 or AVX-512 when it runs. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

uint64_t hash64_long(const void *p, size_t len, uint64_t seed);

uint64_t hash64_long(const void *p, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, len, seed);
}
