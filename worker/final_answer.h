/* SPDX-License-Identifier: Apache-2.0 */
/*
 * final_answer.h - the value that a worked solution ends in, and comparing two
 *
 * Where it stands, the first rule that finds something:
 *
 *   1. the last \boxed{...} or \fbox{...} (braces balanced), or `\boxed 5`
 *   2. behind the last `####`, to the end of the line (GSM8K)
 *   3. behind the last "answer is", "answer:" or "answer =", to the end of the
 *      sentence or line, in upper or lower case
 *   4. the last number
 *   5. the last line, if it is short
 *
 * Two answers are equal if both are numbers of the same value, else if their
 * normalised texts are equal. A number: 1,234 = 1234; $5.00 = 5; 50% = 50;
 * 1/2 = \frac{1}{2} = 0.5; 1 1/2 = 1.5; 1.5e3 = 1.5 \times 10^3; units behind
 * it ("18 dollars", "5\text{ km}"), a name before it ("x = 5") and punctuation
 * at its end do not count. Normalising drops case, white space, $...$, \( \),
 * \text{}, \mathrm{} and their like, \left, \right, thin spaces, markdown
 * stars, a full stop at the end, and brackets around the whole of a text
 * without a comma ("(B)" = "B", but [1,2] and (1,2) are two intervals).
 *
 * A reference is read by rules 1 and 2; without them all of it is the answer,
 * if it is one line of at most FINAL_ANSWER_MAX bytes; a longer one is read by
 * rule 3 and otherwise has no final answer.
 *
 * Pure; results are views into the text.
 */
#ifndef RETORT_WORKER_FINAL_ANSWER_H
#define RETORT_WORKER_FINAL_ANSWER_H

#include <stdbool.h>

#include "common/buf.h"

/* A longer piece of text is no final answer. */
#define FINAL_ANSWER_MAX 512

/* False: there is none. */
bool final_answer_find(struct bytes text, struct bytes *out);
bool final_answer_of_reference(struct bytes reference, struct bytes *out);

/* False if the text is no number (with the decorations above). */
bool final_answer_number(struct bytes text, double *out);

bool final_answer_equal(struct bytes a, struct bytes b);

#endif
