/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/packed_rows.h"

#include <math.h>
#include <string.h>

#include "common/bytes.h"
#include "common/limits.h"
#include "common/mem.h"
#include "worker/raw_prompt.h"
#include "worker/reader_state.h"

static void bad(struct reader *r, const char *why)
{
	if (!r->rows.tokens.bad)
		r->rows.tokens.bad = why;
}

static void wrong(struct reader *r, const char *why)
{
	if (!r->rows.tokens.wrong_shape)
		r->rows.tokens.wrong_shape = why;
}

/* What was given is known before anything is believed. */
static void begin(struct reader *r)
{
	struct packed_rows *p = &r->packed;
	struct answer_ids *given = &r->answer->prompt_token_ids;

	if (p->begun)
		return;
	p->begun = true;
	p->first_lists = -1;
	r->answer->has_rows = true;
	rows_grow(&r->answer->rows);
	r->answer->rows.first[0] = 0;
	if (r->rules.given.data && raw_prompt_ids(r->rules.given, given) &&
		given->n > r->rules.prompt_len &&
		given->n - r->rules.prompt_len <= LIMIT_MAX_TOKENS)
		p->n_rows = given->n - r->rules.prompt_len;
	else
		bad(r, "no token ids were given to be scored");
}

/* Where the next number goes; false if there is none to come. */
static bool next_place(struct reader *r, unsigned array, uint32_t *at)
{
	struct packed_rows *p = &r->packed;
	struct rows *rows = &r->answer->rows;
	bool of_candidates = array == PACKED_LOGPROBS || array == PACKED_IDS;
	uint64_t most = p->n_rows;

	if (of_candidates)
		most *= r->rules.top_logprobs + 1;
	if (p->n[array] >= most) {
		bad(r, "there are more numbers than were asked for");
		return false;
	}
	*at = p->n[array]++;
	while (of_candidates && rows->m <= *at) {
		rows_grow_candidates(rows);
		rows->cand_id[rows->m] = TOKEN_ID_UNKNOWN;
		rows->cand_logprob[rows->m] = (double)NAN;
		rows->cand_at[rows->m] = 0;
		rows->cand_word[rows->m] = WORD_NONE;
		rows->cand_len[rows->m++] = TOKEN_BYTES_UNKNOWN;
	}
	return true;
}

/* A row's own numbers. */
static void grow_rows(struct rows *rows, uint32_t n)
{
	while (rows->n < n) {
		rows_grow(rows);
		rows->id[rows->n] = TOKEN_ID_UNKNOWN;
		rows->logprob[rows->n] = (double)NAN;
		rows->token_at[rows->n] = 0;
		rows->word[rows->n] = WORD_NONE;
		rows->token_len[rows->n++] = TOKEN_BYTES_UNKNOWN;
	}
}

static void put_logprob(struct reader *r, unsigned array, double logprob)
{
	struct rows *rows = &r->answer->rows;
	uint32_t at;

	if (!next_place(r, array, &at))
		return;
	if (array == PACKED_LOGPROBS) {
		rows->cand_logprob[at] = logprob;
		return;
	}
	grow_rows(rows, at + 1);
	rows->logprob[at] = logprob;
}

static void put_id(struct reader *r, unsigned array, int64_t id)
{
	struct rows *rows = &r->answer->rows;
	uint32_t at;

	if (id < 0 || id >= TOKEN_ID_UNKNOWN) {
		wrong(r, "a token's id is no id");
		return;
	}
	if (!next_place(r, array, &at))
		return;
	if (array == PACKED_IDS) {
		rows->cand_id[at] = (uint32_t)id;
		return;
	}
	grow_rows(rows, at + 1);
	rows->id[at] = (uint32_t)id;
}

static bool is_of_ids(unsigned array)
{
	return array == PACKED_IDS || array == PACKED_OWN_IDS;
}

/* -- Binary -- */

static void take_bytes(
	struct reader *r, unsigned array, const unsigned char *bytes, size_t n)
{
	struct packed_rows *p = &r->packed;

