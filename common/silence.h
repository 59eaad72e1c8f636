/* SPDX-License-Identifier: Apache-2.0 */
/*
 * silence.h - when to say that nobody answers
 *
 * A process that knocks at an address may be the first one there, which is no error, or
 * the address may be wrong. After some seconds somebody should hear of it, and then ever
 * more rarely.
 *
 * Pure: zeroed memory is one that has not begun.
 */
#ifndef RETORT_COMMON_SILENCE_H
#define RETORT_COMMON_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#define SILENCE_FIRST_MS 3000
#define SILENCE_MOST_MS 300000

struct silence {
	int64_t since_ms; /* 0: not begun */
	int64_t say_after_ms;
};

/* To be called each time that there was no answer: true when it is time to say so. */
static inline bool silence_is_long(struct silence *s, int64_t now_ms)
{
	if (s->since_ms == 0)
		*s = (struct silence){now_ms, SILENCE_FIRST_MS};
	if (now_ms - s->since_ms < s->say_after_ms)
		return false;
	s->say_after_ms = now_ms - s->since_ms < SILENCE_MOST_MS
				  ? 2 * (now_ms - s->since_ms)
				  : now_ms - s->since_ms + SILENCE_MOST_MS;
	return true;
}

static inline void silence_ends(struct silence *s)
{
	*s = (struct silence){0};
}

#endif
