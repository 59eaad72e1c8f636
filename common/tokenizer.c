/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tokenizer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"
#include "common/tokenizer_input.h"
#include "common/tokenizer_steps.h"

/* An entry of added_tokens; they come before the model, as a rule. */
struct added {
	uint32_t id;
	uint32_t at; /* its content in `contents` */
	uint16_t len;
};

struct reader {
	struct input in;
	struct tokenizer *t;
	struct steps decoder, pre_tokenizer;
	struct added *added;
	size_t n_added, cap_added;
	struct buf contents, piece;
	struct step_text model, prefix, suffix;
	bool byte_fallback, has_vocab, vocab_is_list, has_merges;
	unsigned seen; /* sections, bit by bit */
};

const char *tokenizer_alphabet_name(enum tokenizer_alphabet alphabet)
{
	return alphabet == ALPHABET_BYTE_LEVEL ? "byte-level" : "SentencePiece";
}

void tokenizer_release(struct tokenizer *t)
{
	token_table_release(&t->table);
}

/* -- Values -- */

/* A short text or null. What is cut cannot be mistaken for a known word. */
static bool read_text(struct reader *r, const char *place, struct step_text *out)
{
	enum jscan_event e = input_next(&r->in);
	size_t len = r->in.scan.text.len;

	*out = (struct step_text){0};
	if (e == JSCAN_NULL)
		return true;
	if (e != JSCAN_STRING)
		return input_complain(&r->in, place, "must be a text");
	if (len >= sizeof(out->at))
		len = sizeof(out->at) - 1;
	if (len)
		memcpy(out->at, r->in.scan.text.data, len);
	out->there = true;
	return true;
}

static bool read_bool(struct reader *r, const char *place, bool *out)
{
	enum jscan_event e = input_next(&r->in);

	*out = e == JSCAN_TRUE;
	if (e == JSCAN_TRUE || e == JSCAN_FALSE || e == JSCAN_NULL)
		return true;
	return input_complain(&r->in, place, "must be true or false");
}

static bool read_integer(struct reader *r, const char *place, int64_t *out)
{
	if (input_next(&r->in) != JSCAN_NUMBER || !r->in.scan.number.is_integer)
		return input_complain(&r->in, place, "must be an integer");
	*out = r->in.scan.number.integer;
	return true;
}

static bool is_id(struct reader *r, const char *place, int64_t id)
{
	if (id >= 0 && id < LIMIT_VOCABULARY)
		return true;
	return input_complain(
		&r->in, place, "an id must be from 0 to %u", LIMIT_VOCABULARY - 1);
}

static bool is_short(struct reader *r, const char *place)
{
	if (r->in.scan.text.len <= LIMIT_TOKEN_BYTES && !r->in.scan.text_cut)
		return true;
	return input_complain(
		&r->in, place, "a token is longer than %d bytes", LIMIT_TOKEN_BYTES);
}

/* -- decoder and pre_tokenizer -- */

static bool read_section(struct reader *r, const char *place, struct steps *to);

/* "pattern": {"String": "x"} or {"Regex": "x"}; only the first is a sign. */
static bool read_pattern(struct reader *r, const char *place, struct step *s)
{
	enum jscan_event e = input_next(&r->in);
	bool ok = true;

	if (e != JSCAN_OBJECT)
		return input_skip_rest(&r->in, e);
	while (ok && input_next_key(&r->in, &ok))
		ok = input_key_is(&r->in, "String") ? read_text(r, place, &s->pattern)
						    : input_skip(&r->in);
	return ok;
}

static bool read_list(struct reader *r, const char *place, struct steps *to)
{
	enum jscan_event e = input_next(&r->in);

	if (e != JSCAN_ARRAY)
		return input_complain(&r->in, place, "must be a list of steps");
	while ((e = input_next(&r->in)) == JSCAN_OBJECT)
		if (!read_section(r, place, to))
			return false;
	return e == JSCAN_ARRAY_END ||
	       input_complain(&r->in, place, "a step must be an object");
}

