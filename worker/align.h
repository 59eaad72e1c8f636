/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align.h - the alignment proof: whether rows, ids, texts and counts are of one answer
 *
 * What can be proven of every answer for nothing, without knowing the model. A
 * sample that breaks a rule is stored all the same, with FLAG_MISALIGNED and the
 * rule's number in its head, and exports of logits leave it out unless they are
 * told otherwise. Of several rules the first of the list is noted.
 *
 * What stands on the border. An answer whose numbers cannot be read at all is
 * not stored (REASON_BAD_LOGPROBS, rows.h, and REASON_WRONG_SHAPE): more than
 * k + 1 candidates, logprobs above 0, tokens longer than tokens are, values of
 * other types. A value that the server marks as missing is absent, and the rest
 * stays (FLAG_LOGITS_PARTIAL). What can be read and contradicts itself is below.
 *
 *   rows_not_tokens       token ids are neither as many as rows nor, where the
 *                         answer ended by itself, one more: the end, for which
 *                         some servers give no row (eos_row says no); and the rows
 *                         could not be placed (rows_place.h)
 *   row_of_other_id       a row's own id is not that of its place in the ids
 *   usage_not_rows        usage counts other completion tokens than that, also
 *                         without reasoning tokens whose text is kept back; of
 *                         llama.cpp also one more, if the last row is the end's
 *   sampled_not_its_entry the sampled token is listed with another logprob
 *   sampled_above_list    it is not listed, though more likely than the last
 *                         that is: lists are the most likely candidates
 *   sampled_missing       it is not listed, and vLLM lists it always
 *   sum_above_one         a row's probabilities sum to more than ROWS_SUM_MAX
 *   listed_twice          one id, or one text with one logprob, twice in a row
 *   list_short            a list is shorter than others, with nothing absent
 *   tail_unexplained      what a list leaves over is more than ALIGN_VOCABULARY
 *                         tokens have that are less likely than its last one
 *   draft_token           logprob 0 and an empty list, where others have one:
 *                         llama.cpp, for tokens accepted from a draft
 *   token_not_its_bytes   a token's text and bytes are of two tokens; or a row of
 *                         llama.cpp has more bytes than its id: those of tokens
 *                         that ended within a character and have no row
 *   text_not_in_tokens    the tokens' bytes, joined, are not the texts and what
 *                         servers strip around them (see below)
 *   span_outside_rows     a span of reasoning or content is not in the rows, or
 *                         they are not in this order
 *
 * text_not_in_tokens: the stream must be reasoning and content in this order;
 * before, between and behind them only what parsers strip: white space, tags and
 * special tokens ("<think>", "</s>", "<|im_end|>", "[EOS]"), gpt-oss' names of
 * channels, and the phrases by which Granite marks its parts. Within a text,
 * special tokens may be missing, and characters that either side could not show
 * (U+FFFD, halves) stand for each other. Not looked at is
 *   - the stream of servers that decode each token alone beside its id (all that
 *     give ids but llama.cpp): halves and leading blanks are lost there;
 *   - what follows the texts if the answer ended with a stop word or by a filter,
 *     and all around tool calls, which parsers take out;
 *   - reasoning that was kept back, up to the tag that closes it;
 *   - anything, where a token's bytes are not known.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_ALIGN_H
#define RETORT_WORKER_ALIGN_H

#include "common/job.h"
#include "worker/answer.h"
#include "worker/spans.h"

/* No tokenizer has as many. */
#define ALIGN_VOCABULARY (1u << 20)
/* Servers round: so much may be missing from a row in any case. */
#define ALIGN_TAIL_SLACK 0.01

/* Before rows_normalise: compares the rows with the token ids beside them and with
 * usage; fills in ids that rows lack. Sets eos_row where the end has no row. Usage
 * must be this answer's own, not a share of several answers'. */
void align_counts(struct answer *answer);

/* Behind rows_normalise. `disagree`: a token's text and bytes were of two tokens. */
void align_rows(
	struct answer *answer, const struct rows_verdict *verdict, bool disagree);

/* When texts are split and located, and whose answer it is is known: the rule that
 * the answer broke, those of the two above included. */
enum misaligned align_settle(const struct answer *answer, enum job_server server,
	struct bytes stream, const struct spans *spans);

/* For align_settle: true if the stream is the answer's texts and what servers strip
 * (align_stream.c). */
bool align_explains(const struct answer *answer, struct bytes stream);

#endif
