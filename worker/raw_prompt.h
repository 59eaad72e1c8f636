/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_prompt.h - a prompt for teachers that apply no chat template
 *
 * What is stored and travels as a prompt's messages (common/PROTOCOL.md, GRANT)
 * is one of
 *
 *   [{"role": "user", "content": "text"}]      a text
 *   {"input_ids": [1, 2, 3]}                   token ids
 *
 * or, where a teacher is to score what it is given,
 *
 *   {"input_ids": [1, 2, 3], "prompt_len": 2, "text": "..."}
 *   {"text": "..."}
 *
 * of which the tokens from prompt_len on (1 if it is not there: nothing tells the
 * distribution of the first) are scored, and `text` is what they say.
 *
 * Anything else, such as several messages or a list of parts, is no raw prompt.
 *
 * Pure. What is found is lent from the messages.
 */
#ifndef RETORT_WORKER_RAW_PROMPT_H
#define RETORT_WORKER_RAW_PROMPT_H

#include <stdbool.h>

#include "common/buf.h"
#include "worker/answer.h"

enum raw_kind { RAW_TEXT, RAW_IDS };

struct raw_prompt {
	enum raw_kind kind;
	struct bytes value;  /* JSON: a text with its quotes, or a list of ids */
	uint32_t prompt_len; /* of what is to be scored */
	struct bytes text;   /* likewise; JSON; data NULL: not told */
};

/* False: no raw prompt. Of ids only that they are a list is looked at. */
bool raw_prompt_read(struct bytes messages, struct raw_prompt *out);

/* What is to be scored says: in place of what `out` had. */
void raw_prompt_text(const struct raw_prompt *prompt, struct answer_text *out);

/* The ids of a list, in place of what `out` had. False if one is no id. */
bool raw_prompt_ids(struct bytes list, struct answer_ids *out);

#endif
