/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - ZeroMQ sockets that carry our frames; the only place that knows it
 *
 * Two kinds: a *server* (ROUTER) is bound and answers peers by the address
 * that a message came from; a *client* (DEALER) is connected to one server and
 * reconnects by itself. One message is one frame. Small high-water marks,
 * heartbeats, a message cap, a short linger; no routing ids are ever set.
 *
 * Delivery is at most once per connection: what must arrive is answered by
 * the protocol and sent again (PROTOCOL.md). A client that its server leaves
 * drops even what it has received and not read yet (ZMQ_IMMEDIATE): a server's
 * last word counts when it is answered.
 *
 * Threads: a link belongs to one thread. The context behind all links is made
 * with the first and lives until link_end, and no process forks in between.
 */
#ifndef RETORT_COMMON_LINK_H
#define RETORT_COMMON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct link;

/* A peer of a server, valid until it reconnects. Compare with memcmp. */
struct link_peer {
	unsigned char id[8];
	size_t len;
};

struct link_message {
	struct link_peer peer; /* servers only */
	struct bytes frame;    /* lent until link_message_release */
	_Alignas(8) unsigned char zmq[64];
};

/* `address` is tcp://HOST:PORT (PORT may be * for any) or ipc://PATH. */
enum err_code link_serve(const char *address, struct link **out, struct err *err)
	MUST_CHECK;
enum err_code link_connect(const char *address, struct link **out, struct err *err)
	MUST_CHECK;
void link_close(struct link *l);
/* Ends the context; all links must be closed. */
void link_end(void);

/* The address bound, with the real port; lent. */
const char *link_address(const struct link *l);
/* True if an address can only be reached from this machine. */
/* Whether an address to listen on is every one of the machine's. */
bool link_is_any(const char *address);
bool link_is_local(const char *address);

/*
 * Sends the contents of `frame` and leaves it empty; never blocks. ERR_AGAIN:
 * not sent, because the peer does not take it now (its queue is full, or it
 * is gone). The frame is emptied in either case.
 */
enum err_code link_send(struct link *l, const struct link_peer *peer, struct buf *frame)
	MUST_CHECK;

/* ERR_AGAIN: nothing is there. Other frames than ours are dropped here. */
enum err_code link_receive(struct link *l, struct link_message *m) MUST_CHECK;
void link_message_release(struct link_message *m);

/* For other loops: readable when link_receive may have something. Edge
 * triggered, so ask link_ready after every send and receive, before sleeping. */
int link_fd(const struct link *l);
bool link_ready(const struct link *l);

/* Waits until a link is readable, `extra_fd` (or -1) is, or timeout_ms is over;
 * at most 4 links. Returns at once on a signal. */
void link_wait(struct link *const *links, size_t n, int extra_fd, int64_t timeout_ms);

#endif
