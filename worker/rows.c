/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"

/* Given back between answers when more than this is held. */
#define KEEP_TOKENS 16384
#define KEEP_CANDIDATES (1u << 18)
#define KEEP_POOL MIB(4)

static void free_arrays(struct rows *r)
{
	free(r->id);
	free(r->logprob);
	free(r->token_at);
	free(r->token_len);
	free(r->word);
	free(r->first);
	free(r->rank);
	free(r->tail);
	free(r->entropy);
	free(r->cand_id);
	free(r->cand_logprob);
	free(r->cand_at);
	free(r->cand_len);
	free(r->cand_word);
}

void rows_release(struct rows *r)
{
	free_arrays(r);
	buf_release(&r->pool);
	*r = (struct rows){.words = r->words};
}

void rows_clear(struct rows *r)
{
	if (r->cap_n > KEEP_TOKENS || r->cap_m > KEEP_CANDIDATES ||
		r->pool.cap > KEEP_POOL)
		rows_release(r);
	r->n = 0;
	r->m = 0;
	r->pool.max = LIMIT_BODY;
	buf_clear(&r->pool);
}

/* Readers that know no words need not say so: WORD_NONE is 0. */
#define RESIZE(array, n) ((array) = mem_realloc((array), (n), sizeof(*(array))))

void rows_grow(struct rows *r)
{
	uint32_t cap = r->cap_n ? r->cap_n * 2 : 256;

	if (r->n < r->cap_n)
		return;
	RESIZE(r->id, cap);
	RESIZE(r->logprob, cap);
	RESIZE(r->token_at, cap);
	RESIZE(r->token_len, cap);
	RESIZE(r->word, cap);
	memset(r->word + r->cap_n, 0, (cap - r->cap_n) * sizeof(*r->word));
	RESIZE(r->first, (size_t)cap + 1);
	RESIZE(r->rank, cap);
	RESIZE(r->tail, cap);
	RESIZE(r->entropy, cap);
	r->cap_n = cap;
}

void rows_grow_candidates(struct rows *r)
{
	uint32_t cap = r->cap_m ? r->cap_m * 2 : 1024;

	if (r->m < r->cap_m)
		return;
	RESIZE(r->cand_id, cap);
	RESIZE(r->cand_logprob, cap);
	RESIZE(r->cand_at, cap);
	RESIZE(r->cand_len, cap);
	RESIZE(r->cand_word, cap);
	memset(r->cand_word + r->cap_m, 0, (cap - r->cap_m) * sizeof(*r->cand_word));
	r->cap_m = cap;
}

bool rows_token(const struct rows *r, uint32_t i, struct bytes *out)
{
	if (r->token_len[i] == TOKEN_BYTES_UNKNOWN)
		return false;
	*out = bytes_of(r->pool.data + r->token_at[i], r->token_len[i]);
	return true;
}

bool rows_shows_nothing(const struct rows *r, uint32_t i)
{
	uint32_t c = r->first[i] + r->rank[i];
	struct bytes own;

	if (r->id[i] == TOKEN_ID_UNKNOWN || (rows_token(r, i, &own) && own.len > 0))
		return false;
	return r->rank[i] >= r->first[i + 1] - r->first[i] || r->cand_len[c] == 0 ||
	       r->cand_len[c] == TOKEN_BYTES_UNKNOWN;
}
