/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - what each column of a row is for
 *
 * The one place that decides it, for the judge (corpus_line.h) and for the
 * builder (prompt.h), so that the two cannot disagree.
 *
 * The prompt is, in this order: the job's template; `messages`; `prompt` (text
 * or messages); `conversations`; `instruction` with `input`; `problem`;
 * `question`; `query`; `inputs`; the messages of a batch line's `body`
 * (request.h); `input_ids` or `prompt_token_ids`, where all teachers take raw
 * prompts. Where the job scores, it is `input_ids` with `prompt_len`, or `text`.
 * Where a teacher takes raw prompts, only one text without a system text is a
 * prompt, or token ids. An empty or null column counts as absent, and
 * so does a text column that holds something else than text.
 *
 * The id is `custom_id`, `id` or `uuid`, the first that is not null; without
 * one it is derived from the line's bytes.
 *
 * The reference is `reference`, `answer` or `solution`; where the prompt is no
 * list of turns, also `output`, `response`, `targets` or
 * `completion`; else a trailing assistant turn.
 *
 * `tools`, `tool_choice`, `response_format` and `sampling` go into the request
 * (request.h). A column that the template names is
 * never anything but a column of the template (or the id or the reference).
 *
 * Pure.
 */
#ifndef RETORT_COORDINATOR_SHAPE_H
#define RETORT_COORDINATOR_SHAPE_H

#include "coordinator/prompt_rules.h"
#include "coordinator/row.h"

/* The longest prompt that a line makes, without the job's own system text. */
#define PROMPT_TEXT_MAX (2 * LIMIT_CORPUS_LINE)

enum shape_kind {
	SHAPE_TEMPLATE,
	SHAPE_MESSAGES,
	SHAPE_SHAREGPT,
	SHAPE_TEXT,
	SHAPE_IDS,
	SHAPE_GIVEN /* a text to be scored */
};

/* Slots; ROW_NO_SLOT where there is none. */
struct shape {
	enum shape_kind kind;
	int asked;           /* the column that holds the prompt */
	int input;           /* the second half of an instruction */
	uint32_t prompt_len; /* of ids to be scored */
	int system;
	int id; /* none: derived */
	int reference;
	const struct turns *turns;      /* MESSAGES and SHAREGPT */
	const struct turn *answer_turn; /* the reference, if it is a turn */
	bool batch;     /* OpenAI's batch form: method and url are spoken for */
	bool set_aside; /* something in its body was not sent */
};

/* Decides, and leaves the id's text in row->id, what the line asks for by itself
 * in row->request. */
enum reject_reason shape_find(const struct prompt_rules *rules, struct row *row,
	const void *line, size_t len, struct shape *out);

#endif
