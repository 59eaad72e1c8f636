/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_request.h - requests of protocols that are not OpenAI-shaped
 *
 * Their messages have another form than the corpus's (OpenAI's), so that a
 * request is built as a tree: the fixed members once (the form), the messages
 * turned for each. What a protocol calls things is a struct tree_api; what no
 * table can say is its hooks. A key of the job that it does not know is an
 * error and never dropped.
 *
 * extra_body is merged member by member, down into objects ("options",
 * "generationConfig"), and wins over the job's sampling; a prompt's own wishes
 * win over both.
 */
#ifndef RETORT_WORKER_TREE_REQUEST_H
#define RETORT_WORKER_TREE_REQUEST_H

#include <jansson.h>

#include "worker/protocol.h"

struct tree_api {
	const char *inside; /* the object that holds the sampling; NULL: the root */
	/* Names; NULL: not known. */
	const char *temperature, *top_p, *top_k, *min_p, *presence_penalty;
	const char *repetition_penalty, *max_tokens, *stop, *seed;
	bool max_tokens_required;
	bool prefills;           /* a trailing assistant turn is continued */
	int64_t k_max;           /* candidates a row; 0: no logprobs */
	const char *const *ours; /* members that extra_body must not have; NULL-ended */

	/* Fixed members beside the sampling: logprobs, stream. */
	void (*add_fixed)(json_t *body, const struct request_terms *terms);
	/* A member that a prompt asks for; false: `why` says that it cannot be. */
	bool (*add_member)(
		json_t *body, const char *name, json_t *value, const char **why);
	/* The messages in the protocol's form; false: `why`. */
	bool (*add_messages)(json_t *body, const json_t *messages, const char **why);
};

enum err_code tree_form_init(struct request_form *form, const struct tree_api *api,
	const struct request_terms *terms, struct err *err) MUST_CHECK;
enum err_code tree_write_request(const struct request_form *form, struct bytes messages,
	uint64_t seed, struct buf *out, struct err *err) MUST_CHECK;

/* For hooks: sets *why, which is constant text; false. */
bool tree_refuse(const char **why, const char *text);
/* A member that is a text, lent; else NULL. */
const char *tree_text(const json_t *object, const char *name);
/* Whether the text, or NULL, is the word. */
bool tree_is(const char *text, const char *word);
/* The object of that name, made if it is missing. */
json_t *tree_object(json_t *in, const char *name);
/* A new reference to a copy of `value`, or nothing for NULL. */
void tree_set_copy(json_t *in, const char *name, const json_t *value);

/* "data:image/png;base64,AAAA": true, with the type (copied, cut) and where the
 * data begin. False: an address. */
bool data_url_split(const char *url, char *type, size_t size, const char **data);

#endif
