/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - the store's process: the only writer of a dataset
 *
 * One thread, one loop, one order (also in ARCHITECTURE.md):
 *
 *   read the clock, run what is due; wait; handle a bounded number of
 *   messages inside one transaction; COMMIT, synced to disk; then, and only
 *   then, send the answers of this round and the totals.
 *
 * A commit that fails with an I/O error ends the process without an answer to
 * anybody: the kernel may have dropped pages that a later sync would call
 * clean, so nothing written since may be trusted before a restart.
 */
#ifndef RETORT_STORE_SERVER_H
#define RETORT_STORE_SERVER_H

#include "common/err.h"

struct server_options {
	const char *dir;         /* the dataset's folder */
	const char *listen;      /* where workers connect to */
	const char *coordinator; /* its address */
	const char *advertise;   /* what workers are told; NULL: what is bound */
};

/* Serves until asked to stop; ERR_NONE then. */
enum err_code server_run(const struct server_options *options, struct err *err)
	MUST_CHECK;

#endif
