/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choice.h - one answer as a client sees it: trace, content, right or wrong
 *
 * Ownership: a choice owns its speech and its text; the rest points into the
 * text.
 */
#ifndef RETORT_DEPLOY_TEACHER_CHOICE_H
#define RETORT_DEPLOY_TEACHER_CHOICE_H

#include "deploy/teacher/dialect.h"
#include "deploy/teacher/teacher.h"

enum verdict { VERDICT_NONE, VERDICT_RIGHT, VERDICT_WRONG };

/* A trace and what follows it. */
struct parted {
	bool has_reasoning, has_content;
	struct bytes reasoning, content;
};

struct choice {
	struct speech speech;
	struct buf text;    /* all of it as valid UTF-8 */
	struct parted body; /* as this server puts it into the message */
	struct parted kept; /* as a reader that takes the tags out keeps it */
	struct bytes boxed; /* of the content; NULL if there is none */
	enum verdict verdict;
};

/* Texts, answer and verdict of a choice whose speech is made. */
void choice_read(struct choice *c, const struct style *style, bool thinks,
	const struct question *q);
void choice_release(struct choice *c);

/* "stop" or "length". */
const char *choice_finish(const struct choice *c);
/* Rows of the answer: tokens, without that of the end where the server shows
 * none. */
size_t choice_rows(const struct choice *c, const struct style *style);
/* Tokens of the trace with its marks. */
size_t choice_reasoning_tokens(const struct choice *c, bool thinks);

#endif
