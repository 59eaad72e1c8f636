/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_row.h"

#include "common/limits.h"

void openai_lane_begin(struct openai_lane *l, struct rows *rows, uint32_t most)
{
	/* Rows stand eight deep. */
	l->tokens = (struct openai_tokens){.rows = rows, .depth = LIMIT_JSON_DEPTH - 8};
	l->most = most;
	/* So that the pool has memory to point into, even for empty texts. */
	buf_reserve(&rows->pool, 64);
}

void openai_lane_begin_row(struct openai_lane *l)
{
	struct rows *r = l->tokens.rows;

	l->place = ROW_FIRST_KEY;
	l->own = openai_no_entry;
	rows_grow(r);
	r->first[r->n] = r->m;
}

static inline void add_candidate(
	struct openai_lane *l, struct openai_entry *e, size_t pool_before)
{
	struct rows *r = l->tokens.rows;
	uint32_t m = r->m;

	if (m - r->first[r->n] > l->most) {
		/* One too many is enough for the verdict. */
		r->pool.len = pool_before;
		return;
	}
	if (m == r->cap_m)
		rows_grow_candidates(r);
	r->cand_id[m] = e->id;
	r->cand_logprob[m] = e->logprob;
	if (e->is_id_text && (!e->has_bytes || e->bytes_are_text)) {
		r->pool.len = pool_before;
		r->cand_at[m] = 0;
		r->cand_len[m] = TOKEN_BYTES_UNKNOWN;
	} else if (e->id != TOKEN_ID_UNKNOWN) {
		openai_place_bytes(
			&l->tokens, e, true, &r->cand_at[m], &r->cand_len[m]);
		if (r->cand_len[m] == TOKEN_BYTES_UNKNOWN)
			r->pool.len = pool_before;
	} else if (e->has_text && (!e->has_bytes || e->bytes_are_text)) {
		r->cand_at[m] = e->text_at;
		r->cand_len[m] = e->text_len;
	} else {
		openai_place_bytes(
			&l->tokens, e, false, &r->cand_at[m], &r->cand_len[m]);
		if (!e->has_text && !e->has_bytes && !l->tokens.wrong_shape)
			l->tokens.wrong_shape = "a candidate has no token";
	}
	r->m = m + 1;
}

/* A candidate's next member, from its key to what stands behind its value. */
static inline const unsigned char *candidate_member(
	struct openai_tokens *t, struct openai_entry *e, const unsigned char *p)
{
	unsigned key;

	p = openai_key(t, p, &key);
	if (!p)
		return NULL;
	if (e->seen & key)
		return openai_stop(t, JT_BAD);
	e->seen |= key & ~(unsigned)ENTRY_TOP;
	p = openai_space(t, p);
	if (!p)
		return NULL;
	p = openai_value(t, e, key, p);
	return p ? openai_space(t, p) : NULL;
}

/* A candidate, from its '{'; NULL as in openai_entry.h. */
static const unsigned char *read_candidate(
	struct openai_lane *l, const unsigned char *p)
{
	struct openai_tokens *t = &l->tokens;
	struct openai_entry e = openai_no_entry;
	size_t pool_before = t->rows->pool.len;

	p = openai_space(t, p + 1);
	if (!p)
		return NULL;
	if (*p != '}') {
		for (;;) {
			p = candidate_member(t, &e, p);
			if (!p)
				return NULL;
			if (*p == '}')
				break;
			if (*p != ',')
				return openai_stop(t, JT_BAD);
			p = openai_space(t, p + 1);
			if (!p)
				return NULL;
		}
	}
	add_candidate(l, &e, pool_before);
	return p + 1;
}

/*
 * The same for the one layout that nearly all servers write, without white space:
 *
 *   {"token":"...","logprob":...,"bytes":[...]}
 *
 * NULL if it is anything else or may not be whole; read_candidate tells then.
 * A value is only read where it begins as it should, since the readers note
 * what is wrong.
 */
static inline const unsigned char *read_predicted(
	struct openai_lane *l, const unsigned char *p)
{
	struct openai_tokens *t = &l->tokens;
	struct openai_entry e = openai_no_entry;
	size_t pool_before = t->rows->pool.len;

