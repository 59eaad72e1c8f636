/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thrift.h - writes structures in Thrift's compact protocol
 *
 * What Parquet's headers and footers are made of. From Apache Thrift's page
 * "Thrift Compact protocol encoding": a field is a byte with the step of its
 * number since the last one and its type (or the type, then the number), numbers
 * are zigzag varints, a structure ends with a zero byte.
 *
 * Fields of a structure must come in rising order of their numbers. Pure: all
 * goes into the buffer that thrift_begin was given, which stays the caller's.
 */
#ifndef RETORT_STORE_THRIFT_H
#define RETORT_STORE_THRIFT_H

#include <stdbool.h>

#include "common/buf.h"

#define THRIFT_DEPTH 8

enum thrift_type { /* of a list's elements */
	THRIFT_I32 = 5,
	THRIFT_I64 = 6,
	THRIFT_TEXT = 8,
	THRIFT_STRUCT = 12
};

struct thrift {
	struct buf *out;
	int depth;              /* of the structure at hand; 0: the outermost */
	int last[THRIFT_DEPTH]; /* field number written last, by depth */
};

/* Begins the outermost structure, which thrift_end ends like any other. */
void thrift_begin(struct thrift *t, struct buf *out);
void thrift_end(struct thrift *t);

void thrift_i16(struct thrift *t, int field, int16_t v);
void thrift_i32(struct thrift *t, int field, int32_t v);
void thrift_i64(struct thrift *t, int field, int64_t v);
void thrift_bool(struct thrift *t, int field, bool v);
void thrift_text(struct thrift *t, int field, const char *v);
/* Its fields follow, then thrift_end. */
void thrift_struct(struct thrift *t, int field);
/* n elements follow. */
void thrift_list(struct thrift *t, int field, enum thrift_type type, size_t n);
void thrift_element_i32(struct thrift *t, int32_t v);
void thrift_element_text(struct thrift *t, const char *v);
/* Its fields follow, then thrift_end. */
void thrift_element_struct(struct thrift *t);

#endif
