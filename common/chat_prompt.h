/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat_prompt.h - a prompt's token ids, by a tokenizer.json and its chat template
 *
 * What a server does before it asks its model: the messages are rendered
 * (common/jinja.h) and the text encoded (common/text_encoder.h). The template is given,
 * or what lies beside the tokenizer.json: chat_template.jinja, chat_template.json, or
 * `chat_template` of tokenizer_config.json (of several: "tool_use" if there are tools,
 * else "default"). Names of tokens such as `bos_token` are those of
 * tokenizer_config.json; a template that speaks of one is refused without that file.
 *
 * What the template sees is what transformers and vLLM give it: `messages` (arguments of
 * tool calls as objects, a content of one text part as that text), `tools` and
 * `documents` (none if not asked for), add_generation_prompt, and what the request has
 * in `chat_template_kwargs`. Where it cannot be known what a server makes of a request
 * there is no prompt but an error: several parts, an answer to be continued, a template
 * of the request's own, tool_choice "none".
 *
 * Threads: one at a time.
 */
#ifndef RETORT_COMMON_CHAT_PROMPT_H
#define RETORT_COMMON_CHAT_PROMPT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/buf.h"

struct chat_prompt;

/* `template_path` NULL: what lies beside the tokenizer. ERR_INVALID and ERR_IO name the
 * file. */
enum err_code chat_prompt_read(const char *tokenizer_path, const char *template_path,
	struct chat_prompt **out, struct err *err) MUST_CHECK;
void chat_prompt_free(struct chat_prompt *c);

/* Digests (XXH3-64, never 0): that of struct tokenizer; of the template's text. */
uint64_t chat_prompt_tokenizer(const struct chat_prompt *c);
uint64_t chat_prompt_template(const struct chat_prompt *c);

struct chat_request {
	json_t *messages;   /* as sent: a list */
	const json_t *body; /* members of the job's extra_body; NULL: none */
	const json_t *own;  /* and of the prompt's request, which come after; or NULL */
	bool prefill;       /* a last message of the assistant's is continued */
};

/* Appends the ids, u32 little-endian. ERR_INVALID says why there are none. */
enum err_code chat_prompt_ids(struct chat_prompt *c, const struct chat_request *request,
	struct buf *ids, struct err *err) MUST_CHECK;
/* Of a text that no template goes over, with the special tokens around it. */
enum err_code chat_prompt_text_ids(struct chat_prompt *c, struct bytes text,
	struct buf *ids, struct err *err) MUST_CHECK;

#endif
