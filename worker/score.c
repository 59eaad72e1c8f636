/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/score.h"

#include <math.h>

static const struct {
	unsigned bit; /* enum job_score */
	const char *name;
	score_fn fn;
} scores[] = {
	{JOB_SCORE_LENGTH, "length", score_length},
	{JOB_SCORE_REPETITION, "repetition", score_repetition},
	{JOB_SCORE_FINISH, "finish", score_finish},
	{JOB_SCORE_REFUSAL, "refusal", score_refusal},
	{JOB_SCORE_CONFIDENCE, "confidence", score_confidence},
	{JOB_SCORE_ANSWER, "answer", score_answer},
};

uint32_t score_all(
	unsigned bits, const struct score_input *in, float score[SCORE_SLOTS])
{
	uint32_t flags = 0;

	for (int i = 0; i < SCORE_SLOTS; i++)
		score[i] = NAN;
	for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++)
		if (bits & scores[i].bit)
			flags |= scores[i].fn(in, score);
	return flags;
}
