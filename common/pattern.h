/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.h - regular expressions as tokenizer.json files mean them
 *
 * The only file that knows Oniguruma. The tokenizers library hands its patterns to the
 * same engine, with the same default syntax, so they mean here what they mean there:
 * \s is White_Space, \p{L} the letters, and (?i:s) folds case as Unicode does.
 *
 * Texts are valid UTF-8. An engine that gives up (it bounds its backtracking) is an
 * error, never "no match".
 */
#ifndef RETORT_COMMON_PATTERN_H
#define RETORT_COMMON_PATTERN_H

#include <stdbool.h>

#include "common/buf.h"

struct pattern;

/* ERR_INVALID says what is wrong with it. */
enum err_code pattern_compile(struct bytes regex, struct pattern **out, struct err *err)
	MUST_CHECK;
void pattern_free(struct pattern *p);

/* The first match at or behind `from`; what is before `from` is looked at only by what
 * looks behind. ERR_NOT_FOUND: there is none. */
enum err_code pattern_find(struct pattern *p, struct bytes text, size_t from,
	size_t *start, size_t *end, struct err *err) MUST_CHECK;

#endif
