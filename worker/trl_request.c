/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "worker/raw_prompt.h"
#include "worker/raw_request.h"

static const char *const ours[] = {"sequences", "prompt_lengths", "top_logprobs",
	"response_format", "images", NULL};

static const struct raw_names names = {.ours = ours};

/* What the server knows nothing of: it would leave it out without a word. */
static const char *unknown_wish(const struct job_sampling *s)
{
	if (job_has_real(s->top_p))
		return "top_p";
	if (job_has_int(s->top_k))
		return "top_k";
	if (job_has_real(s->min_p))
		return "min_p";
	if (job_has_real(s->presence_penalty))
		return "presence_penalty";
	if (job_has_real(s->repetition_penalty))
		return "repetition_penalty";
	if (job_has_int(s->max_tokens))
		return "max_tokens";
	if (job_has_int(s->seed))
		return "seed";
	return s->stop ? "stop" : NULL;
}

enum err_code trl_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	const char *wish = unknown_wish(terms->sampling);

	*form = (struct request_form){0};
	if (!wish && terms->overrides)
		wish = unknown_wish(&terms->overrides->sampling);
	if (wish)
		return err_set(err, ERR_INVALID,
			"teacher '%s' (api trl) only scores: it knows no %s",
			terms->teacher->name, wish);
	return raw_form_init(form, &names, terms,
		json_pack("{s:I, s:f, s:s}", "top_logprobs",
			(json_int_t)terms->top_logprobs, "temperature", 1.0,
			"response_format", "binary"),
		err);
}

enum err_code trl_write_request(const struct request_form *form, struct bytes messages,
	uint64_t seed, struct buf *out, struct err *err)
{
	struct raw_prompt prompt;

	(void)seed;
	if (!raw_prompt_read(messages, &prompt) || prompt.kind != RAW_IDS)
		return err_set(err, ERR_INVALID,
			"the api trl scores token ids: give input_ids and prompt_len");
	buf_add(out, form->head.data, form->head.len);
	buf_add(out, form->tail.data, form->tail.len);
	buf_add_str(out, ",\"sequences\":[");
	buf_add(out, prompt.value.data, prompt.value.len);
	buf_printf(out, "],\"prompt_lengths\":[%u]}", prompt.prompt_len);
	return out->over ? err_set(err, ERR_INVALID, "the request is too long")
			 : ERR_NONE;
}
