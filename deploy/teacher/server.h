/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - the teacher on a port
 *
 * One thread and one loop: the listener, the HTTP library's descriptor, the
 * signals, and the timers of answers that take their time. Nothing here knows
 * what an answer looks like (answer.c) or what the model says (teacher.c).
 */
#ifndef RETORT_DEPLOY_TEACHER_SERVER_H
#define RETORT_DEPLOY_TEACHER_SERVER_H

#include "common/err.h"
#include "deploy/teacher/dialect.h"
#include "deploy/teacher/faults.h"
#include "deploy/teacher/load.h"
#include "deploy/teacher/quota.h"
#include "deploy/teacher/teacher.h"

#define DOWN_REFUSE (-1) /* in the place of a status */
#define DOWN_WINDOWS_MAX 16

struct down_window {
	double from_s, to_s; /* since the start */
};

struct server_settings {
	const char *host;
	unsigned port;
	const char *port_file; /* may be NULL, and so may these: */
	const char *api_key;
	const char *ledger;
	const char *const *models;
	size_t n_models;
	bool strict_model;
	struct style style;
	struct teacher_settings teacher;
	struct load_settings load;
	int overload_status;
	const char *retry_after; /* NULL: none is sent */
	struct quota quota;
	struct fault_plan faults;
	const char *const *fault_files;
	size_t n_fault_files;
	double fault_file_rate;
	int64_t drip_us;
	struct down_window down[DOWN_WINDOWS_MAX];
	unsigned n_down;
	int down_status; /* or DOWN_REFUSE */
	uint64_t seed;
};

/* Serves until SIGTERM or SIGINT. */
enum err_code teacher_server_run(
	const struct server_settings *settings, struct err *err) MUST_CHECK;

#endif
