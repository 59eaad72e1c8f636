/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - log-probabilities of an answer: a row per token, entries per row
 */
#ifndef RETORT_DEPLOY_TEACHER_ROWS_H
#define RETORT_DEPLOY_TEACHER_ROWS_H

#include "deploy/teacher/answer.h"

/* The array of logprobs.content. */
void rows_write(struct press *p, const struct answer *a, const struct choice *c,
	struct buf *out);
/* The object that the older completions have. */
void rows_write_old(struct press *p, const struct answer *a, const struct choice *c,
	struct buf *out);

#endif
