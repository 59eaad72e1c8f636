/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast lane for rows against jansson: a list of entries, read as it arrives,
 * has the ids, logprobs and bytes that a tree of it has. The first byte says how
 * the list is cut; all ways to cut it and both forms of the searches must give
 * the same. What stands here of token identity is written from openai_row.h.
 */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "common/jscan.h"
#include "common/limits.h"
#include "worker/openai_row.h"

#define MOST 1000

/* Reading */

struct reading {
	struct rows rows;
	bool taken;    /* it was JSON, as far as that is looked at */
	bool complete; /* and all of it had the right shape and size */
	bool is_list;
};

static size_t cut(uint64_t *state, unsigned how, size_t left)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	size_t n;

	if ((how & 7) == 7)
		return left;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	n = 1 + (size_t)(z >> 40) % ((size_t)2 << (how & 7));
	return n < left ? n : left;
}

static enum jscan_event read_lane(
	struct openai_lane *lane, struct jscan *s, bool *in_row)
{
	const unsigned char *next;

	switch (openai_lane_read(lane, s->p, s->end, &next)) {
	case JT_OK:
		*in_row = false;
		jscan_close(s, next);
		return JSCAN_AGAIN;
	case JT_MORE:
		s->p = next;
		return jscan_hold(s);
	default:
		return JSCAN_ERROR;
	}
}

static void read_list(
	const uint8_t *text, size_t len, unsigned how, struct reading *out)
{
	struct jscan s;
	struct openai_lane lane;
	uint8_t *piece = NULL;
	uint64_t state = how;
	size_t at = 0;
	enum jscan_event event;
	bool in_row = false, odd = false;

	jscan_init(&s, LIMIT_JSON_DEPTH, MIB(4));
	s.any_size = true;
	rows_clear(&out->rows);
	out->is_list = false;
	openai_lane_begin(&lane, &out->rows, MOST);
	do {
		event = in_row ? read_lane(&lane, &s, &in_row) : jscan_next(&s);
		if (event == JSCAN_MORE && at < len) {
			size_t n = cut(&state, how, len - at);

			free(piece);
			piece = malloc(n);
			MUST(piece);
			memcpy(piece, text + at, n);
			jscan_feed(&s, piece, n);
			at += n;
		} else if (event == JSCAN_MORE) {
			jscan_end(&s);
		} else if (event == JSCAN_ARRAY && s.depth == 1) {
			out->is_list = true;
		} else if (event == JSCAN_OBJECT && out->is_list) {
			openai_lane_begin_row(&lane);
			in_row = true;
		} else if (event == JSCAN_OBJECT || event == JSCAN_ARRAY) {
			odd = true;
			jscan_skip_rest(&s);
		} else if (event >= JSCAN_STRING && event <= JSCAN_NULL) {
			/* A value that is no row. */
			odd = true;
		}
	} while (event != JSCAN_DONE && event != JSCAN_ERROR);
	out->taken = event == JSCAN_DONE;
	out->complete = out->taken && out->is_list && !odd && !lane.tokens.bad &&
			!lane.tokens.wrong_shape;
	free(piece);
	jscan_release(&s);
}

/* The same by a tree */

struct token {
	uint32_t id;
	double logprob;
	bool has_text, has_bytes, is_id_text, are_text;
	const char *text;
	size_t text_len, n_bytes;
	unsigned char bytes[LIMIT_TOKEN_BYTES];
};

static bool is_broken(const void *bytes, size_t len)
{
	return memmem(bytes, len, "\xef\xbf\xbd", 3) != NULL;
}

static void take_id_text(struct token *t)
{
	unsigned long long id;
	char again[40];

	if (t->text_len > 9 && sscanf(t->text, "token_id:%llu", &id) == 1 &&
		id < TOKEN_ID_UNKNOWN) {
		snprintf(again, sizeof(again), "token_id:%llu", id);
		t->is_id_text = strlen(again) == t->text_len &&
				memcmp(again, t->text, t->text_len) == 0;
		if (t->is_id_text && t->id == TOKEN_ID_UNKNOWN)
			t->id = (uint32_t)id;
	}
}

static void take_token(const json_t *entry, struct token *t)
{
	const json_t *text = json_object_get(entry, "token"), *v;
	const json_t *list = json_object_get(entry, "bytes");
	const json_t *id = json_object_get(entry, "id");
	size_t i;

	*t = (struct token){.id = TOKEN_ID_UNKNOWN, .text = ""};
	v = json_object_get(entry, "logprob");
	t->logprob = json_is_number(v) ? json_number_value(v) : (double)NAN;
	if (json_is_integer(id))
		t->id = (uint32_t)json_integer_value(id);
	t->has_text = json_is_string(text);
	if (t->has_text) {
		t->text = json_string_value(text);
		t->text_len = json_string_length(text);
		take_id_text(t);
	}
	t->has_bytes = json_is_array(list);
	json_array_foreach(list, i, v) {
		MUST(i < sizeof(t->bytes));
		t->bytes[t->n_bytes++] = (unsigned char)json_integer_value(v);
	}
	if (t->has_bytes && t->has_text && !t->is_id_text && t->n_bytes == 0 &&
		t->text_len > 0)
		t->has_bytes = false;
	t->are_text = t->has_bytes && t->has_text && t->n_bytes == t->text_len &&
		      memcmp(t->bytes, t->text, t->text_len) == 0;
}

