/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/quota.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static void fill(struct quota *q, int64_t now_us)
{
	double gained = (double)(now_us - q->at_us) / 1e6 * q->requests / q->seconds;

	q->level = q->at_us == 0 ? q->requests : fmin(q->requests, q->level + gained);
	q->at_us = now_us;
}

bool quota_take(struct quota *q, int64_t now_us)
{
	if (q->requests <= 0)
		return true;
	fill(q, now_us);
	if (q->level < 1)
		return false;
	q->level -= 1;
	return true;
}

/* As Go writes times. */
static void write_duration(double s, char out[40])
{
	long whole = (long)(s / 60);

	if (s < 1)
		snprintf(out, 40, "%.0fms", ceil(s * 1000));
	else if (whole == 0)
		snprintf(out, 40, "%.3fs", s);
	else
		snprintf(out, 40, "%ldm%.3fs", whole, s - 60 * (double)whole);
}

static void write_time(int64_t wall_ms, char out[40])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm at;
	char text[32];

	gmtime_r(&s, &at);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &at);
	snprintf(out, 40, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

unsigned quota_tell(
	struct quota *q, int64_t now_us, int64_t wall_ms, struct quota_header out[3])
{
	static const char *const names[][3] = {
		[QUOTA_OPENAI] = {"x-ratelimit-limit-requests",
			"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
		[QUOTA_ANTHROPIC] = {"anthropic-ratelimit-requests-limit",
			"anthropic-ratelimit-requests-remaining",
			"anthropic-ratelimit-requests-reset"},
	};
	double wait;

	if (q->requests <= 0 || q->headers == QUOTA_SILENT)
		return 0;
	fill(q, now_us);
	wait = (q->requests - q->level) * q->seconds / q->requests;
	for (unsigned i = 0; i < 3; i++)
		out[i].name = names[q->headers][i];
	snprintf(out[0].value, sizeof(out[0].value), "%.0f", q->requests);
	snprintf(out[1].value, sizeof(out[1].value), "%.0f", floor(q->level));
	if (q->headers == QUOTA_OPENAI)
		write_duration(wait, out[2].value);
	else
		write_time(wall_ms + (int64_t)ceil(wait * 1000), out[2].value);
	return 3;
}
