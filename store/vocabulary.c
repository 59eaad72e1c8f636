/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vocabulary.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/token_map.h"

#define VOCABULARIES_MAX 64

/* Ids have no gaps, so that the next one is the number of entries. */
struct vocabulary {
	size_t n;
	uint32_t number[VOCABULARIES_MAX];
	struct token_map map[VOCABULARIES_MAX];
};

struct vocabulary *vocabulary_new(void)
{
	return mem_zalloc(1, sizeof(struct vocabulary));
}

void vocabulary_forget(struct vocabulary *v)
{
	for (size_t i = 0; i < v->n; i++)
		token_map_release(&v->map[i]);
	v->n = 0;
}

void vocabulary_free(struct vocabulary *v)
{
	if (!v)
		return;
	vocabulary_forget(v);
	free(v);
}

static enum err_code load(
	struct token_map *map, struct dataset *d, uint32_t number, struct err *err)
{
	for (uint32_t id = 0;; id++) {
		struct bytes token;
		uint16_t ordinal;
		enum err_code code =
			dataset_token(d, number, id, &ordinal, &token, err);

		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		if (code != ERR_NONE)
			return code;
		token_map_add(map, ordinal, token, id);
	}
}

static enum err_code find(struct vocabulary *v, struct dataset *d, uint32_t number,
	struct token_map **out, struct err *err)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->number[i] == number) {
			*out = &v->map[i];
			return ERR_NONE;
		}
	}
	if (v->n == VOCABULARIES_MAX)
		return err_set(err, ERR_INVALID, "more than %d vocabularies",
			VOCABULARIES_MAX);
	v->number[v->n] = number;
	*out = &v->map[v->n++];
	return load(*out, d, number, err);
}

enum err_code vocabulary_intern(struct vocabulary *v, struct dataset *d,
	uint32_t number, uint16_t ordinal, struct bytes token, uint32_t *id,
	struct err *err)
{
	struct token_map *map = NULL;
	enum err_code code = find(v, d, number, &map, err);

	if (code != ERR_NONE || token_map_find(map, ordinal, token, id))
		return code;
	*id = (uint32_t)map->n;
	code = dataset_add_token(d, number, *id, ordinal, token, err);
	if (code == ERR_NONE)
		token_map_add(map, ordinal, token, *id);
	return code;
}
