/* SPDX-License-Identifier: Apache-2.0 */
/* retort worker: one worker of a run. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/link.h"
#include "common/log.h"
#include "common/options.h"
#include "common/signals.h"
#include "worker/commands.h"
#include "worker/worker.h"

int cmd_worker(int argc, char **argv)
{
	char default_name[LIMIT_WORKER_NAME], host[64] = "host";
	const char *connect = NULL, *name = NULL;
	int64_t parent = 0;
	const struct option options[] = {
		{"connect", 0, OPTION_TEXT, "COORDINATOR", "the coordinator's address",
			&connect, 0, 0},
		{"name", 0, OPTION_TEXT, "NAME",
			"as `workers` lists it (default: HOST:PID)", &name, 0, 0},
		{"parent", 0, OPTION_INTEGER, "PID", "end when this process ends",
			&parent, 0, 0},
	};
	struct command_line line = {"retort worker", "--connect COORDINATOR",
		"Asks teachers for the samples of the prompts that it leases.", options,
		sizeof(options) / sizeof(options[0]), 0, 0, {NULL}, 0};
	struct worker_options worker;
	struct err err = {0};
	int exit_code;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	if (!connect) {
		fprintf(stderr, "retort worker: --connect is needed\n");
		return EXIT_USAGE;
	}
	gethostname(host, sizeof(host) - 1);
	snprintf(default_name, sizeof(default_name), "%s:%ld", host, (long)getpid());
	if (name && strlen(name) > LIMIT_WORKER_NAME) {
		fprintf(stderr, "retort worker: --name is too long\n");
		return EXIT_USAGE;
	}
	signals_install();
	if (parent && !signals_die_with_parent((int)parent))
		return EXIT_FAILED;
	worker = (struct worker_options){connect, name ? name : default_name};
	if (worker_run(&worker, &err) != ERR_NONE) {
		log_error("worker", "ended", "why=%s", log_quote(err.msg).text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
