/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends over real sockets. Everything is awaited, nothing slept for. */
#include "unit/folder.h"

#include <signal.h>
#include <sys/wait.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/link.h"

#define PATIENCE_MS 20000

static struct folder folder;
static char address[128];
static struct link *server;
/* All that are open: also after a failure the context must come to its end. */
static struct link *clients[8];

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

static void serve(void)
{
	struct err err;

	must(link_serve(address, &server, &err), &err);
}

static int begin(void **state)
{
	(void)state;
	folder_make(&folder);
	snprintf(address, sizeof(address), "ipc://%s/s", folder.path);
	serve();
	return 0;
}

/* Its file stays, as after a crash. */
static void stop_serving(void)
{
	link_close(server);
	server = NULL;
}

static void keep(struct link *client)
{
	size_t i = 0;

	while (clients[i])
		i++;
	clients[i] = client;
}

static void drop(struct link *client)
{
	for (size_t i = 0; i < 8; i++)
		if (clients[i] == client)
			clients[i] = NULL;
	link_close(client);
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++)
		if (clients[i])
			drop(clients[i]);
	link_close(server);
	link_end();
	folder_remove(&folder);
	return 0;
}

static struct link *connect_one(void)
{
	struct link *client;
	struct err err;

	must(link_connect(address, &client, &err), &err);
	keep(client);
	return client;
}

static enum err_code send_text(
	struct link *l, const struct link_peer *peer, const char *text)
{
	struct buf frame;
	enum err_code code;

	buf_init(&frame, 1000);
	buf_add_str(&frame, text);
	code = link_send(l, peer, &frame);
	/* Emptied, sent or not. */
	assert_int_equal(frame.len, 0);
	assert_null(frame.data);
	return code;
}

/* Sends as soon as there is a peer that takes it. */
static void send_when_taken(
	struct link *l, const struct link_peer *peer, const char *text)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (send_text(l, peer, text) != ERR_NONE) {
		assert_true(clock_mono_ms() < until);
		link_wait(&l, 1, -1, 1);
	}
}

static void receive(struct link *l, struct link_message *m)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (link_receive(l, m) != ERR_NONE) {
		assert_true(clock_mono_ms() < until);
		link_wait(&l, 1, -1, 100);
	}
}

static struct link_peer receive_text(struct link *l, const char *want)
{
	struct link_message m;
	struct link_peer peer;

	receive(l, &m);
	assert_bytes_equal(m.frame, want);
	peer = m.peer;
	link_message_release(&m);
	assert_null(m.frame.data);
	return peer;
}

static void link__carries_frames_both_ways(void **state)
{
	struct link *a = connect_one(), *b = connect_one();
	struct link_peer peer_a, peer_b;
	struct link_message m;

	(void)state;
	assert_int_equal(link_receive(server, &m), ERR_AGAIN);
	send_when_taken(a, NULL, "from a");
	peer_a = receive_text(server, "from a");
	send_when_taken(b, NULL, "from b");
	peer_b = receive_text(server, "from b");
	assert_true(peer_a.len > 0 && peer_b.len > 0);
	assert_true(peer_a.len != peer_b.len ||
		    memcmp(peer_a.id, peer_b.id, peer_a.len) != 0);
	/* Answers find who asked, in any order. */
	assert_int_equal(send_text(server, &peer_b, "to b"), ERR_NONE);
	assert_int_equal(send_text(server, &peer_a, "to a"), ERR_NONE);
	assert_int_equal(send_text(server, &peer_a, ""), ERR_NONE);
	receive_text(a, "to a");
	receive_text(a, "");
	receive_text(b, "to b");
	assert_int_equal(link_receive(a, &m), ERR_AGAIN);
	assert_int_equal(link_receive(b, &m), ERR_AGAIN);
	/* The same client is the same peer as long as it is connected. */
	send_when_taken(a, NULL, "again");
	receive(server, &m);
	assert_int_equal(m.peer.len, peer_a.len);
	assert_memory_equal(m.peer.id, peer_a.id, peer_a.len);
	link_message_release(&m);
	drop(a);
	drop(b);
	link_close(NULL);
}

