/* SPDX-License-Identifier: Apache-2.0 */
/* retort coordinator: the coordinator of a run, as a process of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "common/link.h"
#include "common/log.h"
#include "common/options.h"
#include "common/signals.h"
#include "coordinator/commands.h"
#include "coordinator/coordinator.h"

static int exit_code_of(enum coordinator_end end)
{
	switch (end) {
	case END_DONE:
		return EXIT_OK;
	case END_WITH_FAILURES:
		return EXIT_WITH_FAILURES;
	case END_STOPPED:
	case END_BUDGET:
	case END_BLOCKED:
		break;
	}
	return EXIT_FAILED;
}

int cmd_coordinator(int argc, char **argv)
{
	struct coordinator_options c = {.heartbeat_ms = 2000, .term_ms = 20000};
	int64_t parent = 0, unreachable_s = 0;
	const struct option options[] = {
		{"dir", 0, OPTION_TEXT, "RUN", "the run's folder", &c.dir, 0, 0},
		{"listen", 0, OPTION_TEXT, "ADDR",
			"where workers and the store connect, tcp://HOST:PORT",
			&c.listen, 0, 0},
		{"new-settings", 0, OPTION_FLAG, NULL,
			"ask what is left with a job that gives answers a new meaning",
			&c.new_settings, 0, 0},
		{"reindex", 0, OPTION_FLAG, NULL,
			"read a changed corpus anew, matching prompts by id",
			&c.reindex, 0, 0},
		{"heartbeat-ms", 0, OPTION_INTEGER, "MS", "how often workers report",
			&c.heartbeat_ms, 50, 60000},
		{"term-ms", 0, OPTION_INTEGER, "MS",
			"a lease runs out after so long without a report", &c.term_ms,
			200, 3600000},
		{"unreachable-s", 0, OPTION_INTEGER, "S",
			"give up if no endpoint has answered for so long at the start; 0: never",
			&unreachable_s, 0, 1e6},
		{"alive", 0, OPTION_TEXT, "NAMES",
			"the workers that live; leases of others are dropped", &c.alive,
			0, 0},
		{"parent", 0, OPTION_INTEGER, "PID", "end when this process ends",
			&parent, 0, 0},
	};
	struct command_line line = {"retort coordinator",
		"JOB.json --dir RUN --listen ADDR",
		"Indexes the corpus of a job, leases its prompts to workers, keeps the ledger.",
		options, sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	enum coordinator_end end = END_STOPPED;
	struct err err = {0};
	enum err_code code;
	int exit_code;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	if (!c.dir || !c.listen) {
		fprintf(stderr, "retort coordinator: --dir and --listen are needed\n");
		return EXIT_USAGE;
	}
	if (c.term_ms < 3 * c.heartbeat_ms) {
		fprintf(stderr,
			"retort coordinator: --term-ms must be three heartbeats\n");
		return EXIT_USAGE;
	}
	c.job_path = line.operand[0];
	c.unreachable_ms = unreachable_s * 1000;
	signals_install();
	if (parent && !signals_die_with_parent((int)parent))
		return EXIT_FAILED;
	if (!link_is_local(c.listen))
		log_warn("coordinator",
			"what workers send is not encrypted; keep it in a trusted network",
			"listen=%s", log_quote(c.listen).text);
	code = coordinator_run(&c, &end, &err);
	if (code != ERR_NONE) {
		log_error("coordinator", "ended", "why=%s", log_quote(err.msg).text);
		return code == ERR_INVALID || code == ERR_REFUSED ? EXIT_USAGE
								  : EXIT_FAILED;
	}
	return exit_code_of(end);
}
