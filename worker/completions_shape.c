/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "worker/openai_tables.h"
#include "worker/raw_shapes.h"
#include "worker/reader_state.h"

enum {
	PLACE_LOGPROBS = OPENAI_OWN,
	PLACE_ROWS,
	PLACE_TOKENS,
	PLACE_TOKEN_LOGPROBS,
	PLACE_TOPS,
	PLACE_TOP,
	PLACE_GIVEN,
	PLACE_GIVEN_ROW,
	PLACE_GIVEN_ENTRY,
	PLACE_N
};

enum { OWN_CANDIDATE = OPENAI_OWN_INDEX + 1, OWN_GIVEN, OWN_LOGPROB, OWN_DECODED };

static const struct shape_key choice[] = {
	OPENAI_INDEX_KEY,
	KEY_ANSWER("text", PART, content),
	{.name = "logprobs",
		.len = 8,
		.value = VALUE_OBJECT,
		.about_rows = true,
		.at = PLACE_LOGPROBS},
	KEY_OWN("prompt_logprobs", OWN_GIVEN),
	KEY_ANSWER("finish_reason", TEXT, finish_text),
	KEY_ANSWER("stop_reason", RAW, stop_reason),
	KEY_READER("matched_stop", RAW, matched_stop),
	KEY_ANSWER("token_ids", IDS, token_ids),
	KEY_ANSWER("prompt_token_ids", IDS, prompt_token_ids),
};

static const struct shape_key logprobs[] = {
	KEY_PLACE("content", ROWS, PLACE_ROWS),
	KEY_PLACE("tokens", LIST, PLACE_TOKENS),
	KEY_PLACE("token_logprobs", LIST, PLACE_TOKEN_LOGPROBS),
	KEY_PLACE("top_logprobs", LIST, PLACE_TOPS),
};

static const struct shape_key candidate = KEY_OWN("", OWN_CANDIDATE);

static void on_tokens(struct reader *r)
{
	raw_rows_begin(r);
	r->lists.has_tokens = true;
}

static void on_token_logprobs(struct reader *r)
{
	raw_rows_begin(r);
	r->lists.has_logprobs = true;
	r->scan.takes_nan = true;
}

static void on_tops(struct reader *r)
{
	raw_rows_begin(r);
	r->lists.has_tops = true;
}

static void no_more_numbers(struct reader *r)
{
	r->scan.takes_nan = false;
}

static void on_token(struct reader *r, enum jscan_event event)
{
	raw_entry_begin(r);
	if (event == JSCAN_STRING)
		raw_entry_text(r, r->scan.text, r->scan.text_cut);
	else if (event != JSCAN_NULL)
		reader_wrong_value(r, event);
	raw_rows_token(r);
}

static void on_logprob(struct reader *r, enum jscan_event event)
{
	raw_entry_begin(r);
	raw_entry_logprob(r, event);
	raw_rows_logprob(r);
}

/* Null where a token has no candidates. */
static void on_no_top(struct reader *r, enum jscan_event event)
{
	if (event != JSCAN_NULL)
		reader_wrong_value(r, event);
	raw_rows_top_begin(r);
	raw_rows_top_end(r);
}

static void on_top(struct reader *r)
{
	raw_rows_top_begin(r);
	r->scan.takes_nan = true;
}

static void on_top_end(struct reader *r)
{
	r->scan.takes_nan = false;
	raw_rows_top_end(r);
}

static void on_candidate_text(struct reader *r, struct bytes name, bool cut)
{
	raw_entry_begin(r);
	raw_entry_text(r, name, cut);
}

/* What was given and is scored: [null, {"ID": {"logprob", "rank", "decoded_token"}}]. */
static const struct shape_key given_candidate =
	KEY_PLACE("", OBJECT, PLACE_GIVEN_ENTRY);

static const struct shape_key given_entry[] = {
	KEY_OWN("logprob", OWN_LOGPROB),
	KEY_OWN("decoded_token", OWN_DECODED),
};

static void on_given_id(struct reader *r, struct bytes name, bool cut)
{
	unsigned char digits[OPENAI_ID_DIGITS + 1] = {0};

	raw_entry_begin(r);
	if (cut || name.len > OPENAI_ID_DIGITS) {
		reader_wrong_shape(r, "a token's id is no id");
		return;
	}
	memcpy(digits, name.data, name.len);
	if (openai_id_text(digits, 0, &r->entry) == 0)
		reader_wrong_shape(r, "a token's id is no id");
	/* The decoded text is the token's, and not this one. */
	r->entry.is_id_text = r->entry.has_text = false;
}

static void on_given_entry_end(struct reader *r)
{
	raw_rows_candidate(r);
}

static const struct shape_place places[PLACE_N] = {
	OPENAI_PLACES,
	[OPENAI_CHOICE] = {SHAPE_PLACE(choice), .is_choice = true},
	[PLACE_LOGPROBS] = {SHAPE_PLACE(logprobs), .left = raw_rows_settle},
	[PLACE_ROWS] = {.is_rows = true},
	[PLACE_TOKENS] = {.entered = on_tokens, .item = on_token},
	[PLACE_TOKEN_LOGPROBS] = {.entered = on_token_logprobs,
		.left = no_more_numbers,
		.item = on_logprob},
	[PLACE_TOPS] = {.entry = PLACE_TOP, .entered = on_tops, .item = on_no_top},
	[PLACE_TOP] = {.any_key = &candidate,
		.named = on_candidate_text,
		.entered = on_top,
		.left = on_top_end},
	[PLACE_GIVEN] = {.entry = PLACE_GIVEN_ROW,
		.entered = on_tops,
		.item = on_no_top},
	[PLACE_GIVEN_ROW] = {.any_key = &given_candidate,
		.named = on_given_id,
		.entered = on_top,
		.left = on_top_end},
	[PLACE_GIVEN_ENTRY] = {SHAPE_PLACE(given_entry), .left = on_given_entry_end},
};

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	switch (number) {
	case OWN_CANDIDATE:
		raw_entry_logprob(r, event);
		raw_rows_candidate(r);
		break;
	case OWN_GIVEN:
		if (r->rules.scored && event == JSCAN_ARRAY)
			reader_enter(r, PLACE_GIVEN);
		else
			reader_skip_value(r, event);
		break;
	case OWN_LOGPROB:
		raw_entry_logprob(r, event);
		break;
	case OWN_DECODED:
		if (event == JSCAN_STRING)
			raw_entry_text(r, r->scan.text, r->scan.text_cut);
		else if (event != JSCAN_NULL)
			reader_wrong_value(r, event);
		break;
	default:
		openai_own(r, number, event);
	}
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	r->has_message = a->content.present;
	if (r->rules.scored) {
		raw_rows_settle(r);
		raw_rows_settle_scored(r);
	}
	if (!a->stop_reason.present && r->matched_stop.present) {
		struct answer_text was = a->stop_reason;

		a->stop_reason = r->matched_stop;
		r->matched_stop = was;
	}
}

const struct shape completions_shape = {
	.places = places,
	.finishes = openai_finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_MARK,
	.own = own,
	.settle = settle,
};
