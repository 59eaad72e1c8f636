/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/spares.h"

#include <stdlib.h>

#include "common/mem.h"

void spares_lend(struct spares *s, struct rows *rows, struct buf *raw)
{
	struct spare *spare;

	if (s->n == 0 || rows->cap_m > 0 || rows->n > 0 || raw->len > 0)
		return;
	spare = &s->at[--s->n];
	rows_release(rows);
	buf_release(raw);
	spare->rows.words = rows->words;
	*rows = spare->rows;
	*raw = spare->raw;
}

void spares_take_back(struct spares *s, struct rows *rows, struct buf *raw)
{
	rows_clear(rows);
	buf_clear(raw);
	if (rows->cap_m == 0)
		return;
	MEM_GROW(s->at, s->cap, s->n + 1);
	s->at[s->n++] = (struct spare){*rows, *raw};
	*rows = (struct rows){.words = rows->words};
	buf_init(raw, raw->max);
}

void spares_release(struct spares *s)
{
	while (s->n > 0) {
		s->n--;
		rows_release(&s->at[s->n].rows);
		buf_release(&s->at[s->n].raw);
	}
	free(s->at);
}
