/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/buf.h"
#include "worker/anthropic.h"
#include "worker/reader_state.h"

enum {
	PLACE_ERROR = PLACE_OWN,
	PLACE_USAGE,
	PLACE_BLOCKS,
	PLACE_BLOCK,
	PLACE_MESSAGE, /* of the event message_start */
	PLACE_MESSAGE_USAGE,
	PLACE_EVENT_BLOCK,
	PLACE_DELTA,
	PLACE_N
};

enum { OWN_KIND };

#define MEMBERS_OF_A_MESSAGE                                                           \
	KEY_ANSWER("id", TEXT, id), KEY_ANSWER("model", TEXT, model),                  \
		KEY_ANSWER("stop_reason", TEXT, finish_text),                          \
		KEY_ANSWER("stop_sequence", RAW, stop_reason)

static const struct shape_key root[] = {
	MEMBERS_OF_A_MESSAGE,
	KEY_OWN("type", OWN_KIND),
	KEY_PLACE("content", LIST, PLACE_BLOCKS),
	KEY_PLACE("usage", OBJECT, PLACE_USAGE),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
	KEY_PLACE("message", OBJECT, PLACE_MESSAGE),
	KEY_PLACE("content_block", OBJECT, PLACE_EVENT_BLOCK),
	KEY_PLACE("delta", OBJECT, PLACE_DELTA),
};

static const struct shape_key message[] = {
	MEMBERS_OF_A_MESSAGE,
	KEY_PLACE("usage", OBJECT, PLACE_MESSAGE_USAGE),
};

static const struct shape_key error[] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("type", SHORT, error.type),
};

static const struct shape_key usage[] = {
	KEY_ANSWER("input_tokens", COUNT, usage.prompt_tokens),
	KEY_ANSWER("output_tokens", COUNT, usage.completion_tokens),
	KEY_ANSWER("cache_read_input_tokens", COUNT, usage.cached_prompt_tokens),
	KEY_READER("cache_creation_input_tokens", COUNT, extra_tokens),
};

/* A block's text goes to its place at once; a tool call is put together from
 * its members when the block ends. */
static const struct shape_key block[] = {
	KEY_READER("type", TEXT, part_kind),
	KEY_ANSWER("text", PART, content),
	KEY_ANSWER("thinking", PART, reasoning),
	KEY_READER("id", RAW, part_id),
	KEY_READER("name", RAW, part_name),
	KEY_READER("input", RAW, part_raw),
};

/* input_json_delta grows part.text; stop_reason comes with message_delta. */
static const struct shape_key delta[] = {
	KEY_ANSWER("text", PART, content),
	KEY_ANSWER("thinking", PART, reasoning),
	KEY_READER("partial_json", PART, part),
	KEY_ANSWER("stop_reason", TEXT, finish_text),
	KEY_ANSWER("stop_sequence", RAW, stop_reason),
};

static void begin_block(struct reader *r)
{
	reader_text_reset(&r->part_kind);
	reader_text_reset(&r->part_id);
	reader_text_reset(&r->part_name);
	reader_text_reset(&r->part_raw);
	reader_text_reset(&r->part);
}

static void add_raw(struct buf *out, const char *name, struct bytes json)
{
	buf_add_str(out, name);
	buf_add(out, json.data, json.len);
}

/* The tool call that is in the parts, as an entry of the list of calls. */
static void add_tool_call(struct reader *r)
{
	struct buf *calls = &r->answer->tool_calls.text;
	struct bytes input = buf_bytes(&r->part_raw.text);

	if (!text_is(&r->part_kind, "tool_use") || !r->part_id.present ||
		!r->part_name.present)
		return;
	/* A stream sends {} first and the input in pieces behind it. */
	if (r->part.text.len > 0)
		input = buf_bytes(&r->part.text);
	buf_add_str(calls, calls->len ? "," : "[");
	add_raw(calls, "{\"type\":\"tool_use\",\"id\":", buf_bytes(&r->part_id.text));
	add_raw(calls, ",\"name\":", buf_bytes(&r->part_name.text));
	add_raw(calls, ",\"input\":", input.len ? input : bytes_of("{}", 2));
	buf_add_byte(calls, '}');
	r->answer->tool_calls.present = true;
	begin_block(r);
}

static void on_message(struct reader *r)
{
	r->has_message = true;
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(error)},
	[PLACE_USAGE] = {SHAPE_PLACE(usage), .is_count = true},
	[PLACE_BLOCKS] = {.entry = PLACE_BLOCK, .entered = on_message},
	[PLACE_BLOCK] = {SHAPE_PLACE(block), .entered = begin_block,
		.left = add_tool_call},
	[PLACE_MESSAGE] = {SHAPE_PLACE(message), .entered = on_message},
	[PLACE_MESSAGE_USAGE] = {SHAPE_PLACE(usage), .is_count = true},
	[PLACE_EVENT_BLOCK] = {SHAPE_PLACE(block), .entered = begin_block},
	[PLACE_DELTA] = {SHAPE_PLACE(delta)},
};

static const struct shape_finish finishes[] = {
	{"end_turn", FINISH_STOP, REASON_NONE},
	{"stop_sequence", FINISH_STOP_WORD, REASON_NONE},
	{"max_tokens", FINISH_LENGTH, REASON_NONE},
	{"model_context_window_exceeded", FINISH_LENGTH, REASON_NONE},
	{"tool_use", FINISH_TOOL_CALLS, REASON_NONE},
	{"refusal", FINISH_CONTENT_FILTER, REASON_NONE},
	/* To be continued by another request, which nobody sends. */
	{"pause_turn", FINISH_OTHER, REASON_ABORTED},
	{0},
};

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	(void)number;
	if (event != JSCAN_STRING)
		reader_wrong_value(r, event);
	else if (bytes_are(r->scan.text, "message_stop"))
		r->over = true;
	else if (bytes_are(r->scan.text, "content_block_stop"))
		add_tool_call(r);
	else if (bytes_are(r->scan.text, "error"))
		r->is_flat_error = true;
}

/* Input tokens do not count those written to the cache or read from it. */
static void settle(struct reader *r)
{
	struct answer_usage *u = &r->answer->usage;

	if (u->prompt_tokens != COUNT_UNKNOWN)
		u->prompt_tokens +=
			count_or_zero(u->cached_prompt_tokens) + r->extra_tokens;
	if (r->answer->tool_calls.present)
		buf_add_byte(&r->answer->tool_calls.text, ']');
	/* There is no list of choices: the message is the only one. */
	r->n_choices = r->has_choices = r->has_message;
}

const struct shape anthropic_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_EVENT,
	.own = own,
	.settle = settle,
};
