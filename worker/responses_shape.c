/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/reader_state.h"
#include "worker/responses.h"

enum {
	PLACE_RESPONSE = PLACE_OWN, /* within an event */
	PLACE_ERROR,
	PLACE_INCOMPLETE,
	PLACE_USAGE,
	PLACE_INPUT_DETAILS,
	PLACE_OUTPUT_DETAILS,
	PLACE_OUTPUT,
	PLACE_ITEM,
	PLACE_SUMMARY,
	PLACE_SUMMARY_PART,
	PLACE_CONTENT,
	PLACE_PART,
	PLACE_ROWS,
	PLACE_N
};

enum { OWN_EVENT };

#define MEMBERS_OF_A_RESPONSE                                                          \
	KEY_ANSWER("id", TEXT, id), KEY_ANSWER("model", TEXT, model),                  \
		KEY_ANSWER("status", TEXT, finish_text),                               \
		KEY_PLACE("incomplete_details", OBJECT, PLACE_INCOMPLETE),             \
		KEY_PLACE("output", LIST, PLACE_OUTPUT),                               \
		KEY_PLACE("usage", OBJECT, PLACE_USAGE),                               \
		KEY_PLACE("error", ERROR, PLACE_ERROR)

static const struct shape_key root[] = {
	MEMBERS_OF_A_RESPONSE,
	KEY_OWN("type", OWN_EVENT),
	KEY_PLACE("response", OBJECT, PLACE_RESPONSE),
	/* Of the event "error". */
	KEY_ERROR("message", message),
	KEY_ERROR("code", code),
};

static const struct shape_key response[] = {MEMBERS_OF_A_RESPONSE};

static const struct shape_key error[] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("type", SHORT, error.type),
	KEY_ANSWER("code", SHORT, error.code),
};

static const struct shape_key incomplete[] = {
	KEY_READER("reason", TEXT, matched_stop),
};

static const struct shape_key usage[] = {
	KEY_ANSWER("input_tokens", COUNT, usage.prompt_tokens),
	KEY_ANSWER("output_tokens", COUNT, usage.completion_tokens),
	KEY_PLACE("input_tokens_details", OBJECT, PLACE_INPUT_DETAILS),
	KEY_PLACE("output_tokens_details", OBJECT, PLACE_OUTPUT_DETAILS),
};

static const struct shape_key input_details[] = {
	KEY_ANSWER("cached_tokens", COUNT, usage.cached_prompt_tokens),
};

static const struct shape_key output_details[] = {
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
};

static const struct shape_key item[] = {
	KEY_READER("type", TEXT, item_kind),
	KEY_READER("call_id", RAW, part_id),
	KEY_READER("name", RAW, part_name),
	KEY_READER("arguments", RAW, part_raw),
	KEY_PLACE("summary", LIST, PLACE_SUMMARY),
	KEY_PLACE("content", LIST, PLACE_CONTENT),
};

static const struct shape_key summary_part[] = {
	KEY_READER("text", PART, other_reasoning),
};

/* The type may stand behind the text. */
static const struct shape_key part[] = {
	KEY_READER("type", TEXT, part_kind),
	KEY_READER("text", TEXT, part),
	KEY_ANSWER("refusal", PART, refusal),
	{.name = "logprobs",
		.len = 8,
		.value = VALUE_ROWS,
		.about_rows = true,
		.at = PLACE_ROWS},
};

static void on_output(struct reader *r)
{
	r->has_message = true;
}

static void begin_item(struct reader *r)
{
	reader_text_reset(&r->item_kind);
	reader_text_reset(&r->part_id);
	reader_text_reset(&r->part_name);
	reader_text_reset(&r->part_raw);
}

static void add_member(
	struct buf *out, const char *name, const struct answer_text *json)
{
	buf_printf(out, ",\"%s\":", name);
	buf_add(out, json->text.data, json->text.len);
}

