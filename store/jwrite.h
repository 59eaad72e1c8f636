/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwrite.h - JSON values as text, for millions of lines
 *
 * Without a tree: an export writes gigabytes. Floats become the shortest text
 * that reads back as the same float32, and never NaN or Infinity, which JSON
 * does not have. Text that is not UTF-8 gets U+FFFD where it is broken, so that
 * what is written is always JSON.
 *
 * Each call appends to `out`.
 */
#ifndef RETORT_STORE_JWRITE_H
#define RETORT_STORE_JWRITE_H

#include <stdbool.h>

#include "common/buf.h"

/* With quotes around it. */
void jwrite_text(struct buf *out, struct bytes text);
/* JSON text that has been checked, on one line: line breaks, which it can only
 * have between values, become spaces. */
void jwrite_json(struct buf *out, struct bytes json);
/* The same for people: members on lines of their own, lists of plain values on
 * one. `json` has been checked. */
void jwrite_pretty(struct buf *out, struct bytes json);
void jwrite_u64(struct buf *out, uint64_t v);
void jwrite_i64(struct buf *out, int64_t v);
/* null for what is not finite. */
void jwrite_f32(struct buf *out, float v);
/* v * 10^-9, exactly. */
void jwrite_nano(struct buf *out, int64_t v);

#endif
