/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "common/mem.h"
#include "coordinator/corpus_line.h"

/* The longest line with its end, behind a shard that is almost full. */
#define TEXT_MAX (LIMIT_CORPUS_LINE + SHARD_BYTES + 2)

struct shard_reader {
	char *path;
	int fd;
	bool spooled;
};

enum err_code shard_reader_open(
	const char *path, const char *spool, struct shard_reader **out, struct err *err)
{
	int fd = open(spool ? spool : path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", spool ? spool : path);
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->path = mem_dup_str(path);
	(*out)->fd = fd;
	(*out)->spooled = spool != NULL;
	return ERR_NONE;
}

void shard_reader_close(struct shard_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r->path);
	free(r);
}

void shard_text_init(struct shard_text *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->text, TEXT_MAX);
	buf_init(&t->frame, ZSTD_compressBound(TEXT_MAX));
}

void shard_text_release(struct shard_text *t)
{
	buf_release(&t->text);
	buf_release(&t->frame);
	ZSTD_freeDCtx(t->zstd);
	t->zstd = NULL;
	t->n_lines = 0;
}

static enum err_code changed(
	const struct shard_reader *r, uint64_t line, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"%s:%llu changed while the run is using it; put it back as it was, or run "
		"again with --reindex",
		r->path, (unsigned long long)line);
}

/* Reads up to `len` bytes; a file that has become shorter gives fewer. */
static enum err_code read_part(const struct shard_reader *r, uint64_t offset,
	uint64_t len, struct buf *out, struct err *err)
{
	unsigned char *to;

	buf_clear(out);
	to = len <= out->max ? buf_reserve(out, (size_t)len) : NULL;
	if (!to)
		return err_set(err, ERR_CORRUPT,
			"%s: the ledger has a shard of %llu bytes, more than there can be",
			r->path, (unsigned long long)len);
	while (out->len < len) {
		ssize_t n = pread(r->fd, to + out->len, (size_t)len - out->len,
			(off_t)(offset + out->len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read '%s'", r->path);
		if (n == 0)
			break;
		out->len += (size_t)n;
	}
	return ERR_NONE;
}

static enum err_code unpack_frame(
	const struct shard_reader *r, struct shard_text *t, struct err *err)
{
	unsigned long long size = ZSTD_getFrameContentSize(t->frame.data, t->frame.len);
	unsigned char *to;
	size_t n;

	buf_clear(&t->text);
	to = size <= TEXT_MAX ? buf_reserve(&t->text, (size_t)size) : NULL;
	if (!t->zstd)
		t->zstd = ZSTD_createDCtx();
	if (!t->zstd)
		abort(); /* out of memory, as in mem.h */
	n = to ? ZSTD_decompressDCtx(
			 t->zstd, to, (size_t)size, t->frame.data, t->frame.len)
	       : 0;
	if (!to || ZSTD_isError(n) || n != size)
		return err_set(err, ERR_CORRUPT,
			"the spooled copy of '%s' is damaged; run with --reindex to make "
			"it anew",
			r->path);
	t->text.len = n;
	return ERR_NONE;
}

/* Cuts the text into lines and compares each with what it was. */
static enum err_code split(const struct shard_reader *r,
	const struct index_shard *shard, struct shard_text *t, struct err *err)
{
	const unsigned char *p = t->text.data, *end = p + t->text.len;

	for (uint32_t i = 0; i < shard->n_lines; i++) {
		const unsigned char *stop =
			p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		size_t len = (size_t)((stop ? stop : end) - p);

		/* Only the last line of all may be without its end. */
		if (!stop && (i + 1 < shard->n_lines || len == 0))
			return changed(r, shard->first_line + i, err);
		t->line[i] = bytes_of(p, len);
		if (len > 0 && p[len - 1] == '\r')
			t->line[i].len--;
		if (corpus_line_hash(p, t->line[i].len) != shard->line_hash[i])
			return changed(r, shard->first_line + i, err);
		p = stop ? stop + 1 : end;
	}
	if (p < end)
		return changed(r, shard->first_line + shard->n_lines - 1, err);
	return ERR_NONE;
}

enum err_code index_read_shard(struct shard_reader *r, const struct index_shard *shard,
	struct shard_text *out, struct err *err)
{
	enum err_code code;

	if (shard->n_lines > SHARD_PROMPTS)
		return err_set(err, ERR_CORRUPT,
			"%s: the ledger has a shard of %u lines", r->path,
			shard->n_lines);
	out->n_lines = shard->n_lines;
	for (uint32_t i = 0; i < shard->n_lines; i++)
		out->line[i] = bytes_of("", 0);
	if (shard->present == 0)
		return ERR_NONE;
	code = read_part(r, shard->offset, shard->length,
		r->spooled ? &out->frame : &out->text, err);
	if (code == ERR_NONE && r->spooled)
		code = unpack_frame(r, out, err);
	if (code == ERR_NONE)
		code = split(r, shard, out, err);
	return code;
}
