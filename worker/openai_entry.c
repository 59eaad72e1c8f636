/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_entry.h"

#include <assert.h>
#include <math.h>

#include "common/limits.h"

const struct openai_entry openai_no_entry = {
	.logprob = (double)NAN, .id = TOKEN_ID_UNKNOWN};

const unsigned char *openai_literal(
	struct openai_tokens *t, const unsigned char *p, const char *word)
{
	size_t len = strlen(word), have = (size_t)(t->end - p);

	if (memcmp(p, word, have < len ? have : len) != 0)
		return openai_stop(t, JT_BAD);
	return have < len ? openai_stop(t, JT_MORE) : p + len;
}

const unsigned char *openai_skip(struct openai_tokens *t, const unsigned char *p)
{
	enum jt got = jt_skip(p, t->end, &p, t->depth);

	return got == JT_OK ? p : openai_stop(t, got);
}

const unsigned char *openai_wrong(
	struct openai_tokens *t, const char *why, const unsigned char *p)
{
	if (!t->wrong_shape)
		t->wrong_shape = why;
	return openai_skip(t, p);
}

/* null is fine in every member. */
static const unsigned char *null_or_wrong(
	struct openai_tokens *t, const char *why, const unsigned char *p)
{
	return *p == 'n' ? openai_literal(t, p, "null") : openai_wrong(t, why, p);
}

static void complain(struct openai_tokens *t, const char *why)
{
	if (!t->bad)
		t->bad = why;
}

static unsigned key_by_name(const unsigned char *name, size_t len)
{
	static const struct {
		const char *name;
		enum openai_entry_key key;
	} keys[] = {{"token", ENTRY_TOKEN}, {"logprob", ENTRY_LOGPROB},
		{"bytes", ENTRY_BYTES}, {"id", ENTRY_ID}, {"top_logprobs", ENTRY_TOP}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
			return keys[i].key;
	return ENTRY_OTHER;
}

/* Six bytes for each character is the longest way to write a name. */
#define NAME_MAX_ESCAPED 80

const unsigned char *openai_any_key(
	struct openai_tokens *t, const unsigned char *p, unsigned *key)
{
	const unsigned char *close;
	bool escaped;
	enum jt got;

	if (*p != '"')
		return openai_stop(t, JT_BAD);
	got = jt_string(p + 1, t->end, &close, &escaped);
	if (got != JT_OK)
		return openai_stop(t, got);
	*key = key_by_name(p + 1, (size_t)(close - p - 1));
	if (escaped && close - p <= NAME_MAX_ESCAPED) {
		struct buf name;

		buf_init(&name, NAME_MAX_ESCAPED);
		jt_unescape(p + 1, close, &name);
		*key = key_by_name(name.data, name.len);
		buf_release(&name);
	}
	p = openai_space(t, close + 1);
	if (!p)
		return NULL;
	return *p == ':' ? p + 1 : openai_stop(t, JT_BAD);
}

bool openai_is_broken(const unsigned char *p, size_t len)
{
	return memchr(p, 0xef, len) && memmem(p, len, "\xef\xbf\xbd", 3);
}

/* A text that stands in the pool may be a token id after all. */
static bool take_id(struct openai_entry *e, const unsigned char *text, size_t len)
{
	unsigned char digits[OPENAI_ID_DIGITS + 1] = {0};
	size_t n = len - OPENAI_ID_PREFIX_LEN;

	if (len <= OPENAI_ID_PREFIX_LEN || n > OPENAI_ID_DIGITS ||
		memcmp(text, OPENAI_ID_PREFIX, OPENAI_ID_PREFIX_LEN) != 0)
		return false;
	memcpy(digits, text + OPENAI_ID_PREFIX_LEN, n);
	return openai_id_text(digits, '\0', e) == n;
}

const unsigned char *openai_any_text(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	struct buf *pool = &t->rows->pool;
	const unsigned char *close, *text;
	bool escaped;
	enum jt got;

	if (*p != '"')
		return null_or_wrong(t, "a token is no text", p);
	got = jt_string(p + 1, t->end, &close, &escaped);
	if (got != JT_OK)
		return openai_stop(t, got);
	e->text_at = (uint32_t)pool->len;
	if (escaped)
		jt_unescape(p + 1, close, pool);
	else
		buf_add(pool, p + 1, (size_t)(close - p - 1));
	assert(!pool->over);
	if (pool->len - e->text_at > LIMIT_TOKEN_BYTES) {
		complain(t, "a token's text is too long");
		pool->len = e->text_at;
	}
	e->text_len = (uint16_t)(pool->len - e->text_at);
	text = pool->data + e->text_at;
	if (take_id(e, text, e->text_len)) {
		pool->len = e->text_at;
		return close + 1;
	}
	e->has_text = e->may_be_broken = true;
	return close + 1;
}

const unsigned char *openai_any_bytes(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	struct buf *pool = &t->rows->pool;
	const unsigned char *behind;
	size_t at = pool->len;
	enum jt got;

	if (*p != '[')
		return null_or_wrong(t, "a token's bytes are no list", p);
	got = byte_list_read(p, t->end, &behind, pool);
	if (got != JT_OK) {
		pool->len = at;
		if (got == JT_MORE)
			return openai_stop(t, got);
		/* No list of bytes, but perhaps JSON. */
		return openai_wrong(t, "a token's bytes are no bytes", p);
	}
	if (pool->len - at > LIMIT_TOKEN_BYTES) {
		complain(t, "a token has too many bytes");
		pool->len = at;
	}
	e->bytes_at = (uint32_t)at;
	e->bytes_len = (uint16_t)(pool->len - at);
	e->has_bytes = true;
	return behind;
}

/* What jt_real did not take. The literals beside null are no JSON, but Python
 * servers write them. */
const unsigned char *openai_odd_logprob(struct openai_tokens *t, const unsigned char *p)
{
	switch (*p) {
	case 'N':
		return openai_literal(t, p, "NaN");
	case 'I':
		return openai_literal(t, p, "Infinity");
	case '-':
		return openai_literal(t, p, "-Infinity");
	default:
		return null_or_wrong(t, "a logprob is no number", p);
	}
}

const unsigned char *openai_any_id(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	const unsigned char *next;
	struct jnumber n;
	enum jt got = jt_number(p, t->end, &next, &n);

	if (got == JT_MORE)
		return openai_stop(t, got);
	if (got == JT_BAD || !n.is_integer || n.integer < 0 ||
		n.integer >= TOKEN_ID_UNKNOWN)
		return null_or_wrong(t, "a token's id is no id", p);
	e->id = (uint32_t)n.integer;
	return next;
}

/* Whether a list of bytes that was read as such is the text once more. An empty one
 * beside a text says nothing; beside an empty text it is llama.cpp's end token. */
static void settle_bytes(const struct rows *r, struct openai_entry *e)
{
	const unsigned char *pool = r->pool.data, *bytes = pool + e->bytes_at;
	size_t n = e->id_digits;

	if (e->is_id_text)
		e->bytes_are_text =
			e->bytes_len == OPENAI_ID_PREFIX_LEN + n &&
			memcmp(bytes, OPENAI_ID_PREFIX, OPENAI_ID_PREFIX_LEN) == 0 &&
			memcmp(bytes + OPENAI_ID_PREFIX_LEN, e->id_text, n) == 0;
	else if (e->has_text && e->bytes_len == 0 && e->text_len > 0)
		e->has_bytes = false;
	else if (e->has_text)
		e->bytes_are_text = e->bytes_len == e->text_len &&
				    memcmp(bytes, pool + e->text_at, e->text_len) == 0;
}

/* True if the text can only mean itself: no half or replaced character, no
 * escape ("\\n", "<0x0A>", "<|end|>"), no vocabulary's way to write a blank. */
static bool is_plain(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '\\' || p[i] == '<')
			return false;
	return len > 0;
}

