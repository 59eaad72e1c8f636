/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/mem.h"
#include "store/seal.h"

#define VOCABULARIES_MAX 64

struct token {
	uint32_t at; /* of its bytes in the pool */
	uint16_t len, ordinal;
};

/* Tokens by id, and a table of ids by hash. */
struct vocab {
	uint32_t number;
	struct token *token;
	size_t n, cap;
	unsigned char *pool;
	size_t pool_len, pool_cap;
	uint32_t *slot; /* id + 1; 0: free */
	size_t n_slots; /* a power of two, at least twice n */
};

struct vocabulary {
	struct vocab of[VOCABULARIES_MAX];
	size_t n;
};

struct vocabulary *vocabulary_new(void)
{
	return mem_zalloc(1, sizeof(struct vocabulary));
}

void vocabulary_forget(struct vocabulary *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->of[i].token);
		free(v->of[i].pool);
		free(v->of[i].slot);
	}
	*v = (struct vocabulary){0};
}

void vocabulary_free(struct vocabulary *v)
{
	if (!v)
		return;
	vocabulary_forget(v);
	free(v);
}

static size_t slot_of(const struct vocab *vocab, uint16_t ordinal, struct bytes token)
{
	size_t i = hash64_seeded(token.data, token.len, ordinal) & (vocab->n_slots - 1);

	for (; vocab->slot[i]; i = (i + 1) & (vocab->n_slots - 1)) {
		const struct token *t = &vocab->token[vocab->slot[i] - 1];

		if (t->len == token.len && t->ordinal == ordinal &&
			memcmp(vocab->pool + t->at, token.data, token.len) == 0)
			break;
	}
	return i;
}

static void grow_slots(struct vocab *vocab)
{
	size_t n_slots = vocab->n_slots ? 2 * vocab->n_slots : 1024;

	free(vocab->slot);
	vocab->slot = mem_zalloc(n_slots, sizeof(*vocab->slot));
	vocab->n_slots = n_slots;
	for (size_t id = 0; id < vocab->n; id++) {
		const struct token *t = &vocab->token[id];
		size_t i = slot_of(vocab, t->ordinal, bytes_of(vocab->pool + t->at, t->len));

		vocab->slot[i] = (uint32_t)id + 1;
	}
}

static void add(struct vocab *vocab, uint16_t ordinal, struct bytes token)
{
	if (2 * (vocab->n + 1) > vocab->n_slots)
		grow_slots(vocab);
	MEM_GROW(vocab->token, vocab->cap, vocab->n + 1);
	MEM_GROW(vocab->pool, vocab->pool_cap, vocab->pool_len + token.len);
	if (token.len)
		memcpy(vocab->pool + vocab->pool_len, token.data, token.len);
	vocab->slot[slot_of(vocab, ordinal, token)] = (uint32_t)vocab->n + 1;
	vocab->token[vocab->n++] = (struct token){
		(uint32_t)vocab->pool_len, (uint16_t)token.len, ordinal};
	vocab->pool_len += token.len;
}

static enum err_code load(struct vocab *vocab, struct dataset *d, struct err *err)
{
	for (uint32_t id = 0;; id++) {
		struct bytes token;
		uint16_t ordinal;
		enum err_code code =
			dataset_token(d, vocab->number, id, &ordinal, &token, err);

		if (code == ERR_NOT_FOUND)
			return ERR_NONE; /* ids have no gaps */
		if (code != ERR_NONE)
			return code;
		add(vocab, ordinal, token);
	}
}

static enum err_code find(struct vocabulary *v, struct dataset *d, uint32_t number,
	struct vocab **out, struct err *err)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->of[i].number == number) {
			*out = &v->of[i];
			return ERR_NONE;
		}
	}
	if (v->n == VOCABULARIES_MAX)
		return err_set(err, ERR_INVALID, "more than %d vocabularies",
			VOCABULARIES_MAX);
	*out = &v->of[v->n++];
	**out = (struct vocab){.number = number};
	grow_slots(*out);
	return load(*out, d, err);
}

enum err_code vocabulary_intern(struct vocabulary *v, struct dataset *d,
	uint32_t number, uint16_t ordinal, struct bytes token, uint32_t *id,
	struct err *err)
{
	struct vocab *vocab = NULL;
	enum err_code code = find(v, d, number, &vocab, err);
	uint32_t slot;

	if (code != ERR_NONE)
		return code;
	slot = vocab->slot[slot_of(vocab, ordinal, token)];
	if (slot) {
		*id = slot - 1;
		return ERR_NONE;
	}
	*id = (uint32_t)vocab->n;
	code = dataset_add_token(d, number, *id, ordinal, token, err);
	if (code == ERR_NONE)
		add(vocab, ordinal, token);
	return code;
}
