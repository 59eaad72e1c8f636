/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_column.h"

#include <assert.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/limits.h"
#include "store/parquet_levels.h"
#include "store/thrift.h"

/* Of each of a page's three parts. Its size has 31 bits, and what a file takes at once
 * is bounded, too (outfile.c). */
#define PAGE_MAX MIB(256)
#define LEVEL 3

int parquet_repetition_max(enum parquet_shape shape)
{
	return shape == PARQUET_LISTS ? 2 : shape == PARQUET_LIST;
}

int parquet_definition_max(enum parquet_shape shape)
{
	return shape == PARQUET_REQUIRED ? 0 : shape == PARQUET_LISTS ? 2 : 1;
}

void parquet_writer_init(struct parquet_writer *w, const struct parquet_column *of)
{
	*w = (struct parquet_writer){.of = *of};
	buf_init(&w->repetition, PAGE_MAX);
	buf_init(&w->definition, PAGE_MAX);
	buf_init(&w->values, PAGE_MAX);
	/* Holds a row group, and the row that made it full. */
	buf_init(&w->pages, 4 * PAGE_MAX);
}

void parquet_writer_release(struct parquet_writer *w)
{
	buf_release(&w->repetition);
	buf_release(&w->definition);
	buf_release(&w->values);
	buf_release(&w->pages);
}

void parquet_packer_init(struct parquet_packer *p)
{
	*p = (struct parquet_packer){.zstd = ZSTD_createCCtx()};
	if (!p->zstd)
		abort(); /* out of memory (mem.h) */
	/* More than the three parts of any page. */
	buf_init(&p->body, 4 * PAGE_MAX);
	buf_init(&p->packed, 8 * PAGE_MAX);
}

void parquet_packer_release(struct parquet_packer *p)
{
	ZSTD_freeCCtx(p->zstd);
	buf_release(&p->body);
	buf_release(&p->packed);
}

static void add_bits(struct parquet_writer *w, const bool *v, size_t n)
{
	for (size_t i = 0; i < n; i++, w->n_bits++) {
		if (w->n_bits % 8 == 0)
			buf_add_byte(&w->values, 0);
		if (v[i] && !w->values.over)
			w->values.data[w->values.len - 1] |=
				(unsigned char)(1 << w->n_bits % 8);
	}
}

static void add_words(struct parquet_writer *w, const uint32_t *v, size_t n)
{
	unsigned char *to = buf_reserve(&w->values, 4 * n);

	for (size_t i = 0; to && i < n; i++)
		put_u32(to + 4 * i, v[i]);
	w->values.len += to ? 4 * n : 0;
}

static void add_long_words(struct parquet_writer *w, const uint64_t *v, size_t n)
{
	unsigned char *to = buf_reserve(&w->values, 8 * n);

	for (size_t i = 0; to && i < n; i++)
		put_u64(to + 8 * i, v[i]);
	w->values.len += to ? 8 * n : 0;
}

static void add_texts(struct parquet_writer *w, const struct bytes *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_u32(&w->values, (uint32_t)v[i].len);
		buf_add(&w->values, v[i].data, v[i].len);
	}
}

/* Floats go as the integers that have their bits. */
static void add_values(struct parquet_writer *w, const void *v, size_t n)
{
	switch (w->of.type) {
	case PARQUET_BOOL:
		add_bits(w, v, n);
		break;
	case PARQUET_I32:
	case PARQUET_F32:
		add_words(w, v, n);
		break;
	case PARQUET_I64:
	case PARQUET_F64:
		add_long_words(w, v, n);
		break;
	case PARQUET_TEXT:
		add_texts(w, v, n);
		break;
	}
}

static const void *behind(const struct parquet_writer *w, const void *v, size_t n)
{
	static const size_t size[] = {[PARQUET_BOOL] = sizeof(bool),
		[PARQUET_I32] = 4,
		[PARQUET_F32] = 4,
		[PARQUET_I64] = 8,
		[PARQUET_F64] = 8,
		[PARQUET_TEXT] = sizeof(struct bytes)};

	return (const char *)v + n * size[w->of.type];
}

/* Levels of a list of n values: `first` for where it begins, `next` inside. An
 * empty one has one level, of what is there of it. */
static void add_levels(
	struct parquet_writer *w, int first, int next, int full, size_t n)
{
	size_t levels = n ? n : 1;

