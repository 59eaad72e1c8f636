/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_tables.h"
#include "worker/raw_shapes.h"
#include "worker/reader_state.h"

enum {
	PLACE_ERROR = PLACE_OWN,
	PLACE_SHAPE,
	PLACE_LENGTHS,
	PLACE_SEQUENCES,
	PLACE_SEQUENCE,
	PLACE_ROW,
	PLACE_N
};

enum { OWN_SHAPE = PACKED_N, OWN_LENGTHS };

#define ARRAY_KEY(key, kind, number)                                                   \
	{                                                                              \
		.name = (key), .len = sizeof(key) - 1, .value = VALUE_##kind,          \
		.about_rows = true, .at = (number)                                     \
	}

static const struct shape_key root[] = {
	ARRAY_KEY("logprobs_b64", PIECES, PACKED_LOGPROBS),
	ARRAY_KEY("token_ids_b64", PIECES, PACKED_IDS),
	ARRAY_KEY("actual_logprobs_b64", PIECES, PACKED_OWN_LOGPROBS),
	ARRAY_KEY("actual_token_ids_b64", PIECES, PACKED_OWN_IDS),
	ARRAY_KEY("shape", OWN, OWN_SHAPE),
	ARRAY_KEY("completion_lengths", OWN, OWN_LENGTHS),
	ARRAY_KEY("logprobs", OWN, PACKED_LOGPROBS),
	ARRAY_KEY("logprob_token_ids", OWN, PACKED_IDS),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
	KEY_ERROR("message", message),
	KEY_ERROR("code", code),
	KEY_READER("detail", RAW, detail),
};

static void on_row(struct reader *r)
{
	r->scan.takes_nan = true;
}

static void on_row_end(struct reader *r)
{
	r->scan.takes_nan = false;
	packed_rows_end(r);
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(openai_error_keys)},
	[PLACE_SHAPE] = {.item = packed_rows_shape},
	[PLACE_LENGTHS] = {.item = packed_rows_length},
	[PLACE_SEQUENCES] = {.entry = PLACE_SEQUENCE, .entry_is_list = true},
	[PLACE_SEQUENCE] = {.entry = PLACE_ROW,
		.entry_is_list = true,
		.entered = packed_rows_sequence},
	[PLACE_ROW] = {.entered = on_row,
		.item = packed_rows_number,
		.left = on_row_end},
};

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_ARRAY) {
		reader_wrong_value(r, event);
	} else if (number == OWN_SHAPE || number == OWN_LENGTHS) {
		reader_enter(r, number == OWN_SHAPE ? PLACE_SHAPE : PLACE_LENGTHS);
	} else {
		packed_rows_begin(r, number);
		reader_enter(r, PLACE_SEQUENCES);
	}
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	packed_rows_settle(r);
	if (!r->packed.begun)
		return;
	r->n_choices = 1;
	r->has_choices = r->has_message = true;
	a->usage.prompt_tokens = a->prompt_token_ids.n + a->token_ids.n;
	a->usage.completion_tokens = 0;
}

const struct shape trl_shape = {
	.places = places,
	.streamed = FRAMING_WHOLE,
	.own = own,
	.pieces = packed_rows_text,
	.settle = settle,
};
