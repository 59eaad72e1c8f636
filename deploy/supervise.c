/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "coordinator/control.h"
#include "coordinator/status.h"
#include "deploy/child.h"

#define WORKERS_MAX 256
#define POLL_MS 100
#define BAR_EVERY_MS 500
#define LINE_EVERY_MS 5000
/* A process that lives shorter than this died quickly. */
#define QUICK_MS 2000
/* So many quick deaths in a row, and we give up: of something that cannot start,
 * or of something that is killed. Workers may die of their prompts (lease.h). */
#define QUICK_DEATHS_MAX 5
#define QUICK_KILLS_MAX 30
#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS 5000
#define TOLD_TO_END_MS 5000
#define GOODBYE_MS 8000

struct supervisor {
	const struct supervise_options *options;
	struct child coordinator, store;
	struct child *worker;
	char pid_text[16], unreachable[16], coordinator_address[64], store_address[64];
	int sock_fd, lock_fd;
	struct status *status;
	int64_t settled; /* samples, when a worker last died */
	bool terminal, bar_shown;
	int64_t bar_at_ms, leave_by_ms;
	int exit_code;
	bool ending;                  /* the coordinator has ended: the others follow */
	char alive[WORKERS_MAX * 40]; /* names of the workers that run */
};

static size_t n_children(const struct supervisor *s)
{
	return 2 + (size_t)s->options->workers;
}

static struct child *child_at(struct supervisor *s, size_t i)
{
	return i == 0 ? &s->coordinator : i == 1 ? &s->store : &s->worker[i - 2];
}

/* For a coordinator that starts: whose leases are worth keeping. */
static void list_alive(struct supervisor *s)
{
	size_t len = 0;

	s->alive[0] = '\0';
	for (int64_t i = 0; i < s->options->workers; i++)
		if (s->worker[i].pid > 0 && len < sizeof(s->alive) - 64)
			len += (size_t)snprintf(s->alive + len, sizeof(s->alive) - len,
				"%s%s", len ? "," : "", s->worker[i].session);
}

static bool start(struct supervisor *s, struct child *c)
{
	char *name = mem_printf("log/%s.log", c->name);
	char *path = file_join(s->options->dir, name);
	bool ok;

	/* A worker's name is new each time, so that it can be told which ended. */
	if (c >= s->worker && c < s->worker + s->options->workers)
		snprintf(c->session, sizeof(c->session), "%s.%d.%s", c->name,
			c->incarnation + 1, s->pid_text);
	if (c == &s->coordinator)
		list_alive(s);
	ok = child_start(c, path, clock_mono_ms());
	free(name);
	free(path);
	return ok;
}

static void set_args(struct child *c, const char *name, const char *const *args)
{
	size_t n = 0;

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->pipe = c->log = -1;
	while (args[n]) {
		c->args[n] = args[n];
		n++;
	}
	c->args[n] = NULL;
}

static void list_children(struct supervisor *s)
{
	const struct supervise_options *o = s->options;
	const char *coordinator[CHILD_ARGS_MAX] = {"coordinator", o->job_path, "--dir",
		o->dir, "--listen", s->coordinator_address, "--parent", s->pid_text,
		"--heartbeat-ms", "500", "--term-ms", "10000", "--unreachable-s",
		s->unreachable, "--alive", s->alive};
	const char *store[] = {"store", "--dir", o->dir, "--listen", s->store_address,
		"--connect", s->coordinator_address, "--parent", s->pid_text, NULL};
	size_t n = 0;

	while (coordinator[n])
		n++;
	if (o->new_settings)
		coordinator[n++] = "--new-settings";
	if (o->reindex)
		coordinator[n++] = "--reindex";
	set_args(&s->coordinator, "coordinator", coordinator);
	set_args(&s->store, "store", store);
	s->worker = mem_zalloc((size_t)o->workers, sizeof(*s->worker));
	for (int64_t i = 0; i < o->workers; i++) {
		struct child *c = &s->worker[i];
		char name[32];
		const char *worker[] = {"worker", "--connect", s->coordinator_address,
			"--parent", s->pid_text, "--name", c->session, NULL};

		snprintf(name, sizeof(name), "worker-%d", (int)i + 1);
		set_args(c, name, worker);
	}
}

/* -- Showing -- */

static unsigned terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20
		       ? size.ws_col - 1u
		       : 79;
}

static void show_progress(struct supervisor *s, int64_t now_ms)
{
	char line[512], now[25];
	struct err err;

	if (s->options->quiet || now_ms < s->bar_at_ms)
		return;
	s->bar_at_ms = now_ms + (s->terminal ? BAR_EVERY_MS : LINE_EVERY_MS);
	if (!s->status && status_open(s->options->dir, &s->status, &err) != ERR_NONE)
		return;
	status_bar(s->status, line, sizeof(line), s->terminal ? terminal_width() : 110);
	if (!line[0])
		return;
	if (s->terminal) {
		fprintf(stderr, "\r\033[K%s", line);
		s->bar_shown = true;
	} else {
		clock_text(clock_wall_ms(), now);
		fprintf(stderr, "%.19sZ %s\n", now, line);
	}
	fflush(stderr);
}

