/* SPDX-License-Identifier: Apache-2.0 */
/*
 * references.h - the answers of a real corpus, found by their questions
 *
 * A file of JSON lines, each with a question and an answer under one of the
 * usual names. A prompt is about the longest question that occurs in it, so
 * whatever a template puts around the question does not matter.
 *
 * Looking up costs a hash of sixteen bytes at each place of the prompt,
 * however many questions there are.
 *
 * Ownership: the table owns its texts and lends them.
 */
#ifndef RETORT_DEPLOY_TEACHER_REFERENCES_H
#define RETORT_DEPLOY_TEACHER_REFERENCES_H

#include "common/buf.h"
#include "common/err.h"

struct references;

/* ERR_IO or ERR_INVALID if the file cannot be read or has no usable line.
 * Lines without a question or an answer are passed over. */
enum err_code references_load(
	const char *path, struct references **out, struct err *err) MUST_CHECK;
void references_free(struct references *r);
size_t references_count(const struct references *r);

/* The answer as the corpus means it: what stands behind the last "####", or in
 * the last \boxed{}, or the whole. NULL if no question of ours is in there. */
const char *references_find(const struct references *r, struct bytes prompt);

/* The contents of the last \boxed{...} in a text; false if there is none. */
bool references_boxed(struct bytes text, struct bytes *out);

#endif
