/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt.h - a corpus line as it is sent and kept
 *
 * From a line that was judged good: the messages, in OpenAI's shape and as
 * they will be sent; the reference; and the other columns under `extra`.
 *
 * messages   The job's system text comes first, unless the row brings its own:
 *            a system (or developer) message or, failing that, a `system`
 *            column. An instruction's input follows it behind an empty line.
 *            Assistant turns at the end are not sent, unless the job says
 *            prefill.
 * token ids  {"input_ids": [...]} in place of a list of messages.
 * template   Text goes in as it is, numbers and booleans as their JSON text,
 *            lists and objects as compact JSON. What goes in is not looked at
 *            for "{{" again.
 * reference  Text as it is; numbers and the like as their JSON text, lists and
 *            objects as compact JSON.
 * request    What the line asks for in place of the job's sampling, or beyond
 *            it (request.h).
 * extra      A column leaves it only when all that it holds is elsewhere in
 *            the prompt: the id, the reference, the prompt's own column, what
 *            is in the request; of a batch line also method and url. So a
 *            template's columns stay (users filter on them), and so does a
 *            list of messages, or a body, of which something was neither sent
 *            nor made the reference. Keys keep their order, numbers every digit.
 *
 * The texts are compact JSON, UTF-8 with the fewest escapes: rows that mean
 * the same are the same bytes. A NUL character in them is "\u0000"; who reads
 * them with jansson needs JSON_ALLOW_NUL.
 *
 * Pure. Ownership: the bytes in struct prompt are lent until the next build
 * with it; they do not depend on the line any more.
 */
#ifndef RETORT_COORDINATOR_PROMPT_H
#define RETORT_COORDINATOR_PROMPT_H

#include "coordinator/prompt_rules.h"
#include "coordinator/row.h"

struct prompt {
	struct bytes id;
	struct bytes messages;
	struct bytes reference; /* data NULL: none */
	struct bytes extra;     /* data NULL: none */
	struct bytes request;   /* common/overrides.h; data NULL: none */

	/* The rest is the prompt's own. */
	struct row row;
	struct buf messages_buf, reference_buf, extra_buf, scratch;
};

void prompt_init(struct prompt *p);
void prompt_release(struct prompt *p);

/* ERR_INVALID, with the reason, exactly for the lines that the judge rejects. */
enum err_code prompt_build(const struct prompt_rules *rules, const void *line,
	size_t len, struct prompt *out, struct err *err) MUST_CHECK;

#endif