static void end_item(struct reader *r)
{
	struct buf *calls = &r->answer->tool_calls.text;

	if (!text_is(&r->item_kind, "function_call") || !r->part_name.present ||
		!r->part_raw.present)
		return;
	buf_add_str(calls, calls->len ? "," : "[");
	buf_add_str(calls, "{\"type\":\"function_call\"");
	if (r->part_id.present)
		add_member(calls, "call_id", &r->part_id);
	add_member(calls, "name", &r->part_name);
	add_member(calls, "arguments", &r->part_raw);
	buf_add_byte(calls, '}');
	r->answer->tool_calls.present = true;
}

static void begin_part(struct reader *r)
{
	reader_text_reset(&r->part);
	reader_text_reset(&r->part_kind);
}

static void end_part(struct reader *r)
{
	struct answer *a = r->answer;
	struct answer_text *to = text_is(&r->part_kind, "output_text") ? &a->content
				 : text_is(&r->part_kind, "reasoning_text")
					 ? &a->reasoning
					 : NULL;

	if (!to || !r->part.present)
		return;
	buf_add(&to->text, r->part.text.data, r->part.text.len);
	to->present = true;
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_RESPONSE] = {SHAPE_PLACE(response)},
	[PLACE_ERROR] = {SHAPE_PLACE(error)},
	[PLACE_INCOMPLETE] = {SHAPE_PLACE(incomplete)},
	[PLACE_USAGE] = {SHAPE_PLACE(usage), .is_count = true},
	[PLACE_INPUT_DETAILS] = {SHAPE_PLACE(input_details), .is_count = true},
	[PLACE_OUTPUT_DETAILS] = {SHAPE_PLACE(output_details), .is_count = true},
	[PLACE_OUTPUT] = {.entry = PLACE_ITEM, .entered = on_output},
	[PLACE_ITEM] = {SHAPE_PLACE(item), .entered = begin_item, .left = end_item},
	[PLACE_SUMMARY] = {.entry = PLACE_SUMMARY_PART},
	[PLACE_SUMMARY_PART] = {SHAPE_PLACE(summary_part)},
	[PLACE_CONTENT] = {.entry = PLACE_PART},
	[PLACE_PART] = {SHAPE_PLACE(part), .entered = begin_part, .left = end_part},
	[PLACE_ROWS] = {.is_rows = true},
};
static const struct shape_finish finishes[] = {
	{"completed", FINISH_STOP, REASON_NONE},
	{"max_output_tokens", FINISH_LENGTH, REASON_NONE},
	{"content_filter", FINISH_CONTENT_FILTER, REASON_NONE},
	{"incomplete", FINISH_OTHER, REASON_ABORTED},
	{"failed", FINISH_OTHER, REASON_ABORTED},
	{"cancelled", FINISH_OTHER, REASON_ABORTED},
	{"in_progress", FINISH_OTHER, REASON_ABORTED},
	{"queued", FINISH_OTHER, REASON_ABORTED},
	{0},
};

/* Of an event; a response that is not streamed has no type. */
static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	(void)number;
	if (event != JSCAN_STRING)
		reader_wrong_value(r, event);
	else if (bytes_are(r->scan.text, "response.completed") ||
		 bytes_are(r->scan.text, "response.incomplete") ||
		 bytes_are(r->scan.text, "response.failed"))
		r->over = true;
	else if (bytes_are(r->scan.text, "error"))
		r->is_flat_error = true;
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	/* A summary stands for reasoning that is not shown. */
	if (!a->reasoning.present && r->other_reasoning.text.len > 0) {
		struct answer_text was = a->reasoning;

		a->reasoning = r->other_reasoning;
		r->other_reasoning = was;
	}
	if (text_is(&a->finish_text, "incomplete") && r->matched_stop.present) {
		struct answer_text was = a->finish_text;

		a->finish_text = r->matched_stop;
		r->matched_stop = was;
	}
	if (a->tool_calls.present)
		buf_add_byte(&a->tool_calls.text, ']');
	r->n_choices = r->has_choices = r->has_message;
}

const struct shape responses_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_EVENT,
	.own = own,
	.settle = settle,
};
