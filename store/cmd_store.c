/* SPDX-License-Identifier: Apache-2.0 */
/* retort store: the store of a run, as a process of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"
#include "common/link.h"
#include "common/log.h"
#include "common/options.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "store/commands.h"
#include "store/server.h"

int cmd_store(int argc, char **argv)
{
	const char *dir = NULL, *listen = NULL, *connect = NULL, *advertise = NULL;
	int64_t parent = 0;
	const struct option options[] = {
		{"dir", 0, OPTION_TEXT, "RUN",
			"the run's folder; the dataset is RUN/dataset", &dir, 0, 0},
		{"listen", 0, OPTION_TEXT, "ADDR",
			"where workers connect, tcp://HOST:PORT", &listen, 0, 0},
		{"connect", 0, OPTION_TEXT, "COORDINATOR", "the coordinator's address",
			&connect, 0, 0},
		{"advertise", 0, OPTION_TEXT, "ADDR",
			"the address that workers are told (default: what is bound)",
			&advertise, 0, 0},
		{"parent", 0, OPTION_INTEGER, "PID", "end when this process ends",
			&parent, 0, 0},
	};
	struct command_line line = {"retort store",
		"--dir RUN --listen ADDR --connect COORDINATOR",
		"Keeps the dataset of a run: the only process that writes it.", options,
		sizeof(options) / sizeof(options[0]), 0, 0, {NULL}, 0};
	struct server_options server = {0};
	struct err err = {0};
	enum err_code code;
	char *dataset;
	int exit_code, lock;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	if (!dir || !listen || !connect) {
		fprintf(stderr,
			"retort store: --dir, --listen and --connect are needed\n");
		return EXIT_USAGE;
	}
	/* Workers on other machines would look for the store on their own. */
	if (link_is_any(listen) && !advertise) {
		fprintf(stderr,
			"retort store: '%s' is no address that workers can be told; give "
			"--advertise tcp://HOST:PORT\n",
			listen);
		return EXIT_USAGE;
	}
	signals_install();
	if (parent && !signals_die_with_parent((int)parent))
		return EXIT_FAILED;
	dataset = file_join(dir, "dataset");
	server = (struct server_options){dataset, listen, connect, advertise};
	code = rundir_make(dir, &err);
	if (code == ERR_NONE)
		code = rundir_take(dir, LOCK_STORE, 5000, &lock, &err);
	if (code == ERR_NONE && !link_is_local(listen))
		log_warn("store",
			"what workers send is not encrypted; keep it in a trusted network",
			"listen=%s", log_quote(listen).text);
	if (code == ERR_NONE)
		code = server_run(&server, &err);
	if (code != ERR_NONE)
		log_error("store", "ended", "why=%s", log_quote(err.msg).text);
	free(dataset);
	return code == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}
