/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_tables.h"

#include "worker/reader_state.h"

const struct shape_key openai_root_keys[12] = {
	KEY_PLACE("choices", LIST, OPENAI_CHOICES),
	KEY_PLACE("usage", OBJECT, OPENAI_USAGE),
	KEY_ANSWER("model", TEXT, model),
	KEY_ANSWER("id", TEXT, id),
	KEY_ANSWER("system_fingerprint", TEXT, system_fingerprint),
	KEY_ANSWER("prompt_token_ids", IDS, prompt_token_ids),
	KEY_OWN("object", OPENAI_OWN_KIND),
	KEY_PLACE("error", ERROR, OPENAI_ERROR),
	KEY_ERROR("message", message),
	KEY_ERROR("type", type),
	KEY_ERROR("code", code),
	KEY_READER("detail", RAW, detail),
};

const struct shape_key openai_error_keys[3] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("type", SHORT, error.type),
	KEY_ANSWER("code", SHORT, error.code),
};

const struct shape_key openai_usage_keys[6] = {
	KEY_ANSWER("prompt_tokens", COUNT, usage.prompt_tokens),
	KEY_ANSWER("completion_tokens", COUNT, usage.completion_tokens),
	/* SGLang's and DeepSeek's places for what others put into details. */
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
	KEY_ANSWER("prompt_cache_hit_tokens", COUNT, usage.cached_prompt_tokens),
	KEY_PLACE("prompt_tokens_details", OBJECT, OPENAI_PROMPT_DETAILS),
	KEY_PLACE("completion_tokens_details", OBJECT, OPENAI_COMPLETION_DETAILS),
};

const struct shape_key openai_prompt_keys[1] = {
	KEY_ANSWER("cached_tokens", COUNT, usage.cached_prompt_tokens),
};

const struct shape_key openai_completion_keys[1] = {
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
};

const struct shape_finish openai_finishes[] = {
	{"stop", FINISH_STOP, REASON_NONE},
	{"length", FINISH_LENGTH, REASON_NONE},
	{"eos", FINISH_STOP, REASON_NONE},
	{"eos_token", FINISH_STOP, REASON_NONE},
	{"end_turn", FINISH_STOP, REASON_NONE},
	{"stop_sequence", FINISH_STOP_WORD, REASON_NONE},
	{"max_tokens", FINISH_LENGTH, REASON_NONE},
	{"tool_calls", FINISH_TOOL_CALLS, REASON_NONE},
	{"function_call", FINISH_TOOL_CALLS, REASON_NONE},
	{"content_filter", FINISH_CONTENT_FILTER, REASON_NONE},
	{"abort", FINISH_OTHER, REASON_ABORTED},
	{"error", FINISH_OTHER, REASON_ABORTED},
	{"insufficient_system_resource", FINISH_OTHER, REASON_ABORTED},
	{0},
};

void openai_own(struct reader *r, unsigned number, enum jscan_event event)
{
	if (number == OPENAI_OWN_KIND) {
		r->is_flat_error =
			event == JSCAN_STRING && bytes_are(r->scan.text, "error");
		reader_skip_value(r, event);
	} else if (event != JSCAN_NUMBER) {
		reader_wrong_value(r, event);
	} else if (r->rules.n_choices > 1) {
		r->index = r->scan.number.is_integer ? r->scan.number.integer : -1;
	} else if (!r->scan.number.is_integer || r->scan.number.integer != 0) {
		r->why_choices = "the choice is not number 0";
	}
}
