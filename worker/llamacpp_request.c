/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/raw_request.h"

/* post_sampling_probs: what is left of the probabilities behind all samplers is no
 * distribution of the model's, and comes without logarithms. */
static const char *const ours[] = {
	"prompt", "n_probs", "post_sampling_probs", "return_tokens", "n_cmpl", NULL};

static const struct raw_names names = {
	.max_tokens = "n_predict",
	.top_k = "top_k",
	.min_p = "min_p",
	.repetition_penalty = "repeat_penalty",
	.seed = "seed",
	.text = "prompt",
	.ids = "prompt",
	.ours = ours,
};

enum err_code llamacpp_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	/* Some versions call the model in the answer what the request calls it. */
	json_t *body = json_pack("{s:s, s:b, s:b}", "model", terms->teacher->model,
		"stream", 0, "return_tokens", 1);

	if (terms->top_logprobs > 0)
		json_object_update_new(body, json_pack("{s:I, s:b}", "n_probs",
						     (json_int_t)terms->top_logprobs,
						     "post_sampling_probs", 0));
	return raw_form_init(form, &names, terms, body, err);
}

enum err_code llamacpp_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err)
{
	return raw_write_request(form, &names, messages, seed, out, err);
}
