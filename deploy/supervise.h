/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.h - a whole run on this machine
 *
 * Starts a coordinator, a store and workers, starts again what dies, shows
 * how far the run is, drains on the first SIGINT or SIGTERM and leaves at once
 * on the second. The processes talk over sockets in RUN/sock, reached through
 * a descriptor that all of them inherit, so that the path may be of any length.
 */
#ifndef RETORT_DEPLOY_SUPERVISE_H
#define RETORT_DEPLOY_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

struct supervise_options {
	const char *job_path;
	const char *dir;
	int64_t workers;
	bool new_settings, reindex, quiet;
	int64_t unreachable_s;
};

/* Returns an exit code of common/options.h. */
int supervise(const struct supervise_options *options);

#endif
