/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - the physical lines of a corpus file, one after the other
 *
 * Plain, gzip and zstd files alike (unpack.h), at the speed of memchr: a line
 * is lent from the read buffer and copied only where it straddles two reads.
 * Memory is bounded by the longest line allowed; a longer one is counted and
 * stepped over.
 *
 * A line ends with "\n", or with the file; a "\r" before that end belongs to
 * it. A byte order mark at the file's start is no part of the first line, but
 * counts in its offset. An empty file has no lines.
 *
 * Offsets, lengths and digests are those of the uncompressed text.
 *
 * Ownership: a line is lent until the next call. Threads: none.
 */
#ifndef RETORT_COORDINATOR_LINES_H
#define RETORT_COORDINATOR_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/hash.h"

struct line {
	struct bytes bytes; /* without its end; empty if too_long */
	uint64_t number;    /* 1-based */
	uint64_t offset;
	uint64_t length;    /* with its end */
	bool too_long;      /* over LIMIT_CORPUS_LINE */
	uint32_t long_hash; /* of all of a line that is too long */
};

struct lines;

/* Errors as unpack_open. */
enum err_code lines_open(const char *path, struct lines **out, struct err *err)
	MUST_CHECK;
void lines_close(struct lines *l);

/* *found is false at the end. ERR_IO, ERR_CORRUPT: nothing more can be read. */
enum err_code lines_next(
	struct lines *l, struct line *out, bool *found, struct err *err) MUST_CHECK;

/* The digest of the text from its start to the end of the last line read. */
struct hash128 lines_digest(struct lines *l);
/* Bytes of the text to there. */
uint64_t lines_text_size(const struct lines *l);
/* Asks, before the first line, for the digest of the first `bytes` bytes too;
 * lines_marked_digest gives it once they have been read, false before. */
void lines_mark(struct lines *l, uint64_t bytes);
bool lines_marked_digest(struct lines *l, struct hash128 *out);

bool lines_are_compressed(const struct lines *l);
/* The file as it was when it was opened. */
const struct stat *lines_stat(const struct lines *l);
/* Bytes of the file itself read so far, for progress. */
uint64_t lines_position(const struct lines *l);

#endif
