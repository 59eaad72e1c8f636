/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

static enum err_code resolve(struct listener *l, const char *host, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	int failure = getaddrinfo(host, "0", &hints, &found);

	if (failure != 0)
		return err_set(err, ERR_INVALID, "cannot find the address '%s': %s",
			host, gai_strerror(failure));
	memcpy(&l->address, found->ai_addr, found->ai_addrlen);
	l->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return ERR_NONE;
}

/* The port's place in the address, whichever family it is of. */
static in_port_t *port_of(struct listener *l)
{
	return l->address.ss_family == AF_INET6
		       ? &((struct sockaddr_in6 *)&l->address)->sin6_port
		       : &((struct sockaddr_in *)&l->address)->sin_port;
}

static int bound_socket(const struct listener *l)
{
	int yes = 1;
	int fd = socket(
		l->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&l->address, l->address_len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

enum err_code listener_open(struct listener *l, struct err *err)
{
	if (l->fd >= 0)
		return ERR_NONE;
	l->fd = bound_socket(l);
	if (l->fd < 0)
		return err_sys(err, "cannot bind port %u", l->port);
	if (listen(l->fd, BACKLOG) < 0) {
		err_sys(err, "cannot listen on port %u", l->port);
		listener_close(l);
		return ERR_IO;
	}
	return ERR_NONE;
}

enum err_code listener_init(
	struct listener *l, const char *host, unsigned port, struct err *err)
{
	enum err_code code;

	*l = (struct listener){.reserved = -1, .fd = -1, .port = port};
	code = resolve(l, host, err);
	if (code != ERR_NONE)
		return code;
	*port_of(l) = htons((in_port_t)port);
	l->reserved = bound_socket(l);
	if (l->reserved < 0)
		return err_sys(err, "cannot bind %s port %u", host, port);
	if (getsockname(l->reserved, (struct sockaddr *)&l->address, &l->address_len) <
		0)
		return err_sys(err, "cannot read the port");
	l->port = ntohs(*port_of(l));
	return listener_open(l, err);
}

void listener_close(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void listener_release(struct listener *l)
{
	listener_close(l);
	if (l->reserved >= 0)
		close(l->reserved);
	l->reserved = -1;
}
