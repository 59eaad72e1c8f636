/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h - where the documents of a streamed body begin and end
 *
 * Server-sent events (WHATWG HTML, "Server-sent events"): lines end with LF,
 * CR or CRLF; "data:" lines carry the document, several are joined by LF; an
 * empty line ends the event; ":" begins a comment; other fields are left out.
 * A byte order mark at the start is skipped. Or one document a line (NDJSON).
 *
 * Bytes may be cut anywhere. Nothing is copied: data are views into what was
 * given. Pure.
 */
#ifndef RETORT_WORKER_FRAMES_H
#define RETORT_WORKER_FRAMES_H

#include <stdbool.h>

#include "common/buf.h"

enum frames_event {
	FRAMES_MORE, /* all has been used up */
	FRAMES_DATA, /* a piece of the document at hand */
	FRAMES_END   /* the document has ended; it had at least one byte */
};

struct frames {
	bool lines;            /* NDJSON */
	unsigned char state;   /* enum frames_state */
	unsigned char matched; /* bytes of the field's name, or of the mark */
	bool has_data;         /* the document has bytes */
	bool line_had;         /* this event had a data line before */
	bool skip_lf;          /* the last line ended with CR */
};

void frames_init(struct frames *f, bool lines);

/* *p moves on towards `end`; `data` is set by FRAMES_DATA. */
enum frames_event frames_next(struct frames *f, const unsigned char **p,
	const unsigned char *end, struct bytes *data);

#endif
