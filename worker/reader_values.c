/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "worker/reader_state.h"

void reader_wrong_shape(struct reader *r, const char *why)
{
	if (!r->why_shape)
		r->why_shape = why;
}

void reader_set_text(char *to, size_t size, struct bytes text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	n = utf8_valid_prefix(text.data, n);
	if (n > 0)
		memcpy(to, text.data, n);
	to[n] = '\0';
}

bool bytes_are(struct bytes text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

bool text_is(const struct answer_text *t, const char *word)
{
	return t->present && bytes_are(buf_bytes(&t->text), word);
}

static const struct shape_place *place_of(const struct reader *r)
{
	return &r->shape->places[r->place];
}

/* Where the value of the key at hand goes. */
static void *target(struct reader *r)
{
	char *base = r->key->owner == OF_ANSWER   ? (char *)r->answer
		     : r->key->owner == OF_READER ? (char *)r
						  : (char *)&r->flat;

	return base + r->key->at;
}

const struct shape_key *shape_find_key(const struct shape_place *place,
	struct bytes name, bool streamed, uint32_t *bit)
{
	const struct shape_key *keys = place->keys;

	for (unsigned i = 0; i < place->n_keys; i++) {
		if (keys[i].len != name.len || keys[i].name[0] != (char)name.data[0] ||
			memcmp(keys[i].name, name.data, name.len) != 0)
			continue;
		if (keys[i].when == (streamed ? WHOLE_ONLY : STREAM_ONLY))
			continue;
		*bit = (uint32_t)1 << i;
		return &keys[i];
	}
	return NULL;
}

void reader_enter(struct reader *r, unsigned place)
{
	assert(r->depth < PLACES_DEEP);
	r->around[r->depth++] = (unsigned char)r->place;
	r->place = place;
	r->seen[place] = 0;
	if (place_of(r)->entered)
		place_of(r)->entered(r);
}

/* Of several answers the one that begins is the next of the list; which of
 * those asked for it is, is known when it has been read. */
static void begin_choice(struct reader *r)
{
	r->answer = r->choices_here > 1 ? r->last->next : r->first;
	r->root_why_shape = r->why_shape;
	r->why_shape = NULL;
	r->has_message = false;
	r->index = -1;
}

static void end_choice(struct reader *r)
{
	struct reader_choice *c = &r->choice[r->choices_here - 1];

	if (r->shape->settle)
		r->shape->settle(r);
	*c = (struct reader_choice){r->index, r->why_shape, r->has_message, {0}};
	if (r->answer->has_rows)
		c->tokens = r->rows.tokens;
	r->why_shape = r->root_why_shape;
	reader_reset_own(r);
	/* What follows may stand at the root. */
	r->last = r->answer;
	r->answer = r->first;
}

void reader_leave(struct reader *r)
{
	const struct shape_place *was = place_of(r);

	if (was->left)
		was->left(r);
	if (was->is_choice && r->rules.n_choices > 1)
		end_choice(r);
	r->place = r->around[--r->depth];
}

static bool is_streamed(const struct reader *r)
{
	return r->framing != FRAMING_WHOLE;
}

void reader_on_key(struct reader *r)
{
	struct bytes name = r->scan.text;
	uint32_t bit = 0;
	const struct shape_key *key =
		shape_find_key(place_of(r), name, is_streamed(r), &bit);
	struct answer_text *text;

	if (key && (r->seen[r->place] & bit)) {
		reader_fail(r, REASON_BAD_JSON, "a key stands there twice");
		return;
	}
	if (!key && place_of(r)->any_key) {
		key = place_of(r)->any_key;
		reader_set_text(r->name, sizeof(r->name), name);
		if (place_of(r)->named)
			place_of(r)->named(r, name, r->scan.text_cut);
	}
	if (!key || (key->about_rows && r->rules.top_logprobs == 0)) {
		jscan_skip(&r->scan);
		return;
	}
	r->key = key;
	r->seen[r->place] |= bit;
	switch ((enum shape_value)key->value) {
	case VALUE_TEXT:
	case VALUE_PART:
		text = target(r);
		r->text_before = text->text.len;
		r->scan.sink = &text->text;
		break;
	case VALUE_RAW:
		text = target(r);
		buf_clear(&text->text);
		jscan_capture(&r->scan, &text->text);
		break;
	case VALUE_RAW_PART:
		text = target(r);
		r->text_before = text->text.len;
		if (text->text.len > 0)
			buf_add_byte(&text->text, ',');
		jscan_capture(&r->scan, &text->text);
		break;
	case VALUE_PIECES:
		buf_clear(&r->piece);
		r->scan.sink = &r->piece;
		break;
	default:
		break;
	}
}

void reader_hand_over(struct reader *r, bool whole)
{
	if (whole || r->piece.len > 0)
		r->shape->pieces(r, r->key->at, buf_bytes(&r->piece), whole);
	buf_clear(&r->piece);
}

void reader_skip_value(struct reader *r, enum jscan_event event)
{
	if (event == JSCAN_OBJECT || event == JSCAN_ARRAY)
		jscan_skip_rest(&r->scan);
}

void reader_wrong_value(struct reader *r, enum jscan_event event)
{
	reader_wrong_shape(r, "a member has another type than agreed");
	reader_skip_value(r, event);
}

void reader_wrong_count(struct reader *r, enum jscan_event event)
{
	if (!r->why_usage)
		r->why_usage = "a token count is no count";
	reader_skip_value(r, event);
}

static void on_text(struct reader *r, enum jscan_event event)
{
	struct answer_text *text = target(r);

	if (event == JSCAN_STRING) {
		if (r->key->value == VALUE_TEXT && r->text_before > 0) {
			text->text.len -= r->text_before;
			memmove(text->text.data, text->text.data + r->text_before,
				text->text.len);
		}
		text->present = true;
	} else if (event != JSCAN_NULL) {
		reader_wrong_value(r, event);
	}
}

/* A value that was captured; null counts for nothing. */
static void on_raw(struct reader *r)
{
	struct answer_text *text = target(r);
	size_t from = 0;

	if (r->key->value == VALUE_RAW_PART && r->text_before > 0)
		from = r->text_before + 1;
	if (text->text.data[from] == 'n')
		buf_truncate(&text->text,
			r->key->value == VALUE_RAW ? text->text.len : r->text_before);
	else
		text->present = true;
}

static void on_count(struct reader *r, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;
	uint32_t *to = target(r);

	if (event == JSCAN_NULL)
		return;
	if (event == JSCAN_NUMBER && n->is_integer && n->integer >= 0 &&
		n->integer <= INT32_MAX)
		*to = (uint32_t)n->integer;
	else
		reader_wrong_count(r, event);
}

static void on_short(struct reader *r, enum jscan_event event)
{
	char *to = target(r);
	bool is_message = to == r->flat.message || to == r->answer->error.message;
	size_t size = is_message ? sizeof(r->flat.message) : sizeof(r->flat.code);

	if (event == JSCAN_STRING) {
		reader_set_text(to, size, r->scan.text);
	} else if (event == JSCAN_NUMBER) {
		const struct jnumber *n = &r->scan.number;

		if (n->is_integer)
			snprintf(to, size, "%lld", (long long)n->integer);
		else
			snprintf(to, size, "%g", n->value);
	} else {
		reader_skip_value(r, event);
	}
}

static void on_error(struct reader *r, enum jscan_event event)
{
	struct answer_error *error = &r->answer->error;

	if (event == JSCAN_NULL || event == JSCAN_FALSE)
		return;
	error->present = true;
	if (event == JSCAN_OBJECT)
		reader_enter(r, r->key->at);
	else if (event == JSCAN_STRING)
		reader_set_text(error->message, sizeof(error->message), r->scan.text);
	else
		reader_skip_value(r, event);
}

static void on_rows(struct reader *r, enum jscan_event event)
{
	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_ARRAY) {
		reader_wrong_value(r, event);
		return;
	}
	/* A stream's events bring one list each. */
	if (!r->answer->has_rows)
		openai_lane_begin(
			&r->rows, &r->answer->rows, r->rules.top_logprobs + 1);
	r->answer->has_rows = true;
	reader_enter(r, r->key->at);
}

