/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_watch.h - whether a text that is still being written goes round in circles
 *
 * A degenerated model repeats one passage until its token limit, and every token
 * is paid for. The watch looks at the end of the text as it grows: the text
 * loops if its last bytes are one passage of at most LOOP_PERIOD_MAX bytes, at
 * least `repeats` times in a row and over at least `bytes` bytes, with something
 * in the passage that is not white space or one repeated character's ruler
 * ("-----", "=====": those may be long and honest, and need four times as much).
 *
 * The period is found by the border of the reversed end (Knuth, Morris, Pratt):
 * linear in LOOP_WINDOW, looked at once for every LOOP_STEP new bytes.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_LOOP_WATCH_H
#define RETORT_WORKER_LOOP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define LOOP_PERIOD_MAX 1024
#define LOOP_WINDOW 16384
#define LOOP_STEP 512

struct loop_rule {
	uint32_t repeats; /* 0: never */
	uint32_t bytes;   /* at most LOOP_WINDOW / 4 */
};

struct loop_watch {
	size_t seen; /* bytes of the text when it was last looked at */
};

/* True if the text, which has only grown since the last call, loops. */
bool loop_watch_see(
	struct loop_watch *w, const struct loop_rule *rule, struct bytes text);

#endif
