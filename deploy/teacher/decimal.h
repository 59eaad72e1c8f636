/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal.h - numbers as people write them: "1,234", "-$5", "12.50", "72."
 */
#ifndef RETORT_DEPLOY_TEACHER_DECIMAL_H
#define RETORT_DEPLOY_TEACHER_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

#define DECIMAL_MAX 48

/* The number without dollar sign, commas, blanks around it and a full stop
 * behind it; false if the text is not a number or too long for one. */
bool decimal_plain(const char *text, size_t len, char out[DECIMAL_MAX]);

/* Puts commas between groups of three digits before the point. */
void decimal_group(char text[DECIMAL_MAX]);

/* Whether two answers are the same: as numbers if both are, else as text. */
bool decimal_same(const char *a, const char *b);

#endif
