/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rows.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "worker/rows_weigh.h"

/* Places for the ids of one row, at most half full: a power of two. */
#define SEEN_MAX 4096

struct check {
	struct rows *r;
	uint32_t k;
	struct rows_verdict verdict;
	/* The ids of the row at hand: position + 1 of the candidate that took
	 * the place. Positions only grow, so those of earlier rows are seen to
	 * be old and the table is never cleared between rows. */
	uint32_t seen[SEEN_MAX];
	unsigned seen_shift;
};

static void complain(struct check *c, const char *why)
{
	if (c->verdict.reason == REASON_NONE) {
		c->verdict.reason = REASON_BAD_LOGPROBS;
		c->verdict.why = why;
	}
}

static inline bool is_absent(double logprob)
{
	/* Also true for NaN. */
	return !(logprob > ROWS_ABSENT_BELOW && logprob < HUGE_VAL);
}

/* Copies candidate `from` to the place `to`. */
static inline void move(struct rows *r, uint32_t to, uint32_t from)
{
	r->cand_id[to] = r->cand_id[from];
	r->cand_logprob[to] = r->cand_logprob[from];
	r->cand_at[to] = r->cand_at[from];
	r->cand_len[to] = r->cand_len[from];
	r->cand_word[to] = r->cand_word[from];
}

/* True if candidate a belongs before b: a total order, since no two begin at
 * the same place of the pool unless they have ids. */
static inline bool before(const struct rows *r, uint32_t a, uint32_t b)
{
	if (r->cand_logprob[a] != r->cand_logprob[b])
		return r->cand_logprob[a] > r->cand_logprob[b];
	if (r->cand_id[a] != r->cand_id[b])
		return r->cand_id[a] < r->cand_id[b];
	return r->cand_at[a] < r->cand_at[b];
}

static void swap(struct rows *r, uint32_t a, uint32_t b)
{
	uint32_t id = r->cand_id[a], at = r->cand_at[a], word = r->cand_word[a];
	double logprob = r->cand_logprob[a];
	uint16_t len = r->cand_len[a];

	move(r, a, b);
	r->cand_id[b] = id;
	r->cand_logprob[b] = logprob;
	r->cand_at[b] = at;
	r->cand_len[b] = len;
	r->cand_word[b] = word;
}

/* Shell's sort: in place, short, and quick on a list with one entry out of
 * order, which is what servers send. */
static void sort(struct rows *r, uint32_t from, uint32_t to)
{
	static const uint32_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (uint32_t i = from + gaps[g]; i < to; i++)
			for (uint32_t j = i;
				j >= from + gaps[g] && before(r, j, j - gaps[g]);
				j -= gaps[g])
				swap(r, j, j - gaps[g]);
}

/* Moves the present candidates of [from, to) to `at`; returns behind them. */
static uint32_t keep_present(struct check *c, uint32_t from, uint32_t to, uint32_t at)
{
	struct rows *r = c->r;
	uint32_t begin = at;
	bool sorted = true;

	for (uint32_t j = from; j < to; j++) {
		double logprob = r->cand_logprob[j];

		if (is_absent(logprob)) {
			c->verdict.partial = true;
			c->verdict.n_absent++;
			continue;
		}
		if (logprob > 0) {
			if (logprob > ROWS_LOGPROB_MAX)
				complain(c, "a candidate's probability is above 1");
			r->cand_logprob[j] = 0;
		}
		if (at != j)
			move(r, at, j);
		if (at > begin && !before(r, at - 1, at))
			sorted = false;
		at++;
	}
	if (!sorted)
		sort(r, begin, at);
	return at;
}

/* A row of candidates without ids as it should be: all present, none above 0, each
 * less likely than the one before. So no two of them can be one, either. */
static bool is_in_form(const struct rows *r, uint32_t from, uint32_t to)
{
	const double *logprob = r->cand_logprob;
	double before = HUGE_VAL;
	uint32_t ids = TOKEN_ID_UNKNOWN;
	bool falling = from == to || logprob[from] <= 0;

	for (uint32_t j = from; j < to; j++) {
		falling &= logprob[j] < before;
		before = logprob[j];
		ids &= r->cand_id[j];
	}
	return falling && ids == TOKEN_ID_UNKNOWN && before > ROWS_ABSENT_BELOW;
}

