/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer_input.h - a JSON file's events, with the places of what is wrong
 *
 * Feeds the scanner (jscan.h) from a source as it asks for more, so that its
 * caller can read one event after the other; counts lines and hashes bytes as
 * they pass. Private to tokenizer.c.
 *
 * After an error, which `err` keeps (the first one), every call fails.
 */
#ifndef RETORT_COMMON_TOKENIZER_INPUT_H
#define RETORT_COMMON_TOKENIZER_INPUT_H

#include "common/hash.h"
#include "common/jscan.h"
#include "common/tokenizer.h"

struct input {
	const struct tokenizer_source *source;
	const char *name;
	struct jscan scan;
	XXH3_state_t *hash;
	struct err err;

	struct bytes chunk;
	uint64_t before;  /* bytes in earlier chunks */
	uint64_t lines;   /* line feeds in them */
	uint64_t line_at; /* behind the last one */
};

void input_begin(
	struct input *in, const struct tokenizer_source *source, const char *name);
void input_end(struct input *in);

/* The next event; JSCAN_ERROR with `err` set. Never JSCAN_MORE. */
enum jscan_event input_next(struct input *in);
/* The next member's key; false at the object's end, or with *ok cleared. */
bool input_next_key(struct input *in, bool *ok);
bool input_key_is(const struct input *in, const char *name);
/* After a key: passes over its value. */
bool input_skip(struct input *in);
/* Passes over the value whose first event is `e`. */
bool input_skip_rest(struct input *in, enum jscan_event e);

/* Says what is wrong at the scanner's place; `place` is the value's path, or "".
 * Returns false. */
bool input_complain(struct input *in, const char *place, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
