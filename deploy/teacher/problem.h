/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem.h - reads and solves the arithmetic word problems of the demo
 *
 * A little language of sentences, each of which sets a number or changes it,
 * and a question at the end; MODEL.md, "Problems", is its grammar, and
 * deploy/make_problems.py writes such problems. What is not in the language
 * is not guessed at: the problem is then one that the teacher cannot solve.
 */
#ifndef RETORT_DEPLOY_TEACHER_PROBLEM_H
#define RETORT_DEPLOY_TEACHER_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define PROBLEM_STEPS 8

struct step {
	int64_t left, right, result;
	char sign; /* + - * / */
};

struct problem {
	struct step step[PROBLEM_STEPS];
	unsigned n_steps;
	int64_t answer;
};

/* False if the text is no problem of the language. */
bool problem_solve(struct bytes text, struct problem *out);

#endif
