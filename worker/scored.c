/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/scored.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "store/sections.h"
#include "worker/raw_prompt.h"

bool scored_is_given(struct bytes messages, struct answer *a)
{
	struct answer_ids given = {0};
	struct raw_prompt prompt;
	uint32_t n = a->prompt_token_ids.n;
	bool same = true;

	if (!raw_prompt_read(messages, &prompt))
		return false;
	raw_prompt_text(&prompt, &a->content);
	if (prompt.kind == RAW_IDS)
		same = raw_prompt_ids(prompt.value, &given) &&
		       given.n == n + a->token_ids.n &&
		       memcmp(given.at, a->prompt_token_ids.at,
			       n * sizeof(*given.at)) == 0 &&
		       memcmp(given.at + n, a->token_ids.at,
			       a->token_ids.n * sizeof(*given.at)) == 0;
	free(given.at);
	if (!same)
		a->why = "the server scored other tokens than those given";
	return same;
}

/* The ids of capture 0: its rows' if it has rows. */
static const uint32_t *ids_of(const struct answer *a, uint32_t *n)
{
	bool from_rows = a->has_rows && a->rows.n > 0;

	*n = from_rows ? a->rows.n : a->token_ids.present ? a->token_ids.n : 0;
	return from_rows ? a->rows.id : a->token_ids.at;
}

static bool are_known(const uint32_t *id, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (id[i] == TOKEN_ID_UNKNOWN)
			return false;
	return true;
}

static void add_ids(struct buf *out, const uint32_t *id, uint32_t n, bool first)
{
	for (uint32_t i = 0; i < n; i++, first = false)
		buf_printf(out, first ? "%u" : ",%u", id[i]);
}

static void take_bytes(const struct answer *a, struct scored_tokens *out)
{
	struct bytes token;

	out->n_bytes = mem_zalloc(out->n, sizeof(*out->n_bytes));
	for (uint32_t i = 0; i < out->n; i++) {
		out->n_bytes[i] = TOKEN_BYTES_UNKNOWN;
		if (!a->has_rows || a->rows.n == 0 ||
			!rows_token(&a->rows, i, &token) ||
			token.len >= TOKEN_BYTES_UNKNOWN)
			continue;
		out->n_bytes[i] = (uint16_t)token.len;
		buf_add(&out->bytes, token.data, token.len);
	}
}

const char *scored_take(
	const struct answer *a, bool misaligned, struct scored_tokens *out)
{
	const struct answer_ids *prompt = &a->prompt_token_ids;
	const uint32_t *id = ids_of(a, &out->n);

	/* A dozen digits for an id, and what stands around them. */
	buf_init(&out->messages, LIMIT_MESSAGE);
	buf_init(&out->bytes, LIMIT_TEXT);
	if (misaligned)
		return "misaligned";
	if (out->n == 0)
		return "no_tokens";
	if (!are_known(id, out->n))
		return "no_token_ids";
	if (!prompt->present || prompt->n == 0 || !are_known(prompt->at, prompt->n))
		return "no_prompt_token_ids";
	if (prompt->n > LIMIT_MAX_TOKENS - out->n)
		return "too_large";
	out->n_all = prompt->n + out->n;
	buf_add_str(&out->messages, "{\"input_ids\":[");
	add_ids(&out->messages, prompt->at, prompt->n, true);
	add_ids(&out->messages, id, out->n, false);
	buf_printf(&out->messages, "],\"prompt_len\":%u}", prompt->n);
	take_bytes(a, out);
	return out->messages.over || out->bytes.over ? "too_large" : NULL;
}

void scored_release(struct scored_tokens *t)
{
	buf_release(&t->messages);
	buf_release(&t->bytes);
	free(t->n_bytes);
	*t = (struct scored_tokens){0};
}

/* Texts that a server has made of bytes stand for others where they are no whole
 * characters, and may have lost a blank in front. */
static bool can_be_compared(struct bytes token)
{
	return token.len > 0 && !memmem(token.data, token.len, "\xef\xbf\xbd", 3) &&
	       utf8_valid_prefix(token.data, token.len) == token.len;
}

