/* SPDX-License-Identifier: Apache-2.0 */
/* retort status: a run's progress, from its ledger. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/options.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "coordinator/commands.h"
#include "coordinator/status.h"

#define WATCH_US 1000000

static bool has_ended(struct status *s)
{
	struct status_now now;

	return status_now(s, &now) && strcmp(now.state, "running") != 0 &&
	       strcmp(now.state, "indexing") != 0 && strcmp(now.state, "draining") != 0;
}

static void print_once(struct status *s, bool json, bool watch, bool at_work)
{
	json_t *all;

	if (!json) {
		/* Home and clear, where there is a terminal to do it. */
		if (watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		status_print(s, stdout);
		if (!at_work && !has_ended(s))
			fputs("at work     no, it was killed or could not begin: run it again\n",
				stdout);
		if (watch && !isatty(STDOUT_FILENO))
			fputs("\n", stdout);
		fflush(stdout);
		return;
	}
	all = status_json(s);
	json_dumpf(all, stdout, watch ? JSON_COMPACT : JSON_INDENT(2));
	fputs("\n", stdout);
	fflush(stdout);
	json_decref(all);
}

int cmd_status(int argc, char **argv)
{
	bool watch = false, json = false, at_work;
	const struct option options[] = {
		{"watch", 'w', OPTION_FLAG, NULL,
			"again every second, until the run has ended", &watch, 0, 0},
		{"json", 0, OPTION_FLAG, NULL, "the ledger's views as JSON", &json, 0,
			0},
	};
	struct command_line line = {"retort status", "RUN",
		"Shows how far a run is: progress, rates, endpoints, failures, cost.",
		options, sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	struct status *s;
	struct err err = {0};
	int exit_code;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	signals_install();
	if (status_open(line.operand[0], &s, &err) != ERR_NONE) {
		fprintf(stderr, "retort status: %s\n", err.msg);
		return EXIT_FAILED;
	}
	/* What the ledger says last is then what it will say. */
	at_work = rundir_is_at_work(line.operand[0]);
	print_once(s, json, watch, at_work);
	while (watch && at_work && !has_ended(s) && signals_stops() == 0) {
		usleep(WATCH_US);
		at_work = rundir_is_at_work(line.operand[0]);
		print_once(s, json, watch, at_work);
	}
	status_close(s);
	return EXIT_OK;
}
