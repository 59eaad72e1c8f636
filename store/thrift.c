/* SPDX-License-Identifier: Apache-2.0 */
#include "store/thrift.h"

#include <assert.h>
#include <string.h>

#include "store/sections.h"

/* Types as they stand in a field's byte. */
enum field_type {
	FIELD_TRUE = 1,
	FIELD_FALSE = 2,
	FIELD_I16 = 4,
	FIELD_I32 = 5,
	FIELD_I64 = 6,
	FIELD_TEXT = 8,
	FIELD_LIST = 9,
	FIELD_STRUCT = 12
};

static void zigzag(struct buf *out, int64_t v)
{
	varint_add(out, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

static void text(struct buf *out, const char *v)
{
	varint_add(out, strlen(v));
	buf_add_str(out, v);
}

static void field(struct thrift *t, int number, enum field_type type)
{
	int step = number - t->last[t->depth];

	assert(step > 0);
	if (step <= 15) {
		buf_add_byte(t->out, (unsigned char)(step << 4 | (int)type));
	} else {
		buf_add_byte(t->out, (unsigned char)type);
		zigzag(t->out, number);
	}
	t->last[t->depth] = number;
}

void thrift_begin(struct thrift *t, struct buf *out)
{
	*t = (struct thrift){.out = out};
}

static void enter(struct thrift *t)
{
	t->depth++;
	assert(t->depth < THRIFT_DEPTH);
	t->last[t->depth] = 0;
}

void thrift_end(struct thrift *t)
{
	buf_add_byte(t->out, 0);
	t->depth--;
}

void thrift_i16(struct thrift *t, int number, int16_t v)
{
	field(t, number, FIELD_I16);
	zigzag(t->out, v);
}

void thrift_i32(struct thrift *t, int number, int32_t v)
{
	field(t, number, FIELD_I32);
	zigzag(t->out, v);
}

void thrift_i64(struct thrift *t, int number, int64_t v)
{
	field(t, number, FIELD_I64);
	zigzag(t->out, v);
}

void thrift_bool(struct thrift *t, int number, bool v)
{
	field(t, number, v ? FIELD_TRUE : FIELD_FALSE);
}

void thrift_text(struct thrift *t, int number, const char *v)
{
	field(t, number, FIELD_TEXT);
	text(t->out, v);
}

void thrift_struct(struct thrift *t, int number)
{
	field(t, number, FIELD_STRUCT);
	enter(t);
}

void thrift_list(struct thrift *t, int number, enum thrift_type type, size_t n)
{
	field(t, number, FIELD_LIST);
	if (n < 15) {
		buf_add_byte(t->out, (unsigned char)(n << 4 | (size_t)type));
	} else {
		buf_add_byte(t->out, (unsigned char)(0xf0 | (int)type));
		varint_add(t->out, n);
	}
}

void thrift_element_i32(struct thrift *t, int32_t v)
{
	zigzag(t->out, v);
}

void thrift_element_text(struct thrift *t, const char *v)
{
	text(t->out, v);
}

void thrift_element_struct(struct thrift *t)
{
	enter(t);
}
