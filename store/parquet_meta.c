/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_meta.h"

#include "store/thrift.h"

/* The numbers of parquet.thrift. */
enum repetition { REQUIRED = 0, OPTIONAL = 1, REPEATED = 2 };
enum converted { CONVERTED_UTF8 = 0, CONVERTED_LIST = 3 };
enum logical { LOGICAL_STRING = 1, LOGICAL_LIST = 3 };
enum encoding { ENCODING_PLAIN = 0, ENCODING_RLE = 3 };
enum { CODEC_ZSTD = 6 };

static int32_t physical(enum parquet_type type)
{
	static const int32_t numbers[] = {[PARQUET_BOOL] = 0,
		[PARQUET_I32] = 1,
		[PARQUET_I64] = 2,
		[PARQUET_F32] = 4,
		[PARQUET_F64] = 5,
		[PARQUET_TEXT] = 6};

	return numbers[type];
}

static size_t depth_of(const struct parquet_column *c)
{
	return c->shape == PARQUET_LISTS ? 2 : c->shape == PARQUET_LIST;
}

static void add_logical(struct thrift *t, enum logical logical)
{
	thrift_struct(t, 10);
	thrift_struct(t, (int)logical);
	thrift_end(t);
	thrift_end(t);
}

/* A list's two levels above its elements; the list itself is always there. */
static void add_list(struct thrift *t, const char *name)
{
	thrift_element_struct(t);
	thrift_i32(t, 3, REQUIRED);
	thrift_text(t, 4, name);
	thrift_i32(t, 5, 1);
	thrift_i32(t, 6, CONVERTED_LIST);
	add_logical(t, LOGICAL_LIST);
	thrift_end(t);
	thrift_element_struct(t);
	thrift_i32(t, 3, REPEATED);
	thrift_text(t, 4, "list");
	thrift_i32(t, 5, 1);
	thrift_end(t);
}

static void add_column(struct thrift *t, const struct parquet_column *c)
{
	const char *name = c->name;

	for (size_t i = 0; i < depth_of(c); i++) {
		add_list(t, name);
		name = "element";
	}
	thrift_element_struct(t);
	thrift_i32(t, 1, physical(c->type));
	thrift_i32(t, 3, c->shape == PARQUET_OPTIONAL ? OPTIONAL : REQUIRED);
	thrift_text(t, 4, name);
	if (c->type == PARQUET_TEXT) {
		thrift_i32(t, 6, CONVERTED_UTF8);
		add_logical(t, LOGICAL_STRING);
	}
	thrift_end(t);
}

static void add_schema(struct thrift *t, const struct parquet_schema *s)
{
	size_t n = 1;

	for (size_t i = 0; i < s->n_columns; i++)
		n += 1 + 2 * depth_of(&s->column[i]);
	thrift_list(t, 2, THRIFT_STRUCT, n);
	thrift_element_struct(t);
	thrift_text(t, 4, "schema");
	thrift_i32(t, 5, (int32_t)s->n_columns);
	thrift_end(t);
	for (size_t i = 0; i < s->n_columns; i++)
		add_column(t, &s->column[i]);
}

/* The one element of RowGroup.columns that is `c`. */
static void add_chunk(struct thrift *t, const struct parquet_column *c,
	const struct parquet_chunk *chunk)
{
	size_t depth = depth_of(c);

	thrift_element_struct(t);
	thrift_i64(t, 2, 0); /* nothing of it stands outside the footer */
	thrift_struct(t, 3);
	thrift_i32(t, 1, physical(c->type));
	thrift_list(t, 2, THRIFT_I32, 2);
	thrift_element_i32(t, ENCODING_PLAIN);
	thrift_element_i32(t, ENCODING_RLE);
	thrift_list(t, 3, THRIFT_TEXT, 1 + 2 * depth);
	thrift_element_text(t, c->name);
	for (size_t i = 0; i < depth; i++) {
		thrift_element_text(t, "list");
		thrift_element_text(t, "element");
	}
	thrift_i32(t, 4, CODEC_ZSTD);
	thrift_i64(t, 5, (int64_t)chunk->n_values);
	thrift_i64(t, 6, (int64_t)chunk->unpacked);
	thrift_i64(t, 7, (int64_t)chunk->packed);
	thrift_i64(t, 9, (int64_t)chunk->offset);
	thrift_end(t);
	thrift_end(t);
}

static void add_group(
	struct thrift *t, const struct parquet_schema *s, const struct parquet_group *g)
{
	uint64_t unpacked = 0, packed = 0;

	thrift_element_struct(t);
	thrift_list(t, 1, THRIFT_STRUCT, s->n_columns);
	for (size_t i = 0; i < s->n_columns; i++) {
		add_chunk(t, &s->column[i], &g->chunk[i]);
		unpacked += g->chunk[i].unpacked;
		packed += g->chunk[i].packed;
	}
	thrift_i64(t, 2, (int64_t)unpacked);
	thrift_i64(t, 3, (int64_t)g->rows);
	thrift_i64(t, 5, (int64_t)g->chunk[0].offset);
	thrift_i64(t, 6, (int64_t)packed);
	thrift_end(t);
}

static void add_notes(struct thrift *t, const struct parquet_schema *s)
{
	thrift_list(t, 5, THRIFT_STRUCT, s->n_notes);
	for (size_t i = 0; i < s->n_notes; i++) {
		thrift_element_struct(t);
		thrift_text(t, 1, s->note[i].key);
		thrift_text(t, 2, s->note[i].value);
		thrift_end(t);
	}
}

void parquet_meta_encode(const struct parquet_meta *m, struct buf *out)
{
	size_t begin = out->len;
	struct thrift t;

	thrift_begin(&t, out);
	thrift_i32(&t, 1, 1); /* version: data pages of version 1 */
	add_schema(&t, m->schema);
	thrift_i64(&t, 3, (int64_t)m->rows);
	thrift_list(&t, 4, THRIFT_STRUCT, m->n_groups);
	for (size_t i = 0; i < m->n_groups; i++)
		add_group(&t, m->schema, &m->group[i]);
	if (m->schema->n_notes > 0)
		add_notes(&t, m->schema);
	thrift_text(&t, 6, "retort version " RETORT_VERSION);
	thrift_end(&t);
	buf_add_u32(out, (uint32_t)(out->len - begin));
	buf_add_str(out, "PAR1");
}
