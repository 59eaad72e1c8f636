/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/loop_watch.h"

/* A ruler of one character needs to be so much longer. */
#define RULER_FACTOR 4

/*
 * The longest end of `text`, up to `window` bytes, that has a period p, for each
 * small p: by the failure function of the reversed end. fail[i] is the length of
 * the longest border of the last i + 1 bytes, so that i + 1 - fail[i] is their
 * shortest period.
 */
static bool has_period(struct bytes end, const struct loop_rule *rule)
{
	static _Thread_local uint16_t fail[LOOP_WINDOW];
	const unsigned char *last = end.data + end.len - 1;

	fail[0] = 0;
	for (size_t i = 1, k = 0; i < end.len; i++) {
		size_t length, period;

		while (k > 0 && *(last - i) != *(last - k))
			k = fail[k - 1];
		if (*(last - i) == *(last - k))
			k++;
		fail[i] = (uint16_t)k;
		length = i + 1;
		period = length - k;
		if (period > LOOP_PERIOD_MAX)
			continue;
		if (length >= rule->bytes * (period == 1 ? RULER_FACTOR : 1u) &&
			length >= period * rule->repeats)
			return true;
	}
	return false;
}

bool loop_watch_see(
	struct loop_watch *w, const struct loop_rule *rule, struct bytes text)
{
	size_t n = text.len < LOOP_WINDOW ? text.len : LOOP_WINDOW;

	if (rule->repeats == 0 || text.len < w->seen + LOOP_STEP)
		return false;
	w->seen = text.len;
	if (n < rule->bytes)
		return false;
	return has_period(bytes_of(text.data + text.len - n, n), rule);
}