	for (size_t i = 0; i < n && !r->rows.tokens.bad; i++) {
		p->word[p->in_word++] = bytes[i];
		if (p->in_word < sizeof(p->word))
			continue;
		p->in_word = 0;
		if (is_of_ids(array))
			put_id(r, array, (int32_t)get_u32(p->word));
		else
			put_logprob(r, array, (double)get_f32(p->word));
	}
}

void packed_rows_text(struct reader *r, unsigned array, struct bytes piece, bool whole)
{
	struct packed_rows *p = &r->packed;
	unsigned char out[BASE64_ROOM(1024)];

	begin(r);
	if (!p->has[array]) {
		p->base64 = (struct base64){0};
		p->in_word = 0;
	}
	p->has[array] = p->binary = true;
	while (piece.len > 0 && !r->rows.tokens.bad) {
		size_t n = piece.len < 1024 ? piece.len : 1024;

		take_bytes(r, array, out,
			base64_take(&p->base64, bytes_of(piece.data, n), out));
		piece = bytes_of(piece.data + n, piece.len - n);
	}
	if (whole && !base64_whole(&p->base64))
		bad(r, "an array is no base64");
	else if (whole && p->in_word > 0)
		bad(r, "an array ends within a number");
}

static void take_size(struct reader *r, enum jscan_event event, int64_t *to,
	uint32_t most, uint32_t *n)
{
	const struct jnumber *number = &r->scan.number;

	if (event != JSCAN_NUMBER || !number->is_integer) {
		reader_wrong_value(r, event);
		return;
	}
	if (*n < most)
		to[*n] = number->integer;
	/* More than there may be is all that must be known. */
	if (*n <= most)
		++*n;
}

void packed_rows_shape(struct reader *r, enum jscan_event event)
{
	take_size(r, event, r->packed.shape, 3, &r->packed.n_shape);
}

void packed_rows_length(struct reader *r, enum jscan_event event)
{
	take_size(r, event, &r->packed.length, 1, &r->packed.n_lengths);
}

/* -- Lists -- */

void packed_rows_begin(struct reader *r, unsigned array)
{
	begin(r);
	r->packed.has[array] = r->packed.lists = true;
	r->packed.at = array;
	r->packed.sequences = 0;
}

void packed_rows_sequence(struct reader *r)
{
	if (++r->packed.sequences > 1)
		bad(r, "more was scored than one sequence");
}

void packed_rows_number(struct reader *r, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;
	unsigned array = r->packed.at;

	if (event != JSCAN_NUMBER && (event != JSCAN_NULL || is_of_ids(array)))
		reader_wrong_value(r, event);
	else if (is_of_ids(array))
		put_id(r, array, n->is_integer ? n->integer : -1);
	else if (event == JSCAN_NULL)
		put_logprob(r, array, (double)NAN);
	else
		put_logprob(r, array, n->is_integer ? (double)n->integer : n->value);
}

void packed_rows_end(struct reader *r)
{
	struct packed_rows *p = &r->packed;
	struct rows *rows = &r->answer->rows;
	uint32_t row = p->ended[p->at];

	if (row >= p->n_rows) {
		bad(r, "there are more rows than tokens to be scored");
		return;
	}
	p->ended[p->at]++;
	grow_rows(rows, row + 1);
	if (p->first_lists < 0)
		p->first_lists = (int)p->at;
	if (p->first_lists == (int)p->at)
		rows->first[row + 1] = p->n[p->at];
	else if (row >= p->ended[p->first_lists] || rows->first[row + 1] != p->n[p->at])
		bad(r, "the lists of the logprobs are not equally long");
}

/* -- All of it -- */

static bool is_padding(const struct rows *rows, size_t at)
{
	return rows->cand_logprob[at] == -HUGE_VAL && rows->cand_id[at] == 0;
}

