/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum err_code loop_init(struct loop *l, struct err *err)
{
	*l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	if (l->epoll < 0)
		return err_sys(err, "cannot make an epoll descriptor");
	return ERR_NONE;
}

void loop_release(struct loop *l)
{
	close(l->epoll);
	free(l->heap);
}

enum err_code loop_watch(
	struct loop *l, struct watch *w, int fd, uint32_t events, struct err *err)
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_sys(err, "cannot watch a descriptor");
	w->fd = fd;
	return ERR_NONE;
}

void loop_rewatch(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &event);
}

void loop_forget(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	for (size_t i = 0; i < l->n_ready; i++)
		if (l->ready[i] == w)
			l->ready[i] = NULL;
}

/* The timers form a binary heap, the earliest in front. */
static void put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->place = i + 1;
}

static void sift_up(struct loop *l, size_t i, struct timer *t)
{
	for (; i > 0 && l->heap[(i - 1) / 2]->due_us > t->due_us; i = (i - 1) / 2)
		put(l, i, l->heap[(i - 1) / 2]);
	put(l, i, t);
}

static void sift_down(struct loop *l, size_t i, struct timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < l->n &&
			l->heap[child + 1]->due_us < l->heap[child]->due_us)
			child++;
		if (child >= l->n || l->heap[child]->due_us >= t->due_us)
			break;
		put(l, i, l->heap[child]);
		i = child;
	}
	put(l, i, t);
}

void loop_clear_timer(struct loop *l, struct timer *t)
{
	size_t i = t->place;
	struct timer *last;

	if (i == 0)
		return;
	i--;
	t->place = 0;
	last = l->heap[--l->n];
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->due_us > last->due_us)
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

void loop_set_timer(struct loop *l, struct timer *t, int64_t due_us)
{
	loop_clear_timer(l, t);
	t->due_us = due_us;
	MEM_GROW(l->heap, l->cap, l->n + 1);
	l->n++;
	sift_up(l, l->n - 1, t);
}

static void run_timers(struct loop *l)
{
	int64_t now = clock_mono_us();

	while (l->n > 0 && l->heap[0]->due_us <= now) {
		struct timer *t = l->heap[0];

		loop_clear_timer(l, t);
		t->expire(t->arg);
	}
}

/* Milliseconds to wait: until the next timer, but not beyond max_ms. */
static int wait_ms(const struct loop *l, int max_ms)
{
	int64_t left;

	if (l->n == 0)
		return max_ms;
	left = (l->heap[0]->due_us - clock_mono_us() + 999) / 1000;
	if (left < 0)
		left = 0;
	return max_ms >= 0 && left > max_ms ? max_ms : (int)(left > 1000 ? 1000 : left);
}

void loop_turn(struct loop *l, int max_ms)
{
	struct epoll_event events[LOOP_EVENTS];
	int n = epoll_wait(l->epoll, events, LOOP_EVENTS, wait_ms(l, max_ms));

	l->n_ready = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < l->n_ready; i++)
		l->ready[i] = events[i].data.ptr;
	for (size_t i = 0; i < l->n_ready; i++) {
		struct watch *w = l->ready[i];

		l->ready[i] = NULL;
		if (w)
			w->ready(w->arg, events[i].events);
	}
	l->n_ready = 0;
	run_timers(l);
}
