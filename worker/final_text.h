/* SPDX-License-Identifier: Apache-2.0 */
/*
 * final_text.h - a final answer without its decorations
 *
 * What final_answer.h says about normalising, as one pass over a short text:
 * LaTeX wrappers, currency, thin spaces and signs of many kinds become plain
 * ASCII in lower case. Both the comparing of texts and the reading of numbers
 * start from this.
 */
#ifndef RETORT_WORKER_FINAL_TEXT_H
#define RETORT_WORKER_FINAL_TEXT_H

#include "worker/final_answer.h"

/* Nothing grows by more than the braces of \frac12. */
#define FINAL_TEXT_MAX (2 * FINAL_ANSWER_MAX)

struct final_text {
	size_t len;
	char text[FINAL_TEXT_MAX + 1]; /* with a NUL behind it */
};

/* False if it is too long for a final answer. White space becomes single
 * spaces; none at the ends. */
bool final_text_of(struct bytes in, struct final_text *out);

/* Drops the spaces, a leading "x=", a full stop at the end and brackets around
 * the whole. */
void final_text_strip(struct final_text *t);

/* The number that the text is; false if it is none. */
bool final_text_number(const struct final_text *t, double *out);

#endif
