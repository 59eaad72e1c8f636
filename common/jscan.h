/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jscan.h - a JSON document read in pieces, as they arrive
 *
 * jscan_feed gives the scanner the next bytes; jscan_next returns one event
 * after the other until it says JSCAN_MORE. No tree is built and nothing is
 * allocated per value: what a value means stays with the caller, who keeps
 * its own place in the document. Memory is bounded by the largest single
 * piece that must be contiguous (a key, a number, a held row) and by the caps
 * of the caller's buffers, never by the document.
 *
 * Strict: RFC 8259, valid UTF-8, a depth cap; after the root value only
 * white space. A document that ends early is an error, never a value.
 *
 * Ownership: fed bytes are lent until jscan_next has said JSCAN_MORE. `text`
 * is lent until the next call. Threads: none.
 */
#ifndef RETORT_COMMON_JSCAN_H
#define RETORT_COMMON_JSCAN_H

#include "common/jtext.h"

#define JSCAN_DEPTH_MAX 256
#define JSCAN_TEXT_MAX 4096

enum jscan_event {
	JSCAN_MORE,  /* feed more, or end */
	JSCAN_DONE,  /* after jscan_end: the document was whole */
	JSCAN_ERROR, /* `error` says why; sticky */
	JSCAN_OBJECT,
	JSCAN_OBJECT_END,
	JSCAN_ARRAY,
	JSCAN_ARRAY_END,
	JSCAN_KEY,    /* text */
	JSCAN_STRING, /* text, or all of it in the caller's sink */
	JSCAN_NUMBER, /* number */
	JSCAN_TRUE,
	JSCAN_FALSE,
	JSCAN_NULL,
	JSCAN_SKIPPED, /* a skipped or captured value has ended */
	JSCAN_AGAIN    /* of jscan_hold only: more bytes are there already */
};

/* What kind of error JSCAN_ERROR is. */
enum jscan_fault {
	JSCAN_NOT_JSON, /* bad syntax or bad UTF-8, or nested too deep */
	JSCAN_TOO_LONG, /* a piece is over its cap */
	JSCAN_CUT       /* all was well up to where the document ended */
};

struct jscan {
	/* What the last event carries. */
	struct bytes text; /* KEY; STRING without sink, cut at JSCAN_TEXT_MAX */
	bool text_cut;
	struct jnumber number; /* NUMBER */
	const char *error;     /* ERROR: a constant text */
	enum jscan_fault fault;
	int depth; /* open objects and arrays */

	/* Set after JSCAN_KEY (or JSCAN_ARRAY, or a value in one): a string that
	 * comes next goes there. Not to be touched after JSCAN_MORE; but what is in
	 * the buffer by then may be taken out of it. */
	struct buf *sink;

	/* Set after jscan_init, kept by jscan_reset: a number beyond int64 or
	 * double is no error then, but comes with is_integer false and the
	 * nearest value, which may be an infinity. */
	bool any_size;

	/* Set and cleared by the caller as it goes, where a measured value may
	 * stand: NaN, Infinity and -Infinity are then JSCAN_NULL, though they are
	 * no JSON. */
	bool takes_nan;

	/* The rest is the scanner's own. */
	const unsigned char *p, *end, *start; /* the window */
	uint64_t consumed;                    /* bytes before `start` */
	struct buf carry;                     /* held back between feeds */
	size_t held;                          /* of the carry, before this feed */
	const unsigned char *rest;            /* fed, but not in the window yet */
	size_t rest_len;
	struct buf scratch;
	struct buf *capture;
	const unsigned char *captured_to;
	int max_depth;
	int skip_depth; /* -1: not skipping */
	unsigned char want;
	bool in_string, string_is_key, ended, failed, begun_string, capture_found;
	uint64_t is_object[JSCAN_DEPTH_MAX / 64];
};

/* max_depth is at most JSCAN_DEPTH_MAX; hold_max bounds what must be
 * contiguous. */
void jscan_init(struct jscan *s, int max_depth, size_t hold_max);
void jscan_release(struct jscan *s);
/* For the next document; keeps memory and caps. */
void jscan_reset(struct jscan *s);

/* Only when jscan_next has said JSCAN_MORE, or at the start. */
void jscan_feed(struct jscan *s, const void *bytes, size_t len);
/* No more bytes will come; call jscan_next until DONE or ERROR. */
void jscan_end(struct jscan *s);

enum jscan_event jscan_next(struct jscan *s);

/* After JSCAN_KEY: its value is checked and thrown away, and reported as one
 * JSCAN_SKIPPED. A number in it may be of any size. */
void jscan_skip(struct jscan *s);
/* After JSCAN_OBJECT or JSCAN_ARRAY: the rest of it, likewise. */
void jscan_skip_rest(struct jscan *s);
/* After JSCAN_KEY: as jscan_skip, but the value's bytes, as they stand, are
 * appended to `out`; past its cap the scanner fails. */
void jscan_capture(struct jscan *s, struct buf *out);

/*
 * The fast lane for rows: after JSCAN_OBJECT or JSCAN_ARRAY the caller may
 * read the rest of that object or array itself, from the contiguous bytes
 * [s->p, s->end). If it found the end, jscan_close says where. If not, it may
 * set s->p to where it has got to, and calls jscan_hold: the bytes from there
 * on, and more, will be there then. jscan_hold returns JSCAN_AGAIN if they are
 * there now, JSCAN_MORE if they come with the next feed, and JSCAN_ERROR when
 * no more can come.
 */
void jscan_close(struct jscan *s, const unsigned char *behind);
enum jscan_event jscan_hold(struct jscan *s);

/* Bytes of the document before the point reached. */
uint64_t jscan_offset(const struct jscan *s);

#endif
