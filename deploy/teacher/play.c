/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/play.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/limits.h"

#define GONE ((uint32_t)(EPOLLRDHUP | EPOLLHUP | EPOLLERR))

void play_init(struct play *p)
{
	*p = (struct play){.watch.fd = -1};
	buf_init(&p->head, MIB(1024));
	buf_init(&p->tail, MIB(1024));
}

void play_release(struct play *p)
{
	play_stop(p);
	buf_release(&p->head);
	buf_release(&p->tail);
}

void play_stop(struct play *p)
{
	if (!p->loop)
		return;
	loop_forget(p->loop, &p->watch);
	loop_clear_timer(p->loop, &p->timer);
	p->loop = NULL;
}

static uint64_t length(const struct play *p)
{
	return p->head.len + p->n_fill + p->tail.len;
}

/* The next run of bytes that lie together. */
static struct bytes next_bytes(const struct play *p, unsigned char *room, size_t size)
{
	uint64_t at = p->sent;

	if (at < p->head.len)
		return bytes_of(p->head.data + at, p->head.len - at);
	at -= p->head.len;
	if (at < p->n_fill) {
		memset(room, p->fill, size);
		return bytes_of(room, p->n_fill - at < size ? p->n_fill - at : size);
	}
	at -= p->n_fill;
	return bytes_of(p->tail.data + at, p->tail.len - at);
}

static void end(struct play *p)
{
	void (*over)(void *arg) = p->over;
	int fd = p->watch.fd;

	play_stop(p);
	if (p->end == PLAY_RESET) {
		/* Dissolving the association makes Linux send a reset, whereas
		 * closing after the library's shutdown would end in good order. */
		struct sockaddr nobody = {.sa_family = AF_UNSPEC};

		(void)connect(fd, &nobody, sizeof(nobody));
	}
	over(p->arg);
}

/* Sends what goes; false when the client is gone. */
static bool send_some(struct play *p, uint64_t most)
{
	unsigned char room[16384];

	while (most > 0 && p->sent < length(p)) {
		struct bytes piece = next_bytes(p, room, sizeof(room));
		ssize_t n;

		if (piece.len > most)
			piece.len = most;
		n = send(p->watch.fd, piece.data, piece.len,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		p->sent += (uint64_t)n;
		most -= (uint64_t)n;
	}
	return true;
}

/* All has been sent: ends, or waits for the client. */
static void finish(struct play *p)
{
	if (p->end == PLAY_HOLD)
		loop_rewatch(p->loop, &p->watch, EPOLLIN | EPOLLRDHUP);
	else
		end(p);
}

static bool is_dripping(const struct play *p)
{
	return p->drop > 0 && p->sent >= p->drip_from;
}

static void drip(void *arg)
{
	struct play *p = arg;

	if (!send_some(p, p->drop))
		end(p);
	else if (p->sent == length(p))
		finish(p);
	else
		loop_set_timer(p->loop, &p->timer, clock_mono_us() + p->drip_us);
}

static void ready(void *arg, uint32_t events)
{
	struct play *p = arg;
	uint64_t most = p->drop > 0 && p->sent < p->drip_from ? p->drip_from - p->sent
							      : UINT64_MAX;

	if (events & GONE || p->sent == length(p)) {
		end(p);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	if (!is_dripping(p) && !send_some(p, most)) {
		end(p);
	} else if (p->sent == length(p)) {
		finish(p);
	} else if (is_dripping(p)) {
		loop_rewatch(p->loop, &p->watch, EPOLLRDHUP);
		loop_set_timer(p->loop, &p->timer, clock_mono_us() + p->drip_us);
	}
}

void play_start(
	struct play *p, struct loop *loop, int fd, void (*over)(void *arg), void *arg)
{
	struct err err;

	p->loop = loop;
	p->over = over;
	p->arg = arg;
	p->watch.ready = ready;
	p->watch.arg = p;
	p->timer.expire = drip;
	p->timer.arg = p;
	if (loop_watch(loop, &p->watch, fd,
		    length(p) > 0 ? EPOLLOUT | EPOLLRDHUP : EPOLLIN | EPOLLRDHUP,
		    &err) != ERR_NONE)
		over(arg);
}
