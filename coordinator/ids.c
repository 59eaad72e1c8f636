/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/ids.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/mem.h"

#define MAGIC "retortid"
#define VERSION 1
#define HEAD_BYTES 40
#define ENTRY_BYTES 24
#define BUFFER_ENTRIES 4096

struct ids {
	char *path;
	int fd;
	uint64_t count, read; /* entries; those that ids_next has in its buffer */
	uint64_t checksum;
	XXH3_state_t *state;
	size_t at, n;
	unsigned char buffer[BUFFER_ENTRIES * ENTRY_BYTES];
};

struct ids_writer {
	char *path, *aside;
	int fd;
	uint64_t count;
	struct hash128 last;
	XXH3_state_t *state;
	size_t n;
	unsigned char buffer[BUFFER_ENTRIES * ENTRY_BYTES];
};

static void pack(const struct id_record *r, unsigned char *to)
{
	put_u64_be(to, r->hash.high);
	put_u64_be(to + 8, r->hash.low);
	put_u64_be(to + 16, r->number);
}

static struct id_record unpack(const unsigned char *from)
{
	return (struct id_record){
		{.high = get_u64_be(from), .low = get_u64_be(from + 8)},
		get_u64_be(from + 16)};
}

static XXH3_state_t *new_state(void)
{
	XXH3_state_t *state = XXH3_createState();

	if (!state)
		abort(); /* out of memory, as in mem.h */
	XXH3_64bits_reset(state);
	return state;
}

static enum err_code damaged(const struct ids *f, const char *why, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"'%s' is damaged: %s; remove it, and the next start makes it anew from "
		"the corpus",
		f->path, why);
}