/* The columns without those that are padding in every row. */
static uint32_t used_columns(const struct rows *rows, uint32_t n_rows, uint32_t columns)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < n_rows; i++) {
		uint32_t k = columns;

		while (k > used && is_padding(rows, (size_t)i * columns + k - 1))
			k--;
		used = k;
	}
	return used;
}

static const char *settle_binary(struct reader *r)
{
	struct packed_rows *p = &r->packed;
	struct rows *rows = &r->answer->rows;
	uint32_t columns, used;

	if (p->n_shape != 3 || p->n_lengths != 1)
		return "there is no shape of one sequence";
	if (p->shape[0] != 1 || p->shape[1] != p->n_rows || p->length != p->n_rows)
		return "there is not one row for each token to be scored";
	if (p->shape[2] < 1 || p->shape[2] > r->rules.top_logprobs + 1)
		return "a row lists other candidates than asked for";
	columns = (uint32_t)p->shape[2];
	for (unsigned i = 0; i < PACKED_N; i++)
		if (p->has[i] &&
			p->n[i] != p->n_rows * (i < PACKED_OWN_LOGPROBS ? columns : 1))
			return "an array is not of the shape that is told";
	used = used_columns(rows, p->n_rows, columns);
	grow_rows(rows, p->n_rows);
	rows->m = p->n_rows * used;
	for (uint32_t i = 0; i < p->n_rows; i++) {
		size_t from = (size_t)i * columns, to = (size_t)i * used;

		memmove(rows->cand_id + to, rows->cand_id + from,
			used * sizeof(*rows->cand_id));
		memmove(rows->cand_logprob + to, rows->cand_logprob + from,
			used * sizeof(*rows->cand_logprob));
		rows->first[i + 1] = (i + 1) * used;
	}
	return NULL;
}

static const char *settle_lists(struct reader *r)
{
	const struct packed_rows *p = &r->packed;

	for (unsigned i = 0; i < PACKED_OWN_LOGPROBS; i++)
		if (p->ended[i] != p->n_rows)
			return "there is not one row for each token to be scored";
	return NULL;
}

/* What the server scored, by what it says of each row. */
static const char *settle_tokens(struct reader *r)
{
	const uint32_t *given = r->answer->prompt_token_ids.at + r->rules.prompt_len;
	struct rows *rows = &r->answer->rows;

	for (uint32_t i = 0; i < rows->n; i++) {
		bool listed = false;

		if (r->packed.has[PACKED_OWN_IDS]) {
			if (rows->id[i] != given[i])
				return "the server scored other tokens than those given";
			continue;
		}
		for (uint32_t j = rows->first[i]; j < rows->first[i + 1]; j++)
			if (rows->cand_id[j] == given[i]) {
				rows->logprob[i] = rows->cand_logprob[j];
				listed = true;
			}
		if (!listed)
			return "the server does not say which tokens it scored";
		rows->id[i] = given[i];
	}
	return NULL;
}

static void divide_ids(struct answer *a, uint32_t prompt_len)
{
	struct answer_ids *all = &a->prompt_token_ids, *ours = &a->token_ids;

	ours->n = all->n - prompt_len;
	MEM_GROW(ours->at, ours->cap, (size_t)ours->n);
	memcpy(ours->at, all->at + prompt_len, ours->n * sizeof(*ours->at));
	ours->present = true;
	all->n = prompt_len;
}

void packed_rows_settle(struct reader *r)
{
	const struct packed_rows *p = &r->packed;
	const char *why = NULL;

	if (!p->begun || r->rows.tokens.bad || r->rows.tokens.wrong_shape)
		return;
	if (p->binary == p->lists || p->has[PACKED_LOGPROBS] != p->has[PACKED_IDS] ||
		p->has[PACKED_OWN_LOGPROBS] != p->has[PACKED_OWN_IDS] ||
		!p->has[PACKED_IDS])
		why = "the arrays do not belong together";
	if (!why)
		why = p->binary ? settle_binary(r) : settle_lists(r);
	if (!why)
		why = settle_tokens(r);
	if (why)
		bad(r, why);
	else
		divide_ids(r->answer, r->rules.prompt_len);
}
