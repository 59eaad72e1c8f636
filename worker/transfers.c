/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/transfers.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

#define EVENTS_A_ROUND 256
#define EXTRA_FDS 8

struct transfers {
	CURLM *multi;
	int epoll;        /* the descriptors that libcurl waits for */
	int64_t timer_at; /* when it wants to be called anyway; -1: never */
	CURL **stranded;  /* see strand */
	size_t n_stranded, cap_stranded;
};

/* When one of a host's addresses has refused, libcurl 7.88 tries the next only after
 * up to half of the time for connecting, unless it is called for this transfer. */
static void strand(struct transfers *t, CURL *easy)
{
	curl_off_t connected_us = 0;

	curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	if (connected_us > 0)
		return;
	MEM_GROW(t->stranded, t->cap_stranded, t->n_stranded + 1);
	t->stranded[t->n_stranded++] = easy;
}

/* libcurl has no call for "go on with this one"; the end of a pause is one. */
static void wake_stranded(struct transfers *t)
{
	while (t->n_stranded > 0) {
		CURL *easy = t->stranded[--t->n_stranded];

		curl_easy_pause(easy, CURLPAUSE_RECV);
		curl_easy_pause(easy, CURLPAUSE_CONT);
	}
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct transfers *t = arg;
	struct epoll_event event = {.data.fd = fd};
	static const int how[] = {EPOLL_CTL_MOD, EPOLL_CTL_ADD};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(t->epoll, EPOLL_CTL_DEL, fd, NULL);
		strand(t, easy);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (!known)
		curl_multi_assign(t->multi, fd, t);
	/* It closes the loser of two attempts first: its number may be new to epoll. */
	if (epoll_ctl(t->epoll, how[!known], fd, &event) != 0 &&
		epoll_ctl(t->epoll, how[!!known], fd, &event) != 0)
		abort();
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfers *t = arg;

	(void)multi;
	t->timer_at = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
	return 0;
}

struct transfers *transfers_new(unsigned max_connections)
{
	struct transfers *t = mem_zalloc(1, sizeof(*t));

	t->timer_at = -1;
	t->multi = curl_multi_init();
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!t->multi || t->epoll < 0)
		abort();
	curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)max_connections + 16);
	curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return t;
}

void transfers_free(struct transfers *t)
{
	curl_multi_cleanup(t->multi);
	close(t->epoll);
	free(t->stranded);
	free(t);
}

void transfers_add(struct transfers *t, CURL *easy)
{
	if (curl_multi_add_handle(t->multi, easy) != CURLM_OK)
		abort();
}

void transfers_remove(struct transfers *t, CURL *easy)
{
	size_t n = 0;

	curl_multi_remove_handle(t->multi, easy);
	for (size_t i = 0; i < t->n_stranded; i++)
		if (t->stranded[i] != easy)
			t->stranded[n++] = t->stranded[i];
	t->n_stranded = n;
}

/* A long answer is read on while there is much of it, rather than a piece of each of
 * many in turn: what it is read into stays in the cache. */
#define READS_AT_ONCE 16
#define MUCH (64 * 1024)

static bool has_much(int fd)
{
	int pending = 0;

	/* A socket that has been closed meanwhile has nothing. */
	return ioctl(fd, FIONREAD, &pending) == 0 && pending >= MUCH;
}

void transfers_run(struct transfers *t, int64_t now_ms)
{
	struct epoll_event event[EVENTS_A_ROUND];
	int n = epoll_wait(t->epoll, event, EVENTS_A_ROUND, 0), running;

	for (int i = 0; i < n; i++) {
		int what = (event[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (event[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (event[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR
								    : 0);

		curl_multi_socket_action(t->multi, event[i].data.fd, what, &running);
		for (int reads = 1; reads < READS_AT_ONCE && what == CURL_CSELECT_IN &&
				    has_much(event[i].data.fd);
			reads++)
			curl_multi_socket_action(
				t->multi, event[i].data.fd, what, &running);
	}
	if (t->timer_at >= 0 && now_ms >= t->timer_at) {
		t->timer_at = -1;
		curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	wake_stranded(t);
}

CURL *transfers_ended(struct transfers *t, CURLcode *rc)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(t->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		*rc = msg->data.result;
		return msg->easy_handle;
	}
	return NULL;
}

void transfers_wait(struct transfers *t, const int *fds, size_t n_fds, int timeout_ms)
{
	struct pollfd wait[EXTRA_FDS + 1] = {{.fd = t->epoll, .events = POLLIN}};
	nfds_t n = 1;

	if (t->timer_at >= 0) {
		int64_t left = t->timer_at - clock_mono_ms();

		if (left < timeout_ms)
			timeout_ms = left > 0 ? (int)left : 0;
	}
	if (timeout_ms == 0)
		return;
	for (size_t i = 0; i < n_fds && i < EXTRA_FDS; i++)
		wait[n++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	poll(wait, n, timeout_ms);
}