static enum err_code read_at(const struct ids *f, uint64_t from, unsigned char *to,
	size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = pread(f->fd, to, len, (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read '%s'", f->path);
		if (n == 0)
			return damaged(f, "it ends early", err);
		to += n;
		from += (uint64_t)n;
		len -= (size_t)n;
	}
	return ERR_NONE;
}

static enum err_code read_head(struct ids *f, struct err *err)
{
	unsigned char head[HEAD_BYTES];
	enum err_code code = read_at(f, 0, head, sizeof(head), err);
	struct stat st;

	if (code != ERR_NONE)
		return code;
	if (memcmp(head, MAGIC, 8) != 0 || get_u64(head + 32) != hash64(head, 32))
		return damaged(f, "it does not begin as it should", err);
	if (get_u32(head + 8) != VERSION)
		return err_set(err, ERR_CORRUPT,
			"'%s' has version %u, and this program knows version %d",
			f->path, get_u32(head + 8), VERSION);
	f->count = get_u64(head + 16);
	f->checksum = get_u64(head + 24);
	if (fstat(f->fd, &st) < 0)
		return err_sys(err, "cannot look at '%s'", f->path);
	if ((uint64_t)st.st_size / ENTRY_BYTES < f->count ||
		(uint64_t)st.st_size != HEAD_BYTES + f->count * ENTRY_BYTES)
		return damaged(f, "it is not as long as it says", err);
	return ERR_NONE;
}

enum err_code ids_open(const char *path, struct ids **out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err_code code;
	struct ids *f;

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	f = mem_zalloc(1, sizeof(*f));
	f->path = mem_dup_str(path);
	f->fd = fd;
	f->state = new_state();
	code = read_head(f, err);
	if (code != ERR_NONE) {
		ids_close(f);
		return code;
	}
	*out = f;
	return ERR_NONE;
}

void ids_close(struct ids *f)
{
	if (!f)
		return;
	close(f->fd);
	XXH3_freeState(f->state);
	free(f->path);
	free(f);
}

uint64_t ids_count(const struct ids *f)
{
	return f->count;
}

enum err_code ids_find(
	struct ids *f, struct hash128 hash, uint64_t *number, struct err *err)
{
	uint64_t low = 0, high = f->count;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		unsigned char bytes[ENTRY_BYTES];
		struct id_record r;
		enum err_code code = read_at(
			f, HEAD_BYTES + mid * ENTRY_BYTES, bytes, sizeof(bytes), err);
		int order;

		if (code != ERR_NONE)
			return code;
		r = unpack(bytes);
		order = id_hash_compare(hash, r.hash);
		if (order == 0) {
			*number = r.number;
			return ERR_NONE;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return ERR_NOT_FOUND;
}

static enum err_code refill(struct ids *f, struct err *err)
{
	uint64_t left = f->count - f->read;
	enum err_code code;

	f->n = left < BUFFER_ENTRIES ? (size_t)left : BUFFER_ENTRIES;
	f->at = 0;
	code = read_at(f, HEAD_BYTES + f->read * ENTRY_BYTES, f->buffer,
		f->n * ENTRY_BYTES, err);
	if (code != ERR_NONE)
		return code;
	f->read += f->n;
	XXH3_64bits_update(f->state, f->buffer, f->n * ENTRY_BYTES);
	if (f->read == f->count && XXH3_64bits_digest(f->state) != f->checksum)
		return damaged(f, "its checksum does not match", err);
	return ERR_NONE;
}

enum err_code ids_next(
	struct ids *f, struct id_record *out, bool *found, struct err *err)
{
	if (f->at == f->n) {
		enum err_code code = refill(f, err);

		if (code != ERR_NONE)
			return code;
	}
	*found = f->at < f->n;
	if (*found)
		*out = unpack(f->buffer + ENTRY_BYTES * f->at++);
	return ERR_NONE;
}

enum err_code ids_create(const char *path, struct ids_writer **out, struct err *err)
{
	struct ids_writer *w = mem_zalloc(1, sizeof(*w));

	w->path = mem_dup_str(path);
	w->aside = mem_printf("%s.%ld.tmp", path, (long)getpid());
	w->state = new_state();
	w->fd = open(w->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (w->fd < 0 || lseek(w->fd, HEAD_BYTES, SEEK_SET) < 0) {
		enum err_code code = err_sys(err, "cannot write '%s'", w->aside);

		ids_abandon(w);
		return code;
	}
	*out = w;
	return ERR_NONE;
}

static void free_writer(struct ids_writer *w)
{
	XXH3_freeState(w->state);
	free(w->path);
	free(w->aside);
	free(w);
}

void ids_abandon(struct ids_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	unlink(w->aside);
	free_writer(w);
}

static enum err_code flush(struct ids_writer *w, struct err *err)
{
	const unsigned char *p = w->buffer;
	size_t left = w->n * ENTRY_BYTES;

	XXH3_64bits_update(w->state, p, left);
	w->n = 0;
	while (left > 0) {
		ssize_t n = write(w->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot write '%s'", w->aside);
		p += n;
		left -= (size_t)n;
	}
	return ERR_NONE;
}

enum err_code ids_add(
	struct ids_writer *w, const struct id_record *record, struct err *err)
{
	assert(w->count == 0 || id_hash_compare(w->last, record->hash) < 0);
	w->last = record->hash;
	w->count++;
	pack(record, w->buffer + ENTRY_BYTES * w->n++);
	return w->n == BUFFER_ENTRIES ? flush(w, err) : ERR_NONE;
}

static enum err_code write_head(struct ids_writer *w, struct err *err)
{
	unsigned char head[HEAD_BYTES] = {0};

	memcpy(head, MAGIC, 8);
	put_u32(head + 8, VERSION);
	put_u64(head + 16, w->count);
	put_u64(head + 24, XXH3_64bits_digest(w->state));
	put_u64(head + 32, hash64(head, 32));
	if (pwrite(w->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		fsync(w->fd) < 0)
		return err_sys(err, "cannot write '%s'", w->aside);
	return ERR_NONE;
}

enum err_code ids_commit(struct ids_writer *w, struct err *err)
{
	enum err_code code = flush(w, err);

	if (code == ERR_NONE)
		code = write_head(w, err);
	if (code == ERR_NONE && rename(w->aside, w->path) < 0)
		code = err_sys(err, "cannot rename '%s' to '%s'", w->aside, w->path);
	if (code == ERR_NONE)
		code = file_sync_parent(w->path, err);
	if (code != ERR_NONE) {
		ids_abandon(w);
		return code;
	}
	close(w->fd);
	free_writer(w);
	return ERR_NONE;
}
