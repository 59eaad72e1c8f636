/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spares.h - the memory of answers that were dealt with, for those that come
 *
 * Many requests are in flight, few answers are being read at a time, and each needs
 * hundreds of KiB for its rows. An answer is lent memory when its first bytes come, and
 * what was given back last is lent first: the caches still have it.
 *
 * Ownership: what was not taken back is the borrower's.
 */
#ifndef RETORT_WORKER_SPARES_H
#define RETORT_WORKER_SPARES_H

#include "worker/rows.h"

struct spare {
	struct rows rows;
	struct buf raw;
};

struct spares {
	struct spare *at;
	size_t n, cap;
};

/* To rows and bytes that hold nothing yet; both hold as much as those that came back. */
void spares_lend(struct spares *s, struct rows *rows, struct buf *raw);
/* From those that nobody needs any more; they hold nothing then. Of rows that had no
 * candidates the memory is not taken. */
void spares_take_back(struct spares *s, struct rows *rows, struct buf *raw);
void spares_release(struct spares *s);

#endif
