/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quirks.h - the ways in which a body may be wrong on purpose
 *
 * The writers of answers honour these where the point in question is written;
 * the zero value is an honest answer. Which fault sets which is the table in
 * faults.c.
 */
#ifndef RETORT_DEPLOY_TEACHER_QUIRKS_H
#define RETORT_DEPLOY_TEACHER_QUIRKS_H

#include <stdbool.h>

#include "common/buf.h"

enum quirk_choices {
	CHOICES_HONEST,
	CHOICES_NULL,
	CHOICES_EMPTY,
	CHOICES_MORE,       /* one more than asked for */
	CHOICES_FEWER,      /* one fewer */
	CHOICES_SAME_INDEX, /* every index is 0, and there are two at least */
	CHOICES_REVERSED    /* in descending order; a single one has index 7 */
};

enum quirk_content {
	CONTENT_HONEST,
	CONTENT_NULL,
	CONTENT_EMPTY, /* and no tokens used */
	CONTENT_TWICE  /* the key stands there twice, with different texts */
};

enum quirk_rows {
	ROWS_HONEST,
	ROWS_NULL,
	ROWS_FEWER,     /* half of the entries asked for */
	ROWS_MORE,      /* three more */
	ROWS_MISSING,   /* every fifth row is left out */
	ROWS_EXTRA,     /* the last row twice */
	ROWS_UNSORTED,  /* entries from the last to the first */
	ROWS_DUPLICATE, /* the second entry is the first again */
	ROWS_ODD,       /* some numbers are `odd_number` */
	ROWS_SHIFTED,   /* the list of every row is that of the next one */
	ROWS_UNSAMPLED, /* lists without the sampled token */
	ROWS_DROPPED,   /* lists without the second best, the gap closed */
	ROWS_MERGED,    /* of entries that show the same text the first */
	ROWS_DRAFTED    /* every third row has logprob 0 and no list */
};

enum quirk_tokens {
	TOKENS_HONEST,
	TOKENS_BROKEN,     /* every text is U+FFFD, with its bytes */
	TOKENS_NO_BYTES,   /* bytes are null */
	TOKENS_OTHER_BYTES /* bytes are those of another token */
};

enum quirk_usage {
	USAGE_HONEST,
	USAGE_MISSING,
	USAGE_NEGATIVE,
	USAGE_TEXT,
	USAGE_HUGE
};

enum quirk_extra {
	EXTRA_NONE,
	EXTRA_NESTING, /* 10^5 arrays in one another */
	EXTRA_OBJECTS, /* 10^6 empty objects */
	EXTRA_INTEGER  /* of 400 digits */
};

struct quirks {
	enum quirk_choices choices;
	enum quirk_content content;
	enum quirk_rows rows;
	const char *odd_number; /* JSON, or what is put in its place */
	double warmth;          /* logprobs after this temperature; 0: as they are */
	enum quirk_tokens tokens;
	enum quirk_usage usage;
	enum quirk_extra extra;
	const char *finish;  /* JSON in the place of the finish reason */
	struct bytes inject; /* as it is, inside the content's quotes */
	bool error_body;     /* an error object in the place of the answer */
	bool byte_order_mark;
	bool other_model;
	bool other_id;
	bool other_answer; /* to another prompt */
	bool echoes_key;   /* the Authorization header is in the content */
};

#endif
