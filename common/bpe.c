/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"

void bpe_init(struct bpe *b)
{
	b->unk = BPE_NONE;
	for (int i = 0; i < 256; i++)
		b->byte_piece[i] = BPE_NONE;
}

void bpe_release(struct bpe *b)
{
	token_map_release(&b->piece);
	free(b->merge);
	free(b->symbol);
	free(b->heap);
	*b = (struct bpe){0};
}

/* -- Merges -- */

static struct bpe_merge *slot_of(const struct bpe *b, uint32_t left, uint32_t right)
{
	uint64_t pair = (uint64_t)left << 32 | right;
	size_t at = hash64(&pair, sizeof(pair)) & (b->n_slots - 1);

	while (b->merge[at].left != BPE_NONE &&
		(b->merge[at].left != left || b->merge[at].right != right))
		at = (at + 1) & (b->n_slots - 1);
	return &b->merge[at];
}

static void grow(struct bpe *b)
{
	struct bpe_merge *old = b->merge;
	size_t n = b->n_slots;

	b->n_slots = n ? 2 * n : 1024;
	b->merge = mem_alloc(b->n_slots * sizeof(*b->merge));
	for (size_t i = 0; i < b->n_slots; i++)
		b->merge[i].left = BPE_NONE;
	for (size_t i = 0; i < n; i++)
		if (old[i].left != BPE_NONE)
			*slot_of(b, old[i].left, old[i].right) = old[i];
	free(old);
}

void bpe_add_merge(
	struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id)
{
	struct bpe_merge *m;

	if (2 * (b->n_merges + 1) > b->n_slots)
		grow(b);
	m = slot_of(b, left, right);
	b->n_merges += m->left == BPE_NONE;
	*m = (struct bpe_merge){left, right, rank, id};
}

static const struct bpe_merge *find_merge(
	const struct bpe *b, uint32_t left, uint32_t right)
{
	const struct bpe_merge *m = b->n_slots ? slot_of(b, left, right) : NULL;

	return m && m->left != BPE_NONE ? m : NULL;
}

/* -- The heap: the lowest rank, then the leftmost -- */

static bool is_before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct bpe *b, struct bpe_candidate c)
{
	size_t at = b->n_heap++;

	MEM_GROW(b->heap, b->cap_heap, b->n_heap);
	while (at > 0 && is_before(&c, &b->heap[(at - 1) / 2])) {
		b->heap[at] = b->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	b->heap[at] = c;
}

static struct bpe_candidate pop(struct bpe *b)
{
	struct bpe_candidate top = b->heap[0], last = b->heap[--b->n_heap];
	size_t at = 0;

	for (size_t child; (child = 2 * at + 1) < b->n_heap; at = child) {
		if (child + 1 < b->n_heap &&
			is_before(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!is_before(&b->heap[child], &last))
			break;
		b->heap[at] = b->heap[child];
	}
	b->heap[at] = last;
	return top;
}

/* -- A word -- */

static void add_symbol(struct bpe *b, uint32_t id)
{
	MEM_GROW(b->symbol, b->cap_symbols, b->n_symbols + 1);
	b->symbol[b->n_symbols++] = (struct bpe_symbol){.id = id};
}

static bool find_piece(const struct bpe *b, struct bytes piece, uint32_t *id)
{
	return piece.len <= LIMIT_TOKEN_BYTES &&
	       token_map_find(&b->piece, 0, piece, id);
}

static bool add_bytes(struct bpe *b, struct bytes character)
{
	for (size_t i = 0; i < character.len; i++)
		if (b->byte_piece[character.data[i]] == BPE_NONE)
			return false;
	for (size_t i = 0; i < character.len; i++)
		add_symbol(b, b->byte_piece[character.data[i]]);
	return true;
}

/* The unknown token waits for its neighbours, with which it may be one, and so bytes
 * come before it, as in the library. */
static void make_symbols(struct bpe *b, struct bytes word)
{
	bool waiting = false;

	b->n_symbols = 0;
	for (size_t i = 0, len; i < word.len; i += len) {
		struct bytes one;
		uint32_t id;

		len = b->by_bytes ? 1 : utf8_sequence(word.data + i, word.len - i);
		len += len == 0;
		one = bytes_of(word.data + i, len);
		if (find_piece(b, one, &id)) {
			if (waiting)
				add_symbol(b, b->unk);
			waiting = false;
			add_symbol(b, id);
		} else if (!(b->byte_fallback && add_bytes(b, one)) &&
			   b->unk != BPE_NONE) {
			if (waiting && !b->fuse_unk)
				add_symbol(b, b->unk);
			waiting = true;
		}
	}
	if (waiting)
		add_symbol(b, b->unk);
}

/* The merge of the symbol at `at` with the one behind it, if there is one. */
static void consider(struct bpe *b, uint32_t at)
{
	const struct bpe_symbol *s = &b->symbol[at];
	const struct bpe_merge *m;

	if (s->next == BPE_NONE)
		return;
	m = find_merge(b, s->id, b->symbol[s->next].id);
	if (m)
		push(b, (struct bpe_candidate){m->rank, at, m->id});
}

/* A candidate may be of a pair that is no more. */
static bool still_holds(const struct bpe *b, const struct bpe_candidate *c)
{
	const struct bpe_symbol *s = &b->symbol[c->at];
	const struct bpe_merge *m;

	if (s->gone || s->next == BPE_NONE)
		return false;
	m = find_merge(b, s->id, b->symbol[s->next].id);
	return m && m->id == c->id;
}

static void join(struct bpe *b, uint32_t at, uint32_t id)
{
	struct bpe_symbol *s = &b->symbol[at], *right = &b->symbol[s->next];

	right->gone = true;
	s->id = id;
	s->next = right->next;
	if (s->next != BPE_NONE)
		b->symbol[s->next].prev = at;
	if (s->prev != BPE_NONE)
		consider(b, s->prev);
	consider(b, at);
}

static void merge_all(struct bpe *b)
{
	uint32_t n = (uint32_t)b->n_symbols;

	b->n_heap = 0;
	for (uint32_t i = 0; i < n; i++) {
		b->symbol[i].prev = i ? i - 1 : BPE_NONE;
		b->symbol[i].next = i + 1 < n ? i + 1 : BPE_NONE;
	}
	for (uint32_t i = 0; i < n; i++)
		consider(b, i);
	while (b->n_heap > 0) {
		struct bpe_candidate c = pop(b);

		if (still_holds(b, &c))
			join(b, c.at, c.id);
	}
}

void bpe_encode(struct bpe *b, struct bytes word, struct buf *ids)
{
	uint32_t id;

	if (b->ignore_merges && find_piece(b, word, &id)) {
		buf_add_u32(ids, id);
		return;
	}
	make_symbols(b, word);
	merge_all(b);
	for (size_t i = 0; i < b->n_symbols; i++)
		if (!b->symbol[i].gone)
			buf_add_u32(ids, b->symbol[i].id);
}
