/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_run.h - candidates that are all written alike, of known words
 *
 * Nine of ten bytes of an answer are such: what stands between the values is what
 * stood there before (openai_layout.h), the text is a word that was read before and
 * the list of bytes is the one that stood beside it (words.h). What is left to be
 * read is a number. Such candidates are read some at a time, in two goes: of all what
 * stands in front of the list of bytes, then of all the rest. While a word is fetched,
 * those behind it are read, and the machine has several at hand.
 *
 * Where a candidate ends is guessed from the next '}', and held against where it did
 * end when all of it has been read. Whatever is otherwise ends the run before its
 * candidate, which then is read with all care (openai_row.c): so nothing here has to
 * say what is wrong.
 */
#ifndef RETORT_WORKER_OPENAI_RUN_H
#define RETORT_WORKER_OPENAI_RUN_H

#include "common/jdecimal_avx2.h"
#include "worker/openai_row_forms.h"

/* What must be there behind the guessed end of a candidate. If the guess is false, the
 * reading gets behind it by a candidate at most: six pieces of 16 bytes, a word of 17,
 * a number of 35, its list of 44, an id of 8; and from there 64 are looked at. */
#define RUN_ROOM 264
/* Less than that, and a run is read in a copy. */
#define RUN_NEAR (2 * RUN_ROOM)
/* So many more logprobs may be written than there are candidates. */
#define RUN_MORE 3

/* The i-th of a candidate's keys (openai_layout.h). */
#define RUN_KEY(order, i) ((unsigned)((order) >> 8 * (i)) & 0xff)
#define RUN_ORDER(a, b, c, d)                                                          \
	((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24)
#define RUN_OPENAI RUN_ORDER(ENTRY_TOKEN, ENTRY_LOGPROB, ENTRY_BYTES, 0)
#define RUN_LLAMACPP RUN_ORDER(ENTRY_ID, ENTRY_TOKEN, ENTRY_BYTES, ENTRY_LOGPROB)

static inline __attribute__((always_inline)) bool run_has(uint64_t order, unsigned key)
{
	return RUN_KEY(order, 0) == key || RUN_KEY(order, 1) == key ||
	       RUN_KEY(order, 2) == key || RUN_KEY(order, 3) == key;
}

static inline __attribute__((always_inline)) unsigned run_n_keys(uint64_t order)
{
	return order > 0xffffff ? 4 : order > 0xffff ? 3 : order > 0xff ? 2 : 1;
}

/* How many keys are before that of the bytes, or all. */
static inline __attribute__((always_inline)) unsigned run_n_front(uint64_t order)
{
	return RUN_KEY(order, 0) == ENTRY_BYTES   ? 0
	       : RUN_KEY(order, 1) == ENTRY_BYTES ? 1
	       : RUN_KEY(order, 2) == ENTRY_BYTES ? 2
	       : RUN_KEY(order, 3) == ENTRY_BYTES ? 3
						  : run_n_keys(order);
}

/* Whether there are a token and a logprob, each key once and none but those four, and
 * the token before the bytes, which are held against its word. */
static inline bool run_can_be(uint64_t order)
{
	unsigned n = run_n_front(order);

	return order <= UINT32_MAX && !run_has(order, ENTRY_TOP) && n <= 3 &&
	       run_has(order, ENTRY_LOGPROB) &&
	       run_has(order & ((UINT64_C(1) << 8 * n) - 1), ENTRY_TOKEN);
}

#if defined(__AVX2__)
static inline __m128i run_load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}
#endif

/* Behind the next '}' from p on, where a candidate ends as it seems; NULL if there is
 * none, or no room behind it. p has some: see RUN_ROOM. */
static inline __attribute__((always_inline)) const unsigned char *run_end(
	const unsigned char *p, const unsigned char *end)
{
#if defined(__AVX2__)
	const __m256i brace = _mm256_set1_epi8('}');

	for (;;) {
		uint32_t low = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(jdecimal_load(p), brace));
		uint32_t high = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(jdecimal_load(p + 32), brace));
		uint64_t found = low | (uint64_t)high << 32;

		if (found) {
			p += _tzcnt_u64(found) + 1;
			break;
		}
		p += 64;
		if (end - p < 64)
			return NULL;
	}
