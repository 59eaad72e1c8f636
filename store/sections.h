/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sections.h - the texts of a sample or a prompt, by kind (FORMAT.md, "text"
 * and "prompt")
 *
 * A server's reasoning and content are nearly always spans of the stream of
 * its tokens, so they are stored as such: two numbers instead of the text
 * once more.
 *
 * Ownership: decoded texts are lent from the payload.
 */
#ifndef RETORT_STORE_SECTIONS_H
#define RETORT_STORE_SECTIONS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

enum text_kind {
	TEXT_STREAM = 1,
	TEXT_REASONING,
	TEXT_CONTENT,
	TEXT_TOOL_CALLS,
	TEXT_REFUSAL,
	TEXT_FINISH_REASON,
	TEXT_STOP_REASON,
	TEXT_MODEL,
	TEXT_FINGERPRINT,
	TEXT_REQUEST_ID,
	TEXT_ENDPOINT,
	TEXT_WORKER,
	TEXT_SCORED, /* JSON: what became of each scoring (FORMAT.md) */
	TEXT_N
};

enum prompt_part {
	PROMPT_ID = 1,
	PROMPT_MESSAGES,
	PROMPT_REFERENCE,
	PROMPT_EXTRA,
	PROMPT_REQUEST, /* common/overrides.h */
	PROMPT_N
};

/* Indexed by kind; `data` NULL means absent, not empty. */
#define SECTIONS_MAX 16
struct sections {
	struct bytes at[SECTIONS_MAX];
};

static inline bool sections_has(const struct sections *s, int kind)
{
	return s->at[kind].data != NULL;
}

/* Sets a section that may be empty but is there. */
static inline void sections_set(struct sections *s, int kind, struct bytes text)
{
	s->at[kind] = text.data ? text : bytes_of("", 0);
}

/* Appends the sections. If section 1 is there, others that are found in it are
 * written as spans when `spans` is true. */
void sections_encode(const struct sections *s, bool spans, struct buf *out);

enum err_code sections_decode(struct bytes payload, struct sections *s, struct err *err)
	MUST_CHECK;

/* LEB128, for this and other formats. False if the bytes end or pass 2^63. */
void varint_add(struct buf *out, uint64_t v);
bool varint_take(struct bytes *from, uint64_t *v);

#endif