static void link__keeps_the_order_and_loses_none_that_it_took(void **state)
{
	struct link *client = connect_one();
	struct link_message m;
	uint32_t taken = 0, got = 0;

	(void)state;
	send_when_taken(client, NULL, "first");
	receive_text(server, "first");
	/* Nobody reads: at some time no more is taken, and it says so. */
	for (;;) {
		struct buf frame;

		buf_init(&frame, 4000);
		buf_add_u32(&frame, taken);
		buf_add_fill(&frame, 'x', 3900);
		if (link_send(client, NULL, &frame) != ERR_NONE)
			break;
		taken++;
		assert_true(taken < 100000);
	}
	assert_true(taken >= 256);
	while (got < taken) {
		uint32_t number;

		receive(server, &m);
		assert_int_equal(m.frame.len, 3904);
		memcpy(&number, m.frame.data, 4);
		assert_int_equal(number, got++);
		link_message_release(&m);
	}
	send_when_taken(client, NULL, "last");
	receive_text(server, "last");
	drop(client);
}

static void link__says_that_nobody_is_there(void **state)
{
	struct link *client;
	struct link_peer peer, nobody = {.id = {0, 1, 2, 3, 4}, .len = 5};
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct err err;

	(void)state;
	assert_int_equal(send_text(server, &nobody, "x"), ERR_AGAIN);
	client = connect_one();
	send_when_taken(client, NULL, "hello");
	peer = receive_text(server, "hello");
	drop(client);
	while (send_text(server, &peer, "x") == ERR_NONE)
		assert_true(clock_mono_ms() < until);
	/* A refused frame leaves the server usable. */
	client = connect_one();
	send_when_taken(client, NULL, "hello");
	peer = receive_text(server, "hello");
	assert_int_equal(send_text(server, &peer, "answer"), ERR_NONE);
	receive_text(client, "answer");
	drop(client);
	/* Without a server nothing is queued for later. */
	must(link_connect("ipc:///tmp/retort-test-no-such", &client, &err), &err);
	keep(client);
	assert_int_equal(send_text(client, NULL, "x"), ERR_AGAIN);
	drop(client);
}

/*
 * What is sent while the server is away may be lost: a full queue refuses a frame
 * just as a missing peer does, so that a sender does not know that it is alone.
 * Whoever needs an answer sends again, as the protocol does, and is heard.
 */
static void link__connects_again_by_itself(void **state)
{
	struct link *client = connect_one();
	struct link_message m;
	struct link_peer after;
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	(void)state;
	send_when_taken(client, NULL, "one");
	receive_text(server, "one");
	stop_serving();
	while (send_text(client, NULL, "lost") == ERR_NONE)
		assert_true(clock_mono_ms() < until);
	serve();
	while (link_receive(server, &m) != ERR_NONE) {
		assert_true(clock_mono_ms() < until);
		send_text(client, NULL, "two");
		link_wait(&server, 1, -1, 10);
	}
	assert_bytes_equal(m.frame, "two");
	after = m.peer;
	link_message_release(&m);
	assert_int_equal(send_text(server, &after, "back"), ERR_NONE);
	receive_text(client, "back");
	drop(client);
}

/* The client may be there first. */
static void link__waits_for_a_server_to_come(void **state)
{
	struct link *client;

	(void)state;
	stop_serving();
	client = connect_one();
	assert_int_equal(send_text(client, NULL, "x"), ERR_AGAIN);
	serve();
	send_when_taken(client, NULL, "y");
	receive_text(server, "y");
	drop(client);
}

static void link__takes_the_largest_frame_and_none_above(void **state)
{
	struct link *client = connect_one();
	struct link_message m;
	struct buf frame;

	(void)state;
	send_when_taken(client, NULL, "hello");
	receive_text(server, "hello");
	buf_init(&frame, LIMIT_MESSAGE + 1);
	buf_add_fill(&frame, 'x', LIMIT_MESSAGE);
	assert_int_equal(link_send(client, NULL, &frame), ERR_NONE);
	receive(server, &m);
	assert_int_equal(m.frame.len, LIMIT_MESSAGE);
	assert_int_equal(m.frame.data[LIMIT_MESSAGE - 1], 'x');
	link_message_release(&m);
	/* One byte more drops the connection, and the client comes back. */
	buf_add_fill(&frame, 'y', LIMIT_MESSAGE + 1);
	assert_int_equal(link_send(client, NULL, &frame), ERR_NONE);
	for (bool back = false; !back;) {
		send_text(client, NULL, "back");
		link_wait(&server, 1, -1, 10);
		if (link_receive(server, &m) != ERR_NONE)
			continue;
		assert_bytes_equal(m.frame, "back");
		link_message_release(&m);
		back = true;
	}
	drop(client);
}

