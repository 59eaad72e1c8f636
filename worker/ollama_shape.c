/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ollama.h"
#include "worker/reader_state.h"
#include "worker/tool_parts.h"

enum { PLACE_ERROR = PLACE_OWN, PLACE_MESSAGE, PLACE_ROWS, PLACE_N };

enum { OWN_DONE };

static const struct shape_key root[] = {
	KEY_ANSWER("model", TEXT, model),
	KEY_PLACE("message", OBJECT, PLACE_MESSAGE),
	KEY_OWN("done", OWN_DONE),
	KEY_ANSWER("done_reason", TEXT, finish_text),
	{.name = "logprobs",
		.len = 8,
		.value = VALUE_ROWS,
		.about_rows = true,
		.at = PLACE_ROWS},
	KEY_ANSWER("prompt_eval_count", COUNT, usage.prompt_tokens),
	KEY_ANSWER("eval_count", COUNT, usage.completion_tokens),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
};

static const struct shape_key error[] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("type", SHORT, error.type),
	KEY_ANSWER("code", SHORT, error.code),
};

static const struct shape_key message[] = {
	KEY_ANSWER("content", PART, content),
	KEY_ANSWER("thinking", PART, reasoning),
	KEY_ANSWER("tool_calls", RAW_PART, tool_calls),
};

static void on_message(struct reader *r)
{
	r->has_message = true;
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(error)},
	[PLACE_MESSAGE] = {SHAPE_PLACE(message), .entered = on_message},
	[PLACE_ROWS] = {.is_rows = true},
};

static const struct shape_finish finishes[] = {
	{"stop", FINISH_STOP, REASON_NONE},
	{"length", FINISH_LENGTH, REASON_NONE},
	/* The model was loaded or unloaded, and nothing was asked. */
	{"load", FINISH_OTHER, REASON_ABORTED},
	{"unload", FINISH_OTHER, REASON_ABORTED},
	{0},
};

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	(void)number;
	if (event == JSCAN_TRUE)
		r->over = true;
	else if (event != JSCAN_FALSE)
		reader_wrong_value(r, event);
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	if (a->tool_calls.present && r->framing != FRAMING_WHOLE &&
		!tool_parts_join(&a->tool_calls.text))
		reader_wrong_shape(r, "the tool calls are no list");
	/* There is no list of choices: the message is the only one. */
	r->n_choices = r->has_choices = r->has_message;
	/* Half an answer, as a stream has it. */
	if (!r->over)
		a->finish_text.present = false;
}

const struct shape ollama_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_LINES,
	.stream_end = END_BY_EVENT,
	.own = own,
	.settle = settle,
};
