/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_encoder_plan.h - reading a tokenizer.json into a text encoder; private to text_encoder_*.c
 *
 * Functions return false after an error, which names the place.
 */
#ifndef RETORT_COMMON_TEXT_ENCODER_PLAN_H
#define RETORT_COMMON_TEXT_ENCODER_PLAN_H

#include <jansson.h>

#include "common/text_encoder_parts.h"

struct plan {
	struct text_encoder *e;
	const char *name;
	struct err *err;
	json_t *vocab;
};

bool plan_complain(struct plan *p, const char *place, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
bool plan_is_true(const json_t *object, const char *key);

/* -- text_encoder_plan.c -- */

bool plan_normalizer(struct plan *p, const json_t *v);
bool plan_pre_tokenizer(struct plan *p, const json_t *v);
/* What it cannot take is told only to who asks for special tokens. */
void plan_post_processor(struct plan *p, const json_t *v);

#endif
