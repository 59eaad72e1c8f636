/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "coordinator/index_pass.h"

#include "common/file.h"
#include "coordinator/ids.h"

/* What the second sort says of a provisional number: its real one, or that its
 * line is a duplicate. */
#define IS_DUPLICATE UINT64_MAX

/* The old file and the ids of this pass, both in order, becoming the new file. */
struct match {
	struct index_pass *pass;
	struct ids *old;
	struct ids_writer *new;
	struct idsort *fates; /* reindex: (provisional number, first) -> number */
	struct id_record from_old, from_pass;
	bool has_old, has_pass;
};

static const struct stretch *find_stretch(const struct index_pass *p, uint64_t number)
{
	size_t low = 0, high = p->n_stretches;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct stretch *s = &p->stretch[mid];

		if (number < s->first_number)
			high = mid;
		else if (number - s->first_number >= s->n_lines)
			low = mid + 1;
		else
			return s;
	}
	return NULL;
}

/* Reports the line that `number` was given to as a duplicate of `first`. */
static enum err_code tell_duplicate(struct index_pass *p, uint64_t number,
	uint64_t first, bool takes_back, struct err *err)
{
	const struct stretch *here = find_stretch(p, number);
	const struct stretch *there = find_stretch(p, first);
	struct index_reject reject = {.number = number,
		.reason = REJECT_DUPLICATE_ID,
		.takes_back = takes_back};
	enum err_code code = ERR_NOT_FOUND;

	assert(here);
	reject.corpus = here->corpus;
	reject.line = here->first_line + (number - here->first_number);
	if (there) {
		reject.first_corpus = there->corpus;
		reject.first_line = there->first_line + (first - there->first_number);
		code = ERR_NONE;
	} else if (p->events->locate) {
		code = p->events->locate(p->events->to, first, &reject.first_corpus,
			&reject.first_line, err);
	}
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	reject.first_is_known = code == ERR_NONE;
	return index_tell_reject(p, &reject, err);
}

static enum err_code advance_old(struct match *m, struct err *err)
{
	m->has_old = false;
	return m->old ? ids_next(m->old, &m->from_old, &m->has_old, err) : ERR_NONE;
}

static enum err_code advance_pass(struct match *m, struct err *err)
{
	return idsort_next(m->pass->sort, &m->from_pass, &m->has_pass, err);
}

/* An entry that the ledger does not know was written by a run that died. */
static bool is_stale(const struct match *m)
{
	return (m->from_old.number & ~IDS_GONE) >= m->pass->options->next_prompt;
}

/* An old id that this pass has not met. Where all lines were read, it is gone. */
static enum err_code keep_old(struct match *m, struct err *err)
{
	struct id_record r = m->from_old;
	enum err_code code = ERR_NONE;

	if (m->pass->options->reindex)
		r.number |= IDS_GONE;
	if (!is_stale(m))
		code = ids_add(m->new, &r, err);
	return code == ERR_NONE ? advance_old(m, err) : code;
}

/* All lines of this pass with one id. `owner` is the number of the id; if
 * `owned` the first line is not its owner, but a duplicate like the rest. */
static enum err_code take_group(
	struct match *m, uint64_t owner, bool owned, struct err *err)
{
	struct index_pass *p = m->pass;
	struct id_record first = m->from_pass, r = {first.hash, owner};
	uint64_t reference = owned ? owner : first.number;
	enum err_code code = ids_add(m->new, &r, err);

	/* (number, 0) sorts as the number does. */
	if (code == ERR_NONE && m->fates && owner != first.number)
		code = idsort_add(
			m->fates, (struct hash128){.high = first.number}, owner, err);
	if (code == ERR_NONE && !owned)
		code = advance_pass(m, err);
	while (code == ERR_NONE && m->has_pass &&
		id_hash_compare(m->from_pass.hash, first.hash) == 0) {
		uint64_t number = m->from_pass.number;

		/* Known lines are here only when the file is made anew; what
		 * was said of them holds. */
		if (number < p->options->next_prompt)
			code = ERR_NONE;
		else if (m->fates)
			code = idsort_add(m->fates,
				(struct hash128){.high = number, .low = reference},
				IS_DUPLICATE, err);
		else
			code = tell_duplicate(p, number, reference, true, err);
		if (code == ERR_NONE)
			code = advance_pass(m, err);
	}
	return code;
}

