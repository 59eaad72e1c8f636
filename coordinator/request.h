/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - what a corpus line asks of its request by itself
 *
 * From the columns `sampling`, `tools`, `tool_choice` and `response_format`,
 * and from the body of a line in OpenAI's batch form
 *
 *     {"custom_id", "method": "POST", "url": "/v1/chat/completions",
 *      "body": {"model", "messages", ...}}
 *
 * into the normal form of common/overrides.h. Null stands for "not said", since
 * tools write it into every row that lacks a column which others have.
 *
 * Of a body's members:
 *   messages                    the prompt (turns.h)
 *   model                       one of the job's teachers' models; it chooses
 *                               none of them
 *   temperature, top_p, ...     the job's sampling; max_completion_tokens is
 *                               max_tokens, a `stop` text a list of one
 *   n                           1, which says nothing: the job says how many
 *                               samples a prompt has
 *   logprobs, top_logprobs      no more than the job asks for
 *   stream, stream_options, return_token_ids, return_tokens_as_token_ids
 *                               how an answer comes is not the line's affair:
 *                               set aside
 *   any other                   goes to the teacher as it stands
 *
 * Pure. What is written does not depend on the line any more.
 */
#ifndef RETORT_COORDINATOR_REQUEST_H
#define RETORT_COORDINATOR_REQUEST_H

#include "coordinator/prompt_rules.h"
#include "coordinator/row.h"

/* Empties row->request, which stays empty for a line that asks for nothing. */
void request_begin(struct row *row);

/* From the columns. Uses the row's scanner. */
enum reject_reason request_from_columns(
	const struct prompt_rules *rules, struct row *row);

/* From a body, which is an object: adds to row->request, and reads its messages
 * into row->body_messages (n == 0: it has none). */
enum reject_reason request_from_body(const struct prompt_rules *rules, struct row *row,
	struct bytes body, bool *set_aside);

/* Closes the object; before that it is not one. */
void request_end(struct row *row);

/* Whether a column is in the request, and so need not be kept elsewhere. */
bool request_has_column(const struct prompt_rules *rules, int slot);

#endif
