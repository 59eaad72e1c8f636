/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dictionary.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <zdict.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/pack.h"

#define DICTIONARY_BYTES KIB(64)
#define TEXTS_MAX 20000
/* zstd's advice is a hundred times the dictionary; a third of that serves
 * answers that look alike, and bounds the memory. */
#define ENOUGH_BYTES MIB(2)
#define TEXT_BYTES_MAX KIB(64)

struct trainer {
	struct buf texts;
	size_t sizes[TEXTS_MAX];
	unsigned n;
	bool started, taken;
	atomic_bool done;
	pthread_t thread;
	unsigned char *dictionary;
	size_t len; /* 0: the training failed */
};

struct trainer *trainer_new(void)
{
	struct trainer *t = mem_zalloc(1, sizeof(*t));

	buf_init(&t->texts, ENOUGH_BYTES + TEXT_BYTES_MAX);
	return t;
}

void trainer_free(struct trainer *t)
{
	if (!t)
		return;
	if (t->started)
		pthread_join(t->thread, NULL);
	buf_release(&t->texts);
	free(t->dictionary);
	free(t);
}

static void *train(void *arg)
{
	struct trainer *t = arg;
	size_t len = ZDICT_trainFromBuffer(
		t->dictionary, DICTIONARY_BYTES, t->texts.data, t->sizes, t->n);

	t->len = ZDICT_isError(len) ? 0 : len;
	atomic_store(&t->done, true);
	return NULL;
}

bool trainer_wants(const struct trainer *t)
{
	return !t->started && !t->taken;
}

void trainer_add(struct trainer *t, struct bytes text)
{
	size_t len = text.len < TEXT_BYTES_MAX ? text.len : TEXT_BYTES_MAX;

	if (!trainer_wants(t) || len == 0)
		return;
	buf_add(&t->texts, text.data, len);
	t->sizes[t->n++] = len;
	if (t->n < TEXTS_MAX && t->texts.len < ENOUGH_BYTES)
		return;
	t->dictionary = mem_alloc(DICTIONARY_BYTES);
	t->started = pthread_create(&t->thread, NULL, train, t) == 0;
	t->taken = !t->started;
}

bool trainer_take(struct trainer *t, struct bytes *dictionary)
{
	if (!t->started || t->taken || !atomic_load(&t->done))
		return false;
	t->taken = true;
	buf_release(&t->texts);
	if (t->len == 0) {
		log_info(
			"store", "no dictionary could be trained from these texts", "");
		return false;
	}
	*dictionary = bytes_of(t->dictionary, t->len);
	return true;
}
