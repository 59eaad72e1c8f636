/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h - a port that can be closed and opened again
 *
 * While it is closed, connecting is refused by the system, as with a server
 * that is down; a second socket, bound but not listening, keeps the port ours.
 */
#ifndef RETORT_DEPLOY_TEACHER_LISTENER_H
#define RETORT_DEPLOY_TEACHER_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/err.h"

struct listener {
	struct sockaddr_storage address;
	socklen_t address_len;
	int reserved, fd; /* fd is -1 while closed */
	unsigned port;
};

/* Takes the port, any free one if it is 0, and listens. */
enum err_code listener_init(struct listener *l, const char *host, unsigned port,
	struct err *err) MUST_CHECK;
enum err_code listener_open(struct listener *l, struct err *err) MUST_CHECK;
void listener_close(struct listener *l);
void listener_release(struct listener *l);

#endif
