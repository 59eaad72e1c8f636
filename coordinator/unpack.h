/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.h - the bytes of a file, unpacked if it is compressed
 *
 * What a file is, its first bytes tell, never its name: plain, gzip (any
 * number of members) or zstd (any number of frames). Formats that people take
 * for one of these are refused by name. Constant memory: a zstd file may ask
 * for a window of up to 128 MiB (what `zstd --ultra -22` makes), others take
 * a few hundred KiB.
 *
 * Ownership: opaque, freed with unpack_close. Threads: none.
 */
#ifndef RETORT_COORDINATOR_UNPACK_H
#define RETORT_COORDINATOR_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/err.h"

struct unpack;

/* ERR_NOT_FOUND, ERR_IO; ERR_INVALID for what is no regular file or of a
 * format that cannot be read. */
enum err_code unpack_open(const char *path, struct unpack **out, struct err *err)
	MUST_CHECK;
void unpack_close(struct unpack *u);

/* Up to `cap` more bytes; *n is 0 at the end. ERR_CORRUPT, naming the file, if
 * it is damaged or ends early. */
enum err_code unpack_read(struct unpack *u, unsigned char *to, size_t cap, size_t *n,
	struct err *err) MUST_CHECK;

bool unpack_is_compressed(const struct unpack *u);
/* As the file was when it was opened. */
const struct stat *unpack_stat(const struct unpack *u);
/* Bytes of the file itself read so far. */
uint64_t unpack_position(const struct unpack *u);

#endif
