/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jline.h - one sample as the JSON object of the jsonl export
 *
 * The keys and their order are the table of fields.h. JSON that is stored as
 * text (messages, tool calls, extra columns) goes in as it stands, once it has
 * been checked to be one JSON value.
 *
 * Ownership: lends the sample; owns its scratch until jline_release.
 */
#ifndef RETORT_STORE_JLINE_H
#define RETORT_STORE_JLINE_H

#include "store/fields.h"

/* Called between pieces, so that a line need not fit into memory at once. */
typedef enum err_code (*jline_relieve)(void *to, struct err *err);

struct jline {
	bool with_logits;
	struct capture_choice choice; /* whose; set it behind jline_init */
	jline_relieve relieve;        /* may be NULL */
	void *to;

	/* The rest is its own. */
	struct buf room;
	struct logits logits;
	bool has_logits;
	int capture;
};

void jline_init(struct jline *j, bool with_logits, jline_relieve relieve, void *to);
void jline_release(struct jline *j);

/* Appends the object, without a line break. ERR_CORRUPT if the sample cannot be
 * read or holds JSON that is none. */
enum err_code jline_write(
	struct jline *j, struct sample *s, struct buf *out, struct err *err) MUST_CHECK;

#endif
