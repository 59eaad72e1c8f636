/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "worker/openai_reader.h"

void openai_fail(struct openai_reader *r, enum reason reason, const char *why)
{
	r->failed = reason;
	r->head.answer->why = why;
}

static void complain_shape(struct openai_reader *r, const char *why)
{
	if (!r->why_shape)
		r->why_shape = why;
}

void openai_set_text(char *to, size_t size, struct bytes text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	n = utf8_valid_prefix(text.data, n);
	if (n > 0)
		memcpy(to, text.data, n);
	to[n] = '\0';
}

static struct answer_text *text_of(
	struct openai_reader *r, const struct openai_key *key)
{
	char *base = key->value == VALUE_OUR_TEXT || key->value == VALUE_OUR_RAW
			     ? (char *)r
			     : (char *)r->head.answer;

	return (struct answer_text *)(base + key->at);
}

static void enter(struct openai_reader *r, enum openai_place place)
{
	r->place = place;
	r->seen[place] = 0;
}

void openai_on_key(struct openai_reader *r)
{
	uint32_t bit;
	const struct openai_key *key = openai_find_key(r->place, r->scan.text, &bit);

	if (key && (r->seen[r->place] & bit)) {
		openai_fail(r, REASON_BAD_JSON, "a key stands there twice");
		return;
	}
	if (!key || (key->value == VALUE_OBJECT && key->at == PLACE_LOGPROBS &&
			    r->head.rules.top_logprobs == 0)) {
		jscan_skip(&r->scan);
		return;
	}
	r->key = key;
	r->seen[r->place] |= bit;
	if (key->value == VALUE_TEXT || key->value == VALUE_OUR_TEXT)
		r->scan.sink = &text_of(r, key)->text;
	else if (key->value == VALUE_RAW || key->value == VALUE_OUR_RAW)
		jscan_capture(&r->scan, &text_of(r, key)->text);
}

/* A value of a type that the key must not have. */
static void on_wrong_value(struct openai_reader *r, enum jscan_event event)
{
	complain_shape(r, "a member has another type than agreed");
	if (event == JSCAN_OBJECT || event == JSCAN_ARRAY)
		jscan_skip_rest(&r->scan);
}

/* The same for a count or what should hold some. */
static void on_wrong_count(struct openai_reader *r, enum jscan_event event)
{
	if (!r->why_usage)
		r->why_usage = "a token count is no count";
	if (event == JSCAN_OBJECT || event == JSCAN_ARRAY)
		jscan_skip_rest(&r->scan);
}

static void on_count(struct openai_reader *r, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;
	uint32_t *to = (uint32_t *)((char *)r->head.answer + r->key->at);

	if (event == JSCAN_NULL)
		return;
	if (event == JSCAN_NUMBER && n->is_integer && n->integer >= 0 &&
		n->integer <= INT32_MAX)
		*to = (uint32_t)n->integer;
	else
		on_wrong_count(r, event);
}

static void on_short(struct openai_reader *r, enum jscan_event event)
{
	struct answer_error *error =
		r->place == PLACE_ERROR ? &r->head.answer->error : &r->flat;
	char *to = (char *)error + r->key->at;
	size_t size = r->key->at == offsetof(struct answer_error, message)
			      ? sizeof(error->message)
			      : sizeof(error->code);

	if (event == JSCAN_STRING) {
		openai_set_text(to, size, r->scan.text);
	} else if (event == JSCAN_NUMBER) {
		const struct jnumber *n = &r->scan.number;

		if (n->is_integer)
			snprintf(to, size, "%lld", (long long)n->integer);
		else
			snprintf(to, size, "%g", n->value);
	} else if (event == JSCAN_OBJECT || event == JSCAN_ARRAY) {
		jscan_skip_rest(&r->scan);
	}
}

static void on_error(struct openai_reader *r, enum jscan_event event)
{
	struct answer_error *error = &r->head.answer->error;

	if (event == JSCAN_NULL || event == JSCAN_FALSE)
		return;
	error->present = true;
	if (event == JSCAN_OBJECT)
		enter(r, PLACE_ERROR);
	else if (event == JSCAN_STRING)
		openai_set_text(error->message, sizeof(error->message), r->scan.text);
	else if (event == JSCAN_ARRAY)
		jscan_skip_rest(&r->scan);
}

