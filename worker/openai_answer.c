/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/text.h"
#include "worker/openai_reader.h"

struct answer_reader *openai_reader_new(void)
{
	struct openai_reader *r = mem_zalloc(1, sizeof(*r));

	jscan_init(&r->scan, LIMIT_JSON_DEPTH, LIMIT_ROW);
	r->scan.any_size = true;
	return &r->head;
}

/* The head is the first member. */
static struct openai_reader *reader_of(struct answer_reader *head)
{
	return (struct openai_reader *)head;
}

void openai_reader_free(struct answer_reader *head)
{
	struct openai_reader *r = reader_of(head);

	if (!r)
		return;
	jscan_release(&r->scan);
	buf_release(&r->detail.text);
	buf_release(&r->other_reasoning.text);
	buf_release(&r->matched_stop.text);
	buf_release(&r->function_call.text);
	free(r);
}

static void text_reset(struct answer_text *t)
{
	t->text.max = LIMIT_TEXT;
	t->present = false;
	if (t->text.cap > ANSWER_KEEP)
		buf_release(&t->text);
	buf_clear(&t->text);
}

void openai_reader_begin(struct answer_reader *head, const struct answer_rules *rules,
	struct answer *answer)
{
	struct openai_reader *r = reader_of(head);

	answer_clear(answer);
	jscan_reset(&r->scan);
	r->head.answer = answer;
	r->head.rules = *rules;
	r->body_len = 0;
	r->failed = REASON_NONE;
	r->place = PLACE_NONE;
	r->key = NULL;
	r->lane = LANE_NONE;
	r->n_choices = 0;
	r->why_shape = r->why_choices = r->why_usage = NULL;
	r->has_choices = r->has_message = r->has_usage = r->is_flat_error = false;
	r->flat = (struct answer_error){0};
	text_reset(&r->detail);
	text_reset(&r->other_reasoning);
	text_reset(&r->matched_stop);
	text_reset(&r->function_call);
}

static void fail(struct openai_reader *r, enum reason reason, const char *why)
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

static void on_key(struct openai_reader *r)
{
	uint32_t bit;
	const struct openai_key *key = openai_find_key(r->place, r->scan.text, &bit);

	if (key && (r->seen[r->place] & bit)) {
		fail(r, REASON_BAD_JSON, "a key stands there twice");
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

static void on_count(struct openai_reader *r, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;
	uint32_t *to = (uint32_t *)((char *)r->head.answer + r->key->at);

	if (event == JSCAN_NULL)
		return;
	if (event == JSCAN_NUMBER && n->is_integer && n->integer >= 0 &&
		n->integer <= INT32_MAX)
		*to = (uint32_t)n->integer;
	else if (!r->why_usage)
		r->why_usage = "a token count is no count";
	if (event == JSCAN_OBJECT || event == JSCAN_ARRAY)
		jscan_skip_rest(&r->scan);
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

static void on_object(struct openai_reader *r, enum jscan_event event)
{
	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_OBJECT) {
		if (r->key->at == PLACE_USAGE && !r->why_usage)
			r->why_usage = "the usage is no object";
		on_wrong_value(r, event);
		return;
	}
	if (r->key->at == PLACE_MESSAGE)
		r->has_message = true;
	if (r->key->at == PLACE_USAGE)
		r->has_usage = true;
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

static void on_member(struct openai_reader *r, enum jscan_event event)
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

/* A value that has no key: the root, or an entry of a list. */
static void on_entry(struct openai_reader *r, enum jscan_event event)
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

/* A long piece that trickles in is not looked at for every byte of it. */
#define TRICKLE 4096

static enum jscan_event run_lane(struct openai_reader *r)
{
	struct jscan *s = &r->scan;
	size_t at_hand = (size_t)(s->end - s->p);
	const unsigned char *next;
	enum jt got;

	if (at_hand < r->hold_until && !s->ended)
		return jscan_hold(s);
	got = r->lane == LANE_ROW ? openai_lane_read(&r->rows, s->p, s->end, &next)
				  : openai_ids_read(&r->ids, s->p, s->end, &next);
	switch (got) {
	case JT_OK:
		if (r->lane == LANE_IDS && r->ids.wrong_shape)
			complain_shape(r, "a token id is no id");
		r->lane = LANE_NONE;
		jscan_close(s, next);
		return JSCAN_SKIPPED;
	case JT_MORE:
		s->p = next;
		at_hand = (size_t)(s->end - s->p);
		r->hold_until = at_hand < TRICKLE ? 0 : at_hand + at_hand / 8;
		return jscan_hold(s);
	default:
		fail(r, s->ended ? REASON_BODY_CUT : REASON_BAD_JSON,
			"a row of logprobs is not JSON");
		return JSCAN_ERROR;
	}
}

static void on_scan_error(struct openai_reader *r)
{
	static const enum reason reasons[] = {
		[JSCAN_NOT_JSON] = REASON_BAD_JSON,
		[JSCAN_TOO_LONG] = REASON_BODY_TOO_LONG,
		[JSCAN_CUT] = REASON_BODY_CUT,
	};

	if (r->failed == REASON_NONE)
		fail(r, reasons[r->scan.fault], r->scan.error);
}

/* Takes what is there; false when more must be fed, true when it has ended. */
static bool run(struct openai_reader *r)
{
	while (r->failed == REASON_NONE) {
		enum jscan_event event;

		if (r->lane != LANE_NONE) {
			event = run_lane(r);
			if (event == JSCAN_SKIPPED || event == JSCAN_AGAIN)
				continue;
		} else {
			event = jscan_next(&r->scan);
		}
		switch (event) {
		case JSCAN_MORE:
			return false;
		case JSCAN_DONE:
			return true;
		case JSCAN_ERROR:
			on_scan_error(r);
			return true;
		case JSCAN_KEY:
			on_key(r);
			break;
		case JSCAN_OBJECT_END:
		case JSCAN_ARRAY_END:
			r->place = openai_parent(r->place);
			break;
		case JSCAN_SKIPPED:
			if (r->key)
				on_member(r, event);
			break;
		default:
			if (r->key)
				on_member(r, event);
			else
				on_entry(r, event);
		}
	}
	return true;
}

bool openai_reader_feed(struct answer_reader *head, const void *bytes, size_t len)
{
	struct openai_reader *r = reader_of(head);

	if (r->failed != REASON_NONE)
		return false;
	r->body_len += len;
	if (r->body_len > r->head.rules.body_max) {
		fail(r, REASON_BODY_TOO_LONG, "the body is over its cap");
		return false;
	}
	jscan_feed(&r->scan, bytes, len);
	run(r);
	return r->failed == REASON_NONE;
}

enum reason openai_reader_end(struct answer_reader *head)
{
	struct openai_reader *r = reader_of(head);

	if (r->failed == REASON_NONE) {
		jscan_end(&r->scan);
		run(r);
	}
	if (r->failed != REASON_NONE)
		return r->failed;
	return openai_judge(r);
}
