/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64.h - base64 (RFC 4648, section 4) read in pieces
 *
 * Strict: no white space, padded to whole groups of four, the bits that padding
 * leaves over are 0, and nothing follows padding. What is decoded does not depend on
 * how the text was cut.
 *
 * Pure; zeroed memory is the beginning.
 */
#ifndef RETORT_WORKER_BASE64_H
#define RETORT_WORKER_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct base64 {
	uint32_t bits;    /* of the group at hand */
	unsigned n, pads; /* its characters, '=' included */
	bool ended, bad;
};

/* What `text` of so many bytes makes at most. */
#define BASE64_ROOM(len) (((len) / 4 + 1) * 3)

/* Decodes into `out`, which has that room; how many bytes. Behind the first
 * character that is wrong nothing comes. */
size_t base64_take(struct base64 *b, struct bytes text, unsigned char *out);
/* True if all that came is whole. */
bool base64_whole(const struct base64 *b);

#endif
