/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static void become(struct child *c, int to)
{
	char *argv[CHILD_ARGS_MAX + 2];
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t) "retort";
	for (size_t i = 0; c->args[i]; i++)
		argv[n++] = (char *)(uintptr_t)c->args[i];
	argv[n] = NULL;
	/* A group of its own: Ctrl-C is the supervisor's to pass on. */
	setpgid(0, 0);
	dup2(to, STDERR_FILENO);
	dup2(to, STDOUT_FILENO);
	execv("/proc/self/exe", argv);
	_exit(127);
}

bool child_start(struct child *c, const char *log_path, int64_t now_ms)
{
	int ends[2];

	c->log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (c->log < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		fprintf(stderr, "retort: cannot start %s: %s\n", c->name,
			strerror(errno));
		return false;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c->pid = fork();
	if (c->pid == 0)
		become(c, ends[1]);
	close(ends[1]);
	c->pipe = ends[0];
	c->started_ms = now_ms;
	c->restart_at_ms = 0;
	c->line_len = 0;
	c->incarnation++;
	return c->pid > 0;
}

/* The value of a logfmt field, unquoted, into out. */
static bool field(const char *line, const char *key, char *out, size_t size)
{
	const char *at = strstr(line, key);
	size_t n = 0;
	bool quoted;

	if (!at)
		return false;
	at += strlen(key);
	quoted = *at == '"';
	if (quoted)
		at++;
	for (; *at && *at != (quoted ? '"' : ' ') && n + 1 < size; at++) {
		if (*at == '\\' && at[1])
			at++;
		out[n++] = *at;
	}
	out[n] = '\0';
	return true;
}

/* A log line as a person reads it: the message, then what it is about. */
static void show(struct child *c, const char *line, bool clear_line)
{
	char msg[512], why[1024], about[1024] = "";
	static const char *const keys[] = {
		" url=", " endpoint=", " teacher=", " reason=", " status=", " message=",
		" meaning=", " why=", " detail=", NULL};
	size_t len = 0;

	if (!field(line, " msg=", msg, sizeof(msg)))
		return;
	for (int i = 0; keys[i]; i++) {
		if (!field(line, keys[i], why, sizeof(why)) || !*why ||
			strcmp(why, "0") == 0)
			continue;
		len += (size_t)snprintf(about + len, sizeof(about) - len, "%s%s",
			len ? ", " : ": ", why);
		if (len >= sizeof(about))
			break;
	}
	if (clear_line)
		fputs("\r\033[K", stderr);
	fprintf(stderr, "retort: %s: %s%s\n", c->name, msg, about);
}

static bool take_line(struct child *c, bool clear_line)
{
	bool error, shown;

	c->line[c->line_len] = '\0';
	error = strstr(c->line, "level=error") != NULL;
	/* What is not a log line is a sanitizer's or the loader's: shown too. */
	shown = !c->muted && (error || strstr(c->line, "level=warn"));
	if (error)
		snprintf(c->last_error, sizeof(c->last_error), "%.500s", c->line);
	if (write(c->log, c->line, c->line_len) < 0 || write(c->log, "\n", 1) < 0)
		shown = true; /* no room for logs: say it here at least */
	if (shown)
		show(c, c->line, clear_line);
	c->line_len = 0;
	return shown;
}

bool child_listen(struct child *c, bool clear_line)
{
	char bytes[4096];
	bool shown = false;
	ssize_t n;

	while (c->pipe >= 0 && (n = read(c->pipe, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] == '\n')
				shown = take_line(c, clear_line && !shown) || shown;
			else if (c->line_len < sizeof(c->line) - 1)
				c->line[c->line_len++] = bytes[i];
		}
	}
	return shown;
}

void child_ended(struct child *c)
{
	if (c->line_len > 0)
		take_line(c, false);
	if (c->pipe >= 0)
		close(c->pipe);
	if (c->log >= 0)
		close(c->log);
	c->pipe = c->log = -1;
	c->pid = 0;
}

void child_signal(const struct child *c, int number)
{
	if (c->pid > 0)
		kill(c->pid, number);
}
