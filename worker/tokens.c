/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/token_map.h"
#include "store/offer.h"

#define VOCABULARIES_MAX 64
/* Ids above this are not told; no tokenizer has so many. */
#define TOLD_MAX (1u << 22)

/* What a word of words.h is in a vocabulary. */
struct known_word {
	uint32_t id;  /* of the first such token of a row; TOKEN_ID_UNKNOWN */
	uint32_t row; /* the last row that had it, as row_stamp counts */
};

struct vocabulary {
	uint32_t number;
	struct token_map map;    /* interned ids */
	struct known_word *word; /* [n_words] by the word's number */
	size_t n_words;
	uint64_t *told;  /* a bit an id of the teacher's */
	uint32_t n_told; /* bits there are */
};

struct tokens {
	struct vocabulary of[VOCABULARIES_MAX];
	size_t n;
	struct wire_token *ask;
	size_t cap_ask;
	struct token_map asked; /* those in `ask` */
	struct words *words;
	uint32_t row_stamp;
};

struct tokens *tokens_new(void)
{
	struct tokens *t = mem_zalloc(1, sizeof(*t));

	t->words = words_new(WORDS_BITS);
	return t;
}

struct words *tokens_words(struct tokens *t)
{
	return t->words;
}

void tokens_free(struct tokens *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		token_map_release(&t->of[i].map);
		free(t->of[i].word);
		free(t->of[i].told);
	}
	token_map_release(&t->asked);
	words_free(t->words);
	free(t->ask);
	free(t);
}

void tokens_forget_told(struct tokens *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->of[i].told)
			memset(t->of[i].told, 0, t->of[i].n_told / 8);
}

static struct vocabulary *find(struct tokens *t, uint32_t number)
{
	size_t i = 0;

	while (i < t->n && t->of[i].number != number)
		i++;
	if (i == VOCABULARIES_MAX) { /* the oldest makes room */
		token_map_release(&t->of[0].map);
		free(t->of[0].word);
		free(t->of[0].told);
		memmove(&t->of[0], &t->of[1], (--t->n) * sizeof(t->of[0]));
		i = t->n;
	}
	if (i == t->n) {
		t->of[t->n++] = (struct vocabulary){.number = number};
	}
	return &t->of[i];
}

bool tokens_have_ids(const struct rows *rows)
{
	for (uint32_t i = 0; i < rows->n; i++)
		if (rows->id[i] == TOKEN_ID_UNKNOWN)
			return false;
	for (uint32_t i = 0; i < rows->m; i++)
		if (rows->cand_id[i] == TOKEN_ID_UNKNOWN)
			return false;
	return true;
}

/* Whether any is not all ones; two at a time, since mostly none is. */
static bool have_an_id(const uint32_t *ids, size_t n)
{
	uint64_t all = UINT64_MAX;
	size_t i = 0;

	for (; i + 2 <= n; i += 2)
		all &= get_u64(ids + i);
	for (; i < n; i++)
		all &= ids[i] | UINT64_MAX << 32;
	return all != UINT64_MAX;
}

bool tokens_have_an_id(const struct rows *rows)
{
	return have_an_id(rows->id, rows->n) || have_an_id(rows->cand_id, rows->m);
}

static inline bool is_told(const struct vocabulary *v, uint32_t id)
{
	return id < v->n_told && (v->told[id / 64] >> (id % 64) & 1);
}

static void set_told(struct vocabulary *v, uint32_t id)
{
	if (id >= v->n_told) {
		uint32_t n = v->n_told ? v->n_told : 65536;

		while (n <= id)
			n *= 2;
		v->told = mem_realloc(v->told, n / 64, sizeof(*v->told));
		memset((char *)v->told + v->n_told / 8, 0, (n - v->n_told) / 8);
		v->n_told = n;
	}
	v->told[id / 64] |= (uint64_t)1 << (id % 64);
}

static void tell(struct vocabulary *v, uint32_t id, const struct rows *rows,
	uint32_t at, uint16_t len, struct buf *entries)
{
	if (is_told(v, id) || id >= TOLD_MAX || len == 0 || len > LIMIT_TOKEN_BYTES ||
		entries->len >= TOKENS_TELL_MAX)
		return;
	set_told(v, id);
	vocab_entry_add(entries, v->number, id, bytes_of(rows->pool.data + at, len));
}

static void tell_row(
	struct vocabulary *v, const struct rows *rows, uint32_t i, struct buf *entries)
{
	tell(v, rows->id[i], rows, rows->token_at[i], rows->token_len[i], entries);
	for (uint32_t j = rows->first[i]; j < rows->first[i + 1]; j++)
		tell(v, rows->cand_id[j], rows, rows->cand_at[j], rows->cand_len[j],
			entries);
}

