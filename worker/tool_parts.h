/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool_parts.h - the tool calls of a streamed answer, put together
 *
 * OpenAI-shaped streams send a call in pieces: the first has its id, type and
 * name, the following ones more of function.arguments, and `index` says of
 * which call they are. The result has the form of an answer that is not
 * streamed, without `index`.
 */
#ifndef RETORT_WORKER_TOOL_PARTS_H
#define RETORT_WORKER_TOOL_PARTS_H

#include <stdbool.h>

#include "common/buf.h"

/* `parts`: lists of pieces, joined by commas ("[..],[..]"); overwritten by the
 * list of calls. False if they do not fit together, `parts` is then "[]". */
bool tool_parts_join(struct buf *parts);

#endif
