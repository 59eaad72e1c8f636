/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/mem.h"

enum err_code file_read(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	buf_clear(out);
	for (;;) {
		size_t want = out->max - out->len < 65536 ? out->max - out->len : 65536;
		/* One byte more than the cap, to tell full from too long. */
		unsigned char spare, *to = want ? buf_reserve(out, want) : &spare;
		ssize_t n = read(fd, to, want ? want : 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(err, "cannot read '%s'", path);
			close(fd);
			return ERR_IO;
		}
		if (n == 0)
			break;
		if (!want) {
			close(fd);
			return err_set(err, ERR_INVALID,
				"'%s' is larger than %zu bytes", path, out->max);
		}
		out->len += (size_t)n;
	}
	close(fd);
	return ERR_NONE;
}

static enum err_code write_all(int fd, const unsigned char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		p += n;
		len -= (size_t)n;
	}
	return ERR_NONE;
}

enum err_code file_write(
	const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	char *aside = mem_printf("%s.%ld.tmp", path, (long)getpid());
	enum err_code code = ERR_NONE;
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0) {
		code = err_sys(err, "cannot write '%s'", aside);
		goto out;
	}
	if (write_all(fd, data, len) != ERR_NONE || fsync(fd) < 0)
		code = err_sys(err, "cannot write '%s'", aside);
	if (close(fd) < 0 && code == ERR_NONE)
		code = err_sys(err, "cannot write '%s'", aside);
	if (code == ERR_NONE && rename(aside, path) < 0)
		code = err_sys(err, "cannot rename '%s' to '%s'", aside, path);
	if (code == ERR_NONE)
		code = file_sync_parent(path, err);
	if (code != ERR_NONE)
		unlink(aside);
out:
	free(aside);
	return code;
}

enum err_code file_make_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return ERR_NONE;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return ERR_NONE;
	return err_sys(err, "cannot make the folder '%s'", path);
}

enum err_code file_sync_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash          ? mem_dup_str(".")
		    : slash == path ? mem_dup_str("/")
				    : mem_dup_text(path, (size_t)(slash - path));
	enum err_code code = ERR_NONE;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		code = err_sys(err, "cannot sync the folder '%s'", dir);
	if (fd >= 0)
		close(fd);
	free(dir);
	return code;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

enum err_code file_remove_all(const char *path, struct err *err)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return err_sys(err, "cannot remove '%s'", path);
	return ERR_NONE;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

char *file_join(const char *dir, const char *name)
{
	return mem_printf("%s/%s", dir, name);
}

char *file_beside(const char *base, const char *path)
{
	const char *slash = strrchr(base, '/');
	char real[PATH_MAX], *joined, *dir;

	if (path[0] == '/')
		return mem_dup_str(path);
	dir = slash ? mem_dup_text(base, (size_t)(slash - base)) : mem_dup_str(".");
	if (slash == base) {
		free(dir);
		dir = mem_dup_str("/");
	}
	joined = mem_printf("%s/%s", realpath(dir, real) ? real : dir, path);
	free(dir);
	return joined;
}

enum err_code file_lock(
	const char *path, off_t byte, int *fd, pid_t *owner, struct err *err)
{
	/* Of the open file, not of the process: it does not vanish when some
	 * other descriptor of the same file is closed. */
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	char text[64];
	ssize_t n;

	*owner = 0;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (fcntl(*fd, F_OFD_SETLK, &lock) < 0) {
		enum err_code code;

		if (errno == EAGAIN || errno == EACCES) {
			n = pread(*fd, text, sizeof(text) - 1, byte * 32);
			text[n > 0 ? n : 0] = '\0';
			*owner = (pid_t)strtol(text, NULL, 10);
			code = err_set(err, ERR_EXISTS, "'%s' is locked", path);
		} else {
			code = err_sys(err, "cannot lock '%s'", path);
		}
		close(*fd);
		*fd = -1;
		return code;
	}
	/* For people and for messages; nothing depends on it. */
	n = snprintf(text, sizeof(text), "%-31ld\n", (long)getpid());
	if (pwrite(*fd, text, (size_t)n, byte * 32) != n)
		return err_sys(err, "cannot write '%s'", path);
	return ERR_NONE;
}

void file_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

bool file_is_locked(const char *path, off_t byte)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool held =
		fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

	file_unlock(fd);
	return held;
}

enum err_code file_check_local(const char *dir, struct err *err)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} remote[] = {
		{0x6969, "NFS"},
		{0xff534d42, "CIFS"},
		{0xfe534d42, "SMB2"},
		{0x517b, "SMB"},
		{0x0bd00bd0, "Lustre"},
		{0x00c36400, "Ceph"},
		{0x47504653, "GPFS"},
		{0x01021997, "9p"},
		{0x5346414f, "AFS"},
		{0x19830326, "BeeGFS"},
	};
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return err_sys(err, "cannot look at the file system of '%s'", dir);
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((unsigned long)fs.f_type == remote[i].magic)
			return err_set(err, ERR_REFUSED,
				"'%s' is on %s; the run's databases need a local disk, "
				"choose another --dir",
				dir, remote[i].name);
	return ERR_NONE;
}
