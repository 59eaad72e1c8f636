/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "worker/reader_state.h"

struct reader *reader_new(void)
{
	struct reader *r = mem_zalloc(1, sizeof(*r));

	jscan_init(&r->scan, LIMIT_JSON_DEPTH, LIMIT_ROW);
	r->scan.any_size = true;
	buf_init(&r->piece, 2 * READER_SLICE);
	return r;
}

/* The reader's own texts. */
static struct answer_text *own_text(struct reader *r, size_t i)
{
	struct answer_text *const texts[] = {&r->detail, &r->other_reasoning,
		&r->matched_stop, &r->function_call, &r->part, &r->part_kind,
		&r->part_raw, &r->part_id, &r->part_name, &r->item_kind};

	return i < sizeof(texts) / sizeof(texts[0]) ? texts[i] : NULL;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	jscan_release(&r->scan);
	for (size_t i = 0; own_text(r, i); i++)
		buf_release(&own_text(r, i)->text);
	buf_release(&r->piece);
	free(r->list_starts.at);
	free(r->choice);
	free(r);
}

void reader_text_reset(struct answer_text *t)
{
	t->text.max = LIMIT_TEXT;
	t->present = false;
	if (t->text.cap > ANSWER_KEEP)
		buf_release(&t->text);
	buf_clear(&t->text);
}

void reader_reset_own(struct reader *r)
{
	/* The first, errors' details, stands at the root. */
	for (size_t i = 1; own_text(r, i); i++)
		reader_text_reset(own_text(r, i));
}

void reader_begin(struct reader *r, const struct shape *shape,
	const struct answer_rules *rules, struct answer *answer)
{
	for (struct answer *a = answer; a; a = a->next)
		answer_clear(a);
	jscan_reset(&r->scan);
	r->shape = shape;
	r->answer = r->first = answer;
	r->rules = *rules;
	if (r->rules.n_choices < 2)
		r->rules.n_choices = 1;
	MEM_GROW(r->choice, r->cap_choices, r->rules.n_choices);
	r->body_len = 0;
	r->failed = REASON_NONE;
	r->place = PLACE_NONE;
	r->depth = 0;
	r->key = NULL;
	r->lane = LANE_NONE;
	r->rows.tokens = (struct openai_tokens){0};
	r->framing = rules->stream ? shape->streamed : FRAMING_WHOLE;
	r->framing_known = r->framing != FRAMING_SSE;
	frames_init(&r->frames, r->framing == FRAMING_LINES);
	r->in_event = r->over = r->cut_early = r->has_finished = false;
	r->mark_len = 0;
	r->loop = (struct loop_watch){0};
	r->n_choices = r->choices_here = r->extra_tokens = r->list_starts.n = 0;
	r->why_shape = r->why_choices = r->why_usage = NULL;
	r->has_choices = r->has_message = r->is_flat_error = r->part_flag = false;
	r->flat = (struct answer_error){0};
	r->lists = (struct raw_lists){0};
	r->packed = (struct packed_rows){0};
	for (size_t i = 0; own_text(r, i); i++)
		reader_text_reset(own_text(r, i));
}

void reader_fail(struct reader *r, enum reason reason, const char *why)
{
	r->failed = reason;
	r->first->why = why;
}

/* A long piece that trickles in is not looked at for every byte of it. */
#define TRICKLE 4096

static enum jscan_event run_lane(struct reader *r)
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
			reader_wrong_shape(r, "a token id is no id");
		r->lane = LANE_NONE;
		jscan_close(s, next);
		return JSCAN_SKIPPED;
	case JT_MORE:
		s->p = next;
		at_hand = (size_t)(s->end - s->p);
		r->hold_until = at_hand < TRICKLE ? 0 : at_hand + at_hand / 8;
		return jscan_hold(s);
	default:
		reader_fail(r, s->ended ? REASON_BODY_CUT : REASON_BAD_JSON,
			"a row of logprobs is not JSON");
		return JSCAN_ERROR;
	}
}

static void on_scan_error(struct reader *r)
{
	static const enum reason reasons[] = {
		[JSCAN_NOT_JSON] = REASON_BAD_JSON,
		[JSCAN_TOO_LONG] = REASON_BODY_TOO_LONG,
		[JSCAN_CUT] = REASON_BODY_CUT,
	};

	if (r->failed == REASON_NONE)
		reader_fail(r, reasons[r->scan.fault], r->scan.error);
}

/* Takes what is there; false when more must be fed, true when it has ended. */
static bool run(struct reader *r)
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
			if (r->key && r->key->value == VALUE_PIECES)
				reader_hand_over(r, false);
			return false;
		case JSCAN_DONE:
			return true;
		case JSCAN_ERROR:
			on_scan_error(r);
			return true;
		case JSCAN_KEY:
			reader_on_key(r);
			break;
		case JSCAN_OBJECT_END:
		case JSCAN_ARRAY_END:
			reader_leave(r);
			break;
		case JSCAN_SKIPPED:
			if (r->key)
				reader_on_member(r, event);
			break;
		default:
			if (r->key)
				reader_on_member(r, event);
			else
				reader_on_entry(r, event);
		}
	}
	return true;
}

/* The document's bytes have come to their end. */
static void end_document(struct reader *r)
{
	/* What has been put off is looked at now, so that what is wrong with it
	 * is not taken for a cut. */
	r->hold_until = 0;
	if (r->failed == REASON_NONE && r->lane != LANE_NONE)
		run(r);
	if (r->failed == REASON_NONE) {
		jscan_end(&r->scan);
		run(r);
	}
}

/* -- Streams -- */