#else
	p = memchr(p, '}', (size_t)(end - p));
	if (!p)
		return NULL;
	p++;
#endif
	return end - p < RUN_ROOM ? NULL : p;
}

/* Behind the text whose first quote is at p, as words.h has it: one with more than 15
 * bytes is none that is known. NULL if it is none. */
static inline __attribute__((always_inline)) const unsigned char *run_text(
	const unsigned char *p, uint64_t text[2])
{
	unsigned n;

	if (*p++ != '"')
		return NULL;
#if defined(__AVX2__)
	__m128i v = run_load(p);

	n = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
	n = _tzcnt_u32(n | 1u << 16);
	v = _mm_and_si128(v, run_load(openai_run_keep + 64 - n));
	text[0] = (uint64_t)_mm_cvtsi128_si64(v);
	text[1] = (uint64_t)_mm_extract_epi64(v, 1) | (uint64_t)n << 56;
#else
	uint64_t low = jt_stops(get_u64(p)), high = jt_stops(get_u64(p + 8));

	n = low ? (unsigned)__builtin_ctzll(low) >> 3
		: 8 + (high ? (unsigned)__builtin_ctzll(high) >> 3 : 8);
	if (n > WORD_TEXT_MAX || p[n] != '"')
		return NULL;
	openai_word_text(p, n, text);
#endif
	/* A word that is known has no byte that may not stand there, and is shorter
	 * than 16: so is this one, if it is found. */
	return p + n + 1;
}

/* The word of the i-th; NULL if it is none that is known. */
static inline __attribute__((always_inline)) struct word *run_word(
	const struct words *words, struct openai_run *run, uint32_t i)
{
	struct word *w = run->word[i];
	const uint64_t *text = run->text[i];

	if (w->text[0] != text[0] || w->text[1] != text[1] || w->number == WORD_NONE)
		run->word[i] = w = words_find(words, text[0], text[1]);
	return w;
}

/* Behind the list of the word's bytes, if it is written as it was before, or, where it
 * was too long to be kept, as such lists are. */
static inline __attribute__((always_inline)) const unsigned char *run_list(
	const struct word *w, const unsigned char *p, const unsigned char *end)
{
	unsigned n = w->list_len;

	if (n == 0)
		return *p == '[' ? byte_list_match((const unsigned char *)w->text,
					   w->text[1] >> 56, p, end)
				 : NULL;
#if defined(__AVX2__)
	const signed char *keep = openai_run_keep + 64 - n;
	__m256i first = _mm256_xor_si256(jdecimal_load(p), jdecimal_load(w->list));
	__m128i second = _mm_xor_si128(run_load(p + 32), run_load(w->list + 32));

	if (!_mm256_testz_si256(first, jdecimal_load(keep)) ||
		!_mm_testz_si128(second, run_load(keep + 32)))
		return NULL;
#else
	if (memcmp(p, w->list, n) != 0)
		return NULL;
#endif
	return p + n;
}

/* An id of up to eight digits; what follows it is the next piece's matter. */
static inline __attribute__((always_inline)) const unsigned char *run_id(
	const unsigned char *p, uint32_t *id)
{
	uint64_t eight = get_u64(p) ^ JDECIMAL_EACH('0');
	unsigned n = jdecimal_run(eight);

	if (n == 0 || *p == '0')
		return NULL;
	*id = (uint32_t)jdecimal_append(0, eight, n);
	return p + n;
}

/* A logprob is read in two steps: behind the i-th, and then what n of them are, when
 * up to RUN_MORE may be written that are none; how many are known for certain. */
#if defined(__AVX2__)
static inline __attribute__((always_inline)) const unsigned char *run_logprob(
	struct openai_run *run, const unsigned char *p, uint32_t i, double *logprob)
{
	(void)logprob;
	return jdecimal_digits(p, run->parts[i]);
}

