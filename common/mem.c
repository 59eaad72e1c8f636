/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/limits.h"

#define CACHE_LINE 64
#define HUGE_PAGE ((size_t)2 << 20)

static void *not_null(void *p)
{
	if (!p) {
		fputs("level=error sys=mem msg=\"out of memory\"\n", stderr);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return not_null(malloc(size ? size : 1));
}

void *mem_zalloc(size_t n, size_t size)
{
	return not_null(calloc(n ? n : 1, size ? size : 1));
}

void *mem_table(size_t size)
{
	size_t unit = size < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
	size_t whole = (size + unit - 1) / unit * unit;
	void *p = not_null(aligned_alloc(unit, whole));

	if (unit == HUGE_PAGE)
		madvise(p, whole, MADV_HUGEPAGE); /* if not, no harm */
	return memset(p, 0, whole);
}

void mem_keep_freed(void)
{
	mallopt(M_MMAP_THRESHOLD, (int)MIB(4));
	mallopt(M_TRIM_THRESHOLD, (int)MIB(64));
}

void *mem_realloc(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		not_null(NULL);
	return not_null(realloc(old, bytes ? bytes : 1));
}

void *mem_dup(const void *src, size_t len)
{
	void *copy = mem_alloc(len);

	if (len)
		memcpy(copy, src, len);
	return copy;
}

char *mem_dup_text(const char *src, size_t len)
{
	char *copy = mem_alloc(len + 1);

	if (len)
		memcpy(copy, src, len);
	copy[len] = '\0';
	return copy;
}

char *mem_dup_str(const char *src)
{
	return mem_dup_text(src, strlen(src));
}

char *mem_printf(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) < 0)
		out = NULL;
	va_end(ap);
	return not_null(out);
}

void *mem_grow(void *array, size_t *cap, size_t need, size_t size)
{
	size_t to = *cap ? *cap : 16;

	while (to < need) {
		if (to > SIZE_MAX / 2)
			not_null(NULL);
		to *= 2;
	}
	array = mem_realloc(array, to, size);
	*cap = to;
	return array;
}