static bool is_same(struct bytes a, struct bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool is_same_but_blank(struct bytes a, struct bytes b)
{
	if (a.len == b.len + 1 && a.data[0] == ' ')
		a = bytes_of(a.data + 1, a.len - 1);
	if (b.len == a.len + 1 && b.data[0] == ' ')
		b = bytes_of(b.data + 1, b.len - 1);
	return is_same(a, b);
}

/* Tokens by how their texts compare. */
struct comparison {
	uint32_t same, but_blank, other;
};

static struct comparison compare(const struct scored_tokens *t, const struct answer *a)
{
	const unsigned char *at = t->bytes.data;
	struct comparison c = {0};
	struct bytes ours, theirs;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->n_bytes[i] == TOKEN_BYTES_UNKNOWN)
			continue;
		ours = bytes_of(at, t->n_bytes[i]);
		at += t->n_bytes[i];
		if (!rows_token(&a->rows, i, &theirs) || !can_be_compared(ours) ||
			!can_be_compared(theirs))
			continue;
		if (is_same(ours, theirs))
			c.same++;
		else if (is_same_but_blank(ours, theirs))
			c.but_blank++;
		else
			c.other++;
	}
	return c;
}

const char *scored_contradicts(const struct scored_tokens *t, const struct answer *a)
{
	struct comparison c;

	if (!a->has_rows || a->rows.n != t->n)
		return "there is not one row for each token of the answer";
	c = compare(t, a);
	return c.other > c.same + c.but_blank
		       ? "the tokens have other texts: is it another tokenizer?"
		       : NULL;
}

bool scored_agrees(const struct scored_tokens *t, const struct answer *a)
{
	struct comparison c = compare(t, a);

	return c.same > 0 && c.but_blank == 0 && c.other == 0;
}

static uint32_t add_count(uint32_t a, uint32_t b)
{
	return b < COUNT_UNKNOWN - 1 - a ? a + b : COUNT_UNKNOWN - 1;
}

static bool add_told(
	struct packer *packer, struct bytes packed, struct bytes told, struct buf *out)
{
	struct sections s;
	struct bytes raw;
	struct buf room, sections;
	struct err err = {0};
	bool ok;

	buf_init(&room, PACK_RAW_MAX);
	buf_init(&sections, PACK_RAW_MAX);
	ok = unpack(packer, packed, &room, &raw, &err) == ERR_NONE &&
	     sections_decode(raw, &s, &err) == ERR_NONE;
	if (ok) {
		sections_set(&s, TEXT_SCORED, told);
		sections_encode(&s, true, &sections);
		ok = !sections.over;
	}
	if (ok)
		pack(packer, buf_bytes(&sections), out);
	buf_release(&room);
	buf_release(&sections);
	return ok && !out->over;
}

bool scored_offer(struct packer *packer, struct bytes offer,
	const struct scored_addition *add, struct buf *out)
{
	size_t before = out->len;
	struct buf text, vocabulary;
	struct offer o;
	struct err err = {0};
	bool ok;

	buf_init(&text, LIMIT_RECORD);
	buf_init(&vocabulary, LIMIT_RECORD);
	/* We have made it ourselves. */
	ok = offer_decode(offer, &o, &err) == ERR_NONE;
	assert(ok);
	ok = ok && add_told(packer, o.text, add->told, &text);
	o.text = buf_bytes(&text);
	buf_add(&vocabulary, o.vocabulary.data, o.vocabulary.len);
	buf_add(&vocabulary, add->vocabulary.data, add->vocabulary.len);
	o.vocabulary = buf_bytes(&vocabulary);
	o.head.flags |= add->flags;
	o.head.wasted_nusd += add->nusd;
	o.head.wasted_prompt_tokens =
		add_count(o.head.wasted_prompt_tokens, add->prompt_tokens);
	o.head.wasted_completion_tokens =
		add_count(o.head.wasted_completion_tokens, add->completion_tokens);
	for (int c = 1; c < OFFER_CAPTURES_MAX; c++) {
		o.logits[c] = add->logits[c];
		if (add->logits[c].data)
			o.head.captures |= (uint16_t)(1 << c);
	}
	if (ok && !vocabulary.over)
		offer_encode(&o, out);
	ok = ok && !vocabulary.over && !out->over && out->len - before <= LIMIT_RECORD;
	if (!ok) {
		out->over = false;
		buf_truncate(out, before);
	}
	buf_release(&text);
	buf_release(&vocabulary);
	return ok;
}
