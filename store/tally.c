/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tally.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/seal.h"

void tally_release(struct tally *t)
{
	free(t->at);
	free(t->totals);
	*t = (struct tally){0};
}

enum err_code tally_touch(struct tally *t, struct dataset *d, uint64_t shard,
	struct shard_state **out, struct err *err)
{
	unsigned char key[8];
	struct tally_entry *entry;
	struct bytes v;
	enum err_code code;

	/* Few shards are leased at a time, and the last one is asked for most. */
	for (size_t i = t->n; i-- > 0;) {
		if (t->at[i].shard == shard) {
			*out = &t->at[i].state;
			return ERR_NONE;
		}
	}
	MEM_GROW(t->at, t->cap, t->n + 1);
	entry = &t->at[t->n];
	*entry = (struct tally_entry){.shard = shard};
	put_u64_be(key, shard);
	code = seal_get(d->txn, DB_SHARD, key, sizeof(key), &v, err);
	if (code == ERR_NONE)
		code = shard_state_decode(v, &entry->state, err);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	t->n++;
	*out = &entry->state;
	return ERR_NONE;
}

void tally_add_answer(struct shard_state *s, const struct record *r)
{
	s->prompt_tokens += count_or_zero(r->prompt_tokens) + r->wasted_prompt_tokens;
	s->cached_prompt_tokens += count_or_zero(r->cached_prompt_tokens);
	s->completion_tokens +=
		count_or_zero(r->completion_tokens) + r->wasted_completion_tokens;
	s->reasoning_tokens += count_or_zero(r->reasoning_tokens);
	s->cost_nusd += r->cost_nusd + r->wasted_nusd;
}

enum err_code tally_write(struct tally *t, struct dataset *d, struct err *err)
{
	for (size_t i = 0; i < t->n; i++) {
		struct tally_entry *entry = &t->at[i];
		unsigned char key[8], value[SHARD_STATE_MAX];
		enum err_code code;

		entry->state.commit = d->state.commit + 1;
		put_u64_be(key, entry->shard);
		code = seal_put(d->txn, DB_SHARD, key, sizeof(key), value,
			shard_state_encode(&entry->state, value), ENV_PUT, err);
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

static void totals_of(const struct tally_entry *entry, struct wire_shard_totals *out)
{
	const struct shard_state *s = &entry->state;

	*out = (struct wire_shard_totals){
		.shard = entry->shard,
		.accepted = s->accepted,
		.duplicates = s->duplicates,
		.truncated = s->truncated,
		.fenced = s->fenced,
		.prompt_tokens = s->prompt_tokens,
		.cached_prompt_tokens = s->cached_prompt_tokens,
		.completion_tokens = s->completion_tokens,
		.reasoning_tokens = s->reasoning_tokens,
		.cost_nusd = s->cost_nusd,
		.n_lines = SHARD_PROMPTS,
	};
	memcpy(out->committed, s->committed, sizeof(out->committed));
	while (out->n_lines > 0 && out->committed[out->n_lines - 1] == 0)
		out->n_lines--;
}

void tally_take(struct tally *t, struct wire_totals *out)
{
	MEM_GROW(t->totals, t->cap_totals, t->n);
	for (size_t i = 0; i < t->n; i++)
		totals_of(&t->at[i], &t->totals[i]);
	out->n_shards = (uint32_t)t->n;
	out->shard = t->totals;
	t->n = 0;
}

void tally_forget(struct tally *t)
{
	t->n = 0;
}

enum err_code tally_load_since(
	struct tally *t, struct dataset *d, uint64_t since, struct err *err)
{
	struct env_cursor *c;
	struct bytes key, value, v;
	enum err_code code = env_cursor_open(d->txn, DB_SHARD, &c, err);

	if (code != ERR_NONE)
		return code;
	code = env_first(c, &key, &value, err);
	while (code == ERR_NONE) {
		struct tally_entry entry;

		code = seal_open(key.data, key.len, value, &v, err);
		if (code == ERR_NONE)
			code = shard_state_decode(v, &entry.state, err);
		if (code != ERR_NONE)
			break;
		if (entry.state.commit > since && key.len == 8) {
			entry.shard = get_u64_be(key.data);
			MEM_GROW(t->at, t->cap, t->n + 1);
			t->at[t->n++] = entry;
		}
		code = env_next(c, &key, &value, err);
	}
	env_cursor_close(c);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}
