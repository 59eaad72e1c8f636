/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phrases.c - the sentences with their words looked up, once
 */
#include "deploy/teacher/phrases.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static void compile(const struct vocabulary *v, const char *text, struct phrase *out)
{
	size_t cap = 0;
	struct piece piece;

	while (sentence_next(&text, &piece)) {
		struct element *e;

		MEM_GROW(out->element, cap, out->n + 1);
		e = &out->element[out->n++];
		*e = (struct element){.kind = piece.kind,
			.number = piece.number,
			.spaced = piece.spaced,
			.n = (uint8_t)piece.n};
		for (unsigned i = 0; i < piece.n; i++) {
			const struct word *w = &piece.word[i];
			int id = w->id >= 0 ? w->id
					    : teacher_vocabulary_find(
						      v, bytes_of(w->bytes, w->len));

			assert(id >= 0);
			e->id[i] = (uint16_t)id;
		}
	}
}

struct phrases *phrases_new(const struct vocabulary *v)
{
	struct phrases *p = mem_zalloc(1, sizeof(*p));

	for (size_t i = 0; i < n_sentences; i++) {
		enum sentence_group g = sentences[i].group;

		assert(p->n_of[g] < PHRASES_MAX);
		compile(v, sentences[i].text, &p->of[g][p->n_of[g]++]);
	}
	return p;
}

void phrases_free(struct phrases *p)
{
	if (!p)
		return;
	for (unsigned g = 0; g < SAY_N; g++)
		for (unsigned i = 0; i < p->n_of[g]; i++)
			free(p->of[g][i].element);
	free(p);
}
