/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - the expressions of `accept` and `--where`
 *
 *   scores.answer >= 1 and finish_reason == 'stop' and flags is empty
 *   extra.level in ('4', '5') and not (content contains 'draft')
 *   reasoning is not null and 'truncated' in flags
 *
 * Grammar, loosest first:
 *
 *   any     all { or all }
 *   all     one { and one }
 *   one     not one | ( any ) | test
 *   test    value ( == | != | < | <= | > | >= ) value
 *         | value [not] in ( constant { , constant } )
 *         | value [not] in name            as name [not] contains value
 *         | value [not] contains value     part of a text; member of a list
 *         | value [not] starts with value
 *         | value [not] ends with value
 *         | name is [not] null | name is [not] empty
 *         | name | true | false            a boolean
 *   value   name | constant
 *
 * Names are those of the jsonl export (fields.h); `extra.a.b` reaches into the
 * corpus's own columns, and `extra.'odd name'` takes any. `prompt` and
 * `tool_calls` are their JSON text. Constants are 'text' or "text" (with \' \"
 * \\ \n \t), numbers, true and false.
 *
 * A test of an absent value is false, `!=` and `not in` included; only `is
 * null` and `is empty` see it. `not (...)` turns a verdict round, so it is true
 * then. Types are checked when an expression is compiled. Those of `extra` are
 * known only from the value: values of two types are never equal and have no
 * order. Texts are compared byte by byte; a number kept as float32 is compared
 * as float32.
 *
 * Pure: it reads only what the sample has or loads. Threads: one per filter.
 */
#ifndef RETORT_STORE_FILTER_H
#define RETORT_STORE_FILTER_H

#include <stdbool.h>

#include "store/fields.h"

struct filter;

/*
 * ERR_INVALID with a message "column 8: unknown name 'finish_reson' (did you
 * mean 'finish_reason'?)". Columns count characters, from 1; *column (which
 * may be NULL) is that number.
 */
enum err_code filter_compile(const char *text, struct filter **out, size_t *column,
	struct err *err) MUST_CHECK;
void filter_free(struct filter *f);

/* What it reads beside heads: enum field_needs. */
unsigned filter_needs(const struct filter *f);

/* As a duplicate, `flags` holds 'duplicate' and `duplicate_of` is not null. An
 * error is one of reading the sample. */
enum err_code filter_passes(struct filter *f, struct sample *s, bool as_duplicate,
	bool *passes, struct err *err) MUST_CHECK;

/* Both verdicts as the bits of `key` (enum key_bit). */
enum err_code filter_bits(
	struct filter *f, struct sample *s, uint8_t *bits, struct err *err) MUST_CHECK;

/* Appends an expression with the same verdicts, fully bracketed. */
void filter_print(const struct filter *f, struct buf *out);

/* Appends the part of `text` around a column on one line, and below it a line
 * with a caret under that column; both indented. */
void filter_point_at(const char *text, size_t column, struct buf *out);

#endif
