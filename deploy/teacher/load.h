/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - how a busy server shares its slots
 *
 * As many requests as there are slots are answered at once; the next ones
 * wait in line; when the line is full, more are refused.
 *
 *   enter -> RUNS ---------------- leave
 *        \-> WAITS -> (another leaves) RUNS -> leave
 *        \-> REFUSED
 *
 * Pure: no I/O, no clock. Turns are part of their owners.
 */
#ifndef RETORT_DEPLOY_TEACHER_LOAD_H
#define RETORT_DEPLOY_TEACHER_LOAD_H

#include <stddef.h>
#include <stdint.h>

struct load_settings {
	int64_t slots;            /* 0: any number */
	int64_t queue;            /* how many may wait; -1: any number */
	double tokens_per_second; /* of one slot; 0: at once */
	int64_t latency_us;       /* of every answer, before its first token */
};

enum turn_state { TURN_NONE, TURN_WAITS, TURN_RUNS, TURN_REFUSED };

struct turn {
	enum turn_state state;
	struct turn *before, *behind;
};

struct load {
	struct load_settings settings;
	int64_t n_running, n_waiting;
	struct turn *first, *last; /* of those that wait */
};

enum turn_state load_enter(struct load *l, struct turn *turn);
/* Gives up a slot or a place in the line. Returns the turn that has the slot
 * now, whose owner must go on, or NULL. */
struct turn *load_leave(struct load *l, struct turn *turn);

/* How long an answer of so many tokens takes. */
int64_t load_delay_us(const struct load *l, size_t tokens);

#endif
