/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragments.h - the JSON around a log-probability, ready made for every id
 *
 *   {"token":" so","logprob":   -0.25   ,"bytes":[32,115,111]}
 *   ^ front ................            ^ back ...............
 *
 * Answers with many candidates are tens of megabytes of such entries, and
 * only the number between the two fragments differs from one to the next.
 * An id's fragments are written when they are first wanted.
 *
 * Ownership: the table owns the bytes; a fragment is lent until the next call.
 */
#ifndef RETORT_DEPLOY_TEACHER_FRAGMENTS_H
#define RETORT_DEPLOY_TEACHER_FRAGMENTS_H

#include "deploy/teacher/dialect.h"
#include "deploy/teacher/vocabulary.h"

enum fragment_bytes {
	FRAGMENT_TRUE,      /* the token's */
	FRAGMENT_OF_TEXT,   /* those of the text beside them */
	FRAGMENT_SOME_NULL, /* null for halves and for every seventh id */
	FRAGMENT_ALL_NULL,
	FRAGMENT_OF_OTHER /* those of another token */
};

struct fragment_style {
	bool as_ids;    /* "token_id:N" for the text */
	bool with_id;   /* "id":N, and the number last */
	bool cuts_text; /* half a character has an empty text */
	bool broken;    /* every text is U+FFFD */
	enum fragment_bytes bytes;
};

struct fragments;

struct fragments *fragments_new(
	const struct vocabulary *v, const struct fragment_style *style);
void fragments_free(struct fragments *f);
bool fragments_have(const struct fragments *f, const struct fragment_style *style);

/* The back includes the closing brace, its last byte. */
void fragments_of(
	struct fragments *f, unsigned id, struct bytes *front, struct bytes *back);

/* The text that stands for a token. */
void fragments_text(const struct vocabulary *v, const struct fragment_style *style,
	unsigned id, struct buf *out);

#endif