/* For a list of bytes that is not the text once more. */
static void compare(struct openai_tokens *t, const struct openai_entry *e)
{
	const unsigned char *pool = t->rows->pool.data;

	if (e->has_text && !e->is_id_text && is_plain(pool + e->text_at, e->text_len) &&
		utf8_valid_prefix(pool + e->bytes_at, e->bytes_len) == e->bytes_len)
		t->disagree = true;
}

void openai_place_bytes(struct openai_tokens *t, struct openai_entry *e, bool exact,
	uint32_t *at, uint16_t *len)
{
	const unsigned char *pool = t->rows->pool.data;

	if (e->has_bytes && !e->bytes_are_text)
		settle_bytes(t->rows, e);
	*at = 0;
	*len = TOKEN_BYTES_UNKNOWN;
	if (e->has_bytes && !e->bytes_are_text) {
		compare(t, e);
		/* Beside "token_id:N" they are a decoded text's. */
		if (exact && e->is_id_text &&
			openai_is_broken(pool + e->bytes_at, e->bytes_len))
			return;
		*at = e->bytes_at;
		*len = e->bytes_len;
	} else if (e->has_text && !e->is_id_text) {
		if (exact && e->may_be_broken &&
			openai_is_broken(pool + e->text_at, e->text_len))
			return;
		/* llama.cpp's empty text may be half a character's. */
		if (e->text_len == 0 && e->id != TOKEN_ID_UNKNOWN && !e->has_bytes)
			return;
		*at = e->text_at;
		*len = e->text_len;
	}
}