static void feed_document(struct reader *r, const unsigned char *bytes, size_t len)
{
	while (r->shape->pieces && len > READER_SLICE) {
		jscan_feed(&r->scan, bytes, READER_SLICE);
		if (run(r))
			return;
		bytes += READER_SLICE;
		len -= READER_SLICE;
	}
	jscan_feed(&r->scan, bytes, len);
	run(r);
}

/* A piece of an event. "[DONE]" is no JSON: what may be it is held back. */
static void take_data(struct reader *r, struct bytes data)
{
	if (r->over && !r->in_event) {
		reader_fail(r, REASON_WRONG_SHAPE, "there is more behind the end");
		return;
	}
	while (!r->in_event && r->mark_len < READER_MARK_LEN && data.len > 0 &&
		r->shape->stream_end == END_BY_MARK &&
		data.data[0] == (unsigned char)READER_MARK[r->mark_len]) {
		r->mark_len++;
		data = bytes_of(data.data + 1, data.len - 1);
	}
	if (data.len == 0)
		return;
	if (!r->in_event && r->mark_len > 0)
		feed_document(r, (const unsigned char *)READER_MARK, r->mark_len);
	r->in_event = true;
	r->mark_len = 0;
	if (r->failed == REASON_NONE)
		feed_document(r, data.data, data.len);
}

static bool goes_in_circles(struct reader *r)
{
	const struct answer *a = r->answer;
	const struct buf *growing = a->content.text.len > 0 ? &a->content.text
				    : a->reasoning.text.len > 0
					    ? &a->reasoning.text
					    : &r->other_reasoning.text;

	/* The content begins where the reasoning has ended. */
	if (r->loop.seen > growing->len)
		r->loop.seen = 0;
	return loop_watch_see(&r->loop, &r->rules.loop, buf_bytes(growing));
}

/* What has given its reason to end and goes on is two answers. */
static void look_behind_finish(struct reader *r)
{
	const struct answer *a = r->answer;
	size_t size = a->content.text.len + a->reasoning.text.len +
		      r->other_reasoning.text.len + a->rows.n;

	if (r->shape->stream_end == END_BY_MARK && r->has_finished &&
		size > r->size_at_finish)
		r->why_choices = "there is more behind the finish reason";
	r->has_finished = a->finish_text.present;
	r->size_at_finish = size;
}

static void end_event(struct reader *r)
{
	if (r->mark_len == READER_MARK_LEN && !r->in_event) {
		r->over = true;
		return;
	}
	if (!r->in_event && r->mark_len > 0)
		feed_document(r, (const unsigned char *)READER_MARK, r->mark_len);
	if (r->failed == REASON_NONE)
		end_document(r);
	if (r->failed == REASON_BODY_CUT)
		reader_fail(r, REASON_BAD_JSON, "an event is no whole document");
	if (r->failed != REASON_NONE)
		return;
	look_behind_finish(r);
	jscan_reset(&r->scan);
	r->in_event = false;
	r->mark_len = r->choices_here = 0;
	r->place = PLACE_NONE;
	r->depth = 0;
	r->key = NULL;
	r->cut_early = !r->answer->finish_text.present && goes_in_circles(r);
}

static void feed_stream(struct reader *r, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len;

	while (r->failed == REASON_NONE && !r->cut_early) {
		struct bytes data;

		switch (frames_next(&r->frames, &p, end, &data)) {
		case FRAMES_MORE:
			return;
		case FRAMES_DATA:
			take_data(r, data);
			break;
		case FRAMES_END:
			end_event(r);
		}
	}
}

/* A server that was asked for events may answer with one document: an error, or
 * all of the answer. */
static void look_at_framing(struct reader *r, const unsigned char *bytes, size_t len)
{
	const unsigned char *first = jt_space(bytes, bytes + len);

	if (first == bytes + len)
		return;
	r->framing_known = true;
	if (*first == '{' || *first == '[')
		r->framing = FRAMING_WHOLE;
}

bool reader_feed(struct reader *r, const void *bytes, size_t len)
{
	if (r->failed != REASON_NONE || r->cut_early)
		return false;
	r->body_len += len;
	if (r->body_len > r->rules.body_max) {
		reader_fail(r, REASON_BODY_TOO_LONG, "the body is over its cap");
		return false;
	}
	if (!r->framing_known)
		look_at_framing(r, bytes, len);
	if (r->framing == FRAMING_WHOLE)
		feed_document(r, bytes, len);
	else
		feed_stream(r, bytes, len);
	return r->failed == REASON_NONE && !r->cut_early;
}

/* What the last event lacks is its end: an empty line, or a line's end. */
static void end_stream(struct reader *r)
{
	const struct answer *a = r->answer;
	bool is_whole;

	if (r->in_event || r->mark_len == READER_MARK_LEN)
		end_event(r);
	if (r->failed == REASON_BAD_JSON)
		reader_fail(r, REASON_BODY_CUT, "the stream ends in an event");
	is_whole = r->shape->stream_end == END_BY_FINISH ? a->finish_text.present
							 : r->over;
	if (r->failed == REASON_NONE && !is_whole && !a->error.present &&
		!r->is_flat_error && !r->cut_early)
		reader_fail(r, REASON_BODY_CUT, "the stream ends without its end");
}

enum reason reader_end(struct reader *r)
{
	if (r->framing == FRAMING_WHOLE)
		end_document(r);
	else if (r->failed == REASON_NONE)
		end_stream(r);
	if (r->failed != REASON_NONE)
		return r->failed;
	return reader_judge(r);
}

bool reader_has_text(const struct reader *r)
{
	return r->answer->content.text.len > 0 || r->answer->reasoning.text.len > 0 ||
	       r->other_reasoning.text.len > 0 || r->answer->rows.n > 0;
}
