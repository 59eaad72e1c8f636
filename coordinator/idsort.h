/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idsort.h - more (hash, number) pairs than fit in memory, in order
 *
 * Pairs are collected in a buffer of fixed size; a full one is sorted and
 * written as a run to an unlinked file in a folder of the caller's choice;
 * at the end the runs are merged while they are read. A set that fits in
 * the buffer touches no disk.
 *
 *   idsort_new, idsort_add ..., idsort_finish, idsort_next ..., idsort_free
 *
 * Order: by hash, then by number; equal pairs are kept. Memory: the buffer,
 * before and after (the merge divides it among the runs).
 *
 * Ownership: opaque. The file vanishes with the process, whatever happens.
 */
#ifndef RETORT_COORDINATOR_IDSORT_H
#define RETORT_COORDINATOR_IDSORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/hash.h"
#include "common/limits.h"

#define IDSORT_MEMORY MIB(16)

struct id_record {
	struct hash128 hash;
	uint64_t number;
};

struct idsort;

/* `memory` is IDSORT_MEMORY but in tests. The folder is lent until the end. */
struct idsort *idsort_new(const char *dir, size_t memory);
void idsort_free(struct idsort *s);

enum err_code idsort_add(struct idsort *s, struct hash128 hash, uint64_t number,
	struct err *err) MUST_CHECK;
/* No more will be added. */
enum err_code idsort_finish(struct idsort *s, struct err *err) MUST_CHECK;
/* The next in order; *found is false behind the last. */
enum err_code idsort_next(struct idsort *s, struct id_record *out, bool *found,
	struct err *err) MUST_CHECK;

/* Below 0, 0 or above, as memcmp of the big-endian bytes. */
int id_record_compare(const struct id_record *a, const struct id_record *b);
/* Of the hashes alone. */
int id_hash_compare(struct hash128 a, struct hash128 b);

#endif
