/* SPDX-License-Identifier: Apache-2.0 */
/* retort run: a whole job on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/job.h"
#include "common/log.h"
#include "common/options.h"
#include "common/rundir.h"
#include "deploy/commands.h"
#include "deploy/job_check.h"
#include "deploy/supervise.h"

static int64_t default_workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores >= 32 ? 8 : cores >= 8 ? cores / 4 : 1;
}

int cmd_run(int argc, char **argv)
{
	struct supervise_options run = {
		.workers = default_workers(), .unreachable_s = 30};
	const struct option options[] = {
		{"dir", 0, OPTION_TEXT, "RUN",
			"the run's folder (default: <job name>.run beside the job)",
			&run.dir, 0, 0},
		{"workers", 0, OPTION_INTEGER, "N", "worker processes", &run.workers, 1,
			256},
		{"new-settings", 0, OPTION_FLAG, NULL,
			"ask what is left with a job that gives answers a new meaning",
			&run.new_settings, 0, 0},
		{"reindex", 0, OPTION_FLAG, NULL,
			"read a changed corpus anew, matching prompts by id",
			&run.reindex, 0, 0},
		{"unreachable-s", 0, OPTION_INTEGER, "S",
			"give up if no endpoint has answered for so long at the start; 0: never",
			&run.unreachable_s, 0, 1e6},
		{"quiet", 'q', OPTION_FLAG, NULL, "no progress", &run.quiet, 0, 0},
	};
	struct command_line line = {"retort run", "JOB.json",
		"Runs a whole job on this machine; run it again to go on where it stopped.",
		options, sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	char *dir = NULL;
	struct job job;
	struct err err = {0};
	int code;

	if (!options_read(&line, argc, argv, &code))
		return code;
	run.job_path = line.operand[0];
	if (job_check_read(run.job_path, &job, &err) != ERR_NONE) {
		fprintf(stderr, "retort run: %s\n", err.msg);
		return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
	}
	if (!run.dir)
		run.dir = dir = rundir_default(run.job_path, job.name);
	job_release(&job);
	code = supervise(&run);
	free(dir);
	return code;
}
