/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_keys.h - the keys of an OpenAI-shaped answer, and what they hold
 *
 * One table per object that is known. To read one more member: a line there.
 */
#ifndef RETORT_WORKER_OPENAI_KEYS_H
#define RETORT_WORKER_OPENAI_KEYS_H

#include <stdint.h>

#include "common/buf.h"

/* The objects and lists that are known, by where they stand. */
enum openai_place {
	PLACE_NONE, /* before the root */
	PLACE_ROOT,
	PLACE_ERROR,
	PLACE_USAGE,
	PLACE_PROMPT_DETAILS,
	PLACE_COMPLETION_DETAILS,
	PLACE_CHOICES,
	PLACE_CHOICE,
	PLACE_MESSAGE,
	PLACE_LOGPROBS,
	PLACE_ROWS,
	PLACE_N
};

/* The place around one; PLACE_NONE around the root. */
enum openai_place openai_parent(enum openai_place place);

/* What a known key's value is; `at` says where it goes. */
enum openai_value {
	VALUE_TEXT,     /* a struct answer_text of the answer */
	VALUE_RAW,      /* likewise, as JSON */
	VALUE_OUR_TEXT, /* a struct answer_text of the reader */
	VALUE_OUR_RAW,
	VALUE_IDS,    /* a struct answer_ids of the answer */
	VALUE_COUNT,  /* a uint32_t of the answer */
	VALUE_SHORT,  /* a small text of an answer_error */
	VALUE_OBJECT, /* `at` is its place */
	VALUE_LIST,
	VALUE_ERROR, /* an object or a text */
	VALUE_INDEX, /* of the choice */
	VALUE_KIND   /* the root's "object" */
};

struct openai_key {
	const char *name;
	unsigned char len, value;
	unsigned short at;
};

/* NULL if the place has no such key; else *bit is one of its own there. */
const struct openai_key *openai_find_key(
	enum openai_place place, struct bytes name, uint32_t *bit);

#endif
