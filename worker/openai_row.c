/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled twice: for any machine, and for those with AVX2 (openai_row_avx2.c). */
#include "common/limits.h"
#include "worker/openai_row_forms.h"
#include "worker/openai_run.h"

#if defined(__AVX2__)
#define READ_ROWS openai_read_rows_avx2
#else
#define READ_ROWS openai_read_rows
#endif

/* As RUN_ROOM, of pieces as long as they may be. */
#define HEAD_ROOM (RUN_ROOM + LAYOUT_PIECES * (LAYOUT_PIECE_MAX - 16))

/* Its bytes are the word, and no others. */
static inline uint32_t number_of_word(const struct openai_entry *e)
{
	return e->word && (!e->has_bytes || e->bytes_are_text) ? e->word->number
							       : WORD_NONE;
}

/* A candidate was read by itself. */
static inline void spend_luck(struct openai_lane *l, bool was_word)
{
	l->run.may_begin = was_word;
	if (!l->tokens.rows->words)
		return;
	if (l->tokens.rest > 0) {
		l->tokens.rest--;
	} else if (l->run.luck > LUCK_LOSS) {
		l->run.luck -= LUCK_LOSS;
	} else {
		l->run.luck = LUCK_FIRST;
		l->tokens.rest = LUCK_REST;
	}
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
	r->cand_word[m] = number_of_word(e);
	spend_luck(l, e->word);
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

/* A candidate's next member, from its key to what stands behind its value. What
 * stood before the value, from `from` on, goes into the layout. */
static inline const unsigned char *candidate_member(struct openai_lane *l,
	struct openai_entry *e, const unsigned char *p, const unsigned char **from,
	bool *regular)
{
	struct openai_tokens *t = &l->tokens;
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
	*regular = *regular && key != ENTRY_OTHER &&
		   layout_add(&l->candidate, *from, p, key);
	*from = p = openai_value(t, e, key, p);
	return p ? openai_space(t, p) : NULL;
}

/* A candidate's members, from its '{' to behind its '}'. */
static const unsigned char *read_members(
	struct openai_lane *l, struct openai_entry *e, const unsigned char *p)
{
	struct openai_tokens *t = &l->tokens;
	const unsigned char *from = p;
	bool regular = true;

	l->candidate.n = 0;
	p = openai_space(t, p + 1);
	if (!p)
		return NULL;
	if (*p == '}')
		return p + 1;
	for (;;) {
		p = candidate_member(l, e, p, &from, &regular);
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
	if (!regular || !layout_add(&l->candidate, from, p + 1, 0))
		l->candidate.n = 0;
	return p + 1;
}

/* A candidate, from its '{'; NULL as in openai_entry.h. */
static const unsigned char *read_candidate(
	struct openai_lane *l, const unsigned char *p)
{
	struct openai_entry e = openai_no_entry;
	size_t pool_before = l->tokens.rows->pool.len;

	p = read_members(l, &e, p);
	if (p)
		add_candidate(l, &e, pool_before);
	else
		l->candidate.n = 0; /* half a layout */
	return p;
}

/* The values of a layout, up to its last piece or as far as it fits; NULL if it
 * does not, or if they may not be whole. */
static inline __attribute__((always_inline)) const unsigned char *read_layout(
	struct openai_lane *l, const struct openai_layout *layout,
	struct openai_entry *e, const unsigned char *p)
{
	struct openai_tokens *t = &l->tokens;

	for (unsigned i = 0; i < layout->n; i++) {
		const struct layout_piece *piece = &layout->piece[i];

		if (t->end - p < LAYOUT_ROOM || !layout_is_next(piece, p))
			return NULL;
		p += piece->len;
		if (i + 1 == layout->n)
			return p;
		if (!layout_begins(piece->key, p))
			return NULL;
		e->seen |= piece->key;
		p = openai_value(t, e, piece->key, p);
		if (!p)
			return NULL;
	}
	return NULL;
}

/* A candidate that is written as the last one was; NULL if it is not, or may not
 * be whole: read_candidate tells then. */
static inline const unsigned char *read_predicted(
	struct openai_lane *l, const unsigned char *p)
{
	struct openai_entry e = openai_no_entry;
	size_t pool_before = l->tokens.rows->pool.len;

	p = read_layout(l, &l->candidate, &e, p);
	if (p)
		add_candidate(l, &e, pool_before);
	return p;
}

/* One entry of the list of candidates; nothing is kept of one that is cut. */
static const unsigned char *read_entry(struct openai_lane *l, const unsigned char *p)
{
	struct buf *pool = &l->tokens.rows->pool;
	size_t pool_before = pool->len;
	const unsigned char *behind = NULL;
	bool near = l->tokens.end - p < RUN_NEAR;

	if (*p != '{')
		return openai_wrong(&l->tokens, "a candidate is no object", p);
	/* Most that stand near the end are cut, which is seen sooner so. */
	if (near && !memchr(p, '}', (size_t)(l->tokens.end - p)))
		return openai_stop(&l->tokens, JT_MORE);
	if (run_may_begin(l))
		behind = near ? openai_run_near_end(l, p) : openai_run(l, p);
	if (behind)
		return behind;
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
	r->word[n] = number_of_word(&l->own);
	r->token_at[n] = l->own.text_at;
	r->token_len[n] = l->own.text_len;
	/* A word is what it says, and whole. */
	if (r->word[n] == WORD_NONE)
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

/* The row's own members as the last row had them, of a word that is known, from behind
 * its '{' to behind the list's '['; NULL if anything is otherwise. */
static inline const unsigned char *read_known_head(
	struct openai_lane *l, const unsigned char *p)
{
	const struct openai_layout *layout = &l->head;
	struct rows *r = l->tokens.rows;
	struct openai_entry *e = &l->own;
	double logprob[1 + RUN_MORE];

	if (!r->words || l->tokens.rest > 0 || layout->n == 0 ||
		l->tokens.end - p < HEAD_ROOM)
		return NULL;
	for (unsigned i = 0; i + 1 < layout->n; i++) {
		const struct layout_piece *piece = &layout->piece[i];

		if (!layout_is_next(piece, p))
			return NULL;
		p += piece->len;
		e->seen |= piece->key;
		if (piece->key == ENTRY_TOKEN) {
			uint64_t text[2];

			p = run_text(p, text);
			e->word = p ? words_find(r->words, text[0], text[1]) : NULL;
			if (!e->word)
				return NULL;
		} else if (piece->key == ENTRY_LOGPROB) {
			p = run_logprob(&l->run, p, 0, logprob);
			if (!p || run_logprobs_end(&l->run, 1, logprob) == 0)
				return NULL;
			e->logprob = logprob[0];
		} else if (piece->key == ENTRY_BYTES && e->word) {
			e->has_bytes = e->bytes_are_text = *p == '[';
			p = run_list(e->word, p, l->tokens.end);
		} else {
			p = piece->key == ENTRY_ID ? run_id(p, &e->id) : NULL;
		}
		if (!p)
			return NULL;
	}
	if (!e->word || !layout_is_next(&layout->piece[layout->n - 1], p))
		return NULL;
	memcpy(openai_room(r), e->word->text, 16);
	e->text_at = (uint32_t)r->pool.len;
	e->text_len = (uint16_t)(e->word->text[1] >> 56);
	e->has_text = true;
	r->pool.len += e->text_len;
	return p + layout->piece[layout->n - 1].len;
}

/* The row up to its list as the last row had it, from behind its '{' to behind
 * the list's '['; NULL, and nothing taken, if it is written otherwise. */
static const unsigned char *read_head(struct openai_lane *l, const unsigned char *p)
{
	struct buf *pool = &l->tokens.rows->pool;
	size_t pool_before = pool->len;
	const unsigned char *behind = read_known_head(l, p);

	if (!behind) {
		l->own = openai_no_entry;
		behind = read_layout(l, &l->head, &l->own, p);
	}
	if (!behind) {
		pool->len = pool_before;
		l->own = openai_no_entry;
		return NULL;
	}
	l->own.seen |= ENTRY_TOP;
	l->place = ROW_FIRST_ENTRY;
	return behind;
}

/* What stood before a member's value, from *from on, goes into the row's layout,
 * and *from behind the value; NULL once there is nothing to learn. */
static void learn_head(struct openai_lane *l, unsigned key, const unsigned char **from,
	const unsigned char *value, const unsigned char *behind)
{
	bool last = l->place == ROW_FIRST_ENTRY;

	if (!*from)
		return;
	if (key == ENTRY_OTHER || (key == ENTRY_TOP && !last))
		l->head.n = 0;
	else if (layout_add(&l->head, *from, last ? behind : value, last ? 0 : key) &&
		 !last) {
		*from = behind;
		return;
	}
	*from = NULL;
}

/* One member of the row, from its key; nothing is kept of one that is cut. */
static const unsigned char *read_member(
	struct openai_lane *l, const unsigned char *p, const unsigned char **from)
{
	struct openai_tokens *t = &l->tokens;
	size_t pool_before = t->rows->pool.len;
	const unsigned char *value;
	unsigned key;

	p = openai_key(t, p, &key);
	if (!p)
		return NULL;
	if (l->own.seen & key)
		return openai_stop(t, JT_BAD);
	value = p = openai_space(t, p);
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
	learn_head(l, key, from, value, p);
	return p;
}

/* Behind the '{' of the row that follows the one that ended at p; NULL if there
 * is none, or none to be seen yet. */
static inline const unsigned char *next_row(
	const unsigned char *p, const unsigned char *end)
{
	p = jt_space(p, end);
	if (p == end || *p != ',')
		return NULL;
	p = jt_space(p + 1, end);
	return p < end && *p == '{' ? p + 1 : NULL;
}

/* From where the lane is in a row to behind the row. */
static enum jt read_row(
	struct openai_lane *l, const unsigned char *p, const unsigned char **next)
{
	struct openai_tokens *t = &l->tokens;
	const unsigned char *from = NULL, *head;

	if (l->place == ROW_FIRST_KEY) {
		head = read_head(l, p);
		from = head ? NULL : p;
		if (head)
			p = head;
		else
			l->head.n = 0;
	}
	for (;;) {
		*next = p;
		p = openai_space(t, p);
		if (!p)
			break;
		if (l->place >= ROW_FIRST_ENTRY) {
			p = read_candidates(l, p, next);
		} else if (*p == '}' && l->place != ROW_KEY) {
			*next = p + 1;
			if (from)
				l->head.n = 0;
			add_row(l);
			return JT_OK;
		} else if (l->place == ROW_MEMBER_END) {
			p = *p == ',' ? p + 1 : openai_stop(t, JT_BAD);
			l->place = ROW_KEY;
		} else {
			p = read_member(l, p, &from);
		}
		if (!p)
			break;
	}
	if (from)
		l->head.n = 0;
	return t->stop;
}

enum jt READ_ROWS(struct openai_lane *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
	l->tokens.end = end;
	for (;;) {
		enum jt got = read_row(l, p, next);

		if (got != JT_OK)
			return got;
		p = next_row(*next, end);
		if (!p)
			return JT_OK;
		openai_lane_begin_row(l);
	}
}
