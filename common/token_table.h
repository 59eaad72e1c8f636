/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_table.h - a tokenizer's ids and the bytes they stand for, both ways
 *
 * From an id to its bytes there is one answer or none. From bytes to an id
 * there may be several: then none of them is the answer (TOKEN_SHARED). But a
 * weak id, which its tokenizer never writes where another has the same bytes,
 * gives way to it.
 *
 * Filled with token_table_put, then indexed once; finding by bytes is for an
 * indexed table. Ids that a tokenizer leaves out are holes.
 *
 * Ownership: the table copies bytes; what it gives is lent until the next put.
 * Pure. Threads: read-only once it is indexed.
 */
#ifndef RETORT_COMMON_TOKEN_TABLE_H
#define RETORT_COMMON_TOKEN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct token_slot {
	uint32_t at; /* of its bytes in the pool; UINT32_MAX: a hole */
	uint16_t len;
	uint16_t ordinal; /* 0: its bytes mean this id; else they do not: it is the
			   * n-th of those that give way, or share them */
	bool weak;        /* the caller's to set, before indexing */
	bool shared;      /* its bytes mean no id, since several have them */
};

/* Zeroed memory is an empty table. */
struct token_table {
	struct token_slot *at; /* [size] */
	uint32_t size;         /* the highest id there is, + 1 */
	uint32_t n;            /* ids that are there */
	uint32_t n_shared;     /* once indexed: ids whose bytes mean no id */
	uint32_t n_weak;       /* likewise: weak ids that give way */
	size_t cap;
	unsigned char *pool;
	size_t pool_len, pool_cap;
	uint32_t *slot; /* the first id with some bytes + 1; 0: free */
	size_t n_slots; /* a power of two */
};

void token_table_release(struct token_table *t);

/* Sets an id's bytes, at most 65534 of them; replaces what it had, weakness too.
 * The id is below LIMIT_VOCABULARY. */
void token_table_put(struct token_table *t, uint32_t id, struct bytes token);
void token_table_index(struct token_table *t);

/* False for a hole, or an id beyond the table. */
static inline bool token_table_get(
	const struct token_table *t, uint32_t id, struct bytes *token)
{
	if (id >= t->size || t->at[id].at == UINT32_MAX)
		return false;
	*token = bytes_of(t->pool + t->at[id].at, t->at[id].len);
	return true;
}

enum token_found { TOKEN_NONE, TOKEN_ONE, TOKEN_SHARED };

/* The id that these bytes mean. If they mean none since several have them, the
 * first of those: the smallest that is not weak, or the smallest. */
enum token_found token_table_find(
	const struct token_table *t, struct bytes token, uint32_t *id);

/* The next id, after `id`, that shares its bytes with `first`, which comes
 * before it: for telling which collide. UINT32_MAX begins; false at the end. */
bool token_table_next_shared(
	const struct token_table *t, uint32_t *id, uint32_t *first);

#endif
