/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt_rules.h - what the job says about prompts, made ready once
 *
 * A template is text with {{column}} in it, and nothing more: no filters, no
 * conditions, no way to write a literal "{{". White space around the name is
 * ignored. "}}" outside a name is text.
 *
 * The pieces between columns are kept escaped, ready to be copied into JSON.
 *
 * Ownership: the rules copy what they are given.
 */
#ifndef RETORT_COORDINATOR_PROMPT_RULES_H
#define RETORT_COORDINATOR_PROMPT_RULES_H

#include "common/buf.h"
#include "common/err.h"
#include "common/job.h"
#include "coordinator/row.h"

/* A column of the template and the text behind it. The first piece has only
 * text: its slot is ROW_NO_SLOT. */
struct template_piece {
	int slot;
	size_t from, len; /* in struct prompt_rules, `literals` */
};

struct prompt_rules {
	char *template; /* NULL: the row's own shape */
	char *system;   /* NULL: none */
	bool prefill;   /* send a trailing assistant turn */
	char **model;   /* of the teachers; none: any is right */
	size_t n_models;
	bool some_raw, all_raw; /* teachers that take no conversation (job.h) */
	bool scores;            /* the job's mode is score */
	int64_t top_logprobs;   /* the most that a line may ask for */

	struct row_names names;
	bool in_template[ROW_SLOTS];
	struct template_piece *piece;
	size_t n_pieces, cap_pieces;
	struct buf literals;       /* string text */
	struct buf system_message; /* {"role":"system",...}, or empty */
};

/* template and system may be NULL, system also "". ERR_INVALID with the place
 * in the template, counted in characters from 1. On error there is nothing to
 * release. */
enum err_code prompt_rules_init(struct prompt_rules *rules, const char *template,
	const char *system, bool prefill, struct err *err) MUST_CHECK;
/* What a job says, all of it. Errors are the template's. */
enum err_code prompt_rules_of_job(
	struct prompt_rules *rules, const struct job *job, struct err *err) MUST_CHECK;
void prompt_rules_release(struct prompt_rules *rules);

#endif
