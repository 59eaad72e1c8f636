/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/idsort.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"

/* A part of the file that is in order, and the part of it in memory. */
struct run {
	uint64_t next, end; /* records of the file not read yet */
	struct id_record *at, *stop, *room;
};

struct idsort {
	const char *dir;
	struct id_record *buffer;
	size_t n, cap;
	int fd; /* -1: all is in the buffer */
	uint64_t written;

	struct run *run;
	size_t n_runs, cap_runs;
	size_t *heap; /* runs, the one with the smallest record first */
	size_t n_heap, room;
};

int id_hash_compare(struct hash128 a, struct hash128 b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

int id_record_compare(const struct id_record *a, const struct id_record *b)
{
	int order = id_hash_compare(a->hash, b->hash);

	return order ? order : a->number < b->number ? -1 : a->number > b->number;
}

struct idsort *idsort_new(const char *dir, size_t memory)
{
	struct idsort *s = mem_zalloc(1, sizeof(*s));

	s->dir = dir;
	s->fd = -1;
	s->cap = memory / sizeof(*s->buffer);
	/* Untouched pages cost nothing: a small set uses little. */
	s->buffer = mem_alloc(s->cap * sizeof(*s->buffer));
	return s;
}

void idsort_free(struct idsort *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->buffer);
	free(s->run);
	free(s->heap);
	free(s);
}

/* The i-th byte of a record, the most significant first. */
static unsigned byte_of(const struct id_record *r, int i)
{
	uint64_t word = i < 8 ? r->hash.high : i < 16 ? r->hash.low : r->number;

	return (unsigned)(word >> (56 - 8 * (i & 7))) & 0xff;
}

static void insertion_sort(struct id_record *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct id_record r = p[i];
		size_t k = i;

		for (; k > 0 && id_record_compare(&r, &p[k - 1]) < 0; k--)
			p[k] = p[k - 1];
		p[k] = r;
	}
}

/*
 * In place, byte by byte from the left ("American flag"). The bytes of a hash
 * are spread evenly, so two or three rounds are enough, and neither qsort's
 * second buffer nor its calls are needed.
 */
static void radix_sort(struct id_record *p, size_t n, int byte)
{
	size_t from[256] = {0}, to[256], at = 0;

	if (n < 32 || byte == 24) {
		insertion_sort(p, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		from[byte_of(&p[i], byte)]++;
	for (int b = 0; b < 256; b++) {
		size_t count = from[b];

		from[b] = at;
		at += count;
		to[b] = at;
	}
	for (unsigned b = 0; b < 256; b++) {
		while (from[b] < to[b]) {
			struct id_record r = p[from[b]];
			unsigned home;

			while ((home = byte_of(&r, byte)) != b) {
				struct id_record other = p[from[home]];

				p[from[home]++] = r;
				r = other;
			}
			p[from[b]++] = r;
		}
	}
	for (int b = 0; b < 256; b++) {
		size_t start = b ? to[b - 1] : 0;

		if (to[b] - start > 1)
			radix_sort(p + start, to[b] - start, byte + 1);
	}
}

static enum err_code open_file(struct idsort *s, struct err *err)
{
	char *name;

	s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd >= 0)
		return ERR_NONE;
	/* Not every file system has it. */
	name = file_join(s->dir, "sort-XXXXXX");
	s->fd = mkostemp(name, O_CLOEXEC);
	if (s->fd >= 0)
		unlink(name);
	free(name);
	if (s->fd < 0)
		return err_sys(err, "cannot make a temporary file in '%s'", s->dir);
	return ERR_NONE;
}

static enum err_code write_run(struct idsort *s, struct err *err)
{
	const unsigned char *p = (const unsigned char *)s->buffer;
	size_t left = s->n * sizeof(*s->buffer);
	struct run *run;

	radix_sort(s->buffer, s->n, 0);
	if (s->fd < 0) {
		enum err_code code = open_file(s, err);

		if (code != ERR_NONE)
			return code;
	}
	while (left > 0) {
		ssize_t n = write(s->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(
				err, "cannot write a temporary file in '%s'", s->dir);
		p += n;
		left -= (size_t)n;
	}
	MEM_GROW(s->run, s->cap_runs, s->n_runs + 1);
	run = &s->run[s->n_runs++];
	*run = (struct run){.next = s->written, .end = s->written + s->n};
	s->written = run->end;
	s->n = 0;
	return ERR_NONE;
}

enum err_code idsort_add(
	struct idsort *s, struct hash128 hash, uint64_t number, struct err *err)
{
	if (s->n == s->cap) {
		enum err_code code = write_run(s, err);

		if (code != ERR_NONE)
			return code;
	}
	s->buffer[s->n++] = (struct id_record){hash, number};
	return ERR_NONE;
}

/* Fills a run's part of the memory; at == stop afterwards: it has ended. */
static enum err_code read_run(struct idsort *s, struct run *run, struct err *err)
{
	uint64_t left = run->end - run->next;
	size_t n = left < s->room ? (size_t)left : s->room, got = 0;

	while (got < n * sizeof(*run->room)) {
		ssize_t r = pread(s->fd, (char *)run->room + got,
			n * sizeof(*run->room) - got,
			(off_t)(run->next * sizeof(*run->room) + got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_sys(
				err, "cannot read a temporary file in '%s'", s->dir);
		got += (size_t)r;
	}
	run->next += n;
	run->at = run->room;
	run->stop = run->room + n;
	return ERR_NONE;
}

static bool less(const struct idsort *s, size_t a, size_t b)
{
	return id_record_compare(s->run[a].at, s->run[b].at) < 0;
}

static void sift_down(struct idsort *s, size_t i)
{
	size_t moved = s->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap &&
			less(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!less(s, s->heap[child], moved))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = moved;
}

enum err_code idsort_finish(struct idsort *s, struct err *err)
{
	enum err_code code = ERR_NONE;

	if (s->fd < 0) {
		/* One run, which is the buffer itself. */
		radix_sort(s->buffer, s->n, 0);
		MEM_GROW(s->run, s->cap_runs, 1);
		s->run[0] = (struct run){.at = s->buffer, .stop = s->buffer + s->n};
		s->n_runs = 1;
	} else if (s->n > 0) {
		code = write_run(s, err);
	}
	s->heap = mem_zalloc(s->n_runs, sizeof(*s->heap));
	s->room = s->cap / s->n_runs;
	assert(s->room > 0);
	for (size_t i = 0; code == ERR_NONE && i < s->n_runs; i++) {
		if (s->fd >= 0) {
			s->run[i].room = s->buffer + i * s->room;
			code = read_run(s, &s->run[i], err);
		}
		if (s->run[i].at < s->run[i].stop)
			s->heap[s->n_heap++] = i;
	}
	for (size_t i = s->n_heap / 2; i-- > 0;)
		sift_down(s, i);
	return code;
}

enum err_code idsort_next(
	struct idsort *s, struct id_record *out, bool *found, struct err *err)
{
	enum err_code code;
	struct run *run;

	*found = s->n_heap > 0;
	if (!*found)
		return ERR_NONE;
	run = &s->run[s->heap[0]];
	*out = *run->at++;
	if (run->at == run->stop && run->next < run->end) {
		code = read_run(s, run, err);
		if (code != ERR_NONE)
			return code;
	}
	if (run->at == run->stop)
		s->heap[0] = s->heap[--s->n_heap];
	if (s->n_heap > 0)
		sift_down(s, 0);
	return ERR_NONE;
}