/* Behind the opening brace of a step. A Sequence stands for its members. */
static bool read_section(struct reader *r, const char *place, struct steps *to)
{
	struct step s = {.add_prefix_space = true};
	bool ok = true;

	while (ok && input_next_key(&r->in, &ok)) {
		if (input_key_is(&r->in, "type"))
			ok = read_text(r, place, &s.type);
		else if (input_key_is(&r->in, "decoders") ||
			 input_key_is(&r->in, "pretokenizers"))
			ok = read_list(r, place, to);
		else if (input_key_is(&r->in, "pattern"))
			ok = read_pattern(r, place, &s);
		else if (input_key_is(&r->in, "content"))
			ok = read_text(r, place, &s.content);
		else if (input_key_is(&r->in, "replacement"))
			ok = read_text(r, place, &s.replacement);
		else if (input_key_is(&r->in, "prepend_scheme"))
			ok = read_text(r, place, &s.prepend_scheme);
		else if (input_key_is(&r->in, "add_prefix_space"))
			ok = read_bool(r, place, &s.add_prefix_space);
		else if (input_key_is(&r->in, "start"))
			ok = read_integer(r, place, &s.start);
		else if (input_key_is(&r->in, "stop"))
			ok = read_integer(r, place, &s.stop);
		else
			ok = input_skip(&r->in);
	}
	if (!ok || strcmp(s.type.at, "Sequence") == 0)
		return ok;
	if (to->n == STEPS_MAX)
		return input_complain(
			&r->in, place, "has more than %d steps", STEPS_MAX);
	to->at[to->n++] = s;
	return true;
}

static bool read_steps(struct reader *r, const char *place, struct steps *to)
{
	enum jscan_event e = input_next(&r->in);

	if (e == JSCAN_NULL)
		return true;
	if (e != JSCAN_OBJECT)
		return input_complain(&r->in, place, "must be an object or null");
	return read_section(r, place, to);
}

/* -- added_tokens -- */

static bool read_added_token(struct reader *r, const char *place)
{
	struct added a = {.at = (uint32_t)r->contents.len};
	bool ok = true, has_id = false, has_content = false;
	int64_t id = 0;

	while (ok && input_next_key(&r->in, &ok)) {
		if (input_key_is(&r->in, "id")) {
			ok = read_integer(r, place, &id) && is_id(r, place, id);
			has_id = true;
		} else if (input_key_is(&r->in, "content")) {
			if (input_next(&r->in) != JSCAN_STRING)
				return input_complain(
					&r->in, place, "content must be a text");
			if (!is_short(r, place))
				return false;
			a.len = (uint16_t)r->in.scan.text.len;
			r->contents.len = a.at; /* the last one counts */
			buf_add(&r->contents, r->in.scan.text.data, a.len);
			has_content = true;
		} else {
			ok = input_skip(&r->in);
		}
	}
	if (!ok)
		return false;
	if (!has_id || !has_content)
		return input_complain(&r->in, place, "needs an id and a content");
	if (r->contents.over)
		return input_complain(&r->in, place, "the contents are too long");
	a.id = (uint32_t)id;
	MEM_GROW(r->added, r->cap_added, r->n_added + 1);
	r->added[r->n_added++] = a;
	return true;
}

static bool read_added_tokens(struct reader *r)
{
	enum jscan_event e = input_next(&r->in);
	char place[64];

	if (e == JSCAN_NULL)
		return true;
	if (e != JSCAN_ARRAY)
		return input_complain(&r->in, "added_tokens", "must be a list");
	for (;;) {
		snprintf(place, sizeof(place), "added_tokens[%zu]", r->n_added);
		e = input_next(&r->in);
		if (e == JSCAN_ARRAY_END)
			return true;
		if (r->n_added == LIMIT_VOCABULARY)
			return input_complain(&r->in, place, "there are too many");
		if (e != JSCAN_OBJECT)
			return input_complain(&r->in, place, "must be an object");
		if (!read_added_token(r, place))
			return false;
	}
}

/* -- model -- */

static bool put_piece(struct reader *r, const char *place, int64_t id)
{
	struct token_table *t = &r->t->table;
	struct bytes other;

	if (!is_id(r, place, id))
		return false;
	if (token_table_get(t, (uint32_t)id, &other))
		return input_complain(&r->in, place,
			"id %" PRId64 " is that of %s and of %s", id,
			log_quote_bytes(other.data, other.len).text,
			log_quote_bytes(r->piece.data, r->piece.len).text);
	if (t->pool_len + r->piece.len > LIMIT_VOCABULARY_BYTES)
		return input_complain(&r->in, place,
			"the pieces have more than %zu MiB",
			LIMIT_VOCABULARY_BYTES >> 20);
	token_table_put(t, (uint32_t)id, buf_bytes(&r->piece));
	return true;
}

static bool take_piece(struct reader *r, const char *place)
{
	if (!is_short(r, place))
		return false;
	buf_clear(&r->piece);
	buf_add(&r->piece, r->in.scan.text.data, r->in.scan.text.len);
	return true;
}

