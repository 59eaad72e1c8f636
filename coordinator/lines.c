/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/lines.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "coordinator/unpack.h"

/* Fits a core's second-level cache: what read() wrote is still there when the
 * line is looked at. */
#define WINDOW_MIN KIB(256)
/* Holds a line of the allowed length with its end. */
#define WINDOW_MAX (LIMIT_CORPUS_LINE + WINDOW_MIN)

#define NO_MARK UINT64_MAX

/*
 * window:   [ lines given out | the line looked for ... | room ]
 *           0                 from                      to      cap
 *                  hashed somewhere between 0 and to
 */
struct lines {
	struct unpack *source;
	unsigned char *window;
	size_t cap, from, to, hashed;
	uint64_t base; /* where the window stands in the text */
	bool ended;
	uint64_t number;

	uint64_t mark;
	bool mark_reached;
	struct hash128 marked;
	XXH3_state_t digest, long_line;
};

enum err_code lines_open(const char *path, struct lines **out, struct err *err)
{
	struct unpack *source;
	enum err_code code = unpack_open(path, &source, err);
	struct lines *l;

	if (code != ERR_NONE)
		return code;
	/* XXH3's state wants to be aligned. */
	l = aligned_alloc(64, (sizeof(*l) + 63) / 64 * 64);
	if (!l)
		abort();
	memset(l, 0, sizeof(*l));
	l->source = source;
	l->mark = NO_MARK;
	l->cap = WINDOW_MIN;
	l->window = mem_alloc(l->cap);
	XXH3_128bits_reset(&l->digest);
	*out = l;
	return ERR_NONE;
}

void lines_close(struct lines *l)
{
	if (!l)
		return;
	unpack_close(l->source);
	free(l->window);
	free(l);
}

static struct hash128 digest_now(const struct lines *l)
{
	XXH128_hash_t h = XXH3_128bits_digest(&l->digest);

	return (struct hash128){h.low64, h.high64};
}

/* Takes the window up to `end` into the digest, with a stop at the mark. */
static void hash_to(struct lines *l, size_t end)
{
	uint64_t at = l->base + l->hashed;

	if (!l->mark_reached && l->mark >= at && l->mark <= l->base + end) {
		size_t stop = (size_t)(l->mark - l->base);

		XXH3_128bits_update(
			&l->digest, l->window + l->hashed, stop - l->hashed);
		l->hashed = stop;
		l->mark_reached = true;
		l->marked = digest_now(l);
	}
	XXH3_128bits_update(&l->digest, l->window + l->hashed, end - l->hashed);
	l->hashed = end;
}

struct hash128 lines_digest(struct lines *l)
{
	hash_to(l, l->from);
	return digest_now(l);
}

uint64_t lines_text_size(const struct lines *l)
{
	return l->base + l->from;
}

void lines_mark(struct lines *l, uint64_t bytes)
{
	l->mark = bytes;
}

bool lines_marked_digest(struct lines *l, struct hash128 *out)
{
	hash_to(l, l->from);
	*out = l->marked;
	return l->mark_reached;
}

/* Moves what is not given out yet to the front and reads more behind it. */
static enum err_code refill(struct lines *l, struct err *err)
{
	size_t left = l->to - l->from, n;
	enum err_code code;

	hash_to(l, l->from);
	if (l->from > 0) {
		memmove(l->window, l->window + l->from, left);
		l->base += l->from;
		l->from = 0;
		l->hashed = 0;
		l->to = left;
	}
	if (left > l->cap / 2 && l->cap < WINDOW_MAX) {
		l->cap = l->cap * 2 < WINDOW_MAX ? l->cap * 2 : WINDOW_MAX;
		l->window = mem_realloc(l->window, l->cap, 1);
	}
	code = unpack_read(l->source, l->window + l->to, l->cap - l->to, &n, err);
	if (code != ERR_NONE)
		return code;
	l->to += n;
	l->ended = n == 0;
	return ERR_NONE;
}

/* A line whose end is not in a full window: eats it piece by piece. */
static enum err_code skip_long_line(struct lines *l, struct line *out, struct err *err)
{
	const unsigned char *end = NULL;
	enum err_code code;

	out->bytes = bytes_of(NULL, 0);
	out->too_long = true;
	XXH3_64bits_reset(&l->long_line);
	while (!end) {
		size_t left = l->to - l->from, n = left;

		end = left ? memchr(l->window + l->from, '\n', left) : NULL;
		if (end)
			n = (size_t)(end - (l->window + l->from)) + 1;
		XXH3_64bits_update(
			&l->long_line, l->window + l->from, n - (end != NULL));
		out->length += n;
		l->from += n;
		if (end || l->ended)
			break;
		code = refill(l, err);
		if (code != ERR_NONE)
			return code;
	}
	out->long_hash = (uint32_t)XXH3_64bits_digest(&l->long_line);
	return ERR_NONE;
}

/* The next line is the `n` bytes from `from` on, its end included. */
static enum err_code give(struct lines *l, size_t n, struct line *out, struct err *err)
{
	const unsigned char *p = l->window + l->from;
	size_t len = n;

	if (len > 0 && p[len - 1] == '\n')
		len--;
	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len > LIMIT_CORPUS_LINE)
		return skip_long_line(l, out, err);
	out->bytes = bytes_of(p, len);
	out->length = n;
	l->from += n;
	return ERR_NONE;
}

static enum err_code skip_mark(struct lines *l, struct err *err)
{
	while (l->to < 3 && !l->ended) {
		enum err_code code = refill(l, err);

		if (code != ERR_NONE)
			return code;
	}
	if (l->to >= 3 && memcmp(l->window, "\xef\xbb\xbf", 3) == 0)
		l->from = 3;
	return ERR_NONE;
}

enum err_code lines_next(
	struct lines *l, struct line *out, bool *found, struct err *err)
{
	size_t searched = 0;
	enum err_code code;

	if (l->number == 0) {
		code = skip_mark(l, err);
		if (code != ERR_NONE)
			return code;
	}
	for (;;) {
		const unsigned char *p = l->window + l->from + searched;
		size_t left = l->to - l->from;
		const unsigned char *end =
			left > searched ? memchr(p, '\n', left - searched) : NULL;

		*found = end || left > 0;
		*out = (struct line){
			.number = l->number + 1, .offset = l->base + l->from};
		if (end || (l->ended && left > 0)) {
			l->number++;
			return give(l, end ? (size_t)(end + 1 - p) + searched : left,
				out, err);
		}
		if (l->ended)
			return ERR_NONE;
		if (left > LIMIT_CORPUS_LINE + 2) {
			l->number++;
			return skip_long_line(l, out, err);
		}
		searched = left;
		code = refill(l, err);
		if (code != ERR_NONE)
			return code;
	}
}

bool lines_are_compressed(const struct lines *l)
{
	return unpack_is_compressed(l->source);
}

const struct stat *lines_stat(const struct lines *l)
{
	return unpack_stat(l->source);
}

uint64_t lines_position(const struct lines *l)
{
	return unpack_position(l->source);
}