static enum err_code take_next(struct match *m, struct err *err)
{
	int order = !m->has_pass ? -1
		    : !m->has_old
			    ? 1
			    : id_hash_compare(m->from_old.hash, m->from_pass.hash);
	uint64_t old = m->from_old.number;
	bool known = order == 0 && !is_stale(m);
	enum err_code code = ERR_NONE;

	if (order < 0)
		return keep_old(m, err);
	if (order == 0)
		code = advance_old(m, err);
	if (code != ERR_NONE)
		return code;
	if (known && m->fates)
		return take_group(m, old & ~IDS_GONE, false, err);
	/* An id that came back without a reindex is a new prompt: its number is
	 * where its line is. */
	if (known && !(old & IDS_GONE))
		return take_group(m, old, true, err);
	return take_group(m, m->from_pass.number, false, err);
}

static enum err_code merge(struct match *m, struct err *err)
{
	enum err_code code = advance_old(m, err);

	if (code == ERR_NONE)
		code = advance_pass(m, err);
	while (code == ERR_NONE && (m->has_old || m->has_pass))
		code = take_next(m, err);
	return code;
}

/* Gives a held shard its numbers. `fate` is the next that the sort has. */
static enum err_code settle_shard(struct match *m, struct index_shard *shard,
	struct id_record *fate, bool *has_fate, struct err *err)
{
	uint64_t numbers[SHARD_PROMPTS];
	enum err_code code = ERR_NONE;

	for (uint32_t i = 0; i < shard->n_lines && code == ERR_NONE; i++) {
		numbers[i] = shard->first_prompt + i;
		if (!*has_fate || fate->hash.high != numbers[i])
			continue;
		if (fate->number == IS_DUPLICATE) {
			shard->present &= ~((uint64_t)1 << i);
			code = tell_duplicate(
				m->pass, numbers[i], fate->hash.low, false, err);
		} else {
			numbers[i] = fate->number;
			shard->numbers = numbers;
		}
		if (code == ERR_NONE)
			code = idsort_next(m->fates, fate, has_fate, err);
	}
	if (code != ERR_NONE)
		return code;
	return m->pass->events->shard(m->pass->events->to, shard, err);
}

/* Back in the order of the lines: reports the shards that were held. */
static enum err_code settle(struct match *m, struct err *err)
{
	struct index_pass *p = m->pass;
	struct index_shard shard;
	struct id_record fate;
	bool has_fate;
	enum err_code code = idsort_finish(m->fates, err);

	if (code == ERR_NONE)
		code = idsort_next(m->fates, &fate, &has_fate, err);
	if (fflush(p->held) != 0 || fseeko(p->held, 0, SEEK_SET) != 0)
		return err_sys(err, "cannot read a temporary file in '%s'",
			p->options->temp_dir);
	for (uint64_t i = 0; i < p->n_held && code == ERR_NONE; i++) {
		if (fread(&shard, sizeof(shard), 1, p->held) != 1)
			return err_sys(err, "cannot read a temporary file in '%s'",
				p->options->temp_dir);
		code = settle_shard(m, &shard, &fate, &has_fate, err);
	}
	assert(code != ERR_NONE || !has_fate);
	return code;
}

enum err_code index_match(struct index_pass *p, struct err *err)
{
	const struct index_options *o = p->options;
	struct match m = {.pass = p};
	enum err_code code = idsort_finish(p->sort, err);

	/* Nothing new: the old file stays, unread. */
	p->totals->ids = o->ids_old;
	if (code != ERR_NONE || (p->n_sorted == 0 && p->has_old_ids && !o->reindex))
		return code;
	if (p->has_old_ids)
		code = ids_open(o->ids_old, &m.old, err);
	if (code == ERR_NONE)
		code = ids_create(o->ids_new, &m.new, err);
	if (o->reindex)
		m.fates = idsort_new(
			o->temp_dir, o->sort_memory ? o->sort_memory : IDSORT_MEMORY);
	if (code == ERR_NONE)
		code = merge(&m, err);
	ids_close(m.old);
	if (code == ERR_NONE && m.fates)
		code = settle(&m, err);
	if (code == ERR_NONE) {
		code = ids_commit(m.new, err);
		p->totals->ids = o->ids_new;
	} else {
		ids_abandon(m.new);
	}
	idsort_free(m.fates);
	return code;
}
