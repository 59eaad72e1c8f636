/* SPDX-License-Identifier: Apache-2.0 */
#include "common/limits.h"
#include "worker/openai_row_forms.h"

#if JRUN_HAS_AVX2
#define EIGHT -1, -1, -1, -1, -1, -1, -1, -1
const signed char openai_run_keep[128] = {
	EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT};
#endif

void openai_lane_begin(struct openai_lane *l, struct rows *rows, uint32_t most)
{
	/* Rows stand eight deep. */
	l->tokens = (struct openai_tokens){.rows = rows, .depth = LIMIT_JSON_DEPTH - 8};
	l->most = most;
	l->candidate.n = l->head.n = 0;
	l->run.may_begin = false;
	l->run.hope = RUN_LEAST;
	l->run.luck = LUCK_FIRST;
	/* So that the pool has memory to point into, even for empty texts. */
	buf_reserve(&rows->pool, 64);
}

void openai_lane_begin_row(struct openai_lane *l)
{
	struct rows *r = l->tokens.rows;

	l->place = ROW_FIRST_KEY;
	l->own = openai_no_entry;
	if (r->n == r->cap_n)
		rows_grow(r);
	r->first[r->n] = r->m;
}

enum jt openai_lane_read(struct openai_lane *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
#if JRUN_HAS_AVX2
	if (jrun_form() == JRUN_AVX2)
		return openai_read_rows_avx2(l, p, end, next);
#endif
	return openai_read_rows(l, p, end, next);
}
