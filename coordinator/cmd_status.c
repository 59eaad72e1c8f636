/* SPDX-License-Identifier: Apache-2.0 */
/* retort status: a run's progress, from its ledger. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/options.h"
#include "common/signals.h"
#include "coordinator/commands.h"
#include "coordinator/status.h"

#define WATCH_US 1000000

static void print_once(struct status *s, bool json, bool watch)
{
	json_t *all;

	if (!json) {
		/* Home and clear, where there is a terminal to do it. */
		if (watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		status_print(s, stdout);
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

static bool has_ended(struct status *s)
{
	struct status_now now;

	return status_now(s, &now) && strcmp(now.state, "running") != 0 &&
	       strcmp(now.state, "indexing") != 0 && strcmp(now.state, "draining") != 0;
}

int cmd_status(int argc, char **argv)
{
	bool watch = false, json = false;
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
	print_once(s, json, watch);
	while (watch && !has_ended(s) && signals_stops() == 0) {
		usleep(WATCH_US);
		print_once(s, json, watch);
	}
	status_close(s);
	return EXIT_OK;
}
