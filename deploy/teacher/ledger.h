/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - what was answered, written before it is sent
 *
 * One JSON line for every request for an answer, in one write to a file that
 * is only ever appended to, before the first byte of the answer leaves. So a
 * test that kills anything at any moment knows what was asked, what was said,
 * and whether it was right. SERVER.md, "Ledger", has the keys.
 */
#ifndef RETORT_DEPLOY_TEACHER_LEDGER_H
#define RETORT_DEPLOY_TEACHER_LEDGER_H

#include "deploy/teacher/ask.h"
#include "deploy/teacher/choice.h"

struct ledger {
	int fd; /* -1: none is kept */
	struct buf line;
};

struct ledger_entry {
	const char *nonce, *path;
	int64_t time_ms;
	const struct question *question; /* NULL: the request was not understood */
	const struct ask *ask;
	unsigned attempt;
	int status;        /* 0: nothing was said; 499: the client went away */
	const char *fault; /* NULL: none */
	struct bytes body; /* NULL: none, or not one that can be told */
	size_t prompt_tokens;
	const struct choice *choice;
	unsigned n;
	uint64_t seed; /* of the first choice */
};

/* `path` may be NULL. */
enum err_code teacher_ledger_open(struct ledger *l, const char *path, struct err *err)
	MUST_CHECK;
void teacher_ledger_close(struct ledger *l);
/* ERR_IO if the line cannot be written: then nothing may be answered. */
enum err_code teacher_ledger_write(
	struct ledger *l, const struct ledger_entry *e, struct err *err) MUST_CHECK;

#endif
