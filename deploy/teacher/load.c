/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/load.h"

#include <assert.h>

static void line_up(struct load *l, struct turn *turn)
{
	turn->before = l->last;
	turn->behind = NULL;
	if (l->last)
		l->last->behind = turn;
	else
		l->first = turn;
	l->last = turn;
	l->n_waiting++;
}

static void step_out(struct load *l, struct turn *turn)
{
	if (turn->before)
		turn->before->behind = turn->behind;
	else
		l->first = turn->behind;
	if (turn->behind)
		turn->behind->before = turn->before;
	else
		l->last = turn->before;
	turn->before = turn->behind = NULL;
	l->n_waiting--;
}

enum turn_state load_enter(struct load *l, struct turn *turn)
{
	const struct load_settings *s = &l->settings;

	assert(turn->state != TURN_WAITS && turn->state != TURN_RUNS);
	if (s->slots == 0 || l->n_running < s->slots) {
		l->n_running++;
		turn->state = TURN_RUNS;
	} else if (s->queue < 0 || l->n_waiting < s->queue) {
		line_up(l, turn);
		turn->state = TURN_WAITS;
	} else {
		turn->state = TURN_REFUSED;
	}
	return turn->state;
}

struct turn *load_leave(struct load *l, struct turn *turn)
{
	struct turn *next = NULL;

	if (turn->state == TURN_WAITS) {
		step_out(l, turn);
	} else if (turn->state == TURN_RUNS) {
		assert(l->n_running > 0);
		next = l->first;
		if (next) {
			step_out(l, next);
			next->state = TURN_RUNS;
		} else {
			l->n_running--;
		}
	}
	turn->state = TURN_NONE;
	return next;
}

int64_t load_delay_us(const struct load *l, size_t tokens)
{
	const struct load_settings *s = &l->settings;
	double decoding = 0;

	if (s->tokens_per_second > 0)
		decoding = 1e6 * (double)tokens / s->tokens_per_second;
	return s->latency_us + (int64_t)decoding;
}
