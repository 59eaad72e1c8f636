/* SPDX-License-Identifier: Apache-2.0 */
/*
 * given.h - tokens that the model did not say, and what it thinks of them
 *
 * With prompt_logprobs a client gives the ids of a conversation and of an answer to
 * it, as an answer's prompt_token_ids and token_ids have them, and is told the row of
 * each token. The ids say which question it is, so the rows of the answer are those
 * with which the model itself would have said it. Of the prompt's own tokens it has no
 * model: any id is as likely there as any other.
 *
 * Pure. Ownership: a struct given owns all it holds.
 */
#ifndef RETORT_DEPLOY_TEACHER_GIVEN_H
#define RETORT_DEPLOY_TEACHER_GIVEN_H

#include "deploy/teacher/figures.h"
#include "deploy/teacher/teacher.h"

struct given {
	struct buf text; /* of all messages */
	struct message *message;
	size_t n_messages;
	struct question question;
	struct script script;
	size_t first;    /* the answer's first token; all of them: there is no answer */
	uint32_t *state; /* of each of the answer's tokens */
};

/* NULL, or what is wrong with the ids. `thinks` is the request's, `opens` the
 * server's; where the opening tag is part of the prompt, the ids tell. */
const char *given_read(const struct teacher *t, const struct ids *ids, bool thinks,
	bool opens, struct given *out);
void given_release(struct given *g);

/* vLLM's prompt_logprobs: null, then for each token an object by ids, of the token
 * itself and the k most likely. */
void given_write(const struct teacher *t, struct figures *figures,
	const struct given *g, const struct ids *ids, unsigned k, struct buf *out);

#endif
