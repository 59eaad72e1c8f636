/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phrases.h - the sentences of sentences.c with the ids of their words
 *
 * Threads: read-only once made.
 */
#ifndef RETORT_DEPLOY_TEACHER_PHRASES_H
#define RETORT_DEPLOY_TEACHER_PHRASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/teacher/sentences.h"
#include "deploy/teacher/vocabulary.h"

#define PHRASES_MAX 8 /* in one group */

struct element {
	enum piece_kind kind;
	char number;
	bool spaced;
	uint8_t n;
	uint16_t id[CHOICES_MAX];
};

struct phrase {
	struct element *element;
	size_t n;
};

struct phrases {
	struct phrase of[SAY_N][PHRASES_MAX];
	unsigned n_of[SAY_N];
};

struct phrases *phrases_new(const struct vocabulary *v);
void phrases_free(struct phrases *p);

#endif
