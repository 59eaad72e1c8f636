/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "worker/openai_tables.h"
#include "worker/raw_shapes.h"
#include "worker/reader_state.h"
#include "worker/rows_place.h"

enum { PLACE_ERROR = PLACE_OWN, PLACE_TIMINGS, PLACE_ROWS, PLACE_N };

enum { OWN_STOP = OPENAI_OWN_INDEX + 1, OWN_TRUNCATED };

static const struct shape_key root[] = {
	KEY_ANSWER("content", TEXT, content),
	KEY_ANSWER("tokens", IDS, token_ids),
	KEY_OWN("index", OPENAI_OWN_INDEX),
	KEY_OWN("stop", OWN_STOP),
	KEY_ANSWER("stop_type", TEXT, finish_text),
	KEY_READER("stopping_word", RAW, matched_stop),
	KEY_ANSWER("model", TEXT, model),
	KEY_ANSWER("tokens_evaluated", COUNT, usage.prompt_tokens),
	KEY_ANSWER("tokens_predicted", COUNT, usage.completion_tokens),
	KEY_OWN("truncated", OWN_TRUNCATED),
	KEY_PLACE("timings", OBJECT, PLACE_TIMINGS),
	{.name = "completion_probabilities",
		.len = 24,
		.value = VALUE_ROWS,
		.about_rows = true,
		.at = PLACE_ROWS},
	KEY_PLACE("error", ERROR, PLACE_ERROR),
	KEY_ERROR("message", message),
	KEY_ERROR("code", code),
	KEY_READER("detail", RAW, detail),
};

static const struct shape_key timings[] = {
	KEY_ANSWER("cache_n", COUNT, usage.cached_prompt_tokens),
};

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(openai_error_keys)},
	[PLACE_TIMINGS] = {SHAPE_PLACE(timings)},
	[PLACE_ROWS] = {.is_rows = true},
};

static const struct shape_finish finishes[] = {
	{"eos", FINISH_STOP, REASON_NONE},
	{"word", FINISH_STOP_WORD, REASON_NONE},
	{"limit", FINISH_LENGTH, REASON_NONE},
	{"none", FINISH_OTHER, REASON_NO_FINISH},
	{0},
};

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	if (number == OPENAI_OWN_INDEX) {
		openai_own(r, number, event);
	} else if (event != JSCAN_TRUE && event != JSCAN_FALSE && event != JSCAN_NULL) {
		reader_wrong_value(r, event);
	} else if (number == OWN_STOP && event == JSCAN_FALSE) {
		/* A piece of a stream, which was not asked for. */
		r->why_choices = "the answer has not ended";
	} else if (number == OWN_TRUNCATED) {
		r->part_flag = event == JSCAN_TRUE;
	}
}

/* Older versions have no row for the end; align_counts knows that. */
static bool only_end_is_missing(const struct answer *a)
{
	return a->token_ids.n == a->rows.n + 1 && text_is(&a->finish_text, "eos") &&
	       memcmp(a->token_ids.at, a->rows.id, a->rows.n * sizeof(*a->rows.id)) ==
		       0;
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;

	if (a->has_rows && a->rows.n > 0 && !only_end_is_missing(a))
		rows_place(&a->rows, &a->token_ids, text_is(&a->finish_text, "word"));
	if (a->content.present) {
		r->n_choices = 1;
		r->has_choices = r->has_message = true;
	}
	if (r->part_flag)
		a->flags |= FLAG_TRUNCATED;
	if (text_is(&a->finish_text, "word") && r->matched_stop.present) {
		struct answer_text was = a->stop_reason;

		a->stop_reason = r->matched_stop;
		r->matched_stop = was;
	}
}

const struct shape llamacpp_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_WHOLE,
	.own = own,
	.settle = settle,
};
