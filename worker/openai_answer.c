/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
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
	r->has_choices = r->has_message = r->is_flat_error = false;
	r->flat = (struct answer_error){0};
	text_reset(&r->detail);
	text_reset(&r->other_reasoning);
	text_reset(&r->matched_stop);
	text_reset(&r->function_call);
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
		if (r->lane == LANE_IDS && r->ids.wrong_shape && !r->why_shape)
			r->why_shape = "a token id is no id";
		r->lane = LANE_NONE;
		jscan_close(s, next);
		return JSCAN_SKIPPED;
	case JT_MORE:
		s->p = next;
		at_hand = (size_t)(s->end - s->p);
		r->hold_until = at_hand < TRICKLE ? 0 : at_hand + at_hand / 8;
		return jscan_hold(s);
	default:
		openai_fail(r, s->ended ? REASON_BODY_CUT : REASON_BAD_JSON,
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
		openai_fail(r, reasons[r->scan.fault], r->scan.error);
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
			openai_on_key(r);
			break;
		case JSCAN_OBJECT_END:
		case JSCAN_ARRAY_END:
			r->place = openai_parent(r->place);
			break;
		case JSCAN_SKIPPED:
			if (r->key)
				openai_on_member(r, event);
			break;
		default:
			if (r->key)
				openai_on_member(r, event);
			else
				openai_on_entry(r, event);
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
		openai_fail(r, REASON_BODY_TOO_LONG, "the body is over its cap");
		return false;
	}
	jscan_feed(&r->scan, bytes, len);
	run(r);
	return r->failed == REASON_NONE;
}

enum reason openai_reader_end(struct answer_reader *head)
{
	struct openai_reader *r = reader_of(head);

	/* What has been put off is looked at now, so that what is wrong with it
	 * is not taken for a cut. */
	r->hold_until = 0;
	if (r->failed == REASON_NONE && r->lane != LANE_NONE)
		run(r);
	if (r->failed == REASON_NONE) {
		jscan_end(&r->scan);
		run(r);
	}
	if (r->failed != REASON_NONE)
		return r->failed;
	return openai_judge(r);
}
