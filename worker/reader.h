/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - reading the answer of a teacher, in one pass as it arrives
 *
 * No tree, no allocation per value. What the protocol's answers look like is a
 * table (shape.h). Keys come in any order, unknown ones are checked and
 * skipped; a key twice in an object that is known is bad JSON, since nobody can
 * say which of the two was meant.
 *
 * What is wrong does not end the reading unless it breaks the JSON: the token
 * counts behind it are still wanted. Of several complaints the verdict is the
 * first of this list, whatever the order of the keys:
 *
 *   body_too_long, body_cut, bad_json   the text itself
 *   error_object                        also when the rest is missing
 *   wrong_shape                         a known key with another type
 *   no_choices                          none, or not those asked for
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
 * two tokens), looping (cut early, see rules.loop).
 *
 * A streamed answer is a sequence of documents whose texts, rows and ids are
 * joined. It counts only with its semantic end (shape.h, enum stream_end): one
 * that just stops is body_cut, wherever it stops. A server that answers a
 * question for a stream with one whole document is read as that.
 *
 * Numbers: a count beyond int64 is bad_usage, a logprob of -1e400 is absent,
 * and in the place of a logprob NaN, Infinity and -Infinity are read as absent
 * although they are not JSON: Python servers write them.
 *
 * Ownership: the answer is the caller's and lent from begin to end. Threads:
 * one reader, one thread.
 */
#ifndef RETORT_WORKER_READER_H
#define RETORT_WORKER_READER_H

#include "worker/answer.h"
#include "worker/shape.h"

struct reader *reader_new(void);
void reader_free(struct reader *r);

/* A reader reads one answer after the other: begin, feed as bytes come, end.
 * feed says false when no further byte can change the verdict (the transfer may
 * be stopped); end gives it. Any status's body may be read: an error's is
 * REASON_ERROR_OBJECT. */
void reader_begin(struct reader *r, const struct shape *shape,
	const struct answer_rules *rules, struct answer *answer);
bool reader_feed(struct reader *r, const void *bytes, size_t len);
enum reason reader_end(struct reader *r);

/* True once a part of the answer's text has come. */
bool reader_has_text(const struct reader *r);

#endif
