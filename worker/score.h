/* SPDX-License-Identifier: Apache-2.0 */
/*
 * score.h - numbers about an answer that a filter can ask for
 *
 * One small file per score, one table. A score fills its slots of the record
 * (store/record.h, enum score) and leaves NaN where it cannot tell. Nothing
 * here decides what is kept; the export's filter does, and can change its
 * mind.
 *
 * Pure. To add a score: a bit in common/job.h, a slot, a file, a line in the
 * table in score.c.
 */
#ifndef RETORT_WORKER_SCORE_H
#define RETORT_WORKER_SCORE_H

#include "common/job.h"
#include "store/record.h"
#include "worker/rows.h"

struct score_input {
	struct bytes reasoning, content; /* behind think_split */
	enum finish finish;
	uint32_t flags;
	uint32_t completion_tokens; /* COUNT_UNKNOWN */
	const struct rows *rows;    /* normalised; NULL: none */
	bool has_reference;
	struct bytes reference;
	/* What zstd at level 1 makes of the texts, which the caller packs
	 * anyway: bytes in and out; 0: not known. */
	size_t text_len, packed_len;
};

/* What a score found out besides: sample flags to be set. */
typedef uint32_t (*score_fn)(const struct score_input *in, float score[SCORE_SLOTS]);

/* All slots become NaN, then the scores in `bits` (enum job_score) are filled.
 * Returns flags to be set (FLAG_LOOPING). */
uint32_t score_all(
	unsigned bits, const struct score_input *in, float score[SCORE_SLOTS]);

/* Completion tokens; words, if the server did not count. */
uint32_t score_length(const struct score_input *in, float score[SCORE_SLOTS]);
/* See score_repetition.c for the measure and for when an answer loops. */
uint32_t score_repetition(const struct score_input *in, float score[SCORE_SLOTS]);
/* 1 if it ended by itself, with a stop word or a tool call; else 0. */
uint32_t score_finish(const struct score_input *in, float score[SCORE_SLOTS]);
/* 1 if flagged as refused or filtered, or if a short content begins like a
 * refusal; else 0. */
uint32_t score_refusal(const struct score_input *in, float score[SCORE_SLOTS]);
/* Means over the rows: logprob of the sampled token, entropy. */
uint32_t score_confidence(const struct score_input *in, float score[SCORE_SLOTS]);
/* 1 if the content's final answer is the reference's; 0 if not. */
uint32_t score_answer(const struct score_input *in, float score[SCORE_SLOTS]);

#endif
