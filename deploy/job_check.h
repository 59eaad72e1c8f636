/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_check.h - the parts of a job that only the whole program can judge
 *
 * common/job.h checks what stands in the file. The filter belongs to the
 * store, templates to the coordinator, protocols to the worker: here they are
 * asked in turn, before anything is started.
 */
#ifndef RETORT_DEPLOY_JOB_CHECK_H
#define RETORT_DEPLOY_JOB_CHECK_H

#include "common/job.h"

/* job_read, and everything else that can be checked without a network: the
 * filter, the template, that corpus files can be read, tokenizers, that keys are
 * there. */
enum err_code job_check_read(const char *path, struct job *job, struct err *err)
	MUST_CHECK;

#endif
