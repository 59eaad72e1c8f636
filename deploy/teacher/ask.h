/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask.h - a request's body, read and checked
 *
 * Ownership: an ask owns the JSON tree that its texts are lent from.
 */
#ifndef RETORT_DEPLOY_TEACHER_ASK_H
#define RETORT_DEPLOY_TEACHER_ASK_H

#include <jansson.h>

#include "deploy/teacher/dialect.h"
#include "deploy/teacher/lens.h"
#include "deploy/teacher/question.h"
#include "deploy/teacher/vocabulary.h"

#define ASK_STOPS_MAX 16
#define ASK_CHOICES_MAX 128
#define ASK_TOKENS_DEFAULT 32768
#define ASK_COMPLETION_TOKENS_DEFAULT 16

struct ask {
	bool is_chat; /* else the older completions */
	const char *model;
	struct message *message;
	size_t n_messages;
	int64_t max_tokens;
	unsigned n;
	struct sampling sampling;
	bool has_seed;
	int64_t seed;
	struct bytes stop[ASK_STOPS_MAX];
	unsigned n_stop;
	bool logprobs;
	int64_t top_logprobs;
	int64_t given_logprobs; /* prompt_logprobs: of the tokens given; -1: no */
	struct ids prompt_ids;  /* the prompt, if it came as ids */
	bool stream, stream_usage;
	bool return_token_ids, tokens_as_ids, include_reasoning, skip_special, thinks;
	json_t *json;
	struct buf joined; /* texts that come in parts */
};

/* What is wrong with a request. */
struct complaint {
	char text[256];
	char param[64]; /* "": none */
};

/* False, with a complaint, if the body is not a request that this server
 * would answer. Release the ask either way. */
bool ask_read(struct bytes body, bool is_chat, const struct style *style,
	const struct vocabulary *vocabulary, struct ask *out, struct complaint *why);
void ask_release(struct ask *a);

#endif
