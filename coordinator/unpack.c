/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/mem.h"

#define INPUT_BYTES KIB(128)

/* The frames that zstd steps over begin with one of sixteen numbers. */
#define ZSTD_SKIPPABLE_MAGIC 0x184d2a50u
#define ZSTD_SKIPPABLE_MASK 0xfffffff0u

enum format { FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD };

struct unpack {
	char *path;
	int fd;
	enum format format;
	struct stat stat;
	uint64_t position;
	bool file_ended;
	bool at_boundary; /* before a member or frame, or behind the last */

	z_stream gzip;
	ZSTD_DCtx *zstd;
	unsigned char *input; /* compressed bytes; NULL for plain files */
	size_t input_from, input_to;
};

static const struct {
	const char *magic;
	size_t len;
	const char *name;
} refused[] = {
	{"PAR1", 4, "a Parquet file"},
	{"PK\x03\x04", 4, "a zip archive"},
	{"BZh", 3, "a bzip2 file"},
	{"\xfd"
	 "7zXZ",
		5, "an xz file"},
	{"\x04\"M\x18", 4, "an lz4 file"},
	{"ARROW1", 6, "an Arrow file"},
	{"\xff\xfe", 2, "UTF-16 text"},
	{"\xfe\xff", 2, "UTF-16 text"},
};

static enum err_code find_format(struct unpack *u, struct err *err)
{
	unsigned char head[8] = {0};
	ssize_t n = pread(u->fd, head, sizeof(head), 0);
	uint32_t magic;

	if (n < 0)
		return err_sys(err, "cannot read '%s'", u->path);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (memcmp(head, refused[i].magic, refused[i].len) == 0)
			return err_set(err, ERR_INVALID,
				"'%s' is %s; convert it to .jsonl, .jsonl.gz or "
				".jsonl.zst in UTF-8",
				u->path, refused[i].name);
	magic = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
		(uint32_t)head[3] << 24;
	if (head[0] == 0x1f && head[1] == 0x8b)
		u->format = FORMAT_GZIP;
	else if (magic == ZSTD_MAGICNUMBER ||
		 (magic & ZSTD_SKIPPABLE_MASK) == ZSTD_SKIPPABLE_MAGIC)
		u->format = FORMAT_ZSTD;
	return ERR_NONE;
}

static void start_decoder(struct unpack *u)
{
	if (u->format == FORMAT_PLAIN)
		return;
	u->input = mem_alloc(INPUT_BYTES);
	u->at_boundary = true;
	if (u->format == FORMAT_ZSTD)
		u->zstd = ZSTD_createDCtx();
	/* 15 + 16: the largest window, gzip's header. */
	if (u->format == FORMAT_GZIP ? inflateInit2(&u->gzip, 15 + 16) != Z_OK
				     : !u->zstd)
		abort(); /* out of memory, as in mem.h */
}

enum err_code unpack_open(const char *path, struct unpack **out, struct err *err)
{
	struct unpack *u;
	enum err_code code = ERR_NONE;
	/* Opening a FIFO must not wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	u = mem_zalloc(1, sizeof(*u));
	u->path = mem_dup_str(path);
	u->fd = fd;
	if (fstat(fd, &u->stat) < 0)
		code = err_sys(err, "cannot look at '%s'", path);
	else if (!S_ISREG(u->stat.st_mode))
		code = err_set(err, ERR_INVALID,
			"'%s' is not a regular file; a corpus is read more than once",
			path);
	else
		code = find_format(u, err);
	if (code != ERR_NONE) {
		unpack_close(u);
		return code;
	}
	start_decoder(u);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*out = u;
	return ERR_NONE;
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	if (u->input && u->format == FORMAT_GZIP)
		inflateEnd(&u->gzip);
	ZSTD_freeDCtx(u->zstd);
	close(u->fd);
	free(u->input);
	free(u->path);
	free(u);
}

static enum err_code read_file(
	struct unpack *u, unsigned char *to, size_t cap, size_t *n, struct err *err)
{
	ssize_t got;

	do
		got = read(u->fd, to, cap);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(err, "cannot read '%s'", u->path);
	*n = (size_t)got;
	u->position += *n;
	if (got == 0)
		u->file_ended = true;
	return ERR_NONE;
}

static enum err_code corrupt(const struct unpack *u, const char *why, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"'%s' is damaged near byte %llu: %s; get it again, or decompress what "
		"is left of it",
		u->path,
		(unsigned long long)(u->position - (u->input_to - u->input_from)), why);
}

/* Padding behind the last member is zeros; tape drives and some tools add it. */
static bool only_zeros(const unsigned char *p, size_t len)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	return len == 0;
}

static enum err_code step_gzip(
	struct unpack *u, unsigned char *to, size_t cap, size_t *n, struct err *err)
{
	int result;

	if (u->at_boundary &&
		only_zeros(u->input + u->input_from, u->input_to - u->input_from)) {
		u->input_from = u->input_to;
		return ERR_NONE;
	}
	u->at_boundary = false;
	u->gzip.next_in = u->input + u->input_from;
	u->gzip.avail_in = (uInt)(u->input_to - u->input_from);
	u->gzip.next_out = to;
	u->gzip.avail_out = (uInt)cap;
	result = inflate(&u->gzip, Z_NO_FLUSH);
	u->input_from = u->input_to - u->gzip.avail_in;
	*n = cap - u->gzip.avail_out;
	if (result == Z_STREAM_END) {
		u->at_boundary = true;
		inflateReset(&u->gzip);
	} else if (result != Z_OK && result != Z_BUF_ERROR) {
		return corrupt(u, u->gzip.msg ? u->gzip.msg : "not gzip", err);
	}
	return ERR_NONE;
}

static enum err_code step_zstd(
	struct unpack *u, unsigned char *to, size_t cap, size_t *n, struct err *err)
{
	ZSTD_inBuffer in = {u->input, u->input_to, u->input_from};
	ZSTD_outBuffer out = {to, cap, 0};
	size_t result = ZSTD_decompressStream(u->zstd, &out, &in);

	u->input_from = in.pos;
	*n = out.pos;
	if (ZSTD_isError(result))
		return corrupt(u, ZSTD_getErrorName(result), err);
	u->at_boundary = result == 0;
	return ERR_NONE;
}

enum err_code unpack_read(
	struct unpack *u, unsigned char *to, size_t cap, size_t *n, struct err *err)
{
	enum err_code code;

	if (cap > MIB(64))
		cap = MIB(64); /* zlib counts in 32 bits */
	if (u->format == FORMAT_PLAIN)
		return read_file(u, to, cap, n, err);
	for (;;) {
		*n = 0;
		/* A decoder may hold bytes back although its input is eaten. */
		if (u->input_from < u->input_to || !u->at_boundary) {
			code = u->format == FORMAT_GZIP ? step_gzip(u, to, cap, n, err)
							: step_zstd(u, to, cap, n, err);
			if (code != ERR_NONE || *n > 0)
				return code;
		}
		if (u->input_from < u->input_to)
			continue;
		if (u->file_ended && u->at_boundary)
			return ERR_NONE;
		if (u->file_ended)
			return corrupt(u, "it ends early", err);
		u->input_from = 0;
		u->input_to = 0;
		code = read_file(u, u->input, INPUT_BYTES, &u->input_to, err);
		if (code != ERR_NONE)
			return code;
	}
}

bool unpack_is_compressed(const struct unpack *u)
{
	return u->format != FORMAT_PLAIN;
}

const struct stat *unpack_stat(const struct unpack *u)
{
	return &u->stat;
}

uint64_t unpack_position(const struct unpack *u)
{
	return u->position;
}