/* Others may find the port: their messages are dropped, ours go on. */
static void link__drops_what_is_not_ours(void **state)
{
	static const char long_id[] = "an identity of more than eight bytes";
	void *context = zmq_ctx_new(), *plain = zmq_socket(context, ZMQ_DEALER);
	void *named = zmq_socket(context, ZMQ_DEALER);
	struct link *client = connect_one();
	struct link_message m;
	int zero = 0;

	(void)state;
	zmq_setsockopt(plain, ZMQ_LINGER, &zero, sizeof(zero));
	zmq_setsockopt(named, ZMQ_LINGER, &zero, sizeof(zero));
	zmq_setsockopt(named, ZMQ_ROUTING_ID, long_id, strlen(long_id));
	assert_int_equal(zmq_connect(plain, address), 0);
	assert_int_equal(zmq_connect(named, address), 0);
	zmq_send(plain, "two", 3, ZMQ_SNDMORE);
	zmq_send(plain, "parts", 5, 0);
	zmq_send(plain, "", 0, ZMQ_SNDMORE);
	zmq_send(plain, "three", 5, ZMQ_SNDMORE);
	zmq_send(plain, "parts", 5, 0);
	zmq_send(named, "a long name", 11, 0);
	zmq_send(plain, "one part", 8, 0);
	/* From the same socket and so behind what was dropped. */
	receive(server, &m);
	assert_bytes_equal(m.frame, "one part");
	link_message_release(&m);
	send_when_taken(client, NULL, "ours");
	receive_text(server, "ours");
	/* The long name's may have come late: it never shows. */
	link_wait(&server, 1, -1, 20);
	assert_int_equal(link_receive(server, &m), ERR_AGAIN);
	drop(client);
	zmq_close(plain);
	zmq_close(named);
	zmq_ctx_term(context);
}

static void link__drops_parts_from_a_server_too(void **state)
{
	void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
	char other[140], id[32];
	struct link *client;
	struct err err;
	int zero = 0, n;

	(void)state;
	snprintf(other, sizeof(other), "%s2", address);
	zmq_setsockopt(router, ZMQ_LINGER, &zero, sizeof(zero));
	assert_int_equal(zmq_bind(router, other), 0);
	must(link_connect(other, &client, &err), &err);
	keep(client);
	send_when_taken(client, NULL, "hello");
	n = zmq_recv(router, id, sizeof(id), 0);
	assert_true(n > 0);
	assert_int_equal(zmq_recv(router, NULL, 0, 0), 5);
	zmq_send(router, id, (size_t)n, ZMQ_SNDMORE);
	zmq_send(router, "two", 3, ZMQ_SNDMORE);
	zmq_send(router, "parts", 5, 0);
	zmq_send(router, id, (size_t)n, ZMQ_SNDMORE);
	zmq_send(router, "one", 3, 0);
	receive_text(client, "one");
	drop(client);
	zmq_close(router);
	zmq_ctx_term(context);
}

static void link_wait__returns_for_each_reason(void **state)
{
	struct link *client = connect_one(), *both[2] = {NULL, server};
	int64_t begun;
	int pipes[2];

	(void)state;
	send_when_taken(client, NULL, "hello");
	begun = clock_mono_ms();
	link_wait(both, 2, -1, PATIENCE_MS);
	receive_text(server, "hello");
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	link_wait(both, 2, pipes[0], PATIENCE_MS);
	assert_true(clock_mono_ms() - begun < PATIENCE_MS);
	/* Nothing: the time is over, or was before it began. */
	begun = clock_mono_ms();
	link_wait(both, 2, -1, 20);
	assert_in_range(clock_mono_ms() - begun, 15, PATIENCE_MS);
	link_wait(both, 2, -1, -5);
	close(pipes[0]);
	close(pipes[1]);
	drop(client);
}

static void on_signal(int number)
{
	(void)number;
}

