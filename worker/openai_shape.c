/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_shape.h"

#include <string.h>

#include "worker/reader_state.h"
#include "worker/tool_parts.h"

enum {
	PLACE_ERROR = PLACE_OWN,
	PLACE_USAGE,
	PLACE_PROMPT_DETAILS,
	PLACE_COMPLETION_DETAILS,
	PLACE_CHOICES,
	PLACE_CHOICE,
	PLACE_MESSAGE,
	PLACE_LOGPROBS,
	PLACE_ROWS,
	PLACE_N
};

enum { OWN_KIND, OWN_INDEX };

static const struct shape_key root[] = {
	KEY_PLACE("choices", LIST, PLACE_CHOICES),
	KEY_PLACE("usage", OBJECT, PLACE_USAGE),
	KEY_ANSWER("model", TEXT, model),
	KEY_ANSWER("id", TEXT, id),
	KEY_ANSWER("system_fingerprint", TEXT, system_fingerprint),
	KEY_ANSWER("prompt_token_ids", IDS, prompt_token_ids),
	KEY_OWN("object", OWN_KIND),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
	KEY_ERROR("message", message),
	KEY_ERROR("type", type),
	KEY_ERROR("code", code),
	KEY_READER("detail", RAW, detail),
};

static const struct shape_key error[] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("type", SHORT, error.type),
	KEY_ANSWER("code", SHORT, error.code),
};

static const struct shape_key usage[] = {
	KEY_ANSWER("prompt_tokens", COUNT, usage.prompt_tokens),
	KEY_ANSWER("completion_tokens", COUNT, usage.completion_tokens),
	/* SGLang's and DeepSeek's places for what others put into details. */
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
	KEY_ANSWER("prompt_cache_hit_tokens", COUNT, usage.cached_prompt_tokens),
	KEY_PLACE("prompt_tokens_details", OBJECT, PLACE_PROMPT_DETAILS),
	KEY_PLACE("completion_tokens_details", OBJECT, PLACE_COMPLETION_DETAILS),
};

static const struct shape_key prompt_details[] = {
	KEY_ANSWER("cached_tokens", COUNT, usage.cached_prompt_tokens),
};

static const struct shape_key completion_details[] = {
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
};

static const struct shape_key choice[] = {
	KEY_OWN("index", OWN_INDEX),
	{.name = "message",
		.len = 7,
		.value = VALUE_OBJECT,
		.when = WHOLE_ONLY,
		.at = PLACE_MESSAGE},
	{.name = "delta",
		.len = 5,
		.value = VALUE_OBJECT,
		.when = STREAM_ONLY,
		.at = PLACE_MESSAGE},
	{.name = "logprobs",
		.len = 8,
		.value = VALUE_OBJECT,
		.about_rows = true,
		.at = PLACE_LOGPROBS},
	KEY_ANSWER("finish_reason", TEXT, finish_text),
	KEY_ANSWER("stop_reason", RAW, stop_reason),
	KEY_READER("matched_stop", RAW, matched_stop),
	KEY_ANSWER("token_ids", IDS, token_ids),
	KEY_ANSWER("prompt_token_ids", IDS, prompt_token_ids),
};

static const struct shape_key message[] = {
	KEY_ANSWER("content", PART, content),
	KEY_ANSWER("reasoning_content", PART, reasoning),
	KEY_READER("reasoning", PART, other_reasoning),
	KEY_ANSWER("refusal", PART, refusal),
	KEY_ANSWER("tool_calls", RAW_PART, tool_calls),
	KEY_READER("function_call", RAW_PART, function_call),
};

static const struct shape_key logprobs[] = {
	KEY_PLACE("content", ROWS, PLACE_ROWS),
};

static void on_message(struct reader *r)
{
	r->has_message = true;
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(error)},
	[PLACE_USAGE] = {SHAPE_PLACE(usage), .is_count = true},
	[PLACE_PROMPT_DETAILS] = {SHAPE_PLACE(prompt_details), .is_count = true},
	[PLACE_COMPLETION_DETAILS] = {SHAPE_PLACE(completion_details),
		.is_count = true},
	[PLACE_CHOICES] = {.entry = PLACE_CHOICE},
	[PLACE_CHOICE] = {SHAPE_PLACE(choice), .is_choice = true},
	[PLACE_MESSAGE] = {SHAPE_PLACE(message), .entered = on_message},
	[PLACE_LOGPROBS] = {SHAPE_PLACE(logprobs)},
	[PLACE_ROWS] = {.is_rows = true},
};

static const struct shape_finish finishes[] = {
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

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	if (number == OWN_KIND) {
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

static bool is_given(const struct answer_text *t)
{
	return t->present && t->text.len > 0;
}

static void exchange(struct answer_text *a, struct answer_text *b)
{
	struct answer_text was = *a;

	*a = *b;
	*b = was;
}

/* Two names for one thing: the one that says something. */
static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	if (r->other_reasoning.present &&
		(!a->reasoning.present ||
			(is_given(&r->other_reasoning) && !is_given(&a->reasoning))))
		exchange(&a->reasoning, &r->other_reasoning);
	if (!a->stop_reason.present && r->matched_stop.present)
		exchange(&a->stop_reason, &r->matched_stop);
	if (a->tool_calls.present && r->framing != FRAMING_WHOLE &&
		!tool_parts_join(&a->tool_calls.text))
		reader_wrong_shape(r, "the pieces of a tool call do not fit");
	if (a->tool_calls.present) {
		const struct buf *t = &a->tool_calls.text;

		if (t->data[0] != '[')
			reader_wrong_shape(r, "the tool calls are no list");
		a->tool_calls.present = memchr(t->data, '{', t->len) != NULL;
	}
	if (!a->tool_calls.present && r->function_call.present)
		exchange(&a->tool_calls, &r->function_call);
}

const struct shape openai_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_MARK,
	.own = own,
	.settle = settle,
};
