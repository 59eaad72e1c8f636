/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing byte buffer that states its cap at birth
 *
 * An append that would pass the cap appends nothing and sets `over`, and so
 * does every append after it: a writer builds a whole message and looks at
 * `over` once, at the end.
 *
 * Invariants: len <= cap, len <= max; data is NULL only while cap is 0.
 * Ownership: the buffer owns its bytes until buf_take or buf_release.
 */
#ifndef RETORT_COMMON_BUF_H
#define RETORT_COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct buf {
	unsigned char *data;
	size_t len;
	size_t cap;
	size_t max;
	bool over;
};

/* A view of bytes that somebody else owns. */
struct bytes {
	const unsigned char *data;
	size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){data, len};
}

void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer stays usable with the same cap. */
void buf_release(struct buf *b);
/* Forgets the contents, keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for n more bytes and returns where they go, or NULL past the cap.
 * The caller then adds what it wrote to len. */
unsigned char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *src, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, unsigned char c);
void buf_add_fill(struct buf *b, unsigned char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Cuts the contents to len bytes; len must not be larger than they are. */
void buf_truncate(struct buf *b, size_t len);
/* The contents with a NUL behind them; lent until the next change. */
const char *buf_text(struct buf *b);
/* Hands the bytes to the caller, who frees them; the buffer is empty then. */
unsigned char *buf_take(struct buf *b, size_t *len);

static inline struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){b->data, b->len};
}

/* Little-endian integers, as every format of ours has them. */
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);

#endif
