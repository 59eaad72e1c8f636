/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row.h - one row of the model: which id has which rank, and what comes next
 *
 * The state is (slot, loop flag, wrong flag) in one number. Ranks below n are
 * the candidates; the others follow in the order (mul * i + add) mod V, mul
 * odd, candidates left out, so that an id's rank and a rank's id are both
 * found in a few steps. MODEL.md, "Rows".
 *
 * Pure: no I/O, no clock.
 */
#ifndef RETORT_DEPLOY_TEACHER_ROW_H
#define RETORT_DEPLOY_TEACHER_ROW_H

#include "deploy/teacher/profile.h"
#include "deploy/teacher/script.h"

#define STATE_WRONG 1u
#define STATE_LOOP 2u
#define STATE_START 0u
#define STATE_END UINT32_MAX

struct row {
	unsigned profile; /* enum profile_id */
	unsigned n;
	uint16_t id[CHOICES_MAX]; /* by rank */
	uint16_t next[CHOICES_MAX];
	uint8_t sets[CHOICES_MAX]; /* flags that are set from here on */
};

/* The row of a state that is not STATE_END. */
void teacher_row_read(const struct profiles *profiles, const struct script *script,
	uint32_t state, struct row *out);

/* The state after `id` has been said. An id that is no candidate advances as
 * the first candidate does; what would end the sequence without its mark
 * stays. */
uint32_t teacher_row_next(const struct row *row, uint32_t state, unsigned id);

/* The order of the ids that are no candidates. */
struct order {
	uint32_t mul, add, inverse;
	unsigned n;
	uint16_t id[CHOICES_MAX];
	uint16_t skip[CHOICES_MAX]; /* places of the candidates, ascending */
};

void order_init(struct order *o, uint64_t key, uint32_t state, const struct row *row);
unsigned order_id(const struct order *o, unsigned rank);
unsigned order_rank(const struct order *o, unsigned id);
/* The first k ids: id[r] is that of rank r. */
void order_list(const struct order *o, unsigned k, uint16_t *id);

#endif
