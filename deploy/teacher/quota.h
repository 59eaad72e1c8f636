/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h - so many requests in so many seconds, and headers that tell of it
 *
 * A bucket of `requests` fills all the time, from empty to full in `seconds`. Each
 * request takes one; where there is none it is refused.
 *
 * Pure: no I/O, no clock.
 */
#ifndef RETORT_DEPLOY_TEACHER_QUOTA_H
#define RETORT_DEPLOY_TEACHER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* How it is told: not at all, as OpenAI does, or as Anthropic does. */
enum quota_headers { QUOTA_SILENT, QUOTA_OPENAI, QUOTA_ANTHROPIC };

struct quota {
	double requests; /* 0: any number */
	double seconds;
	enum quota_headers headers;
	double level; /* of the bucket */
	int64_t at_us;
};

/* False: it is used up. */
bool quota_take(struct quota *q, int64_t now_us);

struct quota_header {
	const char *name;
	char value[40];
};
/* What is told now: 3 headers, or none. `wall_ms` is the time, as people write it. */
unsigned quota_tell(
	struct quota *q, int64_t now_us, int64_t wall_ms, struct quota_header out[3]);

#endif
