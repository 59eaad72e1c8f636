/* SPDX-License-Identifier: Apache-2.0 */
/*
 * think.h - reasoning that a server left inside the content
 *
 * Servers without a reasoning parser return `<think>...</think>` as part of
 * the content. The rules:
 *
 *   - An opening tag counts only at the very start, behind white space.
 *     Known pairs: <think> </think>, <thinking> </thinking>,
 *     <|begin_of_thought|> <|end_of_thought|>.
 *   - Without an opening tag, the first </think> still ends the reasoning:
 *     R1-style templates put <think> at the end of the prompt.
 *   - Reasoning is the text between, without the newlines (LF, CR) at its
 *     ends; content is the text behind, without the newlines at its start. No
 *     other white space is touched. An empty pair of tags gives a reasoning
 *     that is present and empty.
 *   - Behind <|end_of_thought|>, a content wrapped in <|begin_of_solution|>
 *     and <|end_of_solution|> loses both, and the newlines next to them.
 *   - An opening tag that is never closed makes all of it reasoning, and the
 *     answer has no content, whatever the finish reason.
 *   - gpt-oss channels and everything else stay as they are. So does the
 *     content of an answer that came with reasoning of its own.
 *
 * Pure; think_find returns views into the text.
 */
#ifndef RETORT_WORKER_THINK_H
#define RETORT_WORKER_THINK_H

#include "worker/answer.h"

struct think {
	struct bytes reasoning, content;
	bool unclosed;
};

/* False: no reasoning in there. */
bool think_find(struct bytes text, struct think *out);

/* Splits the answer's content in place, unless the server gave reasoning.
 * Sets FLAG_NO_CONTENT if nothing is left of the content, and
 * FLAG_UNCLOSED_REASONING. */
void think_split(struct answer *answer);

#endif
