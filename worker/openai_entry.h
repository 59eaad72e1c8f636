/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_entry.h - a token's members, in a row or in its list of candidates
 *
 *   "token": text, "logprob": number, "bytes": [numbers], "id": number
 *
 * What nearly every entry looks like is read inline, with as few branches that
 * can be guessed wrong as possible; all else is in openai_entry.c.
 *
 * Readers return where the value ends, or NULL: `stop` then says whether more
 * bytes are needed (nothing has been taken) or the bytes are not JSON.
 */
#ifndef RETORT_WORKER_OPENAI_ENTRY_H
#define RETORT_WORKER_OPENAI_ENTRY_H

#include "common/bytes.h"
#include "common/jdecimal.h"
#include "common/jtext.h"
#include "common/text.h"
#include "worker/byte_list.h"
#include "worker/rows.h"

/* A token or a candidate while it is being read. */
struct openai_entry {
	double logprob;
	uint32_t id;
	uint32_t text_at, bytes_at; /* in the pool */
	struct word *word;          /* the text, where it is one (words.h); NULL */
	uint16_t text_len, bytes_len;
	bool has_text, has_bytes;  /* not null */
	bool is_id_text;           /* the text was "token_id:N" */
	bool bytes_are_text;       /* the list spells the text */
	bool may_be_broken;        /* the text is not known to be ASCII */
	unsigned char id_digits;   /* of N */
	unsigned char id_text[10]; /* N */
	unsigned seen;             /* enum openai_entry_key */
};

enum openai_entry_key {
	ENTRY_OTHER = 0,
	ENTRY_TOKEN = 1,
	ENTRY_LOGPROB = 2,
	ENTRY_BYTES = 4,
	ENTRY_ID = 8,
	ENTRY_TOP = 16 /* top_logprobs; only rows have it */
};

/* What entries of one list are read with. */
struct openai_tokens {
	struct rows *rows;
	const unsigned char *end; /* of the bytes at hand */
	enum jt stop;             /* why a reader returned NULL */
	int depth;                /* what may still be nested in a value */
	const char *wrong_shape;  /* the first complaint, constant; NULL */
	const char *bad;          /* likewise, for numbers and sizes */
	bool disagree;            /* a text and its bytes are of two tokens */
	unsigned rest;            /* candidates whose words are not looked up */
};

extern const struct openai_entry openai_no_entry;

static inline const unsigned char *openai_stop(struct openai_tokens *t, enum jt why)
{
	t->stop = why;
	return NULL;
}

/* The next byte that is no white space; NULL if there is none yet. */
static inline const unsigned char *openai_space(
	struct openai_tokens *t, const unsigned char *p)
{
	if (p<t->end && * p> ' ')
		return p;
	p = jt_space(p, t->end);
	return p < t->end ? p : openai_stop(t, JT_MORE);
}

/* null, NaN, Infinity. */
const unsigned char *openai_literal(
	struct openai_tokens *t, const unsigned char *p, const char *word);
/* Any value, checked and thrown away. */
const unsigned char *openai_skip(struct openai_tokens *t, const unsigned char *p);
/* The same for a value of a type that has no business here, which is noted. */
const unsigned char *openai_wrong(
	struct openai_tokens *t, const char *why, const unsigned char *p);

/* The general forms of the inline readers below. */
const unsigned char *openai_any_key(
	struct openai_tokens *t, const unsigned char *p, unsigned *key);
const unsigned char *openai_any_text(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p);
const unsigned char *openai_any_bytes(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p);
const unsigned char *openai_odd_logprob(
	struct openai_tokens *t, const unsigned char *p);
const unsigned char *openai_any_id(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p);

/* A broken character was replaced: some of its bytes were lost. */
bool openai_is_broken(const unsigned char *p, size_t len);

#define OPENAI_ID_PREFIX "token_id:"
#define OPENAI_ID_PREFIX_LEN 9
#define OPENAI_ID_DIGITS 10

