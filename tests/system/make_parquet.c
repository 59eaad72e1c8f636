/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a Parquet file with every type in every shape, and beside it what is in it.
 *
 *     make_parquet FILE ROWS SEED PAGE-BYTES GROUP-BYTES     (0: as exports have it)
 *
 * Standard output gets a line of JSON a row, written without the writer's help.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/parquet.h"

#define SHAPES 4
#define TYPES 6
#define COLUMNS (SHAPES * TYPES)
#define LIST_MAX 40

static uint64_t state;

/* splitmix64 */
static uint64_t chance(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(chance() % n);
}

union value {
	bool b[LIST_MAX];
	int32_t i32[LIST_MAX];
	int64_t i64[LIST_MAX];
	float f32[LIST_MAX];
	double f64[LIST_MAX];
	struct bytes text[LIST_MAX];
};

static void make(enum parquet_type type, union value *v, size_t i)
{
	static const char *const texts[] = {
		"", "a", "\303\244", "a longer one of them"};
	const char *text = texts[below(4)];

	switch (type) {
	case PARQUET_BOOL:
		v->b[i] = below(2);
		printf("%s", v->b[i] ? "true" : "false");
		break;
	case PARQUET_I32:
		v->i32[i] = (int32_t)chance();
		printf("%" PRId32, v->i32[i]);
		break;
	case PARQUET_I64:
		v->i64[i] = (int64_t)chance();
		printf("%" PRId64, v->i64[i]);
		break;
	case PARQUET_F32:
		v->f32[i] = (float)((double)below(1000000) / -1000.0);
		printf("%.9g", (double)v->f32[i]);
		break;
	case PARQUET_F64:
		v->f64[i] = (double)below(1000000) / 7.0;
		printf("%.17g", v->f64[i]);
		break;
	case PARQUET_TEXT:
		v->text[i] = bytes_of(text, strlen(text));
		printf("\"%s\"", text);
		break;
	}
}

static void make_list(enum parquet_type type, union value *v, size_t from, size_t n)
{
	putchar('[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			putchar(',');
		make(type, v, from + i);
	}
	putchar(']');
}

/* Long runs of equal lengths, as exports have them, and all kinds of others. */
static void put_lists(struct parquet *p, size_t column, enum parquet_type type)
{
	bool even = below(2);
	uint32_t each = below(9), len[8], sum = 0;
	size_t n = below(5);
	union value v;

	putchar('[');
	for (size_t i = 0; i < n; i++) {
		len[i] = even ? each : below(9);
		if (i)
			putchar(',');
		make_list(type, &v, sum, len[i]);
		sum += len[i];
	}
	putchar(']');
	parquet_put_lists(p, column, &v, len, n);
}

static void put(struct parquet *p, size_t column, const struct parquet_column *c)
{
	size_t n = c->shape == PARQUET_REQUIRED   ? 1
		   : c->shape == PARQUET_OPTIONAL ? below(3) > 0
						  : below(LIST_MAX);
	union value v;

	if (c->shape == PARQUET_LISTS) {
		put_lists(p, column, c->type);
		return;
	}
	if (c->shape == PARQUET_LIST)
		make_list(c->type, &v, 0, n);
	else if (n)
		make(c->type, &v, 0);
	else
		printf("null");
	parquet_put(p, column, &v, n);
}

static int fail(const struct err *err)
{
	fprintf(stderr, "make_parquet: %s\n", err->msg);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct parquet_note notes[] = {
		{"retort.test", "one"}, {"empty", ""}};
	struct parquet_column columns[COLUMNS];
	struct parquet_schema schema = {columns, COLUMNS, notes, 2, 0, 0};
	char names[COLUMNS][16];
	struct parquet *p;
	struct err err;
	unsigned long rows;

	if (argc != 6)
		return 2;
	rows = strtoul(argv[2], NULL, 10);
	state = strtoul(argv[3], NULL, 10);
	schema.page_bytes = strtoul(argv[4], NULL, 10);
	schema.group_bytes = strtoul(argv[5], NULL, 10);
	for (size_t i = 0; i < COLUMNS; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		columns[i] = (struct parquet_column){names[i],
			(enum parquet_type)(i / SHAPES),
			(enum parquet_shape)(i % SHAPES)};
	}
	if (parquet_open(argv[1], &schema, &p, &err) != ERR_NONE)
		return fail(&err);
	for (unsigned long r = 0; r < rows; r++) {
		putchar('{');
		for (size_t i = 0; i < COLUMNS; i++) {
			printf("%s\"c%zu\":", i ? "," : "", i);
			put(p, i, &columns[i]);
		}
		printf("}\n");
		if (parquet_end_row(p, &err) != ERR_NONE) {
			parquet_abort(p);
			return fail(&err);
		}
	}
	return parquet_finish(p, NULL, &err) == ERR_NONE ? 0 : fail(&err);
}
