/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h - what an export writes: aside, digested, put in place at the end
 *
 * Whoever looks sees the old file or folder, or the whole new one, never a
 * part. What an export would replace must be empty, or replaced on request and
 * then be something that an export can have made.
 *
 * Digests are BLAKE2b with 256 bits, as `b2sum -l 256` prints them.
 *
 * Ownership: the file owns its descriptor and texts until outfile_finish or
 * outfile_abort.
 */
#ifndef RETORT_STORE_OUTFILE_H
#define RETORT_STORE_OUTFILE_H

#include <stdbool.h>
#include <stdint.h>

#include <sodium.h>

#include "common/buf.h"
#include "common/err.h"

#define DIGEST_SIZE 32

/* Name, size and digest of something written. */
struct outfile_sum {
	char name[256]; /* without folders */
	uint64_t size;
	unsigned char digest[DIGEST_SIZE];
};

struct outfile {
	struct buf buf; /* append here, then outfile_relieve */
	int fd;
	char *path, *aside; /* NULL: standard output */
	uint64_t written;
	crypto_generichash_state digest;
};

/* `path` may be "-". ERR_EXISTS if something is there that may not be replaced. */
enum err_code outfile_open(
	const char *path, bool force, struct outfile *f, struct err *err) MUST_CHECK;
/* Writes the buffer if it is full enough. */
enum err_code outfile_relieve(struct outfile *f, struct err *err) MUST_CHECK;
/* Writes the rest, syncs, renames. `sum` may be NULL. */
enum err_code outfile_finish(
	struct outfile *f, struct outfile_sum *sum, struct err *err) MUST_CHECK;
/* Removes what was written aside; does nothing after outfile_finish. */
void outfile_abort(struct outfile *f);

/* Makes the folder to write aside of `path` in; *aside is the caller's. */
enum err_code outfolder_open(
	const char *path, bool force, char **aside, struct err *err) MUST_CHECK;
/* Syncs the folder and puts it in the place of `path`. */
enum err_code outfolder_finish(const char *path, const char *aside, struct err *err)
	MUST_CHECK;

/* Reads a file through. */
enum err_code outfile_sum_of(const char *path, struct outfile_sum *sum, struct err *err)
	MUST_CHECK;

#endif
