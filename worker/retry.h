/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry.h - what to do after an attempt that gave no readable answer
 *
 * Who is to blame decides. An endpoint that is down, limits our rate or is
 * overloaded is held (backoff with full jitter, Retry-After), and costs the
 * sample nothing, however long it takes. A broken answer counts against the
 * sample's attempts. In between stand a server's failures (5xx, a connection
 * that breaks, silence): they hold the endpoint and are free, unless the
 * endpoint has answered others meanwhile - then the prompt is the likelier
 * cause, and they count, more leniently, since else a prompt that breaks its
 * server would be asked for ever.
 *
 * Pure: no clock, no randomness; now_ms and random numbers are passed in.
 */
#ifndef RETORT_WORKER_RETRY_H
#define RETORT_WORKER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"

/* -- One endpoint -- */

struct health {
	int failures;          /* in a row, since the last answer */
	int64_t held_until_ms; /* no request before; 0: not held */
	int64_t held_since_ms; /* failures of older requests do not count again */
	bool answered;         /* ever */
	bool refused;          /* a person must act */
	enum reason reason;    /* of the last failure */
	int status;
	int bad_requests; /* before the first answer */
};

enum blame {
	BLAME_NONE,    /* hold the endpoint; the sample is asked again, free */
	BLAME_SERVER,  /* as BLAME_NONE, or counted: see above */
	BLAME_ANSWER,  /* the attempt counts */
	BLAME_REQUEST, /* asking again is of no use: the sample fails */
	BLAME_ENDPOINT /* the endpoint is refused; the sample goes elsewhere */
};

/* Who is to blame for a failed attempt. `answered`: the endpoint has ever
 * given an answer. */
enum blame retry_blame(enum reason reason, bool answered);

/* The reason behind an HTTP status that is not 2xx. `error_code` is the
 * server's own code or type, or "". */
enum reason retry_reason_of_status(int status, const char *error_code);

#define RETRY_AFTER_MAX_MS 120000

/*
 * A request failed that was sent at `sent_ms`: holds the endpoint. A failure
 * of a request from before the hold began changes nothing. `retry_after_ms`:
 * what the server asked for, -1 for nothing; `chance`: 0 <= chance < 1.
 */
void health_failed(struct health *h, enum reason reason, int status, int64_t sent_ms,
	int64_t retry_after_ms, double chance, int64_t now_ms);
void health_answered(struct health *h);
/* Requests that may be in flight now, of `share`: none while it is held, one
 * to try it out after a hold, all once it has answered. */
uint32_t health_allows(const struct health *h, uint32_t share, int64_t now_ms);

/* -- One sample -- */

struct attempts {
	int made;               /* in all */
	int counted;            /* against the job's attempts */
	int server;             /* server failures with others being answered */
	int64_t alone_since_ms; /* first of the server failures in a row; 0: none */
};

enum retry_verdict { RETRY_AGAIN, RETRY_GIVE_UP };

/* SERVER failures weigh a quarter. */
#define RETRY_SERVER_FACTOR 4
/* A sample that nobody else's answer can clear - it is the last one - is blamed
 * after so long, lest a prompt that hangs its server keeps a run open for ever. */
#define RETRY_ALONE_MS (45 * 60000)

/* After an attempt: again, or not. `others_answered`: the endpoint has
 * answered another request since this one was sent. *delay_ms is how long to
 * wait at least. */
enum retry_verdict retry_sample(struct attempts *a, enum blame blame, int max_attempts,
	bool others_answered, double chance, int64_t now_ms, int64_t *delay_ms);

/* Seconds (also with a fraction) or, for `is_ms`, milliseconds; -1 if the text
 * is not a number, negative, or more than RETRY_AFTER_MAX_MS. A date is the
 * caller's affair. */
int64_t retry_after(const char *text, bool is_ms);

#endif