static void end_bar(struct supervisor *s)
{
	if (s->bar_shown)
		fputs("\n", stderr);
	s->bar_shown = false;
}

/* -- Deaths -- */

/* The coordinator is told at once, instead of waiting for the lease to run
 * out. If it does not hear it, it waits. */
static void report_gone(struct supervisor *s, const struct child *c, bool crashed)
{
	json_t *request = json_pack("{s:s, s:s, s:b}", "do", "gone", "name", c->session,
		"crashed", (int)crashed);
	json_t *answer = NULL;
	struct err err;

	if (control_ask(s->options->dir, request, 300, &answer, &err) == ERR_NONE)
		json_decref(answer);
	json_decref(request);
}

static void give_up(struct supervisor *s, const struct child *c)
{
	end_bar(s);
	fprintf(stderr,
		"retort: %s died %d times in a row right after its start; giving up\n",
		c->name, c->quick_deaths);
	if (c->last_error[0])
		fprintf(stderr, "retort: it last said: %s\n", c->last_error);
	fprintf(stderr, "retort: all it said is in %s/log/%s.log\n", s->options->dir,
		c->name);
	s->ending = true;
	s->exit_code = EXIT_FAILED;
	s->leave_by_ms = clock_mono_ms() + GOODBYE_MS;
	child_signal(&s->coordinator, SIGTERM);
}

/* Whether samples were settled since this was last asked. */
static bool work_was_done(struct supervisor *s)
{
	struct status_now now = {0};
	struct err err;
	int64_t before = s->settled;

	if (!s->status && status_open(s->options->dir, &s->status, &err) != ERR_NONE)
		return false;
	if (!status_now(s->status, &now))
		return false;
	s->settled = now.committed + now.samples_failed;
	return s->settled != before;
}

/* How a process has ended. */
enum end_kind {
	END_FAILED,  /* it gave up by itself */
	END_CRASHED, /* a signal of its own making, or a sanitizer's exit */
	END_KILLED   /* from outside */
};

static enum end_kind end_kind(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM
			       ? END_KILLED
			       : END_CRASHED;
	return WEXITSTATUS(status) <= EXIT_FAILED ? END_FAILED : END_CRASHED;
}

static bool is_worker(const struct supervisor *s, const struct child *c)
{
	return c != &s->coordinator && c != &s->store;
}

static void plan_restart(
	struct supervisor *s, struct child *c, enum end_kind kind, int64_t now_ms)
{
	bool by_prompt = kind != END_FAILED && is_worker(s, c);
	bool patient = by_prompt || kind == END_KILLED;
	bool quick = now_ms - c->started_ms < QUICK_MS;
	int64_t wait = RESTART_FIRST_MS;

	if (by_prompt && work_was_done(s))
		quick = false;
	c->quick_deaths = quick ? c->quick_deaths + 1 : 0;
	if (c->quick_deaths >= (patient ? QUICK_KILLS_MAX : QUICK_DEATHS_MAX)) {
		give_up(s, c);
		return;
	}
	for (int i = 1;
		i < c->quick_deaths && kind != END_KILLED && wait < RESTART_MAX_MS; i++)
		wait *= 2;
	c->restart_at_ms = now_ms + wait;
}

