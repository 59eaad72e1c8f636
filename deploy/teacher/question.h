/* SPDX-License-Identifier: Apache-2.0 */
/*
 * question.h - what a prompt asks, and what the teacher takes for true
 *
 * From the messages alone: the digest, the key from which all else is drawn,
 * the numbers that the trace may speak of, and the answer: that of the
 * references, else of the problem as solved, else one made up, which is then
 * neither right nor wrong. See MODEL.md, "Prompts" and "Answers".
 */
#ifndef RETORT_DEPLOY_TEACHER_QUESTION_H
#define RETORT_DEPLOY_TEACHER_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "deploy/teacher/decimal.h"
#include "deploy/teacher/problem.h"
#include "deploy/teacher/references.h"

#define DIGEST_BYTES 16
#define NUMBERS_MAX 3

struct message {
	struct bytes role, content;
};

struct question {
	unsigned char digest[DIGEST_BYTES];
	uint64_t key;
	char number[NUMBERS_MAX][DECIMAL_MAX];
	unsigned n_numbers;
	struct problem problem;
	bool is_solved; /* the steps are those of `problem` */
	bool has_truth;
	char answer[DECIMAL_MAX]; /* as it is said, if all goes right */
	unsigned decision;        /* the byte of it that may go wrong... */
	char wrong;               /* ...and what then stands there */
};

/* `references` may be NULL. */
void question_read(const struct message *messages, size_t n,
	const struct references *references, struct question *out);

#endif
