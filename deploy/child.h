/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - a process of ours that a supervisor started
 *
 * It is this same program with another command; it dies with its parent. What
 * it says on stderr goes to a file under RUN/log, and its errors also to the
 * supervisor's terminal.
 */
#ifndef RETORT_DEPLOY_CHILD_H
#define RETORT_DEPLOY_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_ARGS_MAX 32

struct child {
	char name[32];    /* "coordinator", "store", "worker-1" */
	char session[64]; /* workers: the name of this incarnation */
	const char
		*args[CHILD_ARGS_MAX]; /* after the program's name; NULL at the end */
	pid_t pid;                     /* 0: not running */
	int pipe;                      /* reads its stderr; -1 */
	int log;                       /* writes its log file; -1 */
	int incarnation;
	int64_t started_ms;
	int64_t restart_at_ms; /* 0: no */
	int quick_deaths;      /* in a row */
	char last_error[512];  /* the last line of level error */
	char line[2048];       /* a line that has not ended yet */
	size_t line_len;
	bool muted; /* errors are not shown */
};

/* Starts it; false if that fails, with a message on stderr. */
bool child_start(struct child *c, const char *log_path, int64_t now_ms);
/* Takes what it said; true if something was shown on the terminal. */
bool child_listen(struct child *c, bool clear_line);
/* After it was reaped: closes its pipe. */
void child_ended(struct child *c);
void child_signal(const struct child *c, int number);

#endif