void tokens_tell(struct tokens *t, uint32_t vocabulary, const struct rows *rows,
	struct buf *entries)
{
	struct vocabulary *v = find(t, vocabulary);
	struct vocab_entry entry;
	struct bytes added, before;
	size_t from = entries->len;
	bool bad;

	for (uint32_t i = 0; i < rows->n; i++)
		if (i == 0 || (rows_token(rows, i - 1, &before) && before.len > 0))
			tell_row(v, rows, i, entries);
	/* So far each was only to be listed once. */
	added = bytes_of(entries->data + from, entries->len - from);
	while (vocab_entry_take(&added, &entry, &bad))
		v->told[entry.id / 64] &= ~((uint64_t)1 << (entry.id % 64));
}

void tokens_told(struct tokens *t, struct bytes entries)
{
	struct vocab_entry entry;
	bool bad;

	while (vocab_entry_take(&entries, &entry, &bad))
		if (entry.id < TOLD_MAX)
			set_told(find(t, entry.vocabulary), entry.id);
}

static void look_up(struct tokens *t, const struct vocabulary *v, uint16_t ordinal,
	struct bytes token, uint32_t *id, struct wire_intern *ask)
{
	uint32_t asked;

	if (token.len > LIMIT_TOKEN_BYTES)
		return;
	if (token_map_find(&v->map, ordinal, token, id) ||
		token_map_find(&t->asked, ordinal, token, &asked))
		return;
	token_map_add(&t->asked, ordinal, token, ask->n);
	MEM_GROW(t->ask, t->cap_ask, ask->n + 1);
	t->ask[ask->n++] = (struct wire_token){ordinal, token};
	ask->token = t->ask;
}

/* How many candidates before `at` in its row have the same bytes. */
static uint16_t ordinal_of(const struct rows *rows, uint32_t first, uint32_t at)
{
	uint16_t n = 0;

	for (uint32_t i = first; i < at; i++)
		n = (uint16_t)(n + (rows->cand_len[i] == rows->cand_len[at] &&
					   memcmp(rows->pool.data + rows->cand_at[i],
						   rows->pool.data + rows->cand_at[at],
						   rows->cand_len[at]) == 0));
	return n;
}

/* The sampled token is the listed one with its bytes and its logprob. */
static uint16_t ordinal_of_sampled(const struct rows *rows, uint32_t row)
{
	uint16_t n = 0;

	for (uint32_t i = rows->first[row]; i < rows->first[row + 1]; i++) {
		if (rows->cand_len[i] != rows->token_len[row] ||
			memcmp(rows->pool.data + rows->cand_at[i],
				rows->pool.data + rows->token_at[row],
				rows->token_len[row]) != 0)
			continue;
		if (rows->cand_logprob[i] == rows->logprob[row])
			return n;
		n++;
	}
	return 0;
}

static struct bytes candidate_bytes(const struct rows *rows, uint32_t i)
{
	return bytes_of(rows->pool.data + rows->cand_at[i], rows->cand_len[i]);
}

static struct bytes sampled_bytes(const struct rows *rows, uint32_t i)
{
	return bytes_of(rows->pool.data + rows->token_at[i], rows->token_len[i]);
}

/* Room for the words of these rows; those that are new are not known. */
static void make_words(struct vocabulary *v, const struct rows *rows)
{
	size_t need = rows->words ? rows->words->n + 1 : 1, n = v->n_words;

	if (need <= n)
		return;
	need = need < 2 * n ? 2 * n : need;
	v->word = mem_realloc(v->word, need, sizeof(*v->word));
	for (; n < need; n++)
		v->word[n] = (struct known_word){.id = TOKEN_ID_UNKNOWN};
	v->n_words = need;
}

/* What a word's first token in a row is, if that is known by now. */
static uint32_t id_of_word(struct vocabulary *v, uint32_t word, struct bytes token)
{
	struct known_word *w = &v->word[word];

	if (w->id == TOKEN_ID_UNKNOWN)
		(void)token_map_find(&v->map, 0, token, &w->id);
	return w->id;
}

/*
 * A row of words whose ids are known, each once: most are. All others are left to
 * intern_slowly.
 */
static bool intern_words(
	struct tokens *t, struct vocabulary *v, struct rows *rows, uint32_t row)
{
	uint32_t stamp = ++t->row_stamp, end = rows->first[row + 1];
	const uint32_t *words = rows->cand_word;
	struct known_word *known = v->word;
	uint32_t *ids = rows->cand_id;

