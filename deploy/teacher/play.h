/* SPDX-License-Identifier: Apache-2.0 */
/*
 * play.h - plays bytes to a client as they are, behind the HTTP library's back
 *
 *   head, then `fill` n_fill times, then tail; from drip_from on in drops of
 *   drop bytes; then the end
 *
 * The library holds the connection suspended meanwhile, so that nobody else
 * reads or writes its socket, and closes it afterwards.
 */
#ifndef RETORT_DEPLOY_TEACHER_PLAY_H
#define RETORT_DEPLOY_TEACHER_PLAY_H

#include "common/buf.h"
#include "deploy/teacher/loop.h"

enum play_end {
	PLAY_CLOSE, /* at once */
	PLAY_RESET, /* so that the client sees a reset */
	PLAY_HOLD   /* when the client closes, or sends something more */
};

struct play {
	struct buf head, tail;
	unsigned char fill;
	uint64_t n_fill;
	uint64_t drip_from;
	uint64_t drop;   /* bytes at a time; 0: as fast as they go */
	int64_t drip_us; /* between drops */
	enum play_end end;
	/* Private: */
	uint64_t sent;
	struct loop *loop;
	struct watch watch;
	struct timer timer;
	void (*over)(void *arg);
	void *arg;
};

void play_init(struct play *p);
void play_release(struct play *p);
/* Calls over(arg) once, from the loop, when all is played or the client is gone. */
void play_start(
	struct play *p, struct loop *loop, int fd, void (*over)(void *arg), void *arg);
/* Stops without a call. */
void play_stop(struct play *p);

#endif
