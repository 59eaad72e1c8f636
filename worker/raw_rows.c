/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/raw_rows.h"

#include <math.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
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

void raw_rows_begin(struct reader *r)
{
	const struct raw_lists *l = &r->lists;

	if (r->answer->has_rows) {
		if (r->answer->rows.n > 0 && !l->has_tokens && !l->has_logprobs &&
			!l->has_tops)
			wrong(r, "rows come in two forms");
		return;
	}
	openai_lane_begin(&r->rows, &r->answer->rows, r->rules.top_logprobs + 1);
	r->answer->has_rows = true;
}

/* Makes row i, if it is not there; false if there are too many. */
static bool make_row(struct reader *r, uint32_t i)
{
	struct rows *rows = &r->answer->rows;

	if (i >= LIMIT_MAX_TOKENS) {
		bad(r, "there are too many rows");
		return false;
	}
	while (rows->n <= i) {
		rows_grow(rows);
		rows->id[rows->n] = TOKEN_ID_UNKNOWN;
		rows->logprob[rows->n] = (double)NAN;
		rows->token_at[rows->n] = 0;
		rows->token_len[rows->n] = TOKEN_BYTES_UNKNOWN;
		rows->word[rows->n] = WORD_NONE;
		rows->n++;
	}
	return true;
}

void raw_entry_begin(struct reader *r)
{
	r->entry = openai_no_entry;
	r->lists.item = 0;
	r->lists.pool_before = r->answer->rows.pool.len;
}

/* N of "token_id:N". */
static bool take_id(struct openai_entry *e, struct bytes text)
{
	/* With something behind the digits, as in the document. */
	unsigned char digits[OPENAI_ID_DIGITS + 1] = {0};
	size_t n = text.len - OPENAI_ID_PREFIX_LEN;

	if (text.len <= OPENAI_ID_PREFIX_LEN || n > OPENAI_ID_DIGITS ||
		memcmp(text.data, OPENAI_ID_PREFIX, OPENAI_ID_PREFIX_LEN) != 0)
		return false;
	memcpy(digits, text.data + OPENAI_ID_PREFIX_LEN, n);
	return openai_id_text(digits, 0, e) > 0;
}

void raw_entry_text(struct reader *r, struct bytes text, bool cut)
{
	struct buf *pool = &r->answer->rows.pool;
	struct openai_entry *e = &r->entry;

	if (cut || text.len > LIMIT_TOKEN_BYTES) {
		bad(r, "a token has too many bytes");
		return;
	}
	if (take_id(e, text))
		return;
	e->text_at = (uint32_t)pool->len;
	e->text_len = (uint16_t)text.len;
	e->has_text = e->may_be_broken = true;
	buf_add(pool, text.data, text.len);
}

void raw_entry_id(struct reader *r, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;

	if (event == JSCAN_NUMBER && n->is_integer && n->integer >= 0 &&
		n->integer < TOKEN_ID_UNKNOWN)
		r->entry.id = (uint32_t)n->integer;
	else if (event != JSCAN_NULL) {
		wrong(r, "a token's id is no id");
		reader_skip_value(r, event);
	}
}

void raw_entry_logprob(struct reader *r, enum jscan_event event)
{
	if (event == JSCAN_NUMBER) {
		r->entry.logprob = r->scan.number.is_integer
					   ? (double)r->scan.number.integer
					   : r->scan.number.value;
	} else if (event != JSCAN_NULL) {
		wrong(r, "a logprob is no number");
		reader_skip_value(r, event);
	}
}

void raw_rows_token(struct reader *r)
{
	struct rows *rows = &r->answer->rows;
	uint32_t i = r->lists.n_tokens;

	if (!make_row(r, i))
		return;
	r->lists.n_tokens++;
	rows->id[i] = r->entry.id;
	openai_place_bytes(&r->rows.tokens, &r->entry, true, &rows->token_at[i],
		&rows->token_len[i]);
}

void raw_rows_logprob(struct reader *r)
{
	uint32_t i = r->lists.n_logprobs;

	if (!make_row(r, i))
		return;
	r->lists.n_logprobs++;
	r->answer->rows.logprob[i] = r->entry.logprob;
}

void raw_rows_top_begin(struct reader *r)
{
	struct rows *rows = &r->answer->rows;

	if (make_row(r, r->lists.n_tops))
		rows->first[r->lists.n_tops] = rows->m;
}