static void link_wait__returns_on_a_signal(void **state)
{
	struct sigaction act = {.sa_handler = on_signal};
	int64_t begun = clock_mono_ms();
	pid_t parent = getpid(), child;

	(void)state;
	sigaction(SIGUSR1, &act, NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) { /* again and again: one may come before the wait */
		while (getppid() == parent) {
			kill(parent, SIGUSR1);
			usleep(1000);
		}
		_exit(0);
	}
	link_wait(&server, 1, -1, PATIENCE_MS);
	assert_true(clock_mono_ms() - begun < PATIENCE_MS / 2);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) != child)
		;
}

static void link_ready__is_true_until_all_is_read(void **state)
{
	struct link *client = connect_one();
	struct link_message m;
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	(void)state;
	assert_true(link_fd(server) >= 0);
	assert_false(link_ready(server));
	send_when_taken(client, NULL, "1");
	send_when_taken(client, NULL, "2");
	while (!link_ready(server))
		assert_true(clock_mono_ms() < until);
	receive_text(server, "1");
	receive_text(server, "2");
	assert_int_equal(link_receive(server, &m), ERR_AGAIN);
	assert_false(link_ready(server));
	drop(client);
}

static void link__tells_its_address_and_refuses_bad_ones(void **state)
{
	struct link *l, *client;
	char long_address[LIMIT_ADDRESS + 10];
	struct err err;

	(void)state;
	assert_string_equal(link_address(server), address);
	must(link_serve("tcp://127.0.0.1:*", &l, &err), &err);
	keep(l);
	assert_memory_equal(link_address(l), "tcp://127.0.0.1:", 16);
	assert_true(strtol(link_address(l) + 16, NULL, 10) > 0);
	must(link_connect(link_address(l), &client, &err), &err);
	keep(client);
	assert_string_equal(link_address(client), link_address(l));
	send_when_taken(client, NULL, "tcp");
	receive_text(l, "tcp");
	drop(client);
	assert_int_equal(link_serve(link_address(l), &client, &err), ERR_EXISTS);
	assert_null(client);
	assert_int_equal(link_serve("nonsense", &client, &err), ERR_INVALID);
	assert_int_equal(link_connect("tcp://", &client, &err), ERR_INVALID);
	assert_int_equal(link_connect("http://x", &client, &err), ERR_INVALID);
	memset(long_address, 'x', sizeof(long_address) - 1);
	long_address[sizeof(long_address) - 1] = '\0';
	assert_int_equal(link_connect(long_address, &client, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "is too long"));
	drop(l);
}

static void link_is_local__knows_what_leaves_the_machine(void **state)
{
	(void)state;
	assert_true(link_is_local("ipc:///run/x"));
	assert_true(link_is_local("inproc://x"));
	assert_true(link_is_local("tcp://127.0.0.1:5"));
	assert_true(link_is_local("tcp://127.1.2.3:*"));
	assert_true(link_is_local("tcp://localhost:5"));
	assert_true(link_is_local("tcp://[::1]:5"));
	assert_false(link_is_local("tcp://0.0.0.0:5"));
	assert_false(link_is_local("tcp://*:5"));
	assert_false(link_is_local("tcp://10.0.0.1:5"));
	assert_false(link_is_local("tcp://localhost.example.org:5"));
	assert_false(link_is_local("tcp://[::]:5"));
	assert_false(link_is_local(""));
	assert_true(link_is_any("tcp://*:5"));
	assert_true(link_is_any("tcp://0.0.0.0:5"));
	assert_true(link_is_any("tcp://[::]:5"));
	assert_false(link_is_any("tcp://10.0.0.1:5"));
	assert_false(link_is_any("tcp://127.0.0.1:5"));
	assert_false(link_is_any("ipc://*"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(link__carries_frames_both_ways),
		TEST(link__keeps_the_order_and_loses_none_that_it_took),
		TEST(link__says_that_nobody_is_there),
		TEST(link__connects_again_by_itself),
		TEST(link__waits_for_a_server_to_come),
		TEST(link__takes_the_largest_frame_and_none_above),
		TEST(link__drops_what_is_not_ours),
		TEST(link__drops_parts_from_a_server_too),
		TEST(link_wait__returns_for_each_reason),
		TEST(link_wait__returns_on_a_signal),
		TEST(link_ready__is_true_until_all_is_read),
		TEST(link__tells_its_address_and_refuses_bad_ones),
		TEST(link_is_local__knows_what_leaves_the_machine),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