/* Reads "N" of "token_id:N" at p, where OPENAI_ID_DIGITS + 1 bytes are; 0 if it
 * is no number as vLLM writes them, else how many digits. */
static inline unsigned openai_id_text(
	const unsigned char *p, unsigned char stop, struct openai_entry *e)
{
	uint64_t id = 0;
	unsigned n = 0;

	while (n < OPENAI_ID_DIGITS && p[n] >= '0' && p[n] <= '9')
		id = id * 10 + (uint64_t)(p[n++] - '0');
	if (n == 0 || p[n] != stop || id >= TOKEN_ID_UNKNOWN || (p[0] == '0' && n > 1))
		return 0;
	memcpy(e->id_text, p, OPENAI_ID_DIGITS);
	e->id_digits = (unsigned char)n;
	e->is_id_text = e->has_text = true;
	if (e->id == TOKEN_ID_UNKNOWN)
		e->id = (uint32_t)id;
	return n;
}

/* Room for 16 bytes in the pool, which holds less than the body it comes from
 * and so never reaches its cap. */
static inline unsigned char *openai_room(struct rows *r)
{
	if (r->pool.cap - r->pool.len < 16)
		buf_reserve(&r->pool, 16);
	return r->pool.data + r->pool.len;
}

/* From a key's quote to behind its colon. */
static inline const unsigned char *openai_key(
	struct openai_tokens *t, const unsigned char *p, unsigned *key)
{
	uint64_t eight;

	if (t->end - p < 16)
		return openai_any_key(t, p, key);
	eight = get_u64(p);
	if (eight == get_u64("\"token\":")) {
		*key = ENTRY_TOKEN;
		return p + 8;
	}
	if (eight == get_u64("\"logprob") && get_u16(p + 8) == get_u16("\":")) {
		*key = ENTRY_LOGPROB;
		return p + 10;
	}
	if (eight == get_u64("\"bytes\":")) {
		*key = ENTRY_BYTES;
		return p + 8;
	}
	if (eight == get_u64("\"top_log") && get_u64(p + 7) == get_u64("gprobs\":")) {
		*key = ENTRY_TOP;
		return p + 15;
	}
	if (eight << 24 == get_u64("   \"id\":") >> 24 << 24) {
		*key = ENTRY_ID;
		return p + 5;
	}
	return openai_any_key(t, p, key);
}

/* The n bytes at p, below 16, as struct word has them; 16 may be read. */
static inline void openai_word_text(
	const unsigned char *p, unsigned n, uint64_t text[2])
{
	unsigned low = n < 8 ? n : 8, high = n - low;

	/* Two shifts, since one by 64 is undefined. */
	text[0] = get_u64(p) << (32 - 4 * low) << (32 - 4 * low) >> (32 - 4 * low) >>
		  (32 - 4 * low);
	text[1] = get_u64(p + 8) << (32 - 4 * high) << (32 - 4 * high) >>
		  (32 - 4 * high) >> (32 - 4 * high);
	text[1] |= (uint64_t)n << 56;
}

static inline void openai_note_word(struct openai_tokens *t, struct openai_entry *e,
	const unsigned char *p, unsigned n)
{
	uint64_t text[2];

	if (!t->rows->words || t->rest > 0 || n == 0 || n > WORD_TEXT_MAX)
		return;
	openai_word_text(p, n, text);
	e->word = words_add(t->rows->words, text[0], text[1]);
}

