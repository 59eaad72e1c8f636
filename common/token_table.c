/* SPDX-License-Identifier: Apache-2.0 */
#include "common/token_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/mem.h"

static const struct token_slot hole = {.at = UINT32_MAX};

void token_table_release(struct token_table *t)
{
	free(t->at);
	free(t->pool);
	free(t->slot);
	*t = (struct token_table){0};
}

void token_table_put(struct token_table *t, uint32_t id, struct bytes token)
{
	assert(id < LIMIT_VOCABULARY && token.len < UINT16_MAX);
	assert(t->pool_len + token.len < UINT32_MAX);
	MEM_GROW(t->at, t->cap, (size_t)id + 1);
	while (t->size <= id)
		t->at[t->size++] = hole;
	MEM_GROW(t->pool, t->pool_cap, t->pool_len + token.len + 1);
	if (token.len)
		memcpy(t->pool + t->pool_len, token.data, token.len);
	t->n += t->at[id].at == UINT32_MAX;
	t->at[id] = (struct token_slot){
		.at = (uint32_t)t->pool_len, .len = (uint16_t)token.len};
	t->pool_len += token.len;
}

static struct bytes bytes_at(const struct token_table *t, uint32_t id)
{
	return bytes_of(t->pool + t->at[id].at, t->at[id].len);
}

/* The slot that holds these bytes, or the free one where they would go. */
static size_t slot_of(const struct token_table *t, struct bytes token)
{
	size_t mask = t->n_slots - 1, i = hash64(token.data, token.len) & mask;

	for (; t->slot[i]; i = (i + 1) & mask) {
		struct bytes other = bytes_at(t, t->slot[i] - 1);

		if (other.len == token.len &&
			(token.len == 0 ||
				memcmp(other.data, token.data, token.len) == 0))
			break;
	}
	return i;
}

static void make_slots(struct token_table *t)
{
	t->n_slots = 1024;
	while (t->n_slots < 2 * (size_t)t->n)
		t->n_slots *= 2;
	free(t->slot);
	t->slot = mem_zalloc(t->n_slots, sizeof(*t->slot));
}

/* Into each slot the first id with its bytes, and whether it is alone. */
static void choose_first(struct token_table *t, uint32_t id)
{
	struct token_slot *own = &t->at[id], *first;
	size_t i = slot_of(t, bytes_at(t, id));

	own->shared = false;
	if (!t->slot[i]) {
		t->slot[i] = id + 1;
		return;
	}
	first = &t->at[t->slot[i] - 1];
	if (first->weak && !own->weak)
		t->slot[i] = id + 1;
	else if (first->weak == own->weak)
		first->shared = true;
}

void token_table_index(struct token_table *t)
{
	uint16_t *after;

	make_slots(t);
	for (uint32_t id = 0; id < t->size; id++)
		if (t->at[id].at != UINT32_MAX)
			choose_first(t, id);
	/* Those behind the first of each slot. */
	after = mem_zalloc(t->n_slots, sizeof(*after));
	t->n_shared = t->n_weak = 0;
	for (uint32_t id = 0; id < t->size; id++) {
		struct token_slot *own = &t->at[id];
		uint32_t first;
		size_t i;

		if (own->at == UINT32_MAX)
			continue;
		i = slot_of(t, bytes_at(t, id));
		first = t->slot[i] - 1;
		own->ordinal = 0;
		if (first == id && !own->shared)
			continue;
		if (after[i] < UINT16_MAX)
			after[i]++;
		own->ordinal = after[i];
		own->shared = t->at[first].shared;
		t->n_shared += own->shared;
		t->n_weak += !own->shared;
	}
	free(after);
}

enum token_found token_table_find(
	const struct token_table *t, struct bytes token, uint32_t *id)
{
	uint32_t found;

	if (t->n_slots == 0)
		return TOKEN_NONE;
	found = t->slot[slot_of(t, token)];
	if (!found)
		return TOKEN_NONE;
	*id = found - 1;
	return t->at[*id].shared ? TOKEN_SHARED : TOKEN_ONE;
}

bool token_table_next_shared(const struct token_table *t, uint32_t *id, uint32_t *first)
{
	for (uint32_t i = *id == UINT32_MAX ? 0 : *id + 1; i < t->size; i++) {
		if (t->at[i].at == UINT32_MAX || !t->at[i].shared)
			continue;
		token_table_find(t, bytes_at(t, i), first);
		if (*first == i)
			continue;
		*id = i;
		return true;
	}
	return false;
}
