/* SPDX-License-Identifier: Apache-2.0 */
/* What is big and never changed: texts with their logits, and prompts. */
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/text.h"
#include "store/blob_walk.h"
#include "store/jmember.h"
#include "store/logits.h"
#include "store/pack.h"
#include "store/seal.h"
#include "store/sections.h"
#include "store/verify_state.h"

#define VIEW_BYTES ((size_t)64 << 20)
#define VIEW_MS 1000
/* A tail mass is computed from float32s. */
#define TAIL_SLACK 1e-5f

/* A database, walked in order of sequence. */
struct lane {
	struct blob_walk walk;
	bool ended;
	enum err_code code; /* of the blob at hand: ERR_NONE, or ERR_CORRUPT */
};

/* Texts and logits side by side. */
struct sample_walk {
	struct verify *v;
	struct lane text, logits;
	struct logits rows; /* of the capture at hand */
	struct buf room;
	uint64_t tokens;     /* hash of its capture 0's: others have the same */
	struct bitmap texts; /* sequences that have one */
	uint64_t captures;
	size_t bytes; /* since the view was renewed */
	int64_t view_began_ms;
};

#define SEQ(n) ((unsigned long long)(n))

static void check_utf8(struct verify *v, uint64_t sequence, const struct sections *text)
{
	for (int kind = TEXT_REASONING; kind < TEXT_N; kind++)
		if (utf8_valid_prefix(text->at[kind].data, text->at[kind].len) <
			text->at[kind].len)
			verify_say(v, "text %llu: section %d is not UTF-8",
				SEQ(sequence), kind);
	if (sections_has(text, TEXT_SCORED) && !jmember_is_whole(text->at[TEXT_SCORED]))
		verify_say(v, "text %llu: what scored it is not JSON", SEQ(sequence));
	if (sections_has(text, TEXT_TOOL_CALLS) &&
		!jmember_is_whole(text->at[TEXT_TOOL_CALLS]))
		verify_say(v, "text %llu: the tool calls are not JSON", SEQ(sequence));
}

static void check_text(struct verify *v, uint64_t sequence, const struct record *r,
	const struct sections *text)
{
	struct bytes reasoning = text->at[TEXT_REASONING],
		     content = text->at[TEXT_CONTENT];

	if (reasoning.len != r->reasoning_len || content.len != r->content_len)
		verify_say(v, "text %llu: %zu + %zu bytes, its record says %u + %u",
			SEQ(sequence), reasoning.len, content.len, r->reasoning_len,
			r->content_len);
	else if (record_fingerprint(reasoning, content) != r->fingerprint)
		verify_say(v, "text %llu: its record has another fingerprint",
			SEQ(sequence));
	check_utf8(v, sequence, text);
}

/* Candidates of one row: by falling logprob, and of exact ones that are equal by
 * rising id; those without one are last among equals. */
static bool is_sorted(const uint32_t *ids, const float *logprobs, size_t n, bool exact)
{
	for (size_t k = 0; k < n; k++) {
		if (!isfinite(logprobs[k]))
			return false;
		if (k > 0 && (logprobs[k] > logprobs[k - 1] ||
				     (exact && logprobs[k] == logprobs[k - 1] &&
					     ids[k] <= ids[k - 1] &&
					     ids[k] != TOKEN_ID_UNKNOWN)))
			return false;
	}
	return true;
}

static const char *row_fault(const struct logits *l, size_t i, size_t at)
{
	float tail = l->tail[i], logprob = l->logprob[i];

	if (!is_sorted(l->ids + at, l->logprobs + at, l->listed[i],
		    l->profile == LOGITS_EXACT))
		return "its candidates are not in order";
	if (!isnan(tail) && !(tail >= 0 && tail <= 1 + TAIL_SLACK))
		return "its tail mass is no probability";
	if (!isnan(logprob) && !isfinite(logprob))
		return "its logprob is not finite";
	return NULL;
}

/* All rows; the first fault is told, and the stream's length compared. */
static void check_rows(struct verify *v, uint64_t sequence, const struct logits *l,
	struct bytes stream)
{
	bool all_known = true;
	size_t at = 0, bytes = 0;