/* A text of up to 15 bytes without escapes, or a token id. */
static inline __attribute__((always_inline)) const unsigned char *openai_text(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	struct rows *r = t->rows;
	uint64_t first, second, stops;
	unsigned len;

	if (*p != '"' || t->end - p < 32)
		return openai_any_text(t, e, p);
	p++;
	first = get_u64(p);
	second = get_u64(p + 8);
	stops = jt_stops(first);
	if (stops) {
		len = (unsigned)__builtin_ctzll(stops) >> 3;
	} else {
		if (first == get_u64(OPENAI_ID_PREFIX) && p[8] == ':') {
			len = openai_id_text(p + OPENAI_ID_PREFIX_LEN, '"', e);
			if (len > 0)
				return p + OPENAI_ID_PREFIX_LEN + len + 1;
		}
		stops = jt_stops(second);
		if (!stops)
			return openai_any_text(t, e, p - 1);
		len = 8 + ((unsigned)__builtin_ctzll(stops) >> 3);
	}
	if (p[len] != '"')
		return openai_any_text(t, e, p - 1);
	if ((first | second) & 0x8080808080808080u) {
		if (utf8_valid_prefix(p, len) != len)
			return openai_stop(t, JT_BAD);
		e->may_be_broken = true;
	}
	if (!e->may_be_broken || !openai_is_broken(p, len))
		openai_note_word(t, e, p, len);
	memcpy(openai_room(r), p, 16);
	e->text_at = (uint32_t)r->pool.len;
	e->text_len = (uint16_t)len;
	e->has_text = true;
	r->pool.len += len;
	return p + len + 1;
}

static inline __attribute__((always_inline)) const unsigned char *openai_logprob(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	const unsigned char *next;
	enum jt got;

	if (t->end - p >= JDECIMAL_ROOM) {
		double v = jdecimal_common(p, &next);

		if (v == v) {
			e->logprob = v;
			return next;
		}
	}
	got = jt_real(p, t->end, &next, &e->logprob);
	if (got == JT_OK)
		return next;
	return got == JT_MORE ? openai_stop(t, got) : openai_odd_logprob(t, p);
}

/* An id of up to eight digits. */
static inline __attribute__((always_inline)) const unsigned char *openai_id(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	uint64_t eight;
	unsigned n;

	if (t->end - p < 16 || *p == '0')
		return openai_any_id(t, e, p);
	eight = get_u64(p) ^ JDECIMAL_EACH('0');
	n = jdecimal_run(eight);
	if (n == 0 || (p[n] != ',' && p[n] != '}' && p[n] != ' '))
		return openai_any_id(t, e, p);
	e->id = (uint32_t)jdecimal_append(0, eight, n);
	return p + n;
}

/* A list that spells the text that stood before it. */
static inline __attribute__((always_inline)) const unsigned char *openai_bytes(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	const unsigned char *behind = NULL;

	if (e->word && *p == 'n' && (behind = openai_literal(t, p, "null")))
		words_learn_list(e->word, p, 4);
	if (behind)
		return behind;
	if (*p == '[' && e->has_text)
		behind = e->is_id_text
				 ? byte_list_match_id(
					   e->id_text, e->id_digits, p, t->end)
				 : byte_list_match(t->rows->pool.data + e->text_at,
					   e->text_len, p, t->end);
	if (!behind)
		return openai_any_bytes(t, e, p);
	e->has_bytes = e->bytes_are_text = true;
	if (e->word)
		words_learn_list(e->word, p, (size_t)(behind - p));
	return behind;
}

/* The value of any key but ENTRY_TOP. */
static inline __attribute__((always_inline)) const unsigned char *openai_value(
	struct openai_tokens *t, struct openai_entry *e, unsigned key,
	const unsigned char *p)
{
	switch (key) {
	case ENTRY_TOKEN:
		return openai_text(t, e, p);
	case ENTRY_LOGPROB:
		return openai_logprob(t, e, p);
	case ENTRY_BYTES:
		return openai_bytes(t, e, p);
	case ENTRY_ID:
		return openai_id(t, e, p);
	default:
		return openai_skip(t, p);
	}
}

/* Where the token's bytes are, as far as they are known. `exact`: these are what
 * the token stands for; else they tell a candidate from others at least. */
void openai_place_bytes(struct openai_tokens *t, struct openai_entry *e, bool exact,
	uint32_t *at, uint16_t *len);

#endif
