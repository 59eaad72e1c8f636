/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_fields.h - one walk over a message's fields, for both directions
 *
 * With `out` set the walk writes the fields, else it reads them from `in`. A
 * field over its cap or past the end sets `bad`, after which reads give zeros
 * and writes write nothing that anyone will send.
 */
#ifndef RETORT_COMMON_WIRE_FIELDS_H
#define RETORT_COMMON_WIRE_FIELDS_H

#include "common/wire.h"

struct wire_block {
	struct wire_block *next;
	_Alignas(16) unsigned char bytes[];
};

struct fields {
	struct buf *out; /* writing */
	struct bytes in; /* reading: what is left */
	struct wire_block *blocks;
	bool bad;
};

/* Walks w's fields by w->type; false for an unknown type. */
bool wire_fields(struct fields *f, struct wire *w);

#endif