static inline __attribute__((always_inline)) uint32_t run_logprobs_end(
	const struct openai_run *run, uint32_t n, double *logprob)
{
	for (uint32_t i = 0; i < n; i += 4) {
		unsigned known = jdecimal_four(run->parts + i, logprob + i);

		if (known != 0xf) {
			i += _tzcnt_u32(~known);
			return i < n ? i : n;
		}
	}
	return n;
}
#else
static inline const unsigned char *run_logprob(
	struct openai_run *run, const unsigned char *p, uint32_t i, double *logprob)
{
	(void)run;
	logprob[i] = jdecimal_common(p, &p);
	return logprob[i] == logprob[i] ? p : NULL;
}

static inline uint32_t run_logprobs_end(
	const struct openai_run *run, uint32_t n, double *logprob)
{
	(void)run;
	(void)logprob;
	return n;
}
#endif

/* The i-th candidate's next piece and the value behind it, from p to behind it; NULL if
 * it is otherwise. Values go behind the rows' last candidate. */
static inline __attribute__((always_inline)) const unsigned char *run_value(
	struct openai_run *run, const struct layout_piece *piece, unsigned key,
	struct rows *r, const unsigned char *p, const unsigned char *end, uint32_t i)
{
	if (!layout_begins_with(piece, p))
		return NULL;
	p += piece->len;
	if (key == ENTRY_LOGPROB)
		return run_logprob(run, p, i, r->cand_logprob + r->m);
	if (key == ENTRY_BYTES)
		return run_list(run->word[i], p, end);
	if (key == ENTRY_ID)
		return run_id(p, &r->cand_id[r->m + i]);
	p = run_text(p, run->text[i]);
	run->word[i] = words_place(r->words, run->text[i][0], run->text[i][1], 0);
	__builtin_prefetch(run->word[i]);
	return p;
}

/* Up to what is held against words, n candidates from the '{' at p; how many are so.
 * *found: how many there seem to be. */
static inline __attribute__((always_inline)) uint32_t run_front(struct openai_lane *l,
	uint64_t order, const unsigned char *p, uint32_t n, uint32_t *found)
{
	const struct layout_piece *piece = l->candidate.piece;
	const unsigned char *end = l->tokens.end;
	const unsigned n_keys = run_n_front(order);
	struct openai_run *run = &l->run;
	struct rows *r = l->tokens.rows;
	uint32_t i;

	for (i = *found = 0; i < n; i++) {
		const unsigned char *behind = run_end(p + l->candidate.least - 1, end);

		if (!behind)
			break;
		*found = i + 1;
		/* About as far ahead as the next run. */
		__builtin_prefetch(p + 1024);
		run->end[i] = behind;
		p = run_value(run, &piece[0], RUN_KEY(order, 0), r, p, end, i);
		if (p && n_keys > 1)
			p = run_value(run, &piece[1], RUN_KEY(order, 1), r, p, end, i);
		if (p && n_keys > 2)
			p = run_value(run, &piece[2], RUN_KEY(order, 2), r, p, end, i);
		if (!p)
			break;
		run->at[i] = p;
		if (*behind != ',')
			return i + 1;
		p = behind + 1 + (behind[1] == ' ');
	}
	return i;
}

/* The words of the first n, and what is behind them; how many are so. */
static inline __attribute__((always_inline)) uint32_t run_back(
	struct openai_lane *l, uint64_t order, uint32_t n)
{
	const unsigned a = run_n_front(order), b = run_n_keys(order);
	const struct layout_piece *piece = l->candidate.piece, *last = &piece[b];
	const unsigned char *end = l->tokens.end;
	struct openai_run *run = &l->run;
	struct rows *r = l->tokens.rows;
	size_t len = r->pool.len;
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct word *w = run_word(r->words, run, i);
		const unsigned char *p = run->at[i];
		uint32_t m = r->m + i;

