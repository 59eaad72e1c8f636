/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jplace.h - where in a JSON text a value stands
 *
 * jansson tells the place of a syntax error but not of a value. For a message
 * that names line and column, the text is walked again; this happens once,
 * when something is wrong.
 */
#ifndef RETORT_COMMON_JPLACE_H
#define RETORT_COMMON_JPLACE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `path` is "teachers[0].limits.tokens_per_minute"; "" is the document. Finds
 * the key of the last member (or the value of the last array entry), lines and
 * columns from 1, columns in bytes. False if the path is not there.
 */
bool jplace_find(
	const char *text, size_t len, const char *path, int *line, int *column);

#endif