/* What bytes are told of the token: false if none. */
static bool bytes_of_token(const struct token *t, bool exact, struct bytes *out)
{
	if (t->has_bytes && !t->are_text) {
		*out = bytes_of(t->bytes, t->n_bytes);
		return !(exact && t->is_id_text && is_broken(t->bytes, t->n_bytes));
	}
	*out = bytes_of(t->text, t->text_len);
	if (!t->has_text || t->is_id_text)
		return false;
	if (exact && is_broken(t->text, t->text_len))
		return false;
	return t->text_len > 0 || t->id == TOKEN_ID_UNKNOWN || t->has_bytes;
}

static void must_be(
	const struct rows *r, uint32_t at, uint16_t len, bool known, struct bytes want)
{
	MUST((len != TOKEN_BYTES_UNKNOWN) == known);
	MUST(!known ||
		(len == want.len && at + len <= r->pool.len &&
			(len == 0 || memcmp(r->pool.data + at, want.data, len) == 0)));
}

static void must_equal(double a, double b)
{
	MUST(memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b)));
}

/* An integer of the tree has no -0. */
static void must_be_number(double a, double b)
{
	must_equal(a == 0 ? 0 : a, b == 0 ? 0 : b);
}

static void check_candidate(const struct rows *r, uint32_t m, const json_t *entry)
{
	struct token t;
	struct bytes want;
	bool known;

	take_token(entry, &t);
	MUST(r->cand_id[m] == t.id);
	must_be_number(r->cand_logprob[m], t.logprob);
	if (t.id != TOKEN_ID_UNKNOWN) {
		known = bytes_of_token(&t, true, &want);
	} else {
		known = bytes_of_token(&t, false, &want);
	}
	if (t.is_id_text && (!t.has_bytes || t.are_text))
		known = false;
	must_be(r, r->cand_at[m], r->cand_len[m], known, want);
}

static void check_rows(const struct rows *r, const json_t *list)
{
	size_t i, j;
	json_t *row, *entry;

	MUST(r->n == json_array_size(list));
	json_array_foreach(list, i, row) {
		const json_t *top = json_object_get(row, "top_logprobs");
		struct token t;
		struct bytes want;
		bool known;

		take_token(row, &t);
		MUST(r->id[i] == t.id);
		must_be_number(r->logprob[i], t.logprob);
		known = bytes_of_token(&t, true, &want);
		must_be(r, r->token_at[i], r->token_len[i], known, want);
		MUST(r->first[i + 1] - r->first[i] == json_array_size(top));
		json_array_foreach(top, j, entry)
			check_candidate(r, r->first[i] + (uint32_t)j, entry);
	}
}

/* Whether all of it has the shape that is documented: then nothing may be missed. */
static bool is_right(const json_t *entry, bool is_row)
{
	const json_t *text = json_object_get(entry, "token"), *v;
	const json_t *list = json_object_get(entry, "bytes");
	const json_t *id = json_object_get(entry, "id");
	const json_t *logprob = json_object_get(entry, "logprob");
	const json_t *top = json_object_get(entry, "top_logprobs");
	json_int_t n;
	size_t i;

	if (!json_is_object(entry) ||
		(text && !json_is_string(text) && !json_is_null(text)) ||
		json_string_length(text) > LIMIT_TOKEN_BYTES ||
		(logprob && !json_is_number(logprob) && !json_is_null(logprob)) ||
		(list && !json_is_array(list) && !json_is_null(list)) ||
		json_array_size(list) > LIMIT_TOKEN_BYTES)
		return false;
	json_array_foreach(list, i, v) {
		n = json_is_integer(v) ? json_integer_value(v) : -1;
		if (n < 0 || n > 255)
			return false;
	}
	n = json_is_integer(id) ? json_integer_value(id) : -1;
	if (id && !json_is_null(id) && (n < 0 || n >= TOKEN_ID_UNKNOWN))
		return false;
	if (!is_row)
		return json_is_string(text) || json_is_array(list) || n >= 0;
	if (top && !json_is_array(top) && !json_is_null(top))
		return false;
	json_array_foreach(top, i, v)
		if (!is_right(v, false))
			return false;
	return true;
}

static bool are_right(const json_t *list)
{
	size_t i;
	json_t *row;

	json_array_foreach(list, i, row)
		if (!is_right(row, true))
			return false;
	return json_is_array(list);
}

/* Two readings of one list */

#define SAME(a, b, member, n)                                                          \
	((n) == 0 || memcmp((a)->member, (b)->member, (n) * sizeof(*(a)->member)) == 0)