/* True if the candidate at `at` is the first of its row with its id. */
static inline bool id_is_new(struct check *c, uint32_t begin, uint32_t at)
{
	uint32_t id = c->r->cand_id[at];
	uint32_t mask = (1u << (32 - c->seen_shift)) - 1;
	uint32_t place = (id * 0x9e3779b1u) >> c->seen_shift;

	while (c->seen[place] > begin) {
		if (c->r->cand_id[c->seen[place] - 1] == id)
			return false;
		place = (place + 1) & mask;
	}
	c->seen[place] = at + 1;
	return true;
}

static bool same_text(const struct rows *r, uint32_t at, uint16_t len, uint32_t other)
{
	if (len == TOKEN_BYTES_UNKNOWN || r->cand_len[other] != len)
		return false;
	return len == 0 ||
	       memcmp(r->pool.data + at, r->pool.data + r->cand_at[other], len) == 0;
}

/* An empty text, or one in which a broken character was replaced, stands for
 * many tokens. */
static bool is_whole(const struct rows *r, uint32_t j)
{
	return r->cand_len[j] > 0 &&
	       !memmem(r->pool.data + r->cand_at[j], r->cand_len[j], "\xef\xbf\xbd", 3);
}

/* Of two entries with one id the second goes; returns behind the last. */
static uint32_t check_twice(struct check *c, uint32_t begin, uint32_t end)
{
	struct rows *r = c->r;
	uint32_t at = begin;

	for (uint32_t j = begin; j < end; j++) {
		if (at != j)
			move(r, at, j);
		if (r->cand_id[at] != TOKEN_ID_UNKNOWN) {
			if (!id_is_new(c, begin, at)) {
				c->verdict.n_twice++;
				continue;
			}
		} else if (at > begin &&
			   r->cand_logprob[at - 1] == r->cand_logprob[at] &&
			   same_text(r, r->cand_at[at - 1], r->cand_len[at - 1], at) &&
			   is_whole(r, at)) {
			c->verdict.n_twice++;
		}
		at++;
	}
	return at;
}

/* A text that is some characters and nothing else: it names its token, or those few
 * that share it. */
static bool is_plain(const struct rows *r, uint32_t at, uint16_t len)
{
	return len > 0 && len != TOKEN_BYTES_UNKNOWN &&
	       utf8_valid_prefix(r->pool.data + at, len) == len &&
	       !memmem(r->pool.data + at, len, "\xef\xbf\xbd", 3);
}

/* The sampled token in its list, by its id. */
static uint16_t rank_by_id(
	const struct rows *r, uint32_t i, uint32_t begin, uint32_t end)
{
	bool all = true;

	for (uint32_t j = begin; j < end; j++) {
		if (r->cand_id[j] == r->id[i])
			return (uint16_t)(j - begin);
		all = all && r->cand_id[j] != TOKEN_ID_UNKNOWN;
	}
	return all ? ROWS_RANK_OUTSIDE : ROWS_RANK_UNKNOWN;
}

/* The entry with its word and its logprob; UINT32_MAX: perhaps by its text. */
static uint32_t find_word(
	const struct rows *r, uint32_t i, uint32_t begin, uint32_t end)
{
	for (uint32_t j = begin; j < end && r->word[i] != WORD_NONE; j++)
		if (r->cand_word[j] == r->word[i] &&
			r->cand_logprob[j] == r->logprob[i])
			return j;
	return UINT32_MAX;
}

/* By its text and its logprob. Where there is a doubt, it is not resolved. */
static uint16_t rank_by_text(
	const struct rows *r, uint32_t i, uint32_t begin, uint32_t end)
{
	double own = r->logprob[i], nearest = HUGE_VAL;
	uint32_t n_same = 0, found = find_word(r, i, begin, end);
	bool plain, doubt = false;

	if (found != UINT32_MAX)
		return (uint16_t)(found - begin);
	plain = is_plain(r, r->token_at[i], r->token_len[i]);
	for (uint32_t j = begin; j < end; j++) {
		double away = fabs(r->cand_logprob[j] - own); /* perhaps NaN */

		if (same_text(r, r->token_at[i], r->token_len[i], j)) {
			/* Nothing is nearer: the entry itself, as a rule. */
			if (away == 0)
				return (uint16_t)(j - begin);
			n_same++;
			if (isnan(own) || away < nearest) {
				nearest = away;
				found = j;
			}
		} else if (!plain && !(away > ROWS_SAME_LOGPROB) &&
			   !is_plain(r, r->cand_at[j], r->cand_len[j])) {
			doubt = true;
		} else if (r->token_len[i] == TOKEN_BYTES_UNKNOWN ||
			   r->cand_len[j] == TOKEN_BYTES_UNKNOWN) {
			doubt = doubt || !(away > ROWS_SAME_LOGPROB);
		}
	}
	if (isnan(own)) {
		if (n_same == 0 && !doubt)
			return ROWS_RANK_OUTSIDE;
		return n_same == 1 && plain ? (uint16_t)(found - begin)
					    : ROWS_RANK_UNKNOWN;
	}
	if (nearest <= ROWS_SAME_LOGPROB)
		return (uint16_t)(found - begin);
	return doubt ? ROWS_RANK_UNKNOWN : ROWS_RANK_OUTSIDE;
}

