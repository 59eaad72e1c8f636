/* SPDX-License-Identifier: Apache-2.0 */
#include "common/token_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"

void token_map_release(struct token_map *m)
{
	free(m->entry);
	free(m->pool);
	free(m->slot);
	*m = (struct token_map){0};
}

static uint64_t hash_of(uint16_t ordinal, struct bytes token)
{
	return hash64_seeded(token.data, token.len, ordinal);
}

/* The slot that holds the key, or the free one where it would go. */
static size_t slot_of(
	const struct token_map *m, uint64_t hash, uint16_t ordinal, struct bytes token)
{
	size_t mask = m->n_slots - 1;
	size_t i = hash & mask;

	for (; m->slot[i]; i = (i + 1) & mask) {
		const struct token_entry *e;

		if (m->slot[i] >> 32 != hash >> 32)
			continue;
		e = &m->entry[(uint32_t)m->slot[i] - 1];
		if (e->len == token.len && e->ordinal == ordinal &&
			(token.len == 0 ||
				memcmp(m->pool + e->at, token.data, token.len) == 0))
			break;
	}
	return i;
}

static void grow_slots(struct token_map *m)
{
	m->n_slots = m->n_slots ? 2 * m->n_slots : 1024;
	free(m->slot);
	m->slot = mem_zalloc(m->n_slots, sizeof(*m->slot));
	for (size_t i = 0; i < m->n; i++) {
		const struct token_entry *e = &m->entry[i];
		struct bytes token = bytes_of(m->pool + e->at, e->len);
		uint64_t hash = hash_of(e->ordinal, token);

		m->slot[slot_of(m, hash, e->ordinal, token)] =
			hash >> 32 << 32 | ((uint32_t)i + 1);
	}
}

bool token_map_find(
	const struct token_map *m, uint16_t ordinal, struct bytes token, uint32_t *id)
{
	uint32_t found;

	if (m->n == 0)
		return false;
	found = (uint32_t)m->slot[slot_of(m, hash_of(ordinal, token), ordinal, token)];
	if (found)
		*id = m->entry[found - 1].id;
	return found != 0;
}

void token_map_add(
	struct token_map *m, uint16_t ordinal, struct bytes token, uint32_t id)
{
	uint64_t hash = hash_of(ordinal, token);

	if (2 * (m->n + 1) > m->n_slots)
		grow_slots(m);
	MEM_GROW(m->entry, m->cap, m->n + 1);
	MEM_GROW(m->pool, m->pool_cap, m->pool_len + token.len);
	if (token.len)
		memcpy(m->pool + m->pool_len, token.data, token.len);
	m->slot[slot_of(m, hash, ordinal, token)] =
		hash >> 32 << 32 | ((uint32_t)m->n + 1);
	m->entry[m->n++] = (struct token_entry){
		(uint32_t)m->pool_len, (uint16_t)token.len, ordinal, id};
	m->pool_len += token.len;
}
