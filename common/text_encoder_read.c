/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer.json's model and added tokens; its steps are read by text_encoder_plan.c. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text_encoder_plan.h"
#include "common/tokenizer_steps.h"

bool plan_complain(struct plan *p, const char *place, const char *fmt, ...)
{
	char what[ERR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(p->err, ERR_INVALID, "%s: %s: %s", p->name, place, what);
	return false;
}

bool plan_is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* -- model -- */

static bool find_id(
	struct plan *p, const char *place, const char *piece, size_t len, uint32_t *id)
{
	const json_t *v = json_object_getn(p->vocab, piece, len);

	if (!v)
		return plan_complain(p, place, "%s is not in the vocab",
			log_quote_bytes(piece, len).text);
	*id = (uint32_t)json_integer_value(v); /* read_vocab has seen it */
	return true;
}

static bool read_vocab(struct plan *p)
{
	unsigned char piece[LIMIT_TOKEN_BYTES];
	const char *key;
	size_t len;
	json_t *v;

	json_object_keylen_foreach(p->vocab, key, len, v)
	{
		json_int_t id = json_integer_value(v);
		bool is_bytes = true;

		if (!json_is_integer(v) || id < 0 || id >= LIMIT_VOCABULARY)
			return plan_complain(p, "model.vocab",
				"an id must be an integer from 0 to %u",
				LIMIT_VOCABULARY - 1);
		if (len > sizeof(piece))
			return plan_complain(p, "model.vocab",
				"a piece is longer than %d bytes", LIMIT_TOKEN_BYTES);
		if (len == 0)
			continue; /* no text is */
		memcpy(piece, key, len);
		/* A piece with another character is never met. */
		if (p->e->bpe.by_bytes)
			len = byte_level_read(piece, len, &is_bytes);
		if (is_bytes)
			token_map_add(&p->e->bpe.piece, 0, bytes_of(piece, len),
				(uint32_t)id);
	}
	return true;
}

/* "left right", or in later files ["left", "right"]. */
static bool read_merge(
	struct plan *p, const char *place, const json_t *v, uint32_t rank)
{
	const json_t *l = json_array_get(v, 0), *r = json_array_get(v, 1);
	const char *left = json_string_value(l), *right = json_string_value(r), *blank;
	size_t left_len = json_string_length(l), right_len = json_string_length(r);
	uint32_t a, b, id;
	char *both;
	bool ok;

	if (json_is_string(v)) {
		left = json_string_value(v);
		blank = memchr(left, ' ', json_string_length(v));
		left_len = blank ? (size_t)(blank - left) : 0;
		right = blank ? blank + 1 : NULL;
		right_len = json_string_length(v) - left_len - 1;
		if (right && memchr(right, ' ', right_len))
			right = NULL;
	} else if (json_array_size(v) != 2) {
		right = NULL;
	}
	if (!left || !right)
		return plan_complain(p, place, "must be two pieces");
	if (!find_id(p, place, left, left_len, &a) ||
		!find_id(p, place, right, right_len, &b))
		return false;
	both = mem_alloc(left_len + right_len + 1);
	memcpy(both, left, left_len);
	memcpy(both + left_len, right, right_len);
	ok = find_id(p, place, both, left_len + right_len, &id);
	free(both);
	if (ok)
		bpe_add_merge(&p->e->bpe, a, b, rank, id);
	return ok;
}

static bool read_merges(struct plan *p, const json_t *list)
{
	uint32_t rank = 0;
	const json_t *v;
	char place[64];
	size_t i;

	if (!json_is_array(list))
		return plan_complain(p, "model.merges", "must be a list");
	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v);

		if (text && strncmp(text, "#version", 8) == 0)
			continue; /* a line of the file it was made from */
		snprintf(place, sizeof(place), "model.merges[%zu]", i);
		if (!read_merge(p, place, v, rank++))
			return false;
	}
	return true;
}

/* What changes which ids come out, and is not done here. */
static bool check_model(struct plan *p, const json_t *model)
{
	static const char *const none[] = {
		"continuing_subword_prefix", "end_of_word_suffix"};
	const json_t *type = json_object_get(model, "type");
	const json_t *dropout = json_object_get(model, "dropout");

	if (type ? !json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0
		 : !json_object_get(model, "merges"))
		return plan_complain(p, "model.type",
			"%s is not offered for encoding; only BPE is",
			json_is_string(type) ? log_quote(json_string_value(type)).text
					     : "a model without one");
	if (json_number_value(dropout) != 0)
		return plan_complain(p, "model.dropout", "must be null");
	for (size_t i = 0; i < 2; i++) {
		const char *text = json_string_value(json_object_get(model, none[i]));

		if (text && *text)
			return plan_complain(
				p, "model", "a %s is not offered", none[i]);
	}
	return true;
}

