/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_tables.h - what the answers of all OpenAI-shaped endpoints have in common
 *
 * Everything around the choice's text and its rows: the root, usage, errors and
 * finish reasons, for the shapes of chat and of plain completions.
 */
#ifndef RETORT_WORKER_OPENAI_TABLES_H
#define RETORT_WORKER_OPENAI_TABLES_H

#include "worker/shape.h"

/* The shape's own places begin with OPENAI_OWN; it must have OPENAI_CHOICE. */
enum {
	OPENAI_ERROR = PLACE_OWN,
	OPENAI_USAGE,
	OPENAI_PROMPT_DETAILS,
	OPENAI_COMPLETION_DETAILS,
	OPENAI_CHOICES,
	OPENAI_CHOICE,
	OPENAI_OWN
};

#define OPENAI_INDEX_KEY KEY_OWN("index", OPENAI_OWN_INDEX)
enum { OPENAI_OWN_KIND, OPENAI_OWN_INDEX };

extern const struct shape_key openai_root_keys[12], openai_error_keys[3],
	openai_usage_keys[6], openai_prompt_keys[1], openai_completion_keys[1];

#define OPENAI_PLACES                                                                  \
	[PLACE_ROOT] = {SHAPE_PLACE(openai_root_keys)},                                \
	[OPENAI_ERROR] = {SHAPE_PLACE(openai_error_keys)},                             \
	[OPENAI_USAGE] = {SHAPE_PLACE(openai_usage_keys), .is_count = true},           \
	[OPENAI_PROMPT_DETAILS] = {SHAPE_PLACE(openai_prompt_keys), .is_count = true}, \
	[OPENAI_COMPLETION_DETAILS] = {SHAPE_PLACE(openai_completion_keys),            \
		.is_count = true},                                                     \
	[OPENAI_CHOICES] = {.entry = OPENAI_CHOICE}

extern const struct shape_finish openai_finishes[];

/* The hook for the keys above. */
void openai_own(struct reader *r, unsigned number, enum jscan_event event);

#endif
