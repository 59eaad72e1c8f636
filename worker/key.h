/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - a teacher's key, from where the job says
 *
 * The front door reads it once before anything is started, each worker for
 * itself: a key never travels between processes.
 */
#ifndef RETORT_WORKER_KEY_H
#define RETORT_WORKER_KEY_H

#include "common/job.h"

/* *key is NULL if the teacher needs none; else key_forget it. Blanks and line
 * feeds at its ends are no part of it. No message says what a key holds. */
enum err_code key_read(const struct job_teacher *t, char **key, struct err *err)
	MUST_CHECK;

/* Wipes and frees it; NULL is fine. */
void key_forget(char *key);

#endif
