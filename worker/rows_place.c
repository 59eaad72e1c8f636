/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rows_place.h"

#include <math.h>
#include <stdlib.h>

#include "common/mem.h"

/* The first way from the left to lay the rows over the ids; false if there is none. */
static bool lay(const struct rows *r, const struct answer_ids *ids, uint32_t *place)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < r->n; i++, at++) {
		if (r->id[i] == TOKEN_ID_UNKNOWN)
			return false;
		while (at < ids->n && ids->at[at] != r->id[i])
			at++;
		if (at == ids->n)
			return false;
		place[i] = at;
	}
	return true;
}

/* True if the first way from the right is the same. */
static bool is_only_way(
	const struct rows *r, const struct answer_ids *ids, const uint32_t *place)
{
	uint32_t at = ids->n;

	for (uint32_t i = r->n; i-- > 0;) {
		do
			at--;
		while (ids->at[at] != r->id[i]);
		if (at != place[i])
			return false;
	}
	return true;
}

/* From the last on, since rows only move towards the end. */
static void spread(struct rows *r, const struct answer_ids *ids, const uint32_t *place)
{
	uint32_t i = r->n;

	while (r->n < ids->n) {
		rows_grow(r);
		r->n++;
	}
	rows_grow(r);
	r->first[r->n] = r->m;
	for (uint32_t at = r->n; at-- > 0;) {
		if (i > 0 && place[i - 1] == at) {
			i--;
			r->id[at] = r->id[i];
			r->logprob[at] = r->logprob[i];
			r->token_at[at] = r->token_at[i];
			r->token_len[at] = r->token_len[i];
			r->first[at] = r->first[i];
			continue;
		}
		r->id[at] = ids->at[at];
		r->logprob[at] = (double)NAN;
		r->token_at[at] = 0;
		r->token_len[at] = TOKEN_BYTES_UNKNOWN;
		r->first[at] = r->first[at + 1];
	}
}

/* The bytes of tokens passed over came with the row behind them. */
static void join(struct rows *r, const uint32_t *place, uint32_t n)
{
	for (uint32_t i = 0, at = 0; i < n; i++, at++)
		for (; at < place[i]; at++) {
			r->token_at[at] = r->token_at[place[i]];
			r->token_len[at] = 0;
		}
}

bool rows_place(struct rows *r, const struct answer_ids *ids, bool cut)
{
	uint32_t n = r->n, *place;
	bool sure;

	if (n == 0 || n >= ids->n || ids->n > LIMIT_MAX_TOKENS)
		return false;
	place = mem_alloc(n * sizeof(*place));
	sure = lay(r, ids, place) &&
	       ((cut && place[n - 1] == n - 1) || is_only_way(r, ids, place));
	if (sure) {
		spread(r, ids, place);
		join(r, place, n);
	}
	free(place);
	return sure;
}

bool rows_passed_over(const struct rows *r, uint32_t i)
{
	return r->first[i] == r->first[i + 1] && isnan(r->logprob[i]) &&
	       r->token_len[i] == 0;
}
