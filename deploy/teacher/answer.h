/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - the body of an answer, in the dialect and with the quirks asked for
 *
 * Written in one pass into a buffer; only here and in rows.c is it known what
 * the answers of the different servers look like.
 */
#ifndef RETORT_DEPLOY_TEACHER_ANSWER_H
#define RETORT_DEPLOY_TEACHER_ANSWER_H

#include "deploy/teacher/ask.h"
#include "deploy/teacher/choice.h"
#include "deploy/teacher/figures.h"
#include "deploy/teacher/fragments.h"
#include "deploy/teacher/given.h"
#include "deploy/teacher/quirks.h"

/* What answers share while the server runs: tables that fill as they are used. */
struct press {
	struct teacher *teacher;
	const struct style *style;
	struct figures figures;         /* of the model itself */
	struct fragments *fragments[4]; /* the latest styles of entries, newest first */
};

void press_init(struct press *p, struct teacher *teacher, const struct style *style);
void press_release(struct press *p);

struct answer {
	const struct ask *ask;
	const struct question *question;
	const struct script *script;
	const struct ids *prompt;
	const struct given *given; /* prompt_logprobs are asked for; NULL */
	const struct choice *choice;
	unsigned n;
	const char *model;
	const char *nonce;
	int64_t created; /* seconds */
	double spent_ms; /* for llama.cpp's timings */
	const struct quirks *quirks;
	const char *authorization; /* of the request; may be NULL */
};

void answer_write(struct press *p, const struct answer *a, struct buf *out);

/* For n tokens in all choices together. */
size_t answer_tokens(const struct answer *a);

/* An error in the dialect's shape. `param` may be NULL or empty. */
void answer_write_error(const struct style *style, int status, const char *message,
	const char *param, struct buf *out);
/* The list of models. */
void answer_write_models(const struct style *style, const char *const *names, size_t n,
	int64_t created, struct buf *out);

#endif
