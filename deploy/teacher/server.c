/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "deploy/teacher/exchange.h"
#include "deploy/teacher/mix.h"

#define CONNECTIONS_MAX 16384u
#define CONNECTION_MEMORY KIB(64)
#define ACCEPTS_A_TURN 64
#define FAULT_FILE_MAX MIB(256)

/* The paths that are served; anything else is 404. */
static const char *const paths[] = {"/v1/chat/completions", "/v1/completions",
	"/v1/models", "/health", "/control", NULL};

static const char *known_path(const char *url)
{
	for (size_t i = 0; paths[i]; i++)
		if (strcmp(paths[i], url) == 0)
			return paths[i];
	return "";
}

static bool is_ask(const char *path)
{
	return strcmp(path, paths[0]) == 0 || strcmp(path, paths[1]) == 0;
}

static void answer_models(struct exchange *e)
{
	const struct server_settings *set = e->server->settings;

	answer_write_models(&set->style, set->models, set->n_models,
		e->server->started_s, &e->body);
	exchange_respond(e, 200, &e->body, "application/json");
}

static void answer_wrong(struct exchange *e, unsigned status, const char *message)
{
	answer_write_error(
		&e->server->settings->style, (int)status, message, NULL, &e->body);
	exchange_respond(e, status, &e->body, "application/json");
}

/* The request is complete; sees to its answer, now or later. */
static void route(struct exchange *e, const char *method)
{
	struct server *s = e->server;
	bool is_post = strcmp(method, "POST") == 0;

	if (strcmp(e->path, "/control") == 0) {
		control_answer(e);
	} else if (is_ask(e->path) && is_post) {
		exchange_begin(e);
	} else if (s->down == DOWN_REFUSE) {
		e->state = EXCHANGE_CLOSING;
	} else if (is_ask(e->path)) {
		answer_wrong(e, 405, "use POST");
	} else if (strcmp(e->path, "/v1/models") == 0) {
		answer_models(e);
	} else if (strcmp(e->path, "/health") == 0) {
		exchange_respond(e, s->down == DOWN_NOT ? 200 : (unsigned)s->down,
			&e->body, "text/plain");
	} else {
		answer_wrong(e, 404, "there is nothing at this path");
	}
}

static enum MHD_Result respond(struct exchange *e)
{
	enum MHD_Result result =
		MHD_queue_response(e->connection, e->status, e->response);

	MHD_destroy_response(e->response);
	e->response = NULL;
	return result;
}

/* The library's callback: once for the headers, then for each part of the
 * body, then for the answer, and again whenever a connection is resumed. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *part,
	size_t *part_len, void **slot)
{
	struct exchange *e = *slot;

	(void)version;
	if (!e) {
		*slot = exchange_new(arg, connection, known_path(url));
		return MHD_YES;
	}
	if (*part_len > 0) {
		buf_add(&e->upload, part, *part_len);
		e->is_too_long |= e->upload.over;
		*part_len = 0;
		return MHD_YES;
	}
	if (e->state == EXCHANGE_READING)
		route(e, method);
	if (e->state == EXCHANGE_READY)
		return respond(e);
	return e->state == EXCHANGE_CLOSING ? MHD_NO : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
	enum MHD_RequestTerminationCode code)
{
	(void)arg;
	(void)connection;
	(void)code;
	if (*slot)
		exchange_free(*slot);
	*slot = NULL;
}

static void on_listener(void *arg, uint32_t events)
{
	struct server *s = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int yes = 1;
		int fd = accept4(s->listener.fd, (struct sockaddr *)&from, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		/* The library closes it if it will not have it. */
		MHD_add_connection(s->daemon, fd, (struct sockaddr *)&from, len);
	}
}

/* The library runs in every turn; being told that it is time is enough. */
static void on_http(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
}