/* BPE: {"piece": id, ...} */
static bool read_vocab_object(struct reader *r)
{
	bool ok = true;
	int64_t id = 0;

	while (ok && input_next_key(&r->in, &ok))
		ok = take_piece(r, "model.vocab") &&
		     read_integer(r, "model.vocab", &id) &&
		     put_piece(r, "model.vocab", id);
	return ok;
}

/* Unigram: [["piece", score], ...]; ids are places. */
static bool read_vocab_list(struct reader *r)
{
	enum jscan_event e;
	char place[64];

	for (int64_t id = 0; (e = input_next(&r->in)) == JSCAN_ARRAY; id++) {
		snprintf(place, sizeof(place), "model.vocab[%" PRId64 "]", id);
		if (input_next(&r->in) != JSCAN_STRING)
			return input_complain(&r->in, place, "must begin with a text");
		if (!take_piece(r, place) || !put_piece(r, place, id))
			return false;
		jscan_skip_rest(&r->in.scan);
		if (input_next(&r->in) != JSCAN_SKIPPED)
			return false;
	}
	return e == JSCAN_ARRAY_END ||
	       input_complain(&r->in, "model.vocab", "an entry must be a list");
}

static bool read_vocab(struct reader *r)
{
	enum jscan_event e = input_next(&r->in);

	if (r->has_vocab)
		return input_complain(&r->in, "model.vocab", "is there twice");
	r->has_vocab = true;
	r->vocab_is_list = e == JSCAN_ARRAY;
	if (e == JSCAN_ARRAY)
		return read_vocab_list(r);
	return e == JSCAN_OBJECT ? read_vocab_object(r)
				 : input_complain(&r->in, "model.vocab",
					   "must be an object or a list");
}

static bool read_model(struct reader *r)
{
	bool ok = true;

	if (input_next(&r->in) != JSCAN_OBJECT)
		return input_complain(&r->in, "model", "must be an object");
	while (ok && input_next_key(&r->in, &ok)) {
		if (input_key_is(&r->in, "type"))
			ok = read_text(r, "model.type", &r->model);
		else if (input_key_is(&r->in, "byte_fallback"))
			ok = read_bool(r, "model.byte_fallback", &r->byte_fallback);
		else if (input_key_is(&r->in, "continuing_subword_prefix"))
			ok = read_text(
				r, "model.continuing_subword_prefix", &r->prefix);
		else if (input_key_is(&r->in, "end_of_word_suffix"))
			ok = read_text(r, "model.end_of_word_suffix", &r->suffix);
		else if (input_key_is(&r->in, "vocab"))
			ok = read_vocab(r);
		else {
			r->has_merges = r->has_merges || input_key_is(&r->in, "merges");
			ok = input_skip(&r->in);
		}
	}
	return ok;
}

/* Which model it is. Files of old do not say, but show it by their members. */
static bool judge_model(struct reader *r)
{
	const char *type = r->model.at;

	if (!r->has_vocab)
		return input_complain(&r->in, "model", "has no vocab");
	if (!r->model.there)
		type = r->vocab_is_list ? "Unigram" : r->has_merges ? "BPE" : "";
	if (strcmp(type, "BPE") != 0 && strcmp(type, "Unigram") != 0)
		return input_complain(&r->in, "model.type",
			"%s is not offered; only BPE and Unigram say which bytes an id "
			"stands for",
			r->model.there ? log_quote(type).text : "a model without one");
	r->t->unigram = *type == 'U';
	if (r->t->unigram != r->vocab_is_list)
		return input_complain(&r->in, "model.vocab", "must be %s for %s",
			r->t->unigram ? "a list" : "an object", type);
	if (r->prefix.at[0] || r->suffix.at[0])
		return input_complain(&r->in, "model",
			"pieces with a continuing_subword_prefix or an "
			"end_of_word_suffix are not offered");
	return true;
}

/* -- The whole -- */

static bool read_root(struct reader *r)
{
	static const char *const sections[] = {
		"added_tokens", "pre_tokenizer", "decoder", "model"};
	bool ok = true;

	if (input_next(&r->in) != JSCAN_OBJECT)
		return input_complain(&r->in, "", "must be an object");
	while (ok && input_next_key(&r->in, &ok)) {
		unsigned i = 0;

		while (i < 4 && !input_key_is(&r->in, sections[i]))
			i++;
		if (i < 4 && (r->seen >> i & 1))
			return input_complain(&r->in, sections[i], "is there twice");
		r->seen |= 1u << i;
		ok = i == 0   ? read_added_tokens(r)
		     : i == 1 ? read_steps(r, "pre_tokenizer", &r->pre_tokenizer)
		     : i == 2 ? read_steps(r, "decoder", &r->decoder)
		     : i == 3 ? read_model(r)
			      : input_skip(&r->in);
	}
	if (!ok || input_next(&r->in) != JSCAN_DONE)
		return input_complain(&r->in, "", "something is behind its end");
	return (r->seen >> 3 & 1) || input_complain(&r->in, "", "has no model");
}