static bool read_model(struct plan *p, const json_t *model)
{
	struct bpe *b = &p->e->bpe;
	const json_t *unk = json_object_get(model, "unk_token");

	if (!json_is_object(model))
		return plan_complain(p, "model", "must be an object");
	if (!check_model(p, model))
		return false;
	p->vocab = json_object_get(model, "vocab");
	if (!json_is_object(p->vocab))
		return plan_complain(p, "model.vocab", "must be an object");
	b->ignore_merges = plan_is_true(model, "ignore_merges");
	b->byte_fallback = plan_is_true(model, "byte_fallback");
	b->fuse_unk = plan_is_true(model, "fuse_unk");
	if (!read_vocab(p) || !read_merges(p, json_object_get(model, "merges")))
		return false;
	for (unsigned i = 0; i < 256; i++) {
		char piece[8];
		const json_t *v;

		snprintf(piece, sizeof(piece), "<0x%02X>", i);
		v = json_object_get(p->vocab, piece);
		if (v)
			b->byte_piece[i] = (uint32_t)json_integer_value(v);
	}
	return !json_is_string(unk) ||
	       find_id(p, "model.unk_token", json_string_value(unk),
		       json_string_length(unk), &b->unk);
}

/* -- added_tokens -- */

/* The library looks a token up in the vocab first; an id of its own counts only if it
 * is not there. */
static bool read_id(struct plan *p, const char *place, const json_t *content,
	const json_t *v, uint32_t *id)
{
	const json_t *own = json_object_getn(
		p->vocab, json_string_value(content), json_string_length(content));
	json_int_t given = json_integer_value(v);

	if (!json_is_integer(v) || given < 0 || given >= LIMIT_VOCABULARY)
		return plan_complain(p, place, "an id must be an integer from 0 to %u",
			LIMIT_VOCABULARY - 1);
	if (own && json_integer_value(own) != given)
		return plan_complain(p, place,
			"the id is %" JSON_INTEGER_FORMAT
			" here and %" JSON_INTEGER_FORMAT " in the vocab",
			given, json_integer_value(own));
	*id = (uint32_t)given;
	return true;
}

static bool read_added_token(struct plan *p, const char *place, const json_t *v)
{
	const json_t *content = json_object_get(v, "content");
	struct added_token t = {.single_word = plan_is_true(v, "single_word"),
		.lstrip = plan_is_true(v, "lstrip"),
		.rstrip = plan_is_true(v, "rstrip"),
		/* What is not special is normalised if nothing else is said. */
		.normalized = json_object_get(v, "normalized")
				      ? plan_is_true(v, "normalized")
				      : !plan_is_true(v, "special")};
	struct bytes text;

	if (!json_is_string(content))
		return plan_complain(p, place, "needs a content");
	if (!read_id(p, place, content, json_object_get(v, "id"), &t.id))
		return false;
	text = bytes_of(json_string_value(content), json_string_length(content));
	if (t.normalized && steps_normalise(p->e, text, &text, p->err) != ERR_NONE)
		return plan_complain(p, place, "cannot be normalised");
	t.len = text.len;
	t.content = mem_dup(text.data, text.len);
	added_put(t.normalized ? &p->e->normalised : &p->e->raw, t);
	return true;
}

/* Special ones come first, and so count where two look for the same. */
static bool read_added_tokens(struct plan *p, const json_t *list)
{
	const json_t *v;
	char place[64];
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		return plan_complain(p, "added_tokens", "must be a list");
	for (int special = 1; special >= 0; special--) {
		json_array_foreach(list, i, v) {
			snprintf(place, sizeof(place), "added_tokens[%zu]", i);
			if (plan_is_true(v, "special") == (bool)special &&
				!read_added_token(p, place, v))
				return false;
		}
	}
	added_index(&p->e->raw);
	added_index(&p->e->normalised);
	return true;
}

/* -- The whole -- */

static bool read_root(struct plan *p, const json_t *root)
{
	struct text_encoder *e = p->e;

	if (!json_is_object(root))
		return plan_complain(p, "the file", "must be an object");
	if (!plan_normalizer(p, json_object_get(root, "normalizer")) ||
		!plan_pre_tokenizer(p, json_object_get(root, "pre_tokenizer")))
		return false;
	e->bpe.by_bytes =
		e->n_words > 0 && e->word[e->n_words - 1].kind == WORD_BYTE_LEVEL;
	if (!read_model(p, json_object_get(root, "model")) ||
		!read_added_tokens(p, json_object_get(root, "added_tokens")))
		return false;
	plan_post_processor(p, json_object_get(root, "post_processor"));
	return true;
}

enum err_code text_encoder_read(
	struct bytes json, const char *name, struct text_encoder **out, struct err *err)
{
	json_error_t at;
	json_t *root = json_loadb((const char *)json.data, json.len,
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
	struct err own = {0};
	struct plan p = {.name = name, .err = err ? err : &own};
	bool ok;

	*out = NULL;
	if (!root)
		return err_set(err, ERR_INVALID, "%s:%d:%d: %s", name, at.line,
			at.column, at.text);
	p.e = mem_zalloc(1, sizeof(*p.e));
	bpe_init(&p.e->bpe);
	buf_init(&p.e->text[0], LIMIT_RENDERED);
	buf_init(&p.e->text[1], LIMIT_RENDERED);
	buf_init(&p.e->before, KIB(4));
	buf_init(&p.e->after, KIB(4));
	ok = read_root(&p, root);
	json_decref(root);
	p.e->digest = hash64(json.data, json.len);
	p.e->digest += p.e->digest == 0;
	if (ok)
		*out = p.e;
	else
		text_encoder_free(p.e);
	return ok ? ERR_NONE : ERR_INVALID;
}
