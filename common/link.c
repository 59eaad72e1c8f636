/* SPDX-License-Identifier: Apache-2.0 */
#include "common/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/limits.h"
#include "common/mem.h"

#define QUEUE_MESSAGES 512
#define LINGER_MS 500
#define HEARTBEAT_MS 5000
#define HEARTBEAT_TIMEOUT_MS 15000
#define HEARTBEAT_TTL_MS 20000
#define HANDSHAKE_MS 10000
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 2000

struct link {
	void *socket;
	bool is_server;
	char address[LIMIT_ADDRESS + 16];
};

static void *context;

_Static_assert(sizeof(zmq_msg_t) <= sizeof(((struct link_message *)0)->zmq),
	"a message has room for libzmq's own");

static zmq_msg_t *msg_of(struct link_message *m)
{
	return (zmq_msg_t *)m->zmq;
}

static void set_int(void *socket, int option, int value)
{
	int rc = zmq_setsockopt(socket, option, &value, sizeof(value));

	assert(rc == 0);
	(void)rc;
}

static void set_options(struct link *l)
{
	int64_t max = (int64_t)LIMIT_MESSAGE;

	/* An over-long frame is dropped with its connection, not buffered. */
	zmq_setsockopt(l->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
	set_int(l->socket, ZMQ_SNDHWM, QUEUE_MESSAGES);
	set_int(l->socket, ZMQ_RCVHWM, QUEUE_MESSAGES);
	set_int(l->socket, ZMQ_LINGER, LINGER_MS);
	set_int(l->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
	set_int(l->socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
	set_int(l->socket, ZMQ_HEARTBEAT_TTL, HEARTBEAT_TTL_MS);
	set_int(l->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
	set_int(l->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	set_int(l->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
	if (l->is_server)
		set_int(l->socket, ZMQ_ROUTER_MANDATORY, 1); /* no silent drops */
	else
		set_int(l->socket, ZMQ_IMMEDIATE, 1); /* queue only what has a peer */
}

static enum err_code open_link(
	const char *address, bool is_server, struct link **out, struct err *err)
{
	struct link *l;
	size_t len;
	int rc;

	*out = NULL;
	if (strlen(address) > LIMIT_ADDRESS)
		return err_set(err, ERR_INVALID, "the address '%.40s...' is too long",
			address);
	if (!context)
		context = zmq_ctx_new();
	if (!context)
		return err_set(
			err, ERR_IO, "cannot start ZeroMQ: %s", zmq_strerror(errno));
	l = mem_zalloc(1, sizeof(*l));
	l->is_server = is_server;
	l->socket = zmq_socket(context, is_server ? ZMQ_ROUTER : ZMQ_DEALER);
	if (!l->socket) {
		free(l);
		return err_set(
			err, ERR_IO, "cannot open a socket: %s", zmq_strerror(errno));
	}
	set_options(l);
	rc = is_server ? zmq_bind(l->socket, address) : zmq_connect(l->socket, address);
	if (rc != 0) {
		enum err_code code = errno == EADDRINUSE ? ERR_EXISTS : ERR_INVALID;

		err_set(err, code, "cannot %s '%s': %s",
			is_server ? "listen on" : "connect to", address,
			zmq_strerror(errno));
		link_close(l);
		return code;
	}
	len = sizeof(l->address);
	if (!is_server ||
		zmq_getsockopt(l->socket, ZMQ_LAST_ENDPOINT, l->address, &len) != 0)
		memcpy(l->address, address, strlen(address) + 1);
	*out = l;
	return ERR_NONE;
}

enum err_code link_serve(const char *address, struct link **out, struct err *err)
{
	return open_link(address, true, out, err);
}

enum err_code link_connect(const char *address, struct link **out, struct err *err)
{
	return open_link(address, false, out, err);
}

void link_close(struct link *l)
{
	if (!l)
		return;
	zmq_close(l->socket);
	free(l);
}

void link_end(void)
{
	if (context)
		zmq_ctx_term(context);
	context = NULL;
}

const char *link_address(const struct link *l)
{
	return l->address;
}

bool link_is_local(const char *address)
{
	return strncmp(address, "ipc://", 6) == 0 ||
	       strncmp(address, "inproc://", 9) == 0 ||
	       strncmp(address, "tcp://127.", 10) == 0 ||
	       strncmp(address, "tcp://localhost:", 16) == 0 ||
	       strncmp(address, "tcp://[::1]:", 12) == 0;
}

bool link_is_any(const char *address)
{
	return strncmp(address, "tcp://*:", 8) == 0 ||
	       strncmp(address, "tcp://0.0.0.0:", 14) == 0 ||
	       strncmp(address, "tcp://[::]:", 11) == 0;
}

static void free_frame(void *bytes, void *hint)
{
	(void)hint;
	free(bytes);
}

enum err_code link_send(struct link *l, const struct link_peer *peer, struct buf *frame)
{
	size_t len;
	unsigned char *bytes;
	zmq_msg_t msg;

	assert(!frame->over && (peer != NULL) == l->is_server);
	bytes = buf_take(frame, &len);
	zmq_msg_init_data(&msg, bytes, len, free_frame, NULL);
	if (peer && zmq_send(l->socket, peer->id, peer->len,
			    ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
		zmq_msg_close(&msg);
		return ERR_AGAIN;
	}
	if (zmq_msg_send(&msg, l->socket, ZMQ_DONTWAIT) < 0) {
		zmq_msg_close(&msg);
		return ERR_AGAIN;
	}
	return ERR_NONE;
}

/* Reads what is left of a message that is not one of ours. */
static void drop_rest(struct link *l)
{
	for (;;) {
		int more = 0;
		size_t size = sizeof(more);

		if (zmq_getsockopt(l->socket, ZMQ_RCVMORE, &more, &size) != 0 || !more)
			return;
		if (zmq_recv(l->socket, NULL, 0, ZMQ_DONTWAIT) < 0)
			return;
	}
}

/* One frame into m's message; false if there is none. */
static bool receive_frame(struct link *l, struct link_message *m)
{
	zmq_msg_init(msg_of(m));
	if (zmq_msg_recv(msg_of(m), l->socket, ZMQ_DONTWAIT) >= 0)
		return true;
	zmq_msg_close(msg_of(m));
	return false;
}

enum err_code link_receive(struct link *l, struct link_message *m)
{
	for (;;) {
		if (!receive_frame(l, m))
			return ERR_AGAIN;
		if (l->is_server) {
			size_t len = zmq_msg_size(msg_of(m));
			bool more = zmq_msg_more(msg_of(m));

			m->peer.len = len <= sizeof(m->peer.id) ? len : 0;
			memcpy(m->peer.id, zmq_msg_data(msg_of(m)), m->peer.len);
			zmq_msg_close(msg_of(m));
			if (!more)
				continue;
			if (!receive_frame(l, m))
				return ERR_AGAIN;
		}
		if (!zmq_msg_more(msg_of(m)) && (!l->is_server || m->peer.len > 0))
			break;
		zmq_msg_close(msg_of(m));
		drop_rest(l);
	}
	m->frame = bytes_of(zmq_msg_data(msg_of(m)), zmq_msg_size(msg_of(m)));
	return ERR_NONE;
}

void link_message_release(struct link_message *m)
{
	zmq_msg_close(msg_of(m));
	m->frame = bytes_of(NULL, 0);
}

int link_fd(const struct link *l)
{
	int fd = -1;
	size_t size = sizeof(fd);

	zmq_getsockopt(l->socket, ZMQ_FD, &fd, &size);
	return fd;
}

bool link_ready(const struct link *l)
{
	int events = 0;
	size_t size = sizeof(events);

	zmq_getsockopt(l->socket, ZMQ_EVENTS, &events, &size);
	return events & ZMQ_POLLIN;
}

void link_wait(struct link *const *links, size_t n, int extra_fd, int64_t timeout_ms)
{
	zmq_pollitem_t items[5] = {{0}};
	int n_items = 0;

	assert(n <= 4);
	for (size_t i = 0; i < n; i++)
		if (links[i])
			items[n_items++] =
				(zmq_pollitem_t){links[i]->socket, -1, ZMQ_POLLIN, 0};
	if (extra_fd >= 0)
		items[n_items++] = (zmq_pollitem_t){NULL, extra_fd, ZMQ_POLLIN, 0};
	zmq_poll(items, n_items, timeout_ms < 0 ? 0 : (long)timeout_ms);
}
