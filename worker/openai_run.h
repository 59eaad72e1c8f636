/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_run.h - candidates that are all written alike, of known words
 *
 * Nine of ten bytes of an answer are such: what stands between the values is what
 * stood there before (openai_layout.h), the text is a word that was read before and
 * the list of bytes is the one that stood beside it (words.h). What is left to be
 * read is a number. Such candidates are read some at a time and piece by piece: the
 * words of all, then the numbers of all. Nothing then waits for what stands before it
 * in its candidate, and the machine has several at hand.
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

#if defined(__AVX2__)
static inline __m128i run_load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}
#endif

/* Where the next candidates begin and, as it seems, end; how many they are. */
static inline uint32_t run_find(struct openai_run *run, const unsigned char *p,
	const unsigned char *end, uint32_t most)
{
	uint32_t n = 0;

#if defined(__AVX2__)
	const __m256i brace = _mm256_set1_epi8('}');

	for (const unsigned char *at = p; n < most && end - at >= 64; at += 64) {
		/* About as far ahead as the next run. */
		_mm_prefetch((const char *)at + 1024, _MM_HINT_T0);
		uint32_t low = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(jdecimal_load(at), brace));
		uint32_t high = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(jdecimal_load(at + 32), brace));
		uint64_t found = low | (uint64_t)high << 32, second = _blsr_u64(found);

		/* Mostly there are none, one or two; if more, the guess is false. */
		run->end[n] = at + _tzcnt_u64(found) + 1;
		run->end[n + 1] = at + _tzcnt_u64(second) + 1;
		n += (uint32_t)(found != 0) + (uint32_t)(second != 0);
	}
#else
	for (const unsigned char *at = p; n < most; n++) {
		at = memchr(at, '}', (size_t)(end - at));
		if (!at)
			break;
		run->end[n] = ++at;
	}
#endif
	n = n < most ? n : most;
	while (n > 0 && end - run->end[n - 1] < RUN_ROOM)
		n--;
	run->at[0] = p;
	for (uint32_t i = 1; i < n; i++) {
		p = run->end[i - 1];
		if (*p != ',')
			return i;
		run->at[i] = p + 1 + (p[1] == ' ');
	}
	return n;
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

/* How many of n have words that are known. */
static inline __attribute__((always_inline)) uint32_t run_words(
	const struct words *words, struct openai_run *run, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && run_word(words, run, i))
		i++;
	return i;
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

/* One piece and the value behind it, of n candidates; how many have it. */
static inline __attribute__((always_inline)) uint32_t run_column(struct openai_run *run,
	const struct layout_piece *piece, enum openai_entry_key key, struct rows *r,
	const unsigned char *end, uint32_t n)
{
	const struct words *words = r->words;
	double *logprob = r->cand_logprob + r->m;
	uint32_t *id = r->cand_id + r->m, i;
	unsigned len = piece->len;

	for (i = 0; i < n; i++) {
		const unsigned char *p = run->at[i];

		if (!layout_begins_with(piece, p))
			break;
		p += len;
		if (key == ENTRY_TOKEN) {
			p = run_text(p, run->text[i]);
			run->word[i] =
				words_place(words, run->text[i][0], run->text[i][1], 0);
			__builtin_prefetch(run->word[i]);
		} else if (key == ENTRY_LOGPROB)
			p = run_logprob(run, p, i, logprob);
		else if (key == ENTRY_BYTES)
			p = run_list(run->word[i], p, end);
		else if (key == ENTRY_ID)
			p = run_id(p, &id[i]);
		else if (p != run->end[i])
			break;
		if (!p)
			break;
		run->at[i] = p;
	}
	return key == ENTRY_LOGPROB ? run_logprobs_end(run, i, logprob) : i;
}

/* The first n of the run are candidates. */
static inline void run_keep_all(
	struct openai_run *run, struct rows *r, bool has_ids, uint32_t n)
{
	size_t len = r->pool.len;
	unsigned char *pool = r->pool.data;

	for (uint32_t i = 0, m = r->m; i < n; i++, m++) {
		const struct word *w = run->word[i];

		memcpy(pool + len, w->text, 16);
		if (!has_ids)
			r->cand_id[m] = TOKEN_ID_UNKNOWN;
		r->cand_word[m] = w->number;
		r->cand_at[m] = (uint32_t)len;
		r->cand_len[m] = (uint16_t)(w->text[1] >> 56);
		len += r->cand_len[m];
	}
	r->pool.len = len;
	r->m += n;
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
	const struct openai_layout *layout = &l->candidate;
	const unsigned char *end = l->tokens.end;
	struct openai_run *run = &l->run;
	struct rows *r = l->tokens.rows;
	uint32_t n = l->most + 1 - (r->m - r->first[r->n]), found;
	unsigned keys = 0;

	n = n < run->hope ? n : run->hope;
	if (r->cap_m - r->m < n + RUN_MORE ||
		r->pool.cap - r->pool.len < 16 * (size_t)n)
		return NULL;
	n = found = run_find(run, p, end, n);
	for (unsigned i = 0; i < layout->n; i++) {
		const struct layout_piece *piece = &layout->piece[i];

		switch (piece->key) {
		case ENTRY_TOKEN:
			n = run_column(run, piece, ENTRY_TOKEN, r, end, n);
			break;
		case ENTRY_LOGPROB:
			n = run_column(run, piece, ENTRY_LOGPROB, r, end, n);
			break;
		case ENTRY_BYTES:
			if (!(keys & ENTRY_TOKEN))
				return NULL;
			n = run_words(r->words, run, n);
			n = run_column(run, piece, ENTRY_BYTES, r, end, n);
			break;
		case ENTRY_ID:
			n = run_column(run, piece, ENTRY_ID, r, end, n);
			break;
		default:
			n = run_column(run, piece, ENTRY_OTHER, r, end, n);
		}
		keys |= piece->key;
	}
	if (!(keys & ENTRY_BYTES))
		n = run_words(r->words, run, n);
	/* What ended early is not looked for so far ahead again. */
	run->hope = n == found ? 2 * run->hope : n;
	run->hope = run->hope < RUN_LEAST  ? RUN_LEAST
		    : run->hope < RUN_MOST ? run->hope
					   : RUN_MOST;
	if (n == 0 ||
		(keys & (ENTRY_TOKEN | ENTRY_LOGPROB)) != (ENTRY_TOKEN | ENTRY_LOGPROB))
		return NULL;
	run_keep_all(run, r, keys & ENTRY_ID, n);
	run->luck = run->luck + n < LUCK_MOST ? run->luck + n : LUCK_MOST;
	return run->end[n - 1];
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
