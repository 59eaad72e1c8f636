/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jrun.h - runs of bytes that need no decision, found many bytes at a time
 *
 * Each search has a portable form and, on x86-64, one with AVX2 that is chosen
 * at run time where the machine has it. Both stop at the same byte, and neither
 * reads at or past `end`. Long texts, UTF-8 and indents are worth a call; numbers and
 * lists of bytes are too short for one, and are read inline by those who go by the same
 * choice (worker/openai_run.h).
 *
 * Pure but for the choice. Threads: any; jrun_force is for tests and benches,
 * before others run.
 */
#ifndef RETORT_COMMON_JRUN_H
#define RETORT_COMMON_JRUN_H

#include <stdbool.h>
#include <stddef.h>

enum jrun_form { JRUN_PORTABLE, JRUN_AVX2 };

/* What this machine can run, and what is run. */
enum jrun_form jrun_best(void);
enum jrun_form jrun_form(void);
/* `form` must not be above jrun_best. */
void jrun_force(enum jrun_form form);

/* Where the plain text of a JSON string ends: at the first quote, backslash,
 * control character or byte that begins no whole valid UTF-8 sequence, or at
 * the end. */
const unsigned char *jrun_text(const unsigned char *p, const unsigned char *end);

/* The first byte that is no JSON white space, or the end. */
const unsigned char *jrun_space(const unsigned char *p, const unsigned char *end);

/* Where the first of the characters begins that text_has_control looks for, or
 * the end. The text must be valid UTF-8. */
const unsigned char *jrun_control(const unsigned char *p, const unsigned char *end);

#endif
