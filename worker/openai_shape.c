/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_shape.h"

#include <string.h>

#include "worker/openai_tables.h"
#include "worker/reader_state.h"
#include "worker/tool_parts.h"

enum { PLACE_MESSAGE = OPENAI_OWN, PLACE_LOGPROBS, PLACE_ROWS, PLACE_N };

static const struct shape_key choice[] = {
	OPENAI_INDEX_KEY,
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
	OPENAI_PLACES,
	[OPENAI_CHOICE] = {SHAPE_PLACE(choice), .is_choice = true},
	[PLACE_MESSAGE] = {SHAPE_PLACE(message), .entered = on_message},
	[PLACE_LOGPROBS] = {SHAPE_PLACE(logprobs)},
	[PLACE_ROWS] = {.is_rows = true},
};

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
	.finishes = openai_finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_MARK,
	.own = openai_own,
	.settle = settle,
};