static void on_signal(void *arg, uint32_t events)
{
	struct server *s = arg;
	struct signalfd_siginfo one;

	(void)events;
	if (read(s->signals.fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		s->stops = true;
}

void teacher_server_set_down(struct server *s, int down)
{
	struct err err;

	s->down = down;
	if (down == DOWN_REFUSE) {
		loop_forget(&s->loop, &s->listening);
		listener_close(&s->listener);
	} else if (s->listener.fd < 0) {
		if (listener_open(&s->listener, &err) != ERR_NONE ||
			loop_watch(&s->loop, &s->listening, s->listener.fd, EPOLLIN,
				&err) != ERR_NONE) {
			log_error("teacher", "the port cannot be opened again",
				"error=%s", log_quote(err.msg).text);
			s->stops = true;
		}
	}
}

/* A window begins or ends. After a change from outside, the next one decides. */
static void on_down_timer(void *arg)
{
	struct server *s = arg;
	const struct server_settings *set = s->settings;
	int64_t now = clock_mono_us(), next = INT64_MAX;
	bool is_down = false;

	for (unsigned i = 0; i < set->n_down; i++) {
		int64_t from = s->started_us + (int64_t)(set->down[i].from_s * 1e6);
		int64_t to = s->started_us + (int64_t)(set->down[i].to_s * 1e6);

		is_down |= from <= now && now < to;
		if (from > now && from < next)
			next = from;
		if (to > now && to < next)
			next = to;
	}
	teacher_server_set_down(s, is_down ? set->down_status : DOWN_NOT);
	if (next < INT64_MAX)
		loop_set_timer(&s->loop, &s->down_timer, next);
}

static enum err_code load_fault_files(struct server *s, struct err *err)
{
	const struct server_settings *set = s->settings;
	enum err_code code = ERR_NONE;

	s->files = mem_zalloc(set->n_fault_files, sizeof(*s->files));
	for (size_t i = 0; i < set->n_fault_files && code == ERR_NONE; i++) {
		const char *path = set->fault_files[i], *slash = strrchr(path, '/');
		struct fault_file *file = &s->files[i];

		buf_init(&file->bytes, FAULT_FILE_MAX);
		file->name = mem_printf("file:%s", slash ? slash + 1 : path);
		file->fault = (struct fault){.name = file->name, .trick = TRICK_FILE};
		code = file_read(path, &file->bytes, err);
	}
	return code;
}

/* As many descriptors as we may have: every client is one. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum err_code watch_signals(struct server *s, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot watch signals");
	s->signals.ready = on_signal;
	s->signals.arg = s;
	return loop_watch(&s->loop, &s->signals, fd, EPOLLIN, err);
}

static enum err_code start_http(struct server *s, struct err *err)
{
	const union MHD_DaemonInfo *known;

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
		NULL, NULL, on_request, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
	if (!s->daemon)
		return err_set(err, ERR_IO, "cannot start the HTTP library");
	known = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!known)
		return err_set(err, ERR_IO, "the HTTP library has no epoll");
	s->http.ready = on_http;
	return loop_watch(&s->loop, &s->http, known->epoll_fd, EPOLLIN, err);
}

static enum err_code open_port(struct server *s, struct err *err)
{
	const struct server_settings *set = s->settings;
	char line[16];
	enum err_code code = listener_init(&s->listener, set->host, set->port, err);
	int n;

	s->listening.ready = on_listener;
	s->listening.arg = s;
	if (code == ERR_NONE)
		code = loop_watch(
			&s->loop, &s->listening, s->listener.fd, EPOLLIN, err);
	if (code != ERR_NONE || !set->port_file)
		return code;
	n = snprintf(line, sizeof(line), "%u\n", s->listener.port);
	return file_write(set->port_file, line, (size_t)n, 0644, err);
}

static enum err_code start(struct server *s, struct err *err)
{
	enum err_code code;

	raise_file_limit();
	s->started_us = clock_mono_us();
	s->started_s = clock_wall_ms() / 1000;
	randombytes_buf(&s->nonce_base, sizeof(s->nonce_base));
	s->faults = s->settings->faults;
	s->load.settings = s->settings->load;
	s->quota = s->settings->quota;
	buf_init(&s->first_body, MIB(2));
	buf_init(&s->bomb, MIB(16));
	teacher_init(&s->teacher, &s->settings->teacher);
	press_init(&s->press, &s->teacher, &s->settings->style);
	s->down_timer.expire = on_down_timer;
	s->down_timer.arg = s;
	code = load_fault_files(s, err);
	if (code == ERR_NONE)
		code = teacher_ledger_open(&s->ledger, s->settings->ledger, err);
	if (code == ERR_NONE)
		code = watch_signals(s, err);
	if (code == ERR_NONE)
		code = start_http(s, err);
	if (code == ERR_NONE)
		code = open_port(s, err);
	return code;
}

static void announce(const struct server *s)
{
	const char *host = s->settings->host;
	bool has_colons = strchr(host, ':') != NULL; /* IPv6 */

	fprintf(stderr, "teacher listening on http://%s%s%s:%u/v1\n",
		has_colons ? "[" : "", host, has_colons ? "]" : "", s->listener.port);
}

/* Lets go of all requests, then of everything else. */
static void stop(struct server *s)
{
	s->stops = true;
	for (struct exchange *e = s->exchanges; e; e = e->behind)
		if (e->is_suspended)
			exchange_abort(e);
	if (s->daemon) {
		MHD_run(s->daemon);
		MHD_stop_daemon(s->daemon);
	}
	listener_release(&s->listener);
	if (s->signals.fd >= 0)
		close(s->signals.fd);
	teacher_ledger_close(&s->ledger);
	attempts_release(&s->attempts);
	press_release(&s->press);
	teacher_release(&s->teacher);
	buf_release(&s->first_body);
	buf_release(&s->bomb);
	for (size_t i = 0; i < s->settings->n_fault_files; i++) {
		buf_release(&s->files[i].bytes);
		free(s->files[i].name);
	}
	free(s->files);
	loop_release(&s->loop);
}

enum err_code teacher_server_run(
	const struct server_settings *settings, struct err *err)
{
	struct server s = {.settings = settings,
		.listening.fd = -1,
		.http.fd = -1,
		.signals.fd = -1,
		.listener = {.reserved = -1, .fd = -1},
		.ledger.fd = -1};
	enum err_code code = loop_init(&s.loop, err);

	if (code != ERR_NONE)
		return code;
	code = start(&s, err);
	if (code == ERR_NONE) {
		announce(&s);
		on_down_timer(&s);
	}
	while (code == ERR_NONE && !s.stops) {
		MHD_UNSIGNED_LONG_LONG wait;
		bool has_limit = MHD_get_timeout(s.daemon, &wait) == MHD_YES;

		loop_turn(&s.loop, has_limit ? (wait > 1000 ? 1000 : (int)wait) : -1);
		MHD_run(s.daemon);
	}
	stop(&s);
	return code;
}
