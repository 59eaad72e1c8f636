/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - files and folders: whole reads, atomic writes, locks
 */
#ifndef RETORT_COMMON_FILE_H
#define RETORT_COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

/* Reads all of a file into out (replacing its contents); ERR_INVALID if it is
 * longer than out's cap. */
enum err_code file_read(const char *path, struct buf *out, struct err *err) MUST_CHECK;

/* Writes aside, syncs, renames over `path`, syncs the folder: afterwards
 * either the old or the new contents are there, whatever happens. */
enum err_code file_write(const char *path, const void *data, size_t len, mode_t mode,
	struct err *err) MUST_CHECK;

/* Makes the folder; its parents must exist. No error if it is there. */
enum err_code file_make_dir(const char *path, mode_t mode, struct err *err) MUST_CHECK;
/* Syncs the folder that holds `path`, so that a rename in it lasts. */
enum err_code file_sync_parent(const char *path, struct err *err) MUST_CHECK;
/* Removes a file, or a folder with all in it. No error if it is not there. */
enum err_code file_remove_all(const char *path, struct err *err) MUST_CHECK;

bool file_exists(const char *path);
/* "<dir>/<name>"; free it. */
char *file_join(const char *dir, const char *name);
/* `path` as seen from the folder of the file `base`, unless it is absolute;
 * made absolute. Free it. */
char *file_beside(const char *base, const char *path);

/*
 * A lock on one byte of a file, held until the descriptor is closed or the
 * process ends, however it ends. ERR_EXISTS if somebody else holds it; *owner
 * is then their process id, or 0 if it cannot be told.
 */
enum err_code file_lock(const char *path, off_t byte, int *fd, pid_t *owner,
	struct err *err) MUST_CHECK;

void file_unlock(int fd);
/* Whether somebody holds it; false, too, if the file cannot be read. */
bool file_is_locked(const char *path, off_t byte);

/* Refuses network file systems, on which LMDB and SQLite lose data. */
enum err_code file_check_local(const char *dir, struct err *err) MUST_CHECK;

#endif
