/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - the rows that an answer to one prompt can have
 *
 *   head - open - numbers - fill* - step* - result - branch - close - content - end
 *                                                    |  ^ \               remark
 *                                                 check  wait
 *
 * A slot is one row: up to eight candidates, in the order of their ranks, and
 * the slot that follows each of them. Which sentences are used, how their
 * words are ordered and how sure the model is of them is drawn from the
 * prompt's key; see MODEL.md, "Scripts".
 *
 * Invariants: from every slot the end of the sequence can be reached; ids of
 * one slot are distinct.
 */
#ifndef RETORT_DEPLOY_TEACHER_SCRIPT_H
#define RETORT_DEPLOY_TEACHER_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "deploy/teacher/phrases.h"
#include "deploy/teacher/question.h"

#define SLOTS_MAX 65000u
#define SLOT_STOP 65535u /* what follows the end of the sequence */

enum slot_role {
	SLOT_PLAIN,
	SLOT_DECISION, /* the answer's byte that is right or wrong: [right, wrong] */
	SLOT_ANSWER,   /* the same byte, said again: as decided, then the other */
	SLOT_BRANCH    /* close, check or wait */
};

enum slot_family { FAMILY_FLAT, FAMILY_PEAKED, FAMILY_FIRM, FAMILY_SURE };

struct slot {
	uint8_t role, family, n;
	bool loops; /* going on from here sets the loop flag */
	uint16_t id[CHOICES_MAX];
	uint16_t next[CHOICES_MAX];
};

struct script {
	struct slot *slot;
	size_t n, cap;
};

struct script_settings {
	bool thinks;   /* with a trace before the content */
	bool opens;    /* the trace begins with <think> */
	double length; /* factor on the number of filler sentences */
};

void script_write(const struct phrases *phrases, const struct question *question,
	const struct script_settings *settings, struct script *out);
void script_release(struct script *s);

#endif