static void check_same(const struct reading *x, const struct reading *y)
{
	const struct rows *a = &x->rows, *b = &y->rows;

	MUST(x->taken == y->taken);
	if (!x->taken)
		return;
	MUST(x->complete == y->complete && x->is_list == y->is_list);
	MUST(a->n == b->n && a->m == b->m);
	MUST(SAME(a, b, id, a->n) && SAME(a, b, token_len, a->n) &&
		SAME(a, b, first, a->n) && SAME(a, b, cand_id, a->m) &&
		SAME(a, b, cand_len, a->m));
	for (uint32_t i = 0; i < a->n; i++) {
		must_equal(a->logprob[i], b->logprob[i]);
		must_be(a, a->token_at[i], a->token_len[i],
			b->token_len[i] != TOKEN_BYTES_UNKNOWN,
			bytes_of(b->pool.data + b->token_at[i], b->token_len[i]));
	}
	for (uint32_t j = 0; j < a->m; j++) {
		must_equal(a->cand_logprob[j], b->cand_logprob[j]);
		must_be(a, a->cand_at[j], a->cand_len[j],
			b->cand_len[j] != TOKEN_BYTES_UNKNOWN,
			bytes_of(b->pool.data + b->cand_at[j], b->cand_len[j]));
	}
}

/* A word has one number, and a number one word. */
static void check_words(const struct rows *r)
{
	for (uint32_t j = 0; j < r->m; j++) {
		const unsigned char *text = r->pool.data + r->cand_at[j];
		struct word *w;
		uint64_t both[2];

		if (r->cand_word[j] == WORD_NONE ||
			r->cand_len[j] == TOKEN_BYTES_UNKNOWN)
			continue;
		MUST(r->cand_len[j] <= WORD_TEXT_MAX);
		memset(both, 0, sizeof(both));
		memcpy(both, text, r->cand_len[j]);
		both[1] |= (uint64_t)r->cand_len[j] << 56;
		w = words_find(r->words, both[0], both[1]);
		MUST(w && w->number == r->cand_word[j]);
	}
}

/* With words that are learnt in the first reading and known in the second; the table
 * is so small that not all find a place. */
static void read_known(const uint8_t *text, size_t len, unsigned how,
	const struct reading *whole, struct reading *again)
{
	again->rows.words = words_new(4);
	for (int i = 0; i < 2; i++) {
		read_list(text, len, i == 0 ? how : 7, again);
		check_same(whole, again);
		if (again->taken)
			check_words(&again->rows);
	}
	words_free(again->rows.words);
	again->rows.words = NULL;
}

/* The verdicts */

static size_t depth_of(const uint8_t *text, size_t len)
{
	size_t depth = 0, most = 0;

	/* Too much where brackets stand in texts, which is safe here. */
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '[' || text[i] == '{')
			most = ++depth > most ? depth : most;
		else if ((text[i] == ']' || text[i] == '}') && depth > 0)
			depth--;
	}
	return most;
}

static bool has_long_number(const uint8_t *text, size_t len)
{
	size_t run = 0;

	for (size_t i = 0; i < len; i++) {
		run = text[i] && strchr("+-.0123456789Ee", text[i]) ? run + 1 : 0;
		if (run > 800)
			return true;
	}
	return false;
}

static bool has(const uint8_t *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

static void check_verdict(bool taken, const uint8_t *text, size_t len,
	const json_error_t *error, bool tree, bool once)
{
	if (taken == tree || memchr(text, 0, len) || strstr(error->text, "NUL byte"))
		return;
	/* Literals in the place of a logprob, and numbers of any size. */
	if (taken)
		MUST(has(text, len, "NaN") || has(text, len, "Infinity") ||
			strstr(error->text, "too big") ||
			strstr(error->text, "overflow"));
	else
		MUST(!once || depth_of(text, len) > LIMIT_JSON_DEPTH - 8 ||
			has_long_number(text, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	struct reading whole = {0}, pieces = {0};
	json_error_t error = {.text = ""};
	json_t *tree, *once;
	const uint8_t *text = input + 1;

	if (len < 2 || len > KIB(256))
		return 0;
	len--;
	tree = json_loadb((const char *)text, len, flags, &error);
	once = json_loadb(
		(const char *)text, len, flags | JSON_REJECT_DUPLICATES, NULL);
	jrun_force(JRUN_PORTABLE);
	read_list(text, len, 7, &whole);
	check_verdict(whole.taken, text, len, &error, tree != NULL, once != NULL);
	if (whole.taken && once)
		MUST(whole.complete == are_right(once));
	if (whole.complete && once)
		check_rows(&whole.rows, once);
	for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
		jrun_force(form);
		read_list(text, len, input[0], &pieces);
		check_same(&whole, &pieces);
		read_known(text, len, input[0], &whole, &pieces);
	}
	jrun_force(jrun_best());
	json_decref(tree);
	json_decref(once);
	rows_release(&whole.rows);
	rows_release(&pieces.rows);
	return 0;
}
