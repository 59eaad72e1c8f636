/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_answer.h - reading the answer of an OpenAI-shaped chat endpoint
 *
 * One pass over the body as it arrives, no tree, no allocation per value:
 * OpenAI, vLLM, SGLang, llama.cpp, TensorRT-LLM, Ollama's and DeepSeek's chat
 * completions, not streamed. Keys come in any order, unknown ones are checked
 * and skipped; a key twice in an object that is known here is bad JSON, since
 * nobody can say which of the two was meant.
 *
 * What is wrong does not end the reading unless it breaks the JSON: the token
 * counts behind it are still wanted. Of several complaints the verdict is the
 * first of this list, whatever the order of the keys:
 *
 *   body_too_long, body_cut, bad_json   the text itself
 *   error_object                        also when the rest is missing
 *   wrong_shape                         a known key with another type
 *   no_choices                          none, several, or one not number 0
 *   bad_text                            control characters in a text
 *   no_finish_reason, aborted, unknown_finish_reason
 *   bad_usage                           negative, fractions, texts, > 2^31
 *   empty                               no content, reasoning, tool calls or
 *                                       refusal (a filtered answer may be)
 *   logprobs_missing, bad_logprobs
 *
 * Flags of a readable answer: truncated, filtered, refused (a text in the field
 * `refusal`), no_content, no_usage (prompt or completion tokens not told),
 * logits_missing (asked for, not required), logits_partial (rows.h), misaligned
 * (without token ids: neither as many rows as completion tokens nor one fewer,
 * which would be the end token's; or a token's text and its bytes are those of
 * two tokens).
 *
 * Numbers: a count beyond int64 is bad_usage, a logprob of -1e400 is absent,
 * and in the place of a logprob NaN, Infinity and -Infinity are read as absent
 * although they are not JSON: Python servers write them.
 *
 * Ownership: the answer is the caller's and lent from begin to end. Threads:
 * one reader, one thread.
 */
#ifndef RETORT_WORKER_OPENAI_ANSWER_H
#define RETORT_WORKER_OPENAI_ANSWER_H

#include "worker/answer.h"

struct answer_reader *openai_reader_new(void);
void openai_reader_free(struct answer_reader *reader);
void openai_reader_begin(struct answer_reader *reader, const struct answer_rules *rules,
	struct answer *answer);
bool openai_reader_feed(struct answer_reader *reader, const void *bytes, size_t len);
enum reason openai_reader_end(struct answer_reader *reader);

#endif
