/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dictionary.h - trains the dataset's zstd dictionary from its first texts
 *
 * Training takes a second or so of one core, so it runs in a thread of its
 * own that works on a copy; the store's loop asks now and then whether it is
 * done. Small datasets never reach the number of texts that it needs.
 *
 * Threads: the calls below come from one thread.
 */
#ifndef RETORT_STORE_DICTIONARY_H
#define RETORT_STORE_DICTIONARY_H

#include <stdbool.h>

#include "common/buf.h"

struct trainer;

struct trainer *trainer_new(void);
/* Waits for a training that is under way. */
void trainer_free(struct trainer *t);

/* Whether it wants more texts. */
bool trainer_wants(const struct trainer *t);
/* One unpacked text; starts the training when there are enough. */
void trainer_add(struct trainer *t, struct bytes text);
/* True once, when a dictionary is ready; lent until trainer_free. */
bool trainer_take(struct trainer *t, struct bytes *dictionary);

#endif
