/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/score.h"

static uint32_t words(struct bytes s)
{
	uint32_t n = 0;
	bool in_word = false;

	for (size_t i = 0; i < s.len; i++) {
		bool space = s.data[i] <= ' ';

		n += !space && !in_word;
		in_word = !space;
	}
	return n;
}

uint32_t score_length(const struct score_input *in, float score[SCORE_SLOTS])
{
	uint32_t n = in->completion_tokens;

	if (n == COUNT_UNKNOWN)
		n = words(in->reasoning) + words(in->content);
	score[SCORE_LENGTH] = (float)n;
	return 0;
}
