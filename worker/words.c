/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/words.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

_Static_assert(sizeof(struct word) == 64, "a word has one line of the cache");

struct words *words_new(unsigned bits)
{
	struct words *w = mem_zalloc(1, sizeof(*w));

	w->shift = 64 - bits;
	w->at = mem_table(((size_t)1 << bits) * sizeof(struct word));
	return w;
}

void words_free(struct words *w)
{
	if (!w)
		return;
	free(w->at);
	free(w);
}

struct word *words_add(struct words *w, uint64_t first, uint64_t second)
{
	struct word *known = words_find(w, first, second);

	if (known || w->n == UINT32_C(1) << (63 - w->shift))
		return known;
	for (unsigned i = 0; i < WORDS_PROBES; i++) {
		struct word *place = words_place(w, first, second, i);

		if (place->number != WORD_NONE)
			continue;
		place->text[0] = first;
		place->text[1] = second;
		place->number = ++w->n;
		return place;
	}
	return NULL;
}

void words_learn_list(struct word *word, const unsigned char *list, size_t len)
{
	if (word->list_len > 0 || len > WORD_LIST_MAX)
		return;
	memcpy(word->list, list, len);
	word->list_len = (unsigned char)len;
}
