/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate_headers.h - what a server's headers tell of its rate limits
 *
 *   x-ratelimit-{limit,remaining,reset}-{requests,tokens}
 *       OpenAI and whoever follows it: reset is how long until nothing of the
 *       limit is used, as Go writes times ("1s", "6m0s", "20ms", "1h2m3.5s");
 *       Azure writes seconds, and -1 for what it does not know
 *   anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-
 *       {limit,remaining,reset}
 *       Anthropic: reset is a time (RFC 3339)
 *
 * Either way of writing a reset is understood in either family. What cannot be
 * read is as if it had not been told. The numbers are the account's, over all who
 * use it.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_RATE_HEADERS_H
#define RETORT_WORKER_RATE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum told_kind { TOLD_REQUESTS, TOLD_TOKENS, TOLD_INPUT, TOLD_OUTPUT, TOLD_N };

struct told_limit {
	double limit, remaining; /* below 0: not told */
	int64_t reset_ms;        /* how long, or when; below 0: not told */
	bool is_time;            /* when, since 1970 */
};

struct rate_told {
	bool any; /* a remaining number */
	struct told_limit of[TOLD_N];
	int64_t date_ms; /* the server's own clock; 0: not told */
};

#define TOLD_MAX 1e15                /* no limit is larger */
#define TOLD_RESET_MAX_MS 2678400000 /* nor further away: a month */

/* Nothing told. */
void rate_told_init(struct rate_told *t);
/* Takes a header; false if it is about something else. `value` is trimmed. */
bool rate_told_header(
	struct rate_told *t, const char *name, size_t name_len, const char *value);
/* How long it is until the limit is whole, from now; -1: not told. `wall_ms` is our
 * clock, in place of a date that was not told. */
int64_t rate_told_reset(
	const struct rate_told *t, enum told_kind kind, int64_t wall_ms);

/* "1m30.5s" or "90.5": milliseconds; -1 if it is neither. */
int64_t rate_duration(const char *text);
/* "2026-01-02T03:04:05.678Z", "…+01:00": since 1970; -1 if it is none. */
int64_t rate_time(const char *text);

#endif
