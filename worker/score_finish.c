/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/score.h"

uint32_t score_finish(const struct score_input *in, float score[SCORE_SLOTS])
{
	bool itself = in->finish == FINISH_STOP || in->finish == FINISH_STOP_WORD ||
		      in->finish == FINISH_TOOL_CALLS;

	score[SCORE_FINISH] = itself ? 1 : 0;
	return 0;
}