static void on_nested(struct reader *r, enum jscan_event event)
{
	bool is_list = r->key->value == VALUE_LIST;

	if (is_list && r->shape->places[r->key->at].entry != 0 &&
		r->shape->places[r->shape->places[r->key->at].entry].is_choice)
		r->has_choices = true;
	if (event == JSCAN_NULL)
		return;
	if (event == (is_list ? JSCAN_ARRAY : JSCAN_OBJECT))
		reader_enter(r, r->key->at);
	else if (r->shape->places[r->key->at].is_count)
		reader_wrong_count(r, event);
	else
		reader_wrong_value(r, event);
}

static void on_ids(struct reader *r, enum jscan_event event)
{
	struct answer_ids *ids = target(r);
	uint32_t had = ids->n;

	if (event == JSCAN_NULL)
		return;
	if (event != JSCAN_ARRAY) {
		reader_wrong_value(r, event);
		return;
	}
	openai_ids_begin(&r->ids, ids);
	if (is_streamed(r))
		ids->n = had;
	r->lane = LANE_IDS;
	r->hold_until = 0;
}

void reader_on_member(struct reader *r, enum jscan_event event)
{
	const struct shape_key *key = r->key;

	switch ((enum shape_value)key->value) {
	case VALUE_TEXT:
	case VALUE_PART:
		on_text(r, event);
		break;
	case VALUE_RAW:
	case VALUE_RAW_PART:
		on_raw(r);
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
	case VALUE_LIST:
		on_nested(r, event);
		break;
	case VALUE_ROWS:
		on_rows(r, event);
		break;
	case VALUE_ERROR:
		on_error(r, event);
		break;
	case VALUE_PIECES:
		if (event == JSCAN_STRING)
			reader_hand_over(r, true);
		else if (event != JSCAN_NULL)
			reader_wrong_value(r, event);
		break;
	case VALUE_OWN:
		r->shape->own(r, key->at, event);
	}
	r->key = NULL;
}

static void on_row(struct reader *r)
{
	openai_lane_begin_row(&r->rows);
	r->lane = LANE_ROW;
	r->hold_until = 0;
}

static void on_nested_entry(struct reader *r, unsigned place)
{
	if (r->shape->places[place].is_choice) {
		r->choices_here++;
		if (r->n_choices < r->choices_here)
			r->n_choices = r->choices_here;
		if (r->choices_here > r->rules.n_choices) {
			jscan_skip_rest(&r->scan);
			return;
		}
		if (r->rules.n_choices > 1)
			begin_choice(r);
	}
	reader_enter(r, place);
}

void reader_on_entry(struct reader *r, enum jscan_event event)
{
	const struct shape_place *p = place_of(r);

	if (r->place == PLACE_NONE && event == JSCAN_OBJECT) {
		reader_enter(r, PLACE_ROOT);
	} else if (p->is_rows && event == JSCAN_OBJECT) {
		on_row(r);
	} else if (p->entry && (event == JSCAN_OBJECT ||
				       (event == JSCAN_ARRAY && p->entry_is_list))) {
		on_nested_entry(r, p->entry);
	} else if (p->item) {
		p->item(r, event);
	} else {
		reader_wrong_value(r, event);
	}
}
