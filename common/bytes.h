/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - integers and floats as bytes
 *
 * Little-endian in values and messages; big-endian in LMDB keys, where the
 * order of the bytes is the order of the numbers. Unaligned everywhere, and
 * right on a machine of either byte order.
 */
#ifndef RETORT_COMMON_BYTES_H
#define RETORT_COMMON_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE16(v) (v)
#define LE32(v) (v)
#define LE64(v) (v)
#define BE16(v) __builtin_bswap16(v)
#define BE32(v) __builtin_bswap32(v)
#define BE64(v) __builtin_bswap64(v)
#else
#define LE16(v) __builtin_bswap16(v)
#define LE32(v) __builtin_bswap32(v)
#define LE64(v) __builtin_bswap64(v)
#define BE16(v) (v)
#define BE32(v) (v)
#define BE64(v) (v)
#endif

#define BYTES_ACCESSORS(bits, order, suffix)                                           \
	static inline void put_u##bits##suffix(void *to, uint##bits##_t v)             \
	{                                                                              \
		v = order##bits(v);                                                    \
		memcpy(to, &v, sizeof(v));                                             \
	}                                                                              \
	static inline uint##bits##_t get_u##bits##suffix(const void *from)             \
	{                                                                              \
		uint##bits##_t v;                                                      \
		memcpy(&v, from, sizeof(v));                                           \
		return order##bits(v);                                                 \
	}

BYTES_ACCESSORS(16, LE, )
BYTES_ACCESSORS(32, LE, )
BYTES_ACCESSORS(64, LE, )
BYTES_ACCESSORS(16, BE, _be)
BYTES_ACCESSORS(32, BE, _be)
BYTES_ACCESSORS(64, BE, _be)

static inline void put_f32(void *to, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_u32(to, bits);
}

static inline float get_f32(const void *from)
{
	uint32_t bits = get_u32(from);
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline void put_f64(void *to, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_u64(to, bits);
}

static inline double get_f64(const void *from)
{
	uint64_t bits = get_u64(from);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

#endif
