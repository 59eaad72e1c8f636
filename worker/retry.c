/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/retry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_FIRST_MS 500
/* However long an outage was, a run goes on within seconds of its end. What that
 * costs the server meanwhile is one question from each worker in half this time,
 * on average. */
#define HOLD_MAX_MS 5000
#define AGAIN_MS 200
/* Every request refused as bad, and never an answer: it is not the prompts. */
#define BAD_REQUESTS_MAX 16

enum blame retry_blame(enum reason reason, bool answered)
{
	switch (reason) {
	case REASON_NONE:
	case REASON_RATE_LIMITED:
	case REASON_OVERLOADED:
	case REASON_DNS:
	case REASON_CONNECT:
		return BLAME_NONE;
	case REASON_CONNECTION_LOST:
	case REASON_NO_ANSWER:
	case REASON_SERVER_ERROR:
		return BLAME_SERVER;
	case REASON_UNAUTHORIZED:
	case REASON_PAYMENT:
	case REASON_TLS:
		return BLAME_ENDPOINT;
	case REASON_NOT_FOUND:
	case REASON_REDIRECT:
		/* One odd answer of an endpoint that works is not its end. */
		return answered ? BLAME_ANSWER : BLAME_ENDPOINT;
	case REASON_BAD_REQUEST:
	case REASON_PROMPT_TOO_LONG:
	case REASON_TOO_LARGE:
	case REASON_STORE_REFUSED:
	case REASON_BAD_PROMPT:
		return BLAME_REQUEST;
	default:
		return BLAME_ANSWER;
	}
}

static bool is_about_money(const char *code)
{
	static const char *const codes[] = {"insufficient_quota", "billing_error",
		"billing_hard_limit_reached", "credit_balance_too_low", "quota_per_day",
		NULL};

	for (int i = 0; codes[i]; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

enum reason retry_reason_of_status(int status, const char *error_code)
{
	switch (status) {
	case 401:
		return REASON_UNAUTHORIZED;
	case 402:
		return REASON_PAYMENT;
	case 403:
		return is_about_money(error_code) ? REASON_PAYMENT
						  : REASON_UNAUTHORIZED;
	case 404:
		return REASON_NOT_FOUND;
	case 413:
		return REASON_PROMPT_TOO_LONG;
	case 408:
	case 409:
	case 425:
		return REASON_SERVER_ERROR;
	case 429:
		return is_about_money(error_code) ? REASON_PAYMENT
						  : REASON_RATE_LIMITED;
	case 503:
	case 529:
		return REASON_OVERLOADED;
	default:
		break;
	}
	if (status >= 500)
		return REASON_SERVER_ERROR;
	if (status >= 400)
		return REASON_BAD_REQUEST;
	if (status >= 300)
		return REASON_REDIRECT;
	return REASON_WRONG_SHAPE;
}

void health_failed(struct health *h, enum reason reason, int status, int64_t sent_ms,
	int64_t retry_after_ms, double chance, int64_t now_ms)
{
	enum blame blame = retry_blame(reason, h->answered);
	int64_t longest, wait;

	h->reason = reason;
	h->status = status;
	if (blame == BLAME_ENDPOINT)
		h->refused = true;
	if (blame == BLAME_REQUEST && !h->answered && reason == REASON_BAD_REQUEST &&
		++h->bad_requests >= BAD_REQUESTS_MAX)
		h->refused = true;
	if (blame != BLAME_NONE && blame != BLAME_SERVER)
		return;
	if (sent_ms < h->held_since_ms && now_ms < h->held_until_ms)
		return;
	longest = HOLD_FIRST_MS << (h->failures < 6 ? h->failures : 6);
	if (longest > HOLD_MAX_MS)
		longest = HOLD_MAX_MS;
	/* Full jitter, but never at once: a fleet must not come back as one. */
	wait = HOLD_FIRST_MS / 4 + (int64_t)((double)longest * chance);
	if (retry_after_ms > wait)
		wait = retry_after_ms;
	h->failures++;
	h->held_since_ms = now_ms;
	h->held_until_ms = now_ms + wait;
}

void health_answered(struct health *h)
{
	h->answered = true;
	h->failures = 0;
	h->held_until_ms = 0;
}

uint32_t health_allows(const struct health *h, uint32_t share, int64_t now_ms)
{
	if (h->refused || now_ms < h->held_until_ms)
		return 0;
	if (h->failures > 0)
		return share < 1 ? share : 1;
	return share;
}

enum retry_verdict retry_sample(struct attempts *a, enum blame blame, int max_attempts,
	bool others_answered, double chance, int64_t now_ms, int64_t *delay_ms)
{
	a->made++;
	*delay_ms = 0;
	if (blame != BLAME_SERVER)
		a->alone_since_ms = 0;
	else if (a->alone_since_ms == 0)
		a->alone_since_ms = now_ms;
	switch (blame) {
	case BLAME_NONE:
	case BLAME_ENDPOINT:
		return RETRY_AGAIN;
	case BLAME_SERVER:
		if (!others_answered && now_ms - a->alone_since_ms < RETRY_ALONE_MS)
			return RETRY_AGAIN;
		a->server++;
		*delay_ms = (int64_t)(AGAIN_MS * (double)a->server * (0.5 + chance));
		return a->server < max_attempts * RETRY_SERVER_FACTOR ? RETRY_AGAIN
								      : RETRY_GIVE_UP;
	case BLAME_ANSWER:
		a->counted++;
		*delay_ms = (int64_t)(AGAIN_MS * (double)a->counted * chance);
		return a->counted < max_attempts ? RETRY_AGAIN : RETRY_GIVE_UP;
	case BLAME_REQUEST:
		break;
	}
	return RETRY_GIVE_UP;
}

int64_t retry_after(const char *text, bool is_ms)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || end[strspn(end, " \t")] || !isfinite(v) || v < 0)
		return -1;
	v *= is_ms ? 1 : 1000;
	return v <= RETRY_AFTER_MAX_MS ? (int64_t)v : -1;
}