static void on_index(struct openai_reader *r, enum jscan_event event)
{
	if (event != JSCAN_NUMBER)
		on_wrong_value(r, event);
	else if (!r->scan.number.is_integer || r->scan.number.integer != 0)
		r->why_choices = "the choice is not number 0";
}

static void on_list(struct openai_reader *r, enum jscan_event event)
{
	struct answer *a = r->head.answer;

	if (r->key->at == PLACE_CHOICES)
		r->has_choices = true;
	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_ARRAY) {
		on_wrong_value(r, event);
		return;
	}
	if (r->key->at == PLACE_ROWS) {
		a->has_rows = true;
		openai_lane_begin(&r->rows, &a->rows, r->head.rules.top_logprobs + 1);
	}
	enter(r, r->key->at);
}

static bool is_about_usage(enum openai_place place)
{
	return place == PLACE_USAGE || place == PLACE_PROMPT_DETAILS ||
	       place == PLACE_COMPLETION_DETAILS;
}

static void on_object(struct openai_reader *r, enum jscan_event event)
{
	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_OBJECT) {
		if (is_about_usage(r->key->at))
			on_wrong_count(r, event);
		else
			on_wrong_value(r, event);
		return;
	}
	if (r->key->at == PLACE_MESSAGE)
		r->has_message = true;
	enter(r, r->key->at);
}

static void on_ids(struct openai_reader *r, enum jscan_event event)
{
	struct answer_ids *ids =
		(struct answer_ids *)((char *)r->head.answer + r->key->at);

	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_ARRAY) {
		on_wrong_value(r, event);
		return;
	}
	openai_ids_begin(&r->ids, ids);
	r->lane = LANE_IDS;
	r->hold_until = 0;
}

void openai_on_member(struct openai_reader *r, enum jscan_event event)
{
	struct answer_text *text;

	switch ((enum openai_value)r->key->value) {
	case VALUE_TEXT:
	case VALUE_OUR_TEXT:
		if (event == JSCAN_STRING)
			text_of(r, r->key)->present = true;
		else if (event != JSCAN_NULL)
			on_wrong_value(r, event);
		break;
	case VALUE_RAW:
	case VALUE_OUR_RAW:
		text = text_of(r, r->key);
		text->present = text->text.data[0] != 'n'; /* null */
		break;
	case VALUE_IDS:
		on_ids(r, event);
		break;
	case VALUE_COUNT:
		on_count(r, event);
		break;
	case VALUE_SHORT:
		on_short(r, event);
		break;
	case VALUE_OBJECT:
		on_object(r, event);
		break;
	case VALUE_LIST:
		on_list(r, event);
		break;
	case VALUE_ERROR:
		on_error(r, event);
		break;
	case VALUE_INDEX:
		on_index(r, event);
		break;
	case VALUE_KIND:
		r->is_flat_error = event == JSCAN_STRING && r->scan.text.len == 5 &&
				   memcmp(r->scan.text.data, "error", 5) == 0;
		if (event == JSCAN_OBJECT || event == JSCAN_ARRAY)
			jscan_skip_rest(&r->scan);
	}
	r->key = NULL;
}

void openai_on_entry(struct openai_reader *r, enum jscan_event event)
{
	if (r->place == PLACE_NONE && event == JSCAN_OBJECT) {
		enter(r, PLACE_ROOT);
	} else if (r->place == PLACE_ROWS && event == JSCAN_OBJECT) {
		openai_lane_begin_row(&r->rows);
		r->lane = LANE_ROW;
		r->hold_until = 0;
	} else if (r->place == PLACE_CHOICES && event == JSCAN_OBJECT) {
		if (r->n_choices++ == 0)
			enter(r, PLACE_CHOICE);
		else
			jscan_skip_rest(&r->scan);
	} else {
		on_wrong_value(r, event);
	}
}
