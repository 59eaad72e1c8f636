/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/final_answer.h"
#include "worker/score.h"

/* A content without any final answer is a wrong one; a reference without one
 * leaves the score open. */
uint32_t score_answer(const struct score_input *in, float score[SCORE_SLOTS])
{
	struct bytes want, got;

	if (!in->has_reference || !final_answer_of_reference(in->reference, &want))
		return 0;
	score[SCORE_ANSWER] =
		final_answer_find(in->content, &got) && final_answer_equal(got, want)
			? 1
			: 0;
	return 0;
}
