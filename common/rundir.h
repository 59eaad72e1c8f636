/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir.h - the folder of a run: names, modes, locks
 *
 *   ledger.sqlite   the coordinator's; others read it
 *   dataset/        the store's (mode 0750)
 *   corpus/         the index of ids and packed corpora (0750)
 *   job.json        the job as it runs
 *   lock            who works here, see enum rundir_lock
 *   control.sock    for commands that change something
 *   sock/           the processes' own sockets (0700)
 *   log/            what the processes say (0750)
 *
 * The folder itself can be entered by others, so that they can read the
 * ledger, which holds no text of prompts or answers.
 */
#ifndef RETORT_COMMON_RUNDIR_H
#define RETORT_COMMON_RUNDIR_H

#include <stdbool.h>

#include "common/err.h"

/* The bytes of `lock`; each is held by one process. */
enum rundir_lock { LOCK_SUPERVISOR, LOCK_COORDINATOR, LOCK_STORE };

/* Makes the folder and its parts where they are missing. */
enum err_code rundir_make(const char *dir, struct err *err) MUST_CHECK;

/* Takes a lock, waiting up to wait_ms for a process that is just ending.
 * ERR_EXISTS names who holds it. */
enum err_code rundir_take(const char *dir, enum rundir_lock which, int wait_ms, int *fd,
	struct err *err) MUST_CHECK;

/* Whether a supervisor or a coordinator works here. For people: it may have
 * changed when it is said. */
bool rundir_is_at_work(const char *dir);

/*
 * A short address for a socket in the folder, however long its path: by way of
 * a descriptor of the folder, which stays open in this process. `name` is
 * "control.sock" or "sock/store". For binding and for connecting.
 */
enum err_code rundir_socket(const char *dir, const char *name, char address[64],
	struct err *err) MUST_CHECK;

/* "<job name>.run" beside the job file; free it. */
char *rundir_default(const char *job_path, const char *job_name);

#endif
