/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "worker/openai_tables.h"
#include "worker/raw_shapes.h"
#include "worker/reader_state.h"

enum {
	PLACE_ERROR = PLACE_OWN,
	PLACE_META,
	PLACE_FINISH,
	PLACE_TOKENS,
	PLACE_TOKEN,
	PLACE_TOPS,
	PLACE_TOP,
	PLACE_CANDIDATE,
	PLACE_N
};

enum {
	OWN_OUTPUT_TOKENS = OPENAI_OWN_INDEX + 1,
	OWN_OUTPUT_TOPS,
	OWN_INPUT_TOKENS,
	OWN_INPUT_TOPS
};

static const struct shape_key root[] = {
	KEY_ANSWER("text", TEXT, content),
	KEY_ANSWER("output_ids", IDS, token_ids),
	KEY_PLACE("meta_info", OBJECT, PLACE_META),
	KEY_OWN("object", OPENAI_OWN_KIND),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
	KEY_ERROR("message", message),
	KEY_ERROR("type", type),
	KEY_ERROR("code", code),
	KEY_READER("detail", RAW, detail),
};

#define ROWS_KEY(key, place)                                                           \
	{                                                                              \
		.name = (key), .len = sizeof(key) - 1, .value = VALUE_OWN,             \
		.about_rows = true, .at = (place)                                      \
	}

static const struct shape_key meta[] = {
	KEY_ANSWER("id", TEXT, id),
	KEY_PLACE("finish_reason", OBJECT, PLACE_FINISH),
	KEY_ANSWER("prompt_tokens", COUNT, usage.prompt_tokens),
	KEY_ANSWER("completion_tokens", COUNT, usage.completion_tokens),
	KEY_ANSWER("cached_tokens", COUNT, usage.cached_prompt_tokens),
	KEY_ANSWER("reasoning_tokens", COUNT, usage.reasoning_tokens),
	ROWS_KEY("output_token_logprobs", OWN_OUTPUT_TOKENS),
	ROWS_KEY("output_top_logprobs", OWN_OUTPUT_TOPS),
	ROWS_KEY("input_token_logprobs", OWN_INPUT_TOKENS),
	ROWS_KEY("input_top_logprobs", OWN_INPUT_TOPS),
};

static const struct shape_key finish[] = {
	KEY_ANSWER("type", TEXT, finish_text),
	KEY_ANSWER("matched", RAW, stop_reason),
	KEY_ERROR("message", message),
	KEY_ERROR("status_code", code),
	KEY_ERROR("err_type", type),
};

static void on_tokens(struct reader *r)
{
	raw_rows_begin(r);
	r->lists.has_tokens = r->lists.has_logprobs = true;
}

static void on_tops(struct reader *r)
{
	raw_rows_begin(r);
	r->lists.has_tops = true;
}

static void on_triple(struct reader *r)
{
	raw_entry_begin(r);
	r->scan.takes_nan = true;
}

/* [logprob, id, text] */
static void on_item(struct reader *r, enum jscan_event event)
{
	switch (r->lists.item++) {
	case 0:
		raw_entry_logprob(r, event);
		r->scan.takes_nan = false;
		break;
	case 1:
		raw_entry_id(r, event);
		break;
	case 2:
		if (event == JSCAN_STRING)
			raw_entry_text(r, r->scan.text, r->scan.text_cut);
		else if (event != JSCAN_NULL)
			reader_wrong_value(r, event);
		break;
	default:
		reader_wrong_value(r, event);
	}
}

static void check_triple(struct reader *r)
{
	r->scan.takes_nan = false;
	if (r->lists.item < 2)
		reader_wrong_shape(r, "an entry of the logprobs is no triple");
}

static void on_token(struct reader *r)
{
	check_triple(r);
	raw_rows_token(r);
	raw_rows_logprob(r);
}

static void on_candidate(struct reader *r)
{
	check_triple(r);
	raw_rows_candidate(r);
}

/* Null where a token has no candidates. */
static void on_no_top(struct reader *r, enum jscan_event event)
{
	if (event != JSCAN_NULL)
		reader_wrong_value(r, event);
	raw_rows_top_begin(r);
	raw_rows_top_end(r);
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(openai_error_keys)},
	[PLACE_META] = {SHAPE_PLACE(meta)},
	[PLACE_FINISH] = {SHAPE_PLACE(finish)},
	[PLACE_TOKENS] = {.entry = PLACE_TOKEN,
		.entry_is_list = true,
		.entered = on_tokens},
	[PLACE_TOKEN] = {.entered = on_triple, .item = on_item, .left = on_token},
	[PLACE_TOPS] = {.entry = PLACE_TOP,
		.entry_is_list = true,
		.entered = on_tops,
		.item = on_no_top},
	[PLACE_TOP] = {.entry = PLACE_CANDIDATE,
		.entry_is_list = true,
		.entered = raw_rows_top_begin,
		.left = raw_rows_top_end},
	[PLACE_CANDIDATE] = {.entered = on_triple,
		.item = on_item,
		.left = on_candidate},
};

static const struct shape_finish finishes[] = {
	{"stop", FINISH_STOP, REASON_NONE},
	{"length", FINISH_LENGTH, REASON_NONE},
	{"abort", FINISH_OTHER, REASON_ABORTED},
	{0},
};

/* The lists of what was generated, or of what was given and is scored. */
static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	bool of_input = number == OWN_INPUT_TOKENS || number == OWN_INPUT_TOPS;

	if (number <= OPENAI_OWN_INDEX) {
		openai_own(r, number, event);
	} else if (of_input != r->rules.scored || event == JSCAN_NULL) {
		reader_skip_value(r, event);
	} else if (event != JSCAN_ARRAY) {
		reader_wrong_value(r, event);
	} else {
		reader_enter(r, number == OWN_OUTPUT_TOPS || number == OWN_INPUT_TOPS
					? PLACE_TOPS
					: PLACE_TOKENS);
	}
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;
	bool has_text = a->content.present;

	raw_rows_settle(r);
	if (r->rules.scored)
		raw_rows_settle_scored(r);
	if (has_text) {
		r->n_choices = 1;
		r->has_choices = r->has_message = true;
	}
	/* A refusal that came too late for a status line. */
	if (text_is(&a->finish_text, "abort") && r->flat.code[0] && !a->error.present) {
		a->error = r->flat;
		a->error.present = true;
	}
}

const struct shape sglang_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_WHOLE,
	.own = own,
	.settle = settle,
};
