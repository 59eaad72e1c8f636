/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_state.h - the words for a run's state, as `progress` shows them
 */
#ifndef RETORT_COORDINATOR_RUN_STATE_H
#define RETORT_COORDINATOR_RUN_STATE_H

#include <string.h>

#define RUN_INDEXING "indexing" /* the corpus is being read */
#define RUN_RUNNING "running"
#define RUN_DRAINING "draining" /* asked to stop: in-flight requests end */
#define RUN_STOPPED "stopped"   /* run it again to go on */
#define RUN_BUDGET "budget"     /* the budget is spent */
#define RUN_BLOCKED "blocked"   /* no endpoint can be asked: a person must act */
#define RUN_DONE "done"         /* every prompt has ended */

static inline const char *run_state_of(const char *text)
{
	static const char *const all[] = {RUN_INDEXING, RUN_RUNNING, RUN_DRAINING,
		RUN_STOPPED, RUN_BUDGET, RUN_BLOCKED, RUN_DONE};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i], text) == 0)
			return all[i];
	return RUN_STOPPED;
}

#endif