	w->n_levels += levels;
	if (next > 0) {
		buf_add_byte(&w->repetition, (unsigned char)first);
		buf_add_fill(&w->repetition, (unsigned char)next, levels - 1);
	}
	if (full > 0)
		buf_add_fill(
			&w->definition, (unsigned char)(n ? full : full - 1), levels);
}

void parquet_writer_put(struct parquet_writer *w, const void *values, size_t n)
{
	assert(w->of.shape != PARQUET_LISTS);
	assert(n <= 1 || w->of.shape == PARQUET_LIST);
	assert(n == 1 || w->of.shape != PARQUET_REQUIRED);
	add_levels(w, 0, parquet_repetition_max(w->of.shape),
		parquet_definition_max(w->of.shape), n);
	add_values(w, values, n);
	w->records++;
}

void parquet_writer_put_lists(
	struct parquet_writer *w, const void *values, const uint32_t *len, size_t n)
{
	assert(w->of.shape == PARQUET_LISTS);
	if (n == 0)
		add_levels(w, 0, 2, 1, 0);
	for (size_t i = 0; i < n; i++) {
		add_levels(w, i > 0, 2, 2, len[i]);
		add_values(w, values, len[i]);
		values = behind(w, values, len[i]);
	}
	w->records++;
}

size_t parquet_writer_page_size(const struct parquet_writer *w)
{
	return w->repetition.len + w->definition.len + w->values.len;
}

bool parquet_writer_is_over(const struct parquet_writer *w)
{
	return w->repetition.over || w->definition.over || w->values.over ||
	       w->pages.over;
}

static void add_level_runs(const struct buf *level, int highest, struct buf *body)
{
	size_t at = body->len;

	buf_add_u32(body, 0);
	parquet_levels_encode(level->data, level->len, highest > 1 ? 2 : 1, body);
	if (!body->over)
		put_u32(body->data + at, (uint32_t)(body->len - at - 4));
}

/* parquet.thrift: PageHeader with a DataPageHeader. */
static void add_head(struct buf *out, size_t unpacked, size_t packed, size_t n_levels)
{
	struct thrift t;

	thrift_begin(&t, out);
	thrift_i32(&t, 1, 0); /* DATA_PAGE */
	thrift_i32(&t, 2, (int32_t)unpacked);
	thrift_i32(&t, 3, (int32_t)packed);
	thrift_struct(&t, 5);
	thrift_i32(&t, 1, (int32_t)n_levels);
	thrift_i32(&t, 2, 0); /* PLAIN */
	thrift_i32(&t, 3, 3); /* RLE, of both levels */
	thrift_i32(&t, 4, 3);
	thrift_end(&t);
	thrift_end(&t);
}

static void add_page(struct parquet_writer *w, struct parquet_packer *p)
{
	size_t bound = ZSTD_compressBound(p->body.len), packed, head;
	unsigned char *to = buf_reserve(&p->packed, bound);

	packed =
		ZSTD_compressCCtx(p->zstd, to, bound, p->body.data, p->body.len, LEVEL);
	if (ZSTD_isError(packed))
		abort(); /* the room is enough, and it has no other reason */
	head = w->pages.len;
	add_head(&w->pages, p->body.len, packed, w->n_levels);
	head = w->pages.len - head;
	buf_add(&w->pages, to, packed);
	w->chunk.n_values += w->n_levels;
	w->chunk.unpacked += head + p->body.len;
	w->chunk.packed += head + packed;
}

void parquet_writer_end_page(struct parquet_writer *w, struct parquet_packer *p)
{
	if (w->n_levels == 0 || parquet_writer_is_over(w))
		return;
	buf_clear(&p->body);
	if (w->repetition.len > 0)
		add_level_runs(
			&w->repetition, parquet_repetition_max(w->of.shape), &p->body);
	if (w->definition.len > 0)
		add_level_runs(
			&w->definition, parquet_definition_max(w->of.shape), &p->body);
	buf_add(&p->body, w->values.data, w->values.len);
	add_page(w, p);
	buf_clear(&w->repetition);
	buf_clear(&w->definition);
	buf_clear(&w->values);
	w->n_levels = w->n_bits = 0;
}

void parquet_writer_clear(struct parquet_writer *w)
{
	buf_clear(&w->pages);
	w->chunk = (struct parquet_chunk){0};
}
