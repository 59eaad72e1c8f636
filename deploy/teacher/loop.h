/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - one thread's descriptors and timers
 *
 * A turn waits, calls those whose descriptors are ready, then runs the timers
 * that are due; whoever turns the loop sees all that came of it before it
 * waits again. Watches and timers are part of their owners: nothing
 * is allocated for them, and forgetting one in the middle of a turn is safe.
 *
 * Threads: none of its own.
 */
#ifndef RETORT_DEPLOY_TEACHER_LOOP_H
#define RETORT_DEPLOY_TEACHER_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define LOOP_EVENTS 64 /* of one turn; the rest comes in the next */

struct watch {
	int fd;
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

struct timer {
	int64_t due_us;
	size_t place; /* in the heap, counted from 1; 0: not set */
	void (*expire)(void *arg);
	void *arg;
};

struct loop {
	int epoll;
	struct timer **heap;
	size_t n, cap;
	struct watch *ready[LOOP_EVENTS]; /* of this turn, still to be called */
	size_t n_ready;
};

enum err_code loop_init(struct loop *l, struct err *err) MUST_CHECK;
void loop_release(struct loop *l);

/* Events are those of epoll. The watch must stay where it is. */
enum err_code loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events,
	struct err *err) MUST_CHECK;
void loop_rewatch(struct loop *l, struct watch *w, uint32_t events);
/* Does nothing if it is not watched (fd -1). */
void loop_forget(struct loop *l, struct watch *w);

/* Sets or moves a timer whose expire and arg are filled in. */
void loop_set_timer(struct loop *l, struct timer *t, int64_t due_us);
void loop_clear_timer(struct loop *l, struct timer *t);

/* One turn; waits for at most max_ms, for ever if that is negative. */
void loop_turn(struct loop *l, int max_ms);

#endif
