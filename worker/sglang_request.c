/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/raw_request.h"

static const char *const ours[] = {"text", "input_ids", "input_embeds",
	"return_logprob", "logprob_start_len", "top_logprobs_num", "token_ids_logprob",
	"return_text_in_logprobs", NULL};

static const struct raw_names names = {
	.max_tokens = "max_new_tokens",
	.top_k = "top_k",
	.min_p = "min_p",
	.repetition_penalty = "repetition_penalty",
	.sampling = "sampling_params",
	.seed = "sampling_seed",
	.text = "text",
	.ids = "input_ids",
	.ours = ours,
};

enum err_code sglang_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	/* The logprobs of generated tokens only: -1. Ids say what a token is; its
	 * text would have to be decoded for each candidate. */
	json_t *body = json_pack("{s:{s:i}, s:b, s:b}", "sampling_params", "n", 1,
		"stream", 0, "return_logprob", terms->top_logprobs > 0);

	if (terms->score)
		json_object_set_new(json_object_get(body, "sampling_params"),
			"max_new_tokens", json_integer(0));
	if (terms->top_logprobs > 0)
		json_object_update_new(body,
			json_pack("{s:I, s:i, s:b}", "top_logprobs_num",
				(json_int_t)terms->top_logprobs, "logprob_start_len",
				terms->score ? 0 : -1, "return_text_in_logprobs", 0));
	return raw_form_init(form, &names, terms, body, err);
}

enum err_code sglang_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err)
{
	return raw_write_request(form, &names, messages, seed, out, err);
}