/* Puts the added tokens beside, or over, the model's pieces. */
static bool put_added(struct reader *r)
{
	struct tokenizer *t = r->t;

	for (size_t i = 0; i < r->n_added; i++) {
		const struct added *a = &r->added[i];
		struct bytes content = bytes_of(r->contents.data + a->at, a->len), had;
		bool known = token_table_get(&t->table, a->id, &had);

		if (known && had.len == content.len &&
			(had.len == 0 || memcmp(had.data, content.data, had.len) == 0))
			continue;
		if (known && t->table.at[a->id].weak) {
			char place[64];

			snprintf(place, sizeof(place), "added_tokens[%zu]", i);
			return input_complain(&r->in, place,
				"id %u is that of %s and of %s", a->id,
				log_quote_bytes(had.data, had.len).text,
				log_quote_bytes(content.data, content.len).text);
		}
		token_table_put(&t->table, a->id, content);
		t->table.at[a->id].weak = true; /* a mark, until they are read */
		t->n_added += !known;
		t->n_replaced += known;
	}
	return true;
}

static bool finish(struct reader *r)
{
	struct tokenizer *t = r->t;
	struct alphabet alphabet;
	struct err why = {0};

	if (!judge_model(r) || !put_added(r))
		return false;
	if (t->table.n == 0)
		return input_complain(&r->in, "model.vocab", "is empty");
	if (alphabet_decide(&r->decoder, &r->pre_tokenizer, r->byte_fallback, &alphabet,
		    &why) != ERR_NONE)
		return input_complain(&r->in, "", "%s", why.msg);
	t->alphabet = alphabet.kind;
	t->byte_fallback = alphabet.byte_fallback;
	t->strips = alphabet.strips;
	for (uint32_t id = 0; id < t->table.size; id++) {
		struct token_slot *s = &t->table.at[id];

		if (s->at != UINT32_MAX)
			s->len = (uint16_t)alphabet_read(
				&alphabet, t->table.pool + s->at, s->len, &s->weak);
	}
	token_table_index(&t->table);
	t->digest = XXH3_64bits_digest(r->in.hash);
	t->digest += t->digest == 0;
	return true;
}

enum err_code tokenizer_read(const struct tokenizer_source *source, const char *name,
	struct tokenizer *t, struct err *err)
{
	struct reader r = {.t = t};
	bool ok;

	*t = (struct tokenizer){0};
	input_begin(&r.in, source, name);
	buf_init(&r.contents, LIMIT_VOCABULARY_BYTES);
	buf_init(&r.piece, LIMIT_TOKEN_BYTES);
	ok = read_root(&r) && finish(&r);
	input_end(&r.in);
	buf_release(&r.contents);
	buf_release(&r.piece);
	free(r.added);
	if (ok)
		return ERR_NONE;
	tokenizer_release(t);
	if (err)
		*err = r.in.err;
	return r.in.err.code;
}

void tokenizer_describe(const struct tokenizer *t, char *out, size_t size)
{
	int at = snprintf(out, size, "%u ids, %s %s%s", t->table.n,
		tokenizer_alphabet_name(t->alphabet), t->unigram ? "Unigram" : "BPE",
		t->byte_fallback ? " with byte fallback" : "");

	if (t->table.n_shared > 0 && at > 0 && (size_t)at < size)
		snprintf(out + at, size - (size_t)at,
			"; %u of them cannot be told apart by their bytes",
			t->table.n_shared);
}

/* Collisions told as examples. */
#define EXAMPLES 3

void tokenizer_collisions(const struct tokenizer *t, char *out, size_t size)
{
	uint32_t id = UINT32_MAX, first = 0;
	size_t at = 0;

	*out = '\0';
	for (int i = 0; i < EXAMPLES && token_table_next_shared(&t->table, &id, &first);
		i++) {
		struct bytes token = {0};
		char text[48];
		int n;

		token_table_get(&t->table, id, &token);
		text_escape(token.data, token.len, text, sizeof(text));
		n = snprintf(out + at, size - at, "%s%u and %u are \"%s\"",
			i ? ", " : "", first, id, text);
		if (n < 0 || (size_t)n >= size - at) {
			out[at] = '\0';
			return;
		}
		at += (size_t)n;
	}
}