static void take_end(struct supervisor *s, struct child *c, int status)
{
	int64_t now_ms = clock_mono_ms();
	enum end_kind kind = end_kind(status);

	child_listen(c, s->bar_shown);
	child_ended(c);
	/* The coordinator's exit codes are the run's; anything else is a death. */
	if (c == &s->coordinator && WIFEXITED(status) && WEXITSTATUS(status) <= 3) {
		if (!s->ending)
			s->exit_code = WEXITSTATUS(status);
		s->ending = true;
		s->leave_by_ms = now_ms + GOODBYE_MS;
		return;
	}
	if (s->ending)
		return;
	/* It was told that the run has ended. Should the coordinator die before
	 * it has ended itself, the next one needs it again. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		c->restart_at_ms = now_ms + TOLD_TO_END_MS;
		return;
	}
	if (WIFSIGNALED(status))
		log_warn("run", "a process died", "name=%s signal=%d", c->name,
			WTERMSIG(status));
	if (is_worker(s, c) && c->session[0])
		report_gone(s, c, kind == END_CRASHED);
	plan_restart(s, c, kind, now_ms);
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < n_children(s); i++)
			if (child_at(s, i)->pid == pid)
				take_end(s, child_at(s, i), status);
}

static void restart_due(struct supervisor *s, int64_t now_ms)
{
	for (size_t i = 0; i < n_children(s) && !s->ending; i++) {
		struct child *c = child_at(s, i);

		if (c->restart_at_ms && now_ms >= c->restart_at_ms && !start(s, c))
			plan_restart(s, c, END_FAILED, now_ms);
	}
}

/* -- The loop -- */

static void heed_signals(struct supervisor *s)
{
	static int seen;

	if (signals_stops() == seen)
		return;
	seen = signals_stops();
	end_bar(s);
	if (seen == 1) {
		fprintf(stderr,
			"retort: finishing the requests in flight; once more to leave "
			"at once\n");
		child_signal(&s->coordinator, SIGTERM);
		return;
	}
	for (size_t i = 0; i < n_children(s); i++)
		child_signal(child_at(s, i), SIGKILL);
	s->ending = true;
	s->exit_code = EXIT_FAILED;
	s->leave_by_ms = 0;
}

/* When the coordinator has ended: workers and store follow by themselves, or
 * are asked to, or are killed. */
static bool all_ended(struct supervisor *s, int64_t now_ms)
{
	static int asked;
	bool any = false;

	if (!s->ending)
		return false;
	for (size_t i = 0; i < n_children(s); i++)
		any = any || child_at(s, i)->pid > 0;
	if (!any)
		return true;
	if (now_ms >= s->leave_by_ms) {
		for (size_t i = 0; i < n_children(s); i++)
			child_signal(child_at(s, i), SIGKILL);
	} else if (!asked && s->coordinator.pid == 0 &&
		   now_ms >= s->leave_by_ms - GOODBYE_MS + 1500) {
		asked = 1;
		for (size_t i = 1; i < n_children(s); i++)
			child_signal(child_at(s, i), SIGTERM);
	}
	return false;
}

static void wait_for_news(struct supervisor *s)
{
	struct pollfd fds[2 + WORKERS_MAX];
	nfds_t n = 0;

	for (size_t i = 0; i < n_children(s); i++)
		if (child_at(s, i)->pipe >= 0)
			fds[n++] = (struct pollfd){child_at(s, i)->pipe, POLLIN, 0};
	poll(fds, n, POLL_MS);
	for (size_t i = 0; i < n_children(s); i++)
		if (child_listen(child_at(s, i), s->bar_shown))
			s->bar_shown = false;
}

static void summarise(struct supervisor *s)
{
	struct status_now now = {0};
	struct err err;

	status_close(s->status);
	s->status = NULL;
	if (status_open(s->options->dir, &s->status, &err) != ERR_NONE ||
		!status_now(s->status, &now))
		return;
	printf("%s: %lld of %lld prompts done, %lld failed; %lld samples in %s/dataset",
		now.state, (long long)now.done, (long long)now.prompts,
		(long long)now.failed, (long long)now.committed, s->options->dir);
	if (now.cost_usd > 0)
		printf("; %.4f USD", now.cost_usd);
	printf("\n");
	if (s->exit_code == EXIT_WITH_FAILURES)
		printf("why: sqlite3 -readonly %s/ledger.sqlite 'select * from failures'; "
		       "again: retort retry %s\n",
			s->options->dir, s->options->dir);
	else if (s->exit_code != EXIT_OK)
		printf("go on: retort run %s\n", s->options->job_path);
	fflush(stdout);
}

static bool prepare(struct supervisor *s)
{
	char *sock;
	struct err err = {0};
	enum err_code code = rundir_make(s->options->dir, &err);

	/* A run that was just killed takes a moment to let go. */
	if (code == ERR_NONE)
		code = rundir_take(
			s->options->dir, LOCK_SUPERVISOR, 1000, &s->lock_fd, &err);
	if (code != ERR_NONE) {
		fprintf(stderr, "retort run: %s\n", err.msg);
		return false;
	}
	sock = file_join(s->options->dir, "sock");
	/* Inherited by all, under the same number. */
	s->sock_fd = open(sock, O_PATH | O_DIRECTORY);
	free(sock);
	if (s->sock_fd < 0) {
		fprintf(stderr, "retort run: cannot open the sockets' folder: %s\n",
			strerror(errno));
		return false;
	}
	snprintf(s->coordinator_address, sizeof(s->coordinator_address),
		"ipc:///proc/self/fd/%d/coordinator", s->sock_fd);
	snprintf(s->store_address, sizeof(s->store_address),
		"ipc:///proc/self/fd/%d/store", s->sock_fd);
	snprintf(s->pid_text, sizeof(s->pid_text), "%ld", (long)getpid());
	snprintf(s->unreachable, sizeof(s->unreachable), "%lld",
		(long long)s->options->unreachable_s);
	return true;
}

int supervise(const struct supervise_options *options)
{
	struct supervisor s = {.options = options,
		.lock_fd = -1,
		.sock_fd = -1,
		.terminal = isatty(STDERR_FILENO),
		.exit_code = EXIT_FAILED};

	signals_install();
	if (!prepare(&s))
		return EXIT_FAILED;
	list_children(&s);
	for (size_t i = 0; i < n_children(&s); i++)
		if (!start(&s, child_at(&s, i)))
			s.ending = true;
	while (!all_ended(&s, clock_mono_ms())) {
		int64_t now_ms = clock_mono_ms();

		heed_signals(&s);
		reap(&s);
		restart_due(&s, now_ms);
		show_progress(&s, now_ms);
		wait_for_news(&s);
	}
	s.bar_at_ms = 0;
	show_progress(&s, clock_mono_ms());
	end_bar(&s);
	summarise(&s);
	status_close(s.status);
	free(s.worker);
	file_unlock(s.lock_fd);
	close(s.sock_fd);
	return s.exit_code;
}
