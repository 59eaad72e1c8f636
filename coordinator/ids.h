/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids.h - the file that says which number a prompt's id has
 *
 * Sorted by the hash of the id's text, so that one is found by bisection and
 * two files are merged in one pass. It is written whole, aside, and renamed;
 * never changed in place. An id that the corpus has lost stays in it, marked
 * as gone, so that it gets its old number back if it returns.
 *
 *   0   8  magic "retortid"
 *   8   4  version, 1           integers here are little-endian
 *   12  4  0
 *   16  8  number of entries
 *   24  8  XXH3-64 of the entries
 *   32  8  XXH3-64 of bytes 0 to 31
 *   40     entries of 24 bytes: hash, high half first (16, big-endian),
 *          number (8, big-endian), its top bit set if the id is gone
 *
 * Ownership: both kinds of handle are opaque and freed by their last call.
 */
#ifndef RETORT_COORDINATOR_IDS_H
#define RETORT_COORDINATOR_IDS_H

#include "common/err.h"
#include "common/hash.h"
#include "coordinator/idsort.h"

#define IDS_GONE ((uint64_t)1 << 63)

struct ids;

/* Reading. ERR_NOT_FOUND; ERR_CORRUPT if the head is damaged or the file not
 * as long as it says. */
enum err_code ids_open(const char *path, struct ids **out, struct err *err) MUST_CHECK;
void ids_close(struct ids *f);
uint64_t ids_count(const struct ids *f);

/* The number of an id (with IDS_GONE), or ERR_NOT_FOUND, which sets no message. */
enum err_code ids_find(struct ids *f, struct hash128 hash, uint64_t *number,
	struct err *err) MUST_CHECK;

/* All entries in order; *found is false behind the last, whereupon the checksum
 * has been compared (ERR_CORRUPT). */
enum err_code ids_next(
	struct ids *f, struct id_record *out, bool *found, struct err *err) MUST_CHECK;

/* Writing, in the order of the hashes, none twice. */
struct ids_writer;
enum err_code ids_create(const char *path, struct ids_writer **out, struct err *err)
	MUST_CHECK;
enum err_code ids_add(struct ids_writer *w, const struct id_record *record,
	struct err *err) MUST_CHECK;
/* Syncs and renames; frees the writer, also on error. */
enum err_code ids_commit(struct ids_writer *w, struct err *err) MUST_CHECK;
/* Leaves the old file as it was. NULL is fine. */
void ids_abandon(struct ids_writer *w);

#endif