void raw_rows_candidate(struct reader *r)
{
	struct rows *rows = &r->answer->rows;
	const struct openai_entry *e = &r->entry;
	uint32_t m = rows->m, i = r->lists.n_tops;

	/* One too many is enough for the verdict. */
	if (i >= LIMIT_MAX_TOKENS || m - rows->first[i] > r->rows.most) {
		rows->pool.len = r->lists.pool_before;
		return;
	}
	if (!e->has_text && e->id == TOKEN_ID_UNKNOWN) {
		if (!r->rows.tokens.bad)
			wrong(r, "a candidate has no token");
		return;
	}
	rows_grow_candidates(rows);
	rows->cand_id[m] = e->id;
	rows->cand_logprob[m] = e->logprob;
	/* What may tell it from others, or, beside an id, what it stands for. */
	openai_place_bytes(&r->rows.tokens, &r->entry, e->id != TOKEN_ID_UNKNOWN,
		&rows->cand_at[m], &rows->cand_len[m]);
	rows->cand_word[m] = WORD_NONE;
	rows->m = m + 1;
}

void raw_rows_top_end(struct reader *r)
{
	if (r->lists.n_tops < LIMIT_MAX_TOKENS)
		r->lists.n_tops++;
}

void raw_rows_settle(struct reader *r)
{
	const struct raw_lists *l = &r->lists;
	struct rows *rows = &r->answer->rows;

	/* Rows of the other form know their candidates. */
	if (!l->has_tokens && !l->has_logprobs && !l->has_tops)
		return;
	for (uint32_t i = l->n_tops; i <= rows->n && rows->n > 0; i++)
		rows->first[i] = rows->m;
	if ((l->has_tokens && l->n_tokens != rows->n) ||
		(l->has_logprobs && l->n_logprobs != rows->n) ||
		(l->has_tops && l->n_tops != rows->n))
		bad(r, "the lists of the logprobs are not equally long");
}

/* The sampled token of a row whose list has it. */
static void find_own(struct rows *rows, uint32_t i)
{
	for (uint32_t j = rows->first[i]; j < rows->first[i + 1]; j++)
		if (rows->cand_id[j] == rows->id[i]) {
			rows->logprob[i] = rows->cand_logprob[j];
			rows->token_at[i] = rows->cand_at[j];
			rows->token_len[i] = rows->cand_len[j];
		}
}

static void drop_rows(struct rows *rows, uint32_t n)
{
	uint32_t left = rows->n - n, from = rows->first[n], m = rows->m - from;

#define DROP(array, at, count)                                                         \
	memmove((array), (array) + (at), (count) * sizeof(*(array)))
	DROP(rows->id, n, left);
	DROP(rows->logprob, n, left);
	DROP(rows->token_at, n, left);
	DROP(rows->token_len, n, left);
	DROP(rows->word, n, left);
	if (m > 0) {
		DROP(rows->cand_id, from, m);
		DROP(rows->cand_logprob, from, m);
		DROP(rows->cand_at, from, m);
		DROP(rows->cand_len, from, m);
		DROP(rows->cand_word, from, m);
	}
	for (uint32_t i = 0; i <= left; i++)
		rows->first[i] = rows->first[n + i] - from;
	rows->n = left;
	rows->m = m;
}

static void set_ids(struct answer_ids *ids, const uint32_t *from, uint32_t n)
{
	MEM_GROW(ids->at, ids->cap, (size_t)n + 1);
	memmove(ids->at, from, n * sizeof(*from));
	ids->n = n;
	ids->present = true;
}

void raw_rows_settle_scored(struct reader *r)
{
	struct answer *a = r->answer;
	struct rows *rows = &a->rows;
	uint32_t n_prompt = r->rules.prompt_len;

	reader_text_reset(&a->content);
	if (!a->has_rows || rows->n == 0)
		return;
	if (!r->lists.has_tokens && a->prompt_token_ids.n != rows->n) {
		bad(r, "there is not one row for each token of what was given");
		return;
	}
	if (n_prompt >= rows->n) {
		bad(r, "there are no more rows than tokens of the prompt");
		return;
	}
	for (uint32_t i = 0; i < rows->n && !r->lists.has_tokens; i++) {
		rows->id[i] = a->prompt_token_ids.at[i];
		find_own(rows, i);
	}
	for (uint32_t i = 0; i < rows->n; i++)
		if (rows->id[i] == TOKEN_ID_UNKNOWN) {
			bad(r, "the server does not say which tokens it scored");
			return;
		}
	set_ids(&a->token_ids, rows->id + n_prompt, rows->n - n_prompt);
	set_ids(&a->prompt_token_ids, rows->id, n_prompt);
	drop_rows(rows, n_prompt);
}