		if (!w)
			break;
		if (a < b)
			p = run_value(run, &piece[a], RUN_KEY(order, a), r, p, end, i);
		if (p && a + 1 < b)
			p = run_value(run, &piece[a + 1], RUN_KEY(order, a + 1), r, p,
				end, i);
		if (p && a + 2 < b)
			p = run_value(run, &piece[a + 2], RUN_KEY(order, a + 2), r, p,
				end, i);
		/* Its last byte is the '}' in front of the end. */
		if (!p || p + last->len != run->end[i] ||
			(last->len > 1 && !layout_begins_with(last, p)))
			break;
		memcpy(r->pool.data + len, w->text, 16);
		if (!run_has(order, ENTRY_ID))
			r->cand_id[m] = TOKEN_ID_UNKNOWN;
		r->cand_word[m] = w->number;
		r->cand_at[m] = (uint32_t)len;
		r->cand_len[m] = (uint16_t)(w->text[1] >> 56);
		len += w->text[1] >> 56;
	}
	return i;
}

/* From the '{' at p to behind the last one's '}'; NULL if there is none. */
static inline __attribute__((always_inline)) const unsigned char *run_in_order(
	struct openai_lane *l, uint64_t order, const unsigned char *p)
{
	struct openai_run *run = &l->run;
	struct rows *r = l->tokens.rows;
	uint32_t n = l->most + 1 - (r->m - r->first[r->n]), found;

	n = n < run->hope ? n : run->hope;
	if (r->cap_m - r->m < n + RUN_MORE ||
		r->pool.cap - r->pool.len < 16 * (size_t)n)
		return NULL;
	n = run_front(l, order, p, n, &found);
	n = run_back(l, order, n);
	n = run_logprobs_end(run, n, r->cand_logprob + r->m);
	/* What ended early is not looked for so far ahead again. */
	run->hope = n == found ? 2 * run->hope : n;
	run->hope = run->hope < RUN_LEAST  ? RUN_LEAST
		    : run->hope < RUN_MOST ? run->hope
					   : RUN_MOST;
	if (n == 0)
		return NULL;
	r->m += n;
	r->pool.len = r->cand_at[r->m - 1] + r->cand_len[r->m - 1];
	run->luck = run->luck + n < LUCK_MOST ? run->luck + n : LUCK_MOST;
	return run->end[n - 1];
}

/* Whether the candidates at hand may be a run. */
static inline bool run_may_begin(const struct openai_lane *l)
{
	return l->run.may_begin && l->tokens.rest == 0 && l->candidate.n > 0 &&
	       l->candidate.is_short;
}

/* As many candidates as the run has, from the '{' at p to behind the last one's
 * '}'; NULL if there is none. */
static inline const unsigned char *openai_run(
	struct openai_lane *l, const unsigned char *p)
{
	uint64_t order = l->candidate.order;

	/* The orders of those who are asked most, of which no step is left to chance. */
	switch (order) {
	case RUN_OPENAI:
		return run_in_order(l, RUN_OPENAI, p);
	case RUN_LLAMACPP:
		return run_in_order(l, RUN_LLAMACPP, p);
	default:
		return run_can_be(order) ? run_in_order(l, order, p) : NULL;
	}
}

/* The same where less than RUN_NEAR is there: in a copy, with zeros behind it, of which
 * none can be taken for a part of a candidate, since its '}' is behind them. */
static inline const unsigned char *openai_run_near_end(
	struct openai_lane *l, const unsigned char *p)
{
	unsigned char copy[RUN_NEAR + RUN_ROOM];
	const unsigned char *end = l->tokens.end, *behind;
	size_t left = (size_t)(end - p);

	memcpy(copy, p, left);
	memset(copy + left, 0, sizeof(copy) - left);
	l->tokens.end = copy + sizeof(copy);
	behind = openai_run(l, copy);
	l->tokens.end = end;
	return behind ? p + (behind - copy) : NULL;
}

#endif