	if (t->end - p < 64 || get_u64(p + 1) != get_u64("\"token\":") || p[9] != '"')
		return NULL;
	p = openai_text(t, &e, p + 9);
	if (!p || t->end - p < 64 || get_u64(p) != get_u64(",\"logpro") ||
		get_u32(p + 7) != get_u32("ob\":") ||
		(p[11] != '-' && (p[11] < '0' || p[11] > '9')))
		return NULL;
	p = openai_logprob(t, &e, p + 11);
	if (!p || t->end - p < 16 || get_u64(p) != get_u64(",\"bytes\"") ||
		p[8] != ':' || p[9] != '[')
		return NULL;
	p = openai_bytes(t, &e, p + 9);
	if (!p || p == t->end || *p != '}')
		return NULL;
	add_candidate(l, &e, pool_before);
	return p + 1;
}

/* One entry of the list of candidates; nothing is kept of one that is cut. */
static const unsigned char *read_entry(struct openai_lane *l, const unsigned char *p)
{
	struct buf *pool = &l->tokens.rows->pool;
	size_t pool_before = pool->len;
	const unsigned char *behind;

	if (*p != '{')
		return openai_wrong(&l->tokens, "a candidate is no object", p);
	behind = read_predicted(l, p);
	if (behind)
		return behind;
	pool->len = pool_before;
	behind = read_candidate(l, p);
	if (!behind)
		pool->len = pool_before;
	return behind;
}

/* The list of candidates, from where the lane is in it to behind its ']' or as
 * far as the bytes go; *stopped is where to go on then. */
static const unsigned char *read_candidates(
	struct openai_lane *l, const unsigned char *p, const unsigned char **stopped)
{
	struct openai_tokens *t = &l->tokens;

	for (;;) {
		*stopped = p;
		p = openai_space(t, p);
		if (!p)
			return NULL;
		if (*p == ']' && l->place != ROW_ENTRY) {
			l->place = ROW_MEMBER_END;
			return p + 1;
		}
		if (l->place == ROW_ENTRY_END) {
			if (*p++ != ',')
				return openai_stop(t, JT_BAD);
			l->place = ROW_ENTRY;
			*stopped = p;
			p = openai_space(t, p);
			if (!p)
				return NULL;
		}
		p = read_entry(l, p);
		if (!p)
			return NULL;
		l->place = ROW_ENTRY_END;
	}
}

static void add_row(struct openai_lane *l)
{
	struct rows *r = l->tokens.rows;
	uint32_t n = r->n;

	if (n > LIMIT_MAX_TOKENS) {
		l->tokens.bad = "there are too many rows";
		r->m = r->first[n];
		return;
	}
	r->id[n] = l->own.id;
	r->logprob[n] = l->own.logprob;
	openai_place_bytes(
		&l->tokens, &l->own, true, &r->token_at[n], &r->token_len[n]);
	r->first[n + 1] = r->m;
	r->n = n + 1;
}

/* The value of top_logprobs up to behind its '['. */
static const unsigned char *open_list(struct openai_lane *l, const unsigned char *p)
{
	if (*p == '[') {
		l->place = ROW_FIRST_ENTRY;
		return p + 1;
	}
	if (*p == 'n')
		return openai_literal(&l->tokens, p, "null");
	return openai_wrong(&l->tokens, "a list of candidates is no list", p);
}

/* One member of the row, from its key; nothing is kept of one that is cut. */
static const unsigned char *read_member(struct openai_lane *l, const unsigned char *p)
{
	struct openai_tokens *t = &l->tokens;
	size_t pool_before = t->rows->pool.len;
	unsigned key;

	p = openai_key(t, p, &key);
	if (!p)
		return NULL;
	if (l->own.seen & key)
		return openai_stop(t, JT_BAD);
	p = openai_space(t, p);
	if (!p)
		return NULL;
	l->place = ROW_MEMBER_END;
	p = key == ENTRY_TOP ? open_list(l, p) : openai_value(t, &l->own, key, p);
	if (!p) {
		l->place = ROW_KEY;
		t->rows->pool.len = pool_before;
		return NULL;
	}
	l->own.seen |= key;
	return p;
}

enum jt openai_lane_read(struct openai_lane *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
	struct openai_tokens *t = &l->tokens;

	t->end = end;
	for (;;) {
		*next = p;
		p = openai_space(t, p);
		if (!p)
			return t->stop;
		if (l->place >= ROW_FIRST_ENTRY) {
			p = read_candidates(l, p, next);
		} else if (*p == '}' && l->place != ROW_KEY) {
			*next = p + 1;
			add_row(l);
			return JT_OK;
		} else if (l->place == ROW_MEMBER_END) {
			if (*p++ != ',')
				return JT_BAD;
			l->place = ROW_KEY;
		} else {
			p = read_member(l, p);
		}
		if (!p)
			return t->stop;
	}
}
