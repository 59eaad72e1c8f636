/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - allocation that cannot fail
 *
 * Every size that comes from outside is capped before it gets here
 * (limits.h), so running out of memory is not an input error: the process
 * logs and aborts, and its supervisor starts it again. All state that
 * matters is in SQLite and LMDB.
 */
#ifndef RETORT_COMMON_MEM_H
#define RETORT_COMMON_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* n * size zeroed bytes; aborts on overflow. */
void *mem_zalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Zeroed memory, from the beginning of a cache line, for a large table that is read
 * here and there: on huge pages where there are some, and fetched now, not page by page
 * later. */
void *mem_table(size_t size) __attribute__((malloc, returns_nonnull));
/* For a process that frees hundreds of KiB and soon asks for them again: they stay with
 * it (up to 64 MiB) instead of being fetched anew, page by page. Before anything else. */
void mem_keep_freed(void);
void *mem_realloc(void *old, size_t n, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *src, size_t len) __attribute__((returns_nonnull));
/* Copies len bytes and adds a NUL. */
char *mem_dup_text(const char *src, size_t len) __attribute__((returns_nonnull));
char *mem_dup_str(const char *src) __attribute__((returns_nonnull));
char *mem_printf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), returns_nonnull));

/* Grows *array, of elements of `size` bytes, so that it holds `need`. */
#define MEM_GROW(array, cap, need)                                                     \
	((need) > (cap) ? ((array) = mem_grow(                                         \
				   (array), &(cap), (need), sizeof(*(array))))         \
			: (array))
void *mem_grow(void *array, size_t *cap, size_t need, size_t size)
	__attribute__((returns_nonnull));

#endif
