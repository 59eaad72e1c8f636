/* SPDX-License-Identifier: Apache-2.0 */
/* Reading answers by a jansson tree, then a walk. */
#include "peer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct peer_answer *out;
	enum peer_ids ids;
};

static void take_text(struct peer_text *to, const json_t *v)
{
	to->len = json_string_length(v);
	if (to->len > 0)
		memcpy(to->at, json_string_value(v), to->len);
}

static uint32_t take_id(const struct reader *r, const json_t *entry)
{
	unsigned id;

	if (r->ids == PEER_BYTES)
		return PEER_NO_ID;
	if (r->ids == PEER_ID_MEMBERS)
		return (uint32_t)json_integer_value(json_object_get(entry, "id"));
	return sscanf(json_string_value(json_object_get(entry, "token")), "token_id:%u",
		       &id) == 1
		       ? id
		       : PEER_NO_ID;
}

static void take_token(struct reader *r, const json_t *entry, uint32_t *id,
	double *logprob, uint32_t *at, uint16_t *len)
{
	struct peer_answer *a = r->out;
	const json_t *list = json_object_get(entry, "bytes"), *v;
	size_t i;

	*id = take_id(r, entry);
	*logprob = json_number_value(json_object_get(entry, "logprob"));
	*at = *len = 0;
	if (r->ids == PEER_ID_TEXTS)
		return;
	*at = (uint32_t)a->pool_len;
	*len = (uint16_t)json_array_size(list);
	json_array_foreach(list, i, v)
		a->pool[a->pool_len++] = (unsigned char)json_integer_value(v);
}

static void take_row(struct reader *r, const json_t *row)
{
	struct peer_answer *a = r->out;
	uint32_t n = a->n, m;
	size_t i;
	json_t *entry;

	a->first[n] = a->m;
	take_token(
		r, row, &a->id[n], &a->logprob[n], &a->token_at[n], &a->token_len[n]);
	json_array_foreach(json_object_get(row, "top_logprobs"), i, entry) {
		m = a->m++;
		take_token(r, entry, &a->cand_id[m], &a->cand_logprob[m],
			&a->cand_at[m], &a->cand_len[m]);
	}
	a->n = n + 1;
}

bool peer_jansson(
	const char *body, size_t len, enum peer_ids ids, struct peer_answer *out)
{
	struct reader r = {out, ids};
	json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL), *v;
	json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	json_t *message = json_object_get(choice, "message");
	json_t *usage = json_object_get(root, "usage");
	size_t i;

	out->n = out->m = out->n_ids = 0;
	out->pool_len = 0;
	take_text(&out->model, json_object_get(root, "model"));
	take_text(&out->content, json_object_get(message, "content"));
	take_text(&out->reasoning, json_object_get(message, "reasoning_content"));
	take_text(&out->finish, json_object_get(choice, "finish_reason"));
	out->prompt_tokens =
		(uint32_t)json_integer_value(json_object_get(usage, "prompt_tokens"));
	out->completion_tokens = (uint32_t)json_integer_value(
		json_object_get(usage, "completion_tokens"));
	json_array_foreach(json_object_get(choice, "token_ids"), i, v)
		out->ids[out->n_ids++] = (uint32_t)json_integer_value(v);
	json_array_foreach(
		json_object_get(json_object_get(choice, "logprobs"), "content"), i, v)
		take_row(&r, v);
	out->first[out->n] = out->m;
	json_decref(root);
	return root != NULL;
}
