/* SPDX-License-Identifier: Apache-2.0 */
#include "store/outfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"

#define RELIEVE_AT ((size_t)1 << 20)
/* One piece of a line: a text of the largest size, all of it escaped. */
#define PIECE_MAX ((size_t)512 << 20)

static enum err_code refuse(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_EXISTS, "'%s' %s", path, why);
}

/* Every line of an export is an object with a key. */
static bool has_lines(const char *path)
{
	char begin[2] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool is_object = fd >= 0 && read(fd, begin, 2) == 2 && begin[0] == '{' &&
			 begin[1] == '"';

	if (fd >= 0)
		close(fd);
	return is_object;
}

static enum err_code check_file(const char *path, bool force, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return ERR_NONE;
	if (!S_ISREG(st.st_mode))
		return refuse(
			err, path, "is there and not a file; '-o -' writes to a pipe");
	if (st.st_size == 0)
		return ERR_NONE;
	/* A mistyped path may be that of a run's own files. */
	if (!has_lines(path))
		return refuse(err, path, "is there and was not made by an export");
	if (!force)
		return refuse(err, path, "is there already; --force replaces it");
	return ERR_NONE;
}

enum err_code outfile_open(
	const char *path, bool force, struct outfile *f, struct err *err)
{
	enum err_code code;

	*f = (struct outfile){.fd = -1};
	buf_init(&f->buf, PIECE_MAX);
	crypto_generichash_init(&f->digest, NULL, 0, DIGEST_SIZE);
	if (strcmp(path, "-") == 0) {
		f->fd = STDOUT_FILENO;
		return ERR_NONE;
	}
	code = check_file(path, force, err);
	if (code != ERR_NONE)
		return code;
	f->path = mem_dup_str(path);
	f->aside = mem_printf("%s.%ld.tmp", path, (long)getpid());
	f->fd = open(
		f->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (f->fd < 0) {
		code = err_sys(err, "cannot write '%s'", f->aside);
		outfile_abort(f);
	}
	return code;
}

static enum err_code write_out(struct outfile *f, struct err *err)
{
	const unsigned char *p = f->buf.data;
	size_t left = f->buf.len;

	if (f->buf.over)
		return err_set(err, ERR_INVALID, "a line is longer than %zu bytes",
			(size_t)PIECE_MAX);
	crypto_generichash_update(&f->digest, p, left);
	f->written += left;
	while (left > 0) {
		ssize_t n = write(f->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(
				err, "cannot write '%s'", f->path ? f->path : "-");
		p += n;
		left -= (size_t)n;
	}
	buf_clear(&f->buf);
	return ERR_NONE;
}

enum err_code outfile_relieve(struct outfile *f, struct err *err)
{
	return f->buf.len < RELIEVE_AT && !f->buf.over ? ERR_NONE : write_out(f, err);
}

static void name_of(const char *path, char out[256])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, 256, "%s", slash ? slash + 1 : path);
}

static void release(struct outfile *f)
{
	if (f->path && f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f->aside);
	buf_release(&f->buf);
	f->fd = -1;
	f->path = f->aside = NULL;
}

static enum err_code put_in_place(struct outfile *f, struct err *err)
{
	int fd = f->fd;

	if (fsync(fd) < 0)
		return err_sys(err, "cannot write '%s'", f->aside);
	f->fd = -1;
	if (close(fd) < 0)
		return err_sys(err, "cannot write '%s'", f->aside);
	if (rename(f->aside, f->path) < 0)
		return err_sys(err, "cannot rename '%s' to '%s'", f->aside, f->path);
	return file_sync_parent(f->path, err);
}

enum err_code outfile_finish(
	struct outfile *f, struct outfile_sum *sum, struct err *err)
{
	enum err_code code = write_out(f, err);

	if (code == ERR_NONE && f->path)
		code = put_in_place(f, err);
	if (code != ERR_NONE) {
		outfile_abort(f);
		return code;
	}
	if (sum) {
		name_of(f->path ? f->path : "-", sum->name);
		sum->size = f->written;
		crypto_generichash_final(&f->digest, sum->digest, DIGEST_SIZE);
	}
	release(f);
	return ERR_NONE;
}

