/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"

struct spool {
	char *path;
	int fd;
	uint64_t size;
	ZSTD_CCtx *zstd;
	struct buf frame;
};

char *spool_path(const char *dir, uint32_t corpus)
{
	return mem_printf("%s/%u.zst", dir, corpus);
}

static enum err_code cut(struct spool *s, uint64_t keep, struct err *err)
{
	off_t size = lseek(s->fd, 0, SEEK_END);

	if (size >= 0 && (uint64_t)size < keep)
		return err_set(err, ERR_CORRUPT,
			"'%s' is shorter than when it was written; run with --reindex to "
			"make it anew",
			s->path);
	if (size < 0 || ftruncate(s->fd, (off_t)keep) < 0 ||
		lseek(s->fd, (off_t)keep, SEEK_SET) < 0)
		return err_sys(err, "cannot write '%s'", s->path);
	s->size = keep;
	return ERR_NONE;
}

enum err_code spool_open(
	const char *path, uint64_t keep, struct spool **out, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | (keep ? 0 : O_CREAT), 0644);
	enum err_code code;
	struct spool *s;

	if (fd < 0)
		return err_sys(err, "cannot write '%s'", path);
	s = mem_zalloc(1, sizeof(*s));
	s->path = mem_dup_str(path);
	s->fd = fd;
	s->zstd = ZSTD_createCCtx();
	if (!s->zstd)
		abort(); /* out of memory, as in mem.h */
	ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
	buf_init(&s->frame, ZSTD_compressBound(LIMIT_CORPUS_LINE + SHARD_BYTES));
	code = cut(s, keep, err);
	if (code != ERR_NONE) {
		spool_close(s);
		return code;
	}
	*out = s;
	return ERR_NONE;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	close(s->fd);
	ZSTD_freeCCtx(s->zstd);
	buf_release(&s->frame);
	free(s->path);
	free(s);
}

enum err_code spool_add(struct spool *s, struct bytes text, uint64_t *offset,
	uint64_t *length, struct err *err)
{
	size_t bound = ZSTD_compressBound(text.len), len;
	const unsigned char *p;

	buf_clear(&s->frame);
	p = buf_reserve(&s->frame, bound);
	len = p ? ZSTD_compress2(s->zstd, s->frame.data, bound, text.data, text.len)
		: (size_t)-1;
	if (!p || ZSTD_isError(len))
		return err_set(err, ERR_IO, "cannot compress into '%s'", s->path);
	*offset = s->size;
	*length = len;
	s->size += len;
	while (len > 0) {
		ssize_t n = write(s->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot write '%s'", s->path);
		p += n;
		len -= (size_t)n;
	}
	return ERR_NONE;
}

enum err_code spool_sync(struct spool *s, struct err *err)
{
	if (fdatasync(s->fd) < 0)
		return err_sys(err, "cannot write '%s'", s->path);
	return file_sync_parent(s->path, err);
}
