/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet.h"

#include <assert.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/parquet_meta.h"

#define PAGE_BYTES MIB(1)
#define GROUP_BYTES MIB(16)
#define MAGIC "PAR1"

struct parquet {
	struct parquet_schema schema;
	struct outfile out;
	struct parquet_writer *column; /* [schema.n_columns] */
	struct parquet_packer packer;
	uint64_t rows, group_rows; /* in the file; in the row group at hand */
	struct parquet_group *group;
	size_t n_groups, cap_groups;
};

enum err_code parquet_open(const char *path, const struct parquet_schema *schema,
	struct parquet **out, struct err *err)
{
	struct parquet *p = mem_zalloc(1, sizeof(*p));
	enum err_code code = outfile_open(path, false, &p->out, err);

	*out = NULL;
	if (code != ERR_NONE) {
		free(p);
		return code;
	}
	p->schema = *schema;
	if (p->schema.page_bytes == 0)
		p->schema.page_bytes = PAGE_BYTES;
	if (p->schema.group_bytes == 0)
		p->schema.group_bytes = GROUP_BYTES;
	parquet_packer_init(&p->packer);
	p->column = mem_zalloc(schema->n_columns, sizeof(*p->column));
	for (size_t i = 0; i < schema->n_columns; i++)
		parquet_writer_init(&p->column[i], &schema->column[i]);
	buf_add_str(&p->out.buf, MAGIC);
	*out = p;
	return ERR_NONE;
}

static void release(struct parquet *p)
{
	for (size_t i = 0; i < p->schema.n_columns; i++)
		parquet_writer_release(&p->column[i]);
	for (size_t i = 0; i < p->n_groups; i++)
		free(p->group[i].chunk);
	free(p->column);
	free(p->group);
	parquet_packer_release(&p->packer);
	free(p);
}

void parquet_abort(struct parquet *p)
{
	if (!p)
		return;
	outfile_abort(&p->out);
	release(p);
}

void parquet_put(struct parquet *p, size_t column, const void *values, size_t n)
{
	assert(p->column[column].records == p->rows);
	parquet_writer_put(&p->column[column], values, n);
}

void parquet_put_lists(struct parquet *p, size_t column, const void *values,
	const uint32_t *len, size_t n)
{
	assert(p->column[column].records == p->rows);
	parquet_writer_put_lists(&p->column[column], values, len, n);
}

/* The columns' pages one behind the other. */
static enum err_code end_group(struct parquet *p, struct err *err)
{
	struct parquet_group *g;
	enum err_code code = ERR_NONE;

	if (p->group_rows == 0)
		return ERR_NONE;
	MEM_GROW(p->group, p->cap_groups, p->n_groups + 1);
	g = &p->group[p->n_groups++];
	*g = (struct parquet_group){
		p->group_rows, mem_zalloc(p->schema.n_columns, sizeof(*g->chunk))};
	for (size_t i = 0; i < p->schema.n_columns && code == ERR_NONE; i++) {
		struct parquet_writer *w = &p->column[i];

		parquet_writer_end_page(w, &p->packer);
		w->chunk.offset = parquet_written(p);
		g->chunk[i] = w->chunk;
		buf_add(&p->out.buf, w->pages.data, w->pages.len);
		parquet_writer_clear(w);
		code = outfile_relieve(&p->out, err);
	}
	p->group_rows = 0;
	return code;
}

enum err_code parquet_end_row(struct parquet *p, struct err *err)
{
	size_t size = 0;

	p->rows++;
	p->group_rows++;
	for (size_t i = 0; i < p->schema.n_columns; i++) {
		struct parquet_writer *w = &p->column[i];

		assert(w->records == p->rows);
		if (parquet_writer_page_size(w) >= p->schema.page_bytes)
			parquet_writer_end_page(w, &p->packer);
		if (parquet_writer_is_over(w))
			return err_set(err, ERR_INVALID,
				"a row is too long for a Parquet file (column '%s')",
				w->of.name);
		size += (size_t)w->chunk.unpacked + parquet_writer_page_size(w);
	}
	return size < p->schema.group_bytes ? ERR_NONE : end_group(p, err);
}

uint64_t parquet_rows(const struct parquet *p)
{
	return p->rows;
}

uint64_t parquet_written(const struct parquet *p)
{
	return p->out.written + p->out.buf.len;
}

enum err_code parquet_finish(
	struct parquet *p, struct outfile_sum *sum, struct err *err)
{
	enum err_code code = end_group(p, err);
	struct parquet_meta meta = {&p->schema, p->rows, p->group, p->n_groups};

	if (code != ERR_NONE) {
		parquet_abort(p);
		return code;
	}
	parquet_meta_encode(&meta, &p->out.buf);
	code = outfile_finish(&p->out, sum, err);
	release(p);
	return code;
}