void outfile_abort(struct outfile *f)
{
	if (f->aside)
		unlink(f->aside);
	release(f);
}

/* data_0.parquet, data_1.parquet, ... */
static bool is_data_file(const char *name)
{
	size_t digits;

	if (strncmp(name, "data_", 5) != 0)
		return false;
	digits = strspn(name + 5, "0123456789");
	return digits > 0 && strcmp(name + 5 + digits, ".parquet") == 0;
}

/* Whether a folder holds nothing but what an export leaves there. */
static bool is_replaceable(const char *path, bool *empty)
{
	bool has_manifest = false, others = false;
	struct dirent *entry;
	DIR *dir = opendir(path);

	*empty = true;
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		*empty = false;
		if (strcmp(entry->d_name, "manifest.json") == 0)
			has_manifest = true;
		else if (strcmp(entry->d_name, "data.mdb") != 0 &&
			 strcmp(entry->d_name, "lock.mdb") != 0 &&
			 !is_data_file(entry->d_name))
			others = true;
	}
	closedir(dir);
	return *empty || (has_manifest && !others);
}

static enum err_code check_folder(const char *path, bool force, struct err *err)
{
	struct stat st;
	bool empty;

	if (lstat(path, &st) < 0)
		return ERR_NONE;
	if (!S_ISDIR(st.st_mode))
		return refuse(err, path, "is there and not a folder");
	if (!is_replaceable(path, &empty))
		return refuse(err, path, "is there and was not made by an export");
	if (!empty && !force)
		return refuse(err, path, "is there already; --force replaces it");
	return ERR_NONE;
}

enum err_code outfolder_open(
	const char *path, bool force, char **aside, struct err *err)
{
	enum err_code code = check_folder(path, force, err);

	*aside = NULL;
	if (code != ERR_NONE)
		return code;
	*aside = mem_printf("%s.%ld.tmp", path, (long)getpid());
	code = file_remove_all(*aside, err);
	if (code == ERR_NONE)
		code = file_make_dir(*aside, 0777, err);
	if (code != ERR_NONE) {
		free(*aside);
		*aside = NULL;
	}
	return code;
}

enum err_code outfolder_finish(const char *path, const char *aside, struct err *err)
{
	char *inside = file_join(aside, "manifest.json");
	enum err_code code = file_sync_parent(inside, err);

	free(inside);
	if (code != ERR_NONE)
		return code;
	/* An empty folder is replaced by rename itself, any other is exchanged. */
	if (rename(aside, path) < 0) {
		if ((errno != ENOTEMPTY && errno != EEXIST) ||
			renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
			return err_sys(err, "cannot rename '%s' to '%s'", aside, path);
		code = file_remove_all(aside, err);
	}
	return code == ERR_NONE ? file_sync_parent(path, err) : code;
}

enum err_code outfile_sum_of(const char *path, struct outfile_sum *sum, struct err *err)
{
	crypto_generichash_state digest;
	unsigned char *room = mem_alloc(RELIEVE_AT);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err_code code = ERR_NONE;

	*sum = (struct outfile_sum){0};
	name_of(path, sum->name);
	crypto_generichash_init(&digest, NULL, 0, DIGEST_SIZE);
	for (;;) {
		ssize_t n = fd < 0 ? -1 : read(fd, room, RELIEVE_AT);

		if (n < 0 && fd >= 0 && errno == EINTR)
			continue;
		if (n < 0)
			code = err_sys(err, "cannot read '%s'", path);
		if (n <= 0)
			break;
		crypto_generichash_update(&digest, room, (size_t)n);
		sum->size += (uint64_t)n;
	}
	crypto_generichash_final(&digest, sum->digest, DIGEST_SIZE);
	if (fd >= 0)
		close(fd);
	free(room);
	return code;
}
