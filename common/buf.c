/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->over = false;
}

unsigned char *buf_reserve(struct buf *b, size_t n)
{
	assert(b->len <= b->cap);
	if (b->over || n > b->max - b->len) {
		b->over = true;
		return NULL;
	}
	if (n > b->cap - b->len) {
		size_t to = b->cap + b->cap / 2;

		if (to < b->len + n)
			to = b->len + n;
		if (to < 64)
			to = 64;
		if (to > b->max)
			to = b->max;
		b->data = mem_realloc(b->data, to, 1);
		b->cap = to;
	}
	/* A zero-length reserve of an empty buffer has no memory to point at. */
	return b->data ? b->data + b->len : (unsigned char *)"";
}

void buf_add(struct buf *b, const void *src, size_t n)
{
	unsigned char *to = buf_reserve(b, n);

	if (to && n) {
		memcpy(to, src, n);
		b->len += n;
	}
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_byte(struct buf *b, unsigned char c)
{
	buf_add(b, &c, 1);
}

void buf_add_fill(struct buf *b, unsigned char c, size_t n)
{
	unsigned char *to = buf_reserve(b, n);

	if (to && n) {
		memset(to, c, n);
		b->len += n;
	}
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else if (n >= 0) {
		char *big = mem_alloc((size_t)n + 1);

		vsnprintf(big, (size_t)n + 1, fmt, again);
		buf_add(b, big, (size_t)n);
		free(big);
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
}

const char *buf_text(struct buf *b)
{
	/* The NUL is not part of the contents, so it may lie past the cap. */
	if (b->len == b->cap) {
		b->data = mem_realloc(b->data, b->cap + 1, 1);
		b->cap++;
	}
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

unsigned char *buf_take(struct buf *b, size_t *len)
{
	unsigned char *data = b->data ? b->data : mem_alloc(1);

	*len = b->len;
	buf_init(b, b->max);
	return data;
}

void buf_add_u16(struct buf *b, uint16_t v)
{
	unsigned char le[2];

	put_u16(le, v);
	buf_add(b, le, sizeof(le));
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	unsigned char le[4];

	put_u32(le, v);
	buf_add(b, le, sizeof(le));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	unsigned char le[8];

	put_u64(le, v);
	buf_add(b, le, sizeof(le));
}
