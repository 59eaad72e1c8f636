/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find_prompt.h - the prompt that a person means by an id
 *
 * Ids stand in the prompts' own texts and nowhere else in a dataset, so this
 * reads prompts until it finds one: some seconds for millions.
 */
#ifndef RETORT_STORE_FIND_PROMPT_H
#define RETORT_STORE_FIND_PROMPT_H

#include "store/dataset.h"

/* The number of the prompt with this id; failing that, `id` as a number, if a
 * sample of that prompt is there. ERR_NOT_FOUND. A view is open. */
enum err_code find_prompt(struct dataset *d, const char *id, uint64_t *prompt,
	struct err *err) MUST_CHECK;

#endif
