/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_copy.h - JSON text into JSON text, without a tree between
 *
 * What a corpus line holds goes on to the teacher and into the dataset as it
 * stands: numbers keep every digit (a double would turn 0.1 into
 * 0.10000000000000001), keys keep their order. Only what carries no meaning
 * is made uniform: white space between values goes away and text is UTF-8
 * with the fewest escapes, so that equal prompts are equal bytes. The result
 * is what jansson writes with JSON_COMPACT, where jansson can represent it.
 *
 * The input must have been checked by a scanner. Pure.
 */
#ifndef RETORT_COORDINATOR_JSON_COPY_H
#define RETORT_COORDINATOR_JSON_COPY_H

#include "common/buf.h"

/* The text between two quotes, as string text again (no quotes added). */
void json_copy_string(struct bytes text, struct buf *out);
/* Any value. */
void json_copy_value(struct bytes value, struct buf *out);
/* Plain UTF-8 text as string text (no quotes added). */
void json_copy_escaped(const void *text, size_t len, struct buf *out);
/* What a string value, with its quotes, means. */
void json_copy_meaning(struct bytes value, struct buf *out);

#endif