	for (size_t i = 0; i < l->n; at += l->listed[i], i++) {
		const char *fault = row_fault(l, i, at);

		if (fault) {
			verify_say(
				v, "logits %llu: row %zu: %s", SEQ(sequence), i, fault);
			return;
		}
		if (l->n_bytes[i] == TOKEN_BYTES_UNKNOWN)
			all_known = false;
		else
			bytes += l->n_bytes[i];
	}
	if (stream.data && (all_known ? bytes != stream.len : bytes > stream.len))
		verify_say(v, "logits %llu: the tokens have %zu bytes, the stream %zu",
			SEQ(sequence), bytes, stream.len);
}

/* Of a vocabulary of the dataset's own, every id must be there; a candidate whose
 * bytes were not told has none. */
static void check_interned(struct verify *v, uint64_t sequence, const struct logits *l)
{
	struct bytes token;
	uint16_t ordinal;

	for (size_t i = 0; i < l->m; i++) {
		if (l->ids[i] == TOKEN_ID_UNKNOWN ||
			dataset_token(v->d, l->vocabulary, l->ids[i], &ordinal, &token,
				NULL) == ERR_NONE)
			continue;
		verify_say(v, "logits %llu: id %u is not in its vocabulary",
			SEQ(sequence), l->ids[i]);
		return;
	}
}

static uint64_t hash_tokens(const struct logits *l)
{
	uint64_t ids = l->n ? hash64(l->id, l->n * sizeof(*l->id)) : 0;

	return l->n == 0 ? 0
			 : hash64_seeded(l->n_bytes, l->n * sizeof(*l->n_bytes), ids);
}

static enum err_code check_capture(struct sample_walk *w, uint64_t sequence,
	uint8_t capture, const struct record *r, struct bytes stream)
{
	struct verify *v = w->v;
	struct logits *l = &w->rows;
	enum err_code code = w->logits.code;

	if (code == ERR_NONE)
		code = logits_decode(w->logits.walk.payload, l, v->err);
	if (code != ERR_NONE)
		return verify_take(v, code, "logits %llu.%u", SEQ(sequence), capture);
	if (capture == 0 && l->n != r->n_tokens)
		verify_say(v, "logits %llu: %u rows, its record says %u", SEQ(sequence),
			l->n, r->n_tokens);
	if (l->mode > LOGPROBS_PROCESSED)
		verify_say(v, "logits %llu: an unknown meaning", SEQ(sequence));
	check_rows(v, sequence, l, stream);
	if (capture == 0)
		w->tokens = hash_tokens(l);
	else if (!(r->captures & 1) || w->tokens != hash_tokens(l))
		verify_say(v, "logits %llu.%u: other tokens than capture 0",
			SEQ(sequence), capture);
	if (l->interned)
		check_interned(v, sequence, l);
	v->counts->tokens += l->n;
	return ERR_NONE;
}

/* On to the next blob, up to the last sequence. */
static enum err_code step(struct sample_walk *w, struct lane *lane)
{
	lane->code = blob_walk_next(&lane->walk, w->v->err);
	lane->ended = lane->code == ERR_NOT_FOUND ||
		      get_u64_be(lane->walk.base) > w->v->last_sequence;
	w->bytes += lane->walk.payload.len;
	return lane->code == ERR_CORRUPT || lane->ended ? ERR_NONE : lane->code;
}

/* Captures up to a sequence: those before it belong to nothing. */
static enum err_code check_captures(struct sample_walk *w, uint64_t sequence,
	const struct record *r, struct bytes stream)
{
	enum err_code code = ERR_NONE;

	while (!w->logits.ended && code == ERR_NONE) {
		uint64_t at = get_u64_be(w->logits.walk.base);
		uint8_t capture = w->logits.walk.base[8];

		if (at > sequence)
			break;
		if (at < sequence || !r || capture >= 16 ||
			!(r->captures >> capture & 1)) {
			verify_say(w->v, "logits %llu.%u: belong to no record", SEQ(at),
				capture);
		} else {
			w->captures++;
			code = check_capture(w, sequence, capture, r, stream);
		}
		if (code == ERR_NONE)
			code = step(w, &w->logits);
	}
	return code;
}

