/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/align.h"

#include <math.h>
#include <string.h>

static enum misaligned first_of(enum misaligned a, enum misaligned b)
{
	if (a == MISALIGNED_NONE || b == MISALIGNED_NONE)
		return a == MISALIGNED_NONE ? b : a;
	return a < b ? a : b;
}

static void note(struct answer *a, enum misaligned rule)
{
	a->misaligned = first_of(a->misaligned, rule);
	a->flags |= FLAG_MISALIGNED;
}

/* True if `count` tokens fit to n rows; notes that the end has none. */
static bool count_fits(struct answer *a, uint32_t n, uint32_t count)
{
	if (count == n)
		return true;
	if (count != n + 1 || a->finish == FINISH_LENGTH)
		return false;
	a->eos_row = EOS_ROW_NO;
	return true;
}

/* Ids of tokens whose rows are missing or too many cannot be told apart: then the
 * rows keep what they have. */
static void compare_ids(struct answer *a)
{
	struct rows *rows = &a->rows;
	const struct answer_ids *ids = &a->token_ids;

	if (!count_fits(a, rows->n, ids->n)) {
		note(a, MISALIGNED_ROWS);
		return;
	}
	for (uint32_t i = 0; i < rows->n; i++) {
		if (rows->id[i] == TOKEN_ID_UNKNOWN)
			rows->id[i] = ids->at[i];
		else if (rows->id[i] != ids->at[i])
			note(a, MISALIGNED_ID);
	}
}

static void compare_usage(struct answer *a)
{
	uint32_t count = a->usage.completion_tokens,
		 hidden = count_or_zero(a->usage.reasoning_tokens),
		 n = a->token_ids.present ? a->token_ids.n : a->rows.n;

	if (count == COUNT_UNKNOWN || count_fits(a, n, count))
		return;
	if (hidden > 0 && hidden <= count && a->reasoning.text.len == 0 &&
		count_fits(a, n, count - hidden))
		return;
	note(a, MISALIGNED_USAGE);
}

void align_counts(struct answer *a)
{
	if (a->token_ids.present)
		compare_ids(a);
	compare_usage(a);
}

static void compare_sampled(struct answer *a, uint32_t i, uint32_t n_listed)
{
	const struct rows *r = &a->rows;
	const double *listed;
	double own = r->logprob[i];

	/* Rows without any candidate have no array of them either. */
	if (n_listed == 0 || isnan(own))
		return;
	listed = r->cand_logprob + r->first[i];
	if (r->rank[i] < n_listed) {
		if (fabs(listed[r->rank[i]] - own) > ROWS_SAME_LOGPROB)
			note(a, MISALIGNED_ENTRY);
	} else if (r->rank[i] == ROWS_RANK_OUTSIDE &&
		   own > listed[n_listed - 1] + ROWS_SAME_LOGPROB) {
		note(a, MISALIGNED_PLACE);
	}
}

/* The last entry may be there only because it was sampled, so the one before is
 * the last that is sure to be more likely than all that is not listed. */
static void check_tail(struct answer *a, uint32_t i, uint32_t n_listed)
{
	const struct rows *r = &a->rows;
	const double *listed;
	double tail = r->tail[i];

	if (n_listed == 0)
		return;
	listed = r->cand_logprob + r->first[i];
	if (r->rank[i] != ROWS_RANK_OUTSIDE && r->rank[i] + 1u >= n_listed)
		tail += exp(listed[--n_listed]);
	if (n_listed == 0)
		return;
	if (tail > ALIGN_VOCABULARY * exp(listed[n_listed - 1]) + ALIGN_TAIL_SLACK)
		note(a, MISALIGNED_TAIL);
}

void align_rows(struct answer *a, const struct rows_verdict *v, bool disagree)
{
	const struct rows *r = &a->rows;

	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t n_listed = r->first[i + 1] - r->first[i];

		compare_sampled(a, i, n_listed);
		if (v->n_absent == 0)
			check_tail(a, i, n_listed);
	}
	if (v->sum_max > ROWS_SUM_MAX)
		note(a, MISALIGNED_SUM);
	if (v->n_twice > 0)
		note(a, MISALIGNED_TWICE);
	if (v->n_short > 0)
		note(a, MISALIGNED_SHORT);
	if (v->n_drafted > 0)
		note(a, MISALIGNED_DRAFT);
	if (disagree)
		note(a, MISALIGNED_BYTES);
}

static bool is_inside(const struct token_span *s, uint32_t n)
{
	return s->first == SPAN_UNKNOWN || (s->first <= s->behind && s->behind <= n);
}

static bool spans_fit(const struct spans *s, uint32_t n)
{
	return is_inside(&s->reasoning, n) && is_inside(&s->content, n) &&
	       (s->reasoning.first == SPAN_UNKNOWN ||
		       s->content.first == SPAN_UNKNOWN ||
		       s->reasoning.behind <= s->content.first);
}

/* vLLM's lists begin with the sampled token. (If its logprob is absent, its entry's
 * was, too.) */
static bool sampled_is_missing(const struct rows *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->rank[i] == ROWS_RANK_OUTSIDE && !isnan(r->logprob[i]))
			return true;
	return false;
}

/* llama.cpp gives a token that ends within a character no row, and the row that ends
 * the character gets the bytes of all of them: longer than what its id is listed
 * with. What it holds back for a stop word has rows, though without bytes. */
static bool has_joined_row(const struct rows *r)
{
	struct bytes own, before, listed;

	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t c = r->first[i] + r->rank[i];

		if (r->rank[i] >= r->first[i + 1] - r->first[i] ||
			r->cand_len[c] == TOKEN_BYTES_UNKNOWN ||
			!rows_token(r, i, &own) ||
			(i > 0 && (!rows_token(r, i - 1, &before) || before.len == 0)))
			continue;
		listed = bytes_of(r->pool.data + r->cand_at[c], r->cand_len[c]);
		if (listed.len > 0 && listed.len < own.len &&
			memcmp(own.data + own.len - listed.len, listed.data,
				listed.len) == 0)
			return true;
	}
	return false;
}

/* It gives the end a row, which shows nothing. So one row fewer than tokens is none
 * that the end lacks, but a token within the answer. */
static bool lacks_row_before_end(const struct answer *a)
{
	struct bytes last;

	/* Bytes that are not told, or not exactly, are not nothing. */
	return a->eos_row == EOS_ROW_NO && a->rows.n > 0 &&
	       (a->finish == FINISH_STOP || a->finish == FINISH_TOOL_CALLS) &&
	       rows_token(&a->rows, a->rows.n - 1, &last) && last.len == 0 &&
	       rows_shows_nothing(&a->rows, a->rows.n - 1);
}

enum misaligned align_settle(const struct answer *a, enum job_server server,
	struct bytes stream, const struct spans *spans)
{
	enum misaligned rule = a->misaligned;

	if (!a->has_rows || a->rows.n == 0)
		return rule;
	if (server == SERVER_VLLM && sampled_is_missing(&a->rows))
		rule = first_of(rule, MISALIGNED_MISSING);
	if (server == SERVER_LLAMACPP && lacks_row_before_end(a))
		rule = first_of(rule, MISALIGNED_USAGE);
	if (server == SERVER_LLAMACPP && has_joined_row(&a->rows))
		rule = first_of(rule, MISALIGNED_BYTES);
	if (spans->trusted && !align_explains(a, stream))
		rule = first_of(rule, MISALIGNED_TEXT);
	if (!spans_fit(spans, a->rows.n))
		rule = first_of(rule, MISALIGNED_SPANS);
	return rule;
}
