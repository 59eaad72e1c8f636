/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - everything that a teacher can do wrong, by name
 *
 * Each fault is a line of one table: the group of the list of malformed
 * answers that it belongs to, what it does, and what a strict reader makes of
 * it. Whether a request is struck is drawn from the prompt, the seed and the
 * number of the attempt, so that a run can be repeated and a second attempt may
 * succeed.
 *
 * This module decides; answers with quirks are written by answer.c, tricks of
 * the connection are played by faults_raw.c.
 */
#ifndef RETORT_DEPLOY_TEACHER_FAULTS_H
#define RETORT_DEPLOY_TEACHER_FAULTS_H

#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "deploy/teacher/quirks.h"

/* What is done to the connection; the body is honest unless there are quirks. */
enum trick {
	TRICK_NONE,
	TRICK_CUT_LENGTH,  /* Content-Length says more than comes */
	TRICK_CUT_CHUNKED, /* no last chunk */
	TRICK_CUT_CLOSE,   /* length unknown, closed in the middle */
	TRICK_GZIP,
	TRICK_GZIP_TWICE,
	TRICK_GZIP_BOMB,
	TRICK_HTML,
	TRICK_TYPE,
	TRICK_HEADER_FLOOD,
	TRICK_HEADER_LINES,
	TRICK_INTERIM,
	TRICK_HTTP09,
	TRICK_LENGTH_AND_CHUNKED,
	TRICK_EXTRA_BYTES,
	TRICK_LONG_TEXT,
	TRICK_DRIP,
	TRICK_STALL,
	TRICK_SILENCE,
	TRICK_RESET,
	TRICK_REDIRECT,
	TRICK_STATUS,
	TRICK_SAME_BODY,
	TRICK_FILE /* a --fault-file */
};

enum status_body { STATUS_EMPTY, STATUS_HTML, STATUS_JSON };

/* What a strict reader is expected to do. tests/system/malformed.py takes these
 * from --list-faults and looks whether that is what happens. */
enum outcome {
	OUTCOME_STORED,  /* as usual; it cannot or need not be told */
	OUTCOME_FLAGGED, /* stored, with a flag or with what is missing absent */
	OUTCOME_RETRIED, /* never stored; asked again, failed in the end */
	OUTCOME_HELD,    /* the endpoint is held; costs the sample no attempt */
	OUTCOME_FAILED,  /* the sample fails at once */
	OUTCOME_STOPPED  /* the endpoint is given up */
};

struct fault {
	const char *name;
	int group;            /* of the list of malformed answers, 1 to 15 */
	enum outcome outcome; /* in the dialect vllm */
	const char *called;   /* the flag, or the reason; NULL */
	const char *summary;
	struct quirks quirks;
	enum trick trick;
	int status;            /* TRICK_STATUS, TRICK_REDIRECT */
	enum status_body body; /* TRICK_STATUS */
	const char *header;    /* value of Retry-After or Location */
};

/* NULL if there is none of that name. */
const struct fault *fault_find(const char *name);
/* Every fault, one line each. */
void faults_print(FILE *to);
const char *outcome_name(enum outcome outcome);

#define FAULT_PLAN_MAX 256

/* Which faults strike how often. */
struct fault_plan {
	struct {
		const struct fault *fault;
		double rate;
	} line[FAULT_PLAN_MAX];
	unsigned n;
	uint64_t seed;
	unsigned attempts; /* only the first so many; 0: all */
};

/* Adds "NAME=RATE,NAME=RATE": ERR_INVALID, with the nearest name, if one is
 * unknown, a rate is not from 0 to 1 or their sum is above 1. */
enum err_code fault_plan_read(
	struct fault_plan *plan, const char *text, struct err *err) MUST_CHECK;

/* The fault of this attempt; NULL for none. `key` is the prompt's. */
const struct fault *fault_plan_draw(
	const struct fault_plan *plan, uint64_t key, uint64_t seed, unsigned attempt);

#endif