static enum err_code check_sample(struct sample_walk *w)
{
	struct verify *v = w->v;
	uint64_t sequence = get_u64_be(w->text.walk.base);
	struct sections text = {0};
	struct record r;
	struct bytes raw;
	enum err_code code = w->text.code;

	if (!bitmap_has(&v->records, sequence)) {
		verify_say(v, "text %llu: belongs to no record", SEQ(sequence));
		return ERR_NONE;
	}
	bitmap_add(&w->texts, sequence);
	if (code == ERR_NONE)
		code = unpack(
			v->d->packer, w->text.walk.payload, &w->room, &raw, v->err);
	if (code == ERR_NONE)
		code = sections_decode(raw, &text, v->err);
	code = verify_take(v, code, "text %llu", SEQ(sequence));
	if (code != ERR_NONE)
		return code;
	code = dataset_record(v->d, sequence, &r, v->err);
	if (code != ERR_NONE) /* told before */
		return code == ERR_CORRUPT ? check_captures(w, sequence, NULL, raw)
					   : code;
	if (w->text.code == ERR_NONE)
		check_text(v, sequence, &r, &text);
	return check_captures(w, sequence, &r, text.at[TEXT_STREAM]);
}

static enum err_code renew(struct sample_walk *w)
{
	int64_t now_ms = clock_mono_ms();
	enum err_code code;

	if (w->bytes < VIEW_BYTES && now_ms - w->view_began_ms < VIEW_MS)
		return ERR_NONE;
	w->v->counts->bytes += w->bytes;
	w->bytes = 0;
	w->view_began_ms = now_ms;
	blob_walk_pause(&w->text.walk);
	blob_walk_pause(&w->logits.walk);
	code = dataset_renew_view(w->v->d, w->v->err);
	if (code == ERR_NONE)
		code = blob_walk_go_on(&w->text.walk, w->v->err);
	return code == ERR_NONE ? blob_walk_go_on(&w->logits.walk, w->v->err) : code;
}

static void tell_missing(struct sample_walk *w)
{
	struct verify *v = w->v;

	for (uint64_t i = 0; i < v->records.n; i++)
		if (bitmap_has(&v->records, i) && !bitmap_has(&w->texts, i))
			verify_say(v, "text %llu: is missing", SEQ(i));
	if (w->captures < v->captures_due)
		verify_say(v, "logits: %llu of %llu captures are missing",
			SEQ(v->captures_due - w->captures), SEQ(v->captures_due));
	v->counts->captures = w->captures;
	v->counts->bytes += w->bytes;
}

static enum err_code walk_samples(struct sample_walk *w)
{
	enum err_code code = step(w, &w->text);

	if (code == ERR_NONE)
		code = step(w, &w->logits);
	while (code == ERR_NONE && !w->text.ended) {
		code = check_sample(w);
		if (code == ERR_NONE)
			code = step(w, &w->text);
		/* Each walk goes on behind the blob that it has at hand. */
		if (code == ERR_NONE)
			code = renew(w);
	}
	return code == ERR_NONE ? check_captures(w, UINT64_MAX, NULL, bytes_of(NULL, 0))
				: code;
}

enum err_code verify_samples(struct verify *v)
{
	struct sample_walk w = {.v = v, .view_began_ms = clock_mono_ms()};
	enum err_code code = blob_walk_open(
		&w.text.walk, v->d->txn, DB_TEXT, SEQUENCE_KEY_SIZE, v->err);

	if (code == ERR_NONE)
		code = blob_walk_open(
			&w.logits.walk, v->d->txn, DB_LOGITS, LOGITS_KEY_SIZE, v->err);
	buf_init(&w.room, PACK_RAW_MAX);
	bitmap_init(&w.texts, v->last_sequence);
	if (code == ERR_NONE)
		code = walk_samples(&w);
	if (code == ERR_NONE)
		tell_missing(&w);
	blob_walk_close(&w.text.walk);
	blob_walk_close(&w.logits.walk);
	logits_release(&w.rows);
	buf_release(&w.room);
	bitmap_release(&w.texts);
	return code;
}