static void rank_sampled(struct check *c, uint32_t i, uint32_t begin, uint32_t end)
{
	struct rows *r = c->r;

	if (begin == end)
		r->rank[i] = ROWS_RANK_UNKNOWN;
	else if (r->id[i] != TOKEN_ID_UNKNOWN && r->cand_id[begin] != TOKEN_ID_UNKNOWN)
		r->rank[i] = rank_by_id(r, i, begin, end);
	else
		r->rank[i] = rank_by_text(r, i, begin, end);
}

/* Returns the sum of their probabilities. The tail's entropy is still to be added. */
static double weigh(struct rows *r, uint32_t i, uint32_t begin, uint32_t end)
{
	struct weight w;

	if (begin == end) {
		r->tail[i] = r->entropy[i] = (double)NAN;
		return 0;
	}
	w = rows_weigh(r->cand_logprob + begin, end - begin);
	r->tail[i] = w.sum < 1 ? 1 - w.sum : 0;
	r->entropy[i] = w.entropy;
	return w.sum;
}

/* `drafted`: no list, where other rows have one. */
static void check_own(struct check *c, uint32_t i, bool drafted)
{
	double *own = &c->r->logprob[i];

	c->verdict.n_drafted += drafted && *own == 0;
	if (is_absent(*own) || (drafted && *own == 0)) {
		*own = (double)NAN;
		c->verdict.partial = true;
	} else if (*own > 0) {
		if (*own > ROWS_LOGPROB_MAX)
			complain(c, "a sampled token's probability is above 1");
		*own = 0;
	}
}

/* The longest list of all rows, but no more than what was asked for. */
static uint32_t usual_length(const struct rows *r, uint32_t k)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->first[i + 1] - r->first[i] > most)
			most = r->first[i + 1] - r->first[i];
	return most < k ? most : k;
}

struct rows_verdict rows_normalise(struct rows *r, uint32_t k)
{
	struct check c = {.r = r, .k = k, .seen_shift = 26};
	uint32_t usual = usual_length(r, k), from = 0, at = 0;

	assert(k > 0 && k <= LIMIT_TOP_K);
	while ((1u << (32 - c.seen_shift)) < 2 * (k + 1))
		c.seen_shift--;
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t to = r->first[i + 1], begin = at, listed = to - from;

		if (listed > k + 1) {
			complain(&c, "a row lists more candidates than asked for");
			r->n = i;
			break;
		}
		if (listed < usual) {
			c.verdict.partial = true;
			c.verdict.n_short += listed > 0;
		}
		check_own(&c, i, listed == 0 && usual > 0);
		if (from == at && is_in_form(r, from, to)) {
			at = to;
		} else {
			at = keep_present(&c, from, to, at);
			at = check_twice(&c, begin, at);
		}
		r->first[i] = begin;
		r->first[i + 1] = at;
		rank_sampled(&c, i, begin, at);
		c.verdict.sum_max = fmax(c.verdict.sum_max, weigh(r, i, begin, at));
		from = to;
	}
	r->m = at;
	rows_weigh_tails(r->tail, r->n, r->entropy);
	return c.verdict;
}

void rows_cut(struct rows *r, uint32_t k)
{
	uint32_t from = 0, at = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t to = r->first[i + 1], begin = at;
		uint32_t n = to - from < k ? to - from : k;

		for (uint32_t j = from; j < from + n; j++, at++)
			if (at != j)
				move(r, at, j);
		if (n < to - from) {
			if (r->rank[i] >= k && r->rank[i] != ROWS_RANK_UNKNOWN)
				r->rank[i] = ROWS_RANK_OUTSIDE;
			weigh(r, i, begin, at);
			rows_weigh_tails(&r->tail[i], 1, &r->entropy[i]);
		}
		r->first[i] = begin;
		r->first[i + 1] = at;
		from = to;
	}
	r->m = at;
}