	if (rows->word[row] == WORD_NONE)
		return false;
	for (uint32_t i = rows->first[row]; i < end; i++) {
		struct known_word *w = &known[words[i]];

		if (words[i] == WORD_NONE || w->row == stamp)
			return false;
		w->row = stamp;
		ids[i] = w->id;
		if (w->id == TOKEN_ID_UNKNOWN &&
			(ids[i] = id_of_word(v, words[i], candidate_bytes(rows, i))) ==
				TOKEN_ID_UNKNOWN)
			return false;
	}
	rows->id[row] = id_of_word(v, rows->word[row], sampled_bytes(rows, row));
	return rows->id[row] != TOKEN_ID_UNKNOWN;
}

static void intern_slowly(struct tokens *t, const struct vocabulary *v,
	struct rows *rows, uint32_t row, struct wire_intern *ask)
{
	rows->id[row] = TOKEN_ID_UNKNOWN;
	if (rows->token_len[row] != TOKEN_BYTES_UNKNOWN)
		look_up(t, v, ordinal_of_sampled(rows, row), sampled_bytes(rows, row),
			&rows->id[row], ask);
	for (uint32_t i = rows->first[row]; i < rows->first[row + 1]; i++) {
		rows->cand_id[i] = TOKEN_ID_UNKNOWN;
		if (rows->cand_len[i] != TOKEN_BYTES_UNKNOWN)
			look_up(t, v, ordinal_of(rows, rows->first[row], i),
				candidate_bytes(rows, i), &rows->cand_id[i], ask);
	}
}

bool tokens_intern(struct tokens *t, uint32_t vocabulary, struct rows *rows,
	struct wire_intern *ask)
{
	struct vocabulary *v = find(t, vocabulary);

	*ask = (struct wire_intern){.vocabulary = vocabulary};
	token_map_release(&t->asked);
	make_words(v, rows);
	for (uint32_t row = 0; row < rows->n; row++)
		if (!intern_words(t, v, rows, row))
			intern_slowly(t, v, rows, row, ask);
	return ask->n == 0;
}

/* How many candidates of a row have these bytes. */
static uint32_t count_equal(
	const struct rows *rows, uint32_t row, uint32_t at, uint16_t len)
{
	uint32_t n = 0;

	for (uint32_t i = rows->first[row]; i < rows->first[row + 1]; i++)
		n += rows->cand_len[i] == len &&
		     memcmp(rows->pool.data + rows->cand_at[i], rows->pool.data + at,
			     len) == 0;
	return n;
}

/* A text that may stand for many tokens is not even asked for: an empty one, or
 * one in which a broken character was replaced. */
static bool says_which(const struct rows *rows, uint32_t at, uint16_t len)
{
	return len > 0 && len != TOKEN_BYTES_UNKNOWN &&
	       !memmem(rows->pool.data + at, len, "\xef\xbf\xbd", 3);
}

static void by_table(struct tokens *t, const struct vocabulary *v,
	const struct rows *rows, uint32_t row, uint32_t at, uint16_t len, uint32_t *id,
	struct wire_intern *ask)
{
	if (*id == TOKEN_ID_UNKNOWN && says_which(rows, at, len) &&
		count_equal(rows, row, at, len) < 2)
		look_up(t, v, row == 0 ? WIRE_TOKEN_FIRST : 0,
			bytes_of(rows->pool.data + at, len), id, ask);
}

bool tokens_by_table(struct tokens *t, uint32_t vocabulary, struct rows *rows,
	struct wire_intern *ask)
{
	struct vocabulary *v = find(t, vocabulary);

	*ask = (struct wire_intern){.vocabulary = vocabulary};
	token_map_release(&t->asked);
	for (uint32_t row = 0; row < rows->n; row++) {
		by_table(t, v, rows, row, rows->token_at[row], rows->token_len[row],
			&rows->id[row], ask);
		for (uint32_t i = rows->first[row]; i < rows->first[row + 1]; i++)
			by_table(t, v, rows, row, rows->cand_at[i], rows->cand_len[i],
				&rows->cand_id[i], ask);
	}
	return ask->n == 0;
}

void tokens_learn(struct tokens *t, uint32_t vocabulary, const struct wire_token *token,
	const uint32_t *id, uint32_t n)
{
	struct vocabulary *v = find(t, vocabulary);
	uint32_t known;

	for (uint32_t i = 0; i < n; i++)
		if (!token_map_find(&v->map, token[i].ordinal, token[i].token, &known))
			token_map_add(&v->map, token[i].ordinal, token[i].token, id[i]);
}
