/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "worker/raw_request.h"

static const char *const ours[] = {
	"prompt", "best_of", "echo", "prompt_logprobs", "stream_options", NULL};

#define COMMON                                                                         \
	.max_tokens = "max_tokens", .seed = "seed", .text = "prompt", .ids = "prompt", \
	.ours = ours
#define RARE(repetition)                                                               \
	.top_k = "top_k", .min_p = "min_p", .repetition_penalty = (repetition)

static const struct raw_names names[] = {
	[SERVER_OPENAI] = {COMMON},
	[SERVER_VLLM] = {COMMON, RARE("repetition_penalty")},
	[SERVER_SGLANG] = {COMMON, RARE("repetition_penalty")},
	[SERVER_LLAMACPP] = {COMMON, RARE("repeat_penalty")},
	[SERVER_TRTLLM] = {COMMON, RARE("repetition_penalty")},
	[SERVER_OLLAMA] = {COMMON},
};

static void set(json_t *body, const char *name, json_t *value)
{
	json_object_set_new(body, name, value);
}

/* vLLM says of each token of a prompt what it thought of it. One token must be
 * generated beside. */
static enum err_code score_form(struct request_form *form,
	const struct request_terms *terms, json_t *body, struct err *err)
{
	if (terms->server != SERVER_VLLM) {
		json_decref(body);
		*form = (struct request_form){0};
		return err_set(err, ERR_INVALID,
			"teacher '%s': its server (%s) cannot score by the api "
			"completions; vLLM can",
			terms->teacher->name, job_server_name(terms->server));
	}
	set(body, "max_tokens", json_integer(1));
	set(body, "prompt_logprobs", json_integer(terms->top_logprobs));
	set(body, "return_token_ids", json_true());
	return raw_form_init(form, &names[terms->server], terms, body, err);
}

enum err_code completions_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	json_t *body = json_object();

	assert(terms->server > SERVER_AUTO && terms->server <= SERVER_OLLAMA);
	set(body, "model", json_string(terms->teacher->model));
	if (terms->score)
		return score_form(form, terms, body, err);
	if (terms->needs_ids && terms->server != SERVER_VLLM &&
		terms->server != SERVER_SGLANG) {
		json_decref(body);
		*form = (struct request_form){0};
		return request_without_ids(terms, err);
	}
	if (terms->top_logprobs > 0)
		set(body, "logprobs", json_integer(terms->top_logprobs));
	/* Without it the candidates are members of an object by their texts, and
	 * of two with one text only one is left. */
	if (terms->top_logprobs > 0 && terms->server == SERVER_VLLM)
		set(body, "return_tokens_as_token_ids", json_true());
	if (terms->server == SERVER_VLLM || terms->server == SERVER_SGLANG)
		set(body, "return_token_ids", json_true());
	if (terms->stream) {
		set(body, "stream", json_true());
		set(body, "stream_options", json_pack("{s:b}", "include_usage", 1));
	}
	return raw_form_init(form, &names[terms->server], terms, body, err);
}

enum err_code completions_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err)
{
	/* What servers call the prompt and the seed is the same for all. */
	return raw_write_request(form, &names[SERVER_OPENAI], messages, seed, out, err);
}
