/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jmember.h - one member of a JSON text, found without a tree
 *
 * The corpus's extra columns are kept as the JSON text that they came as, and
 * a filter wants one of them. Names are compared by what they mean; of a name
 * that stands twice the last one counts, as JSON readers have it.
 *
 * Pure. What is found is lent from the text.
 */
#ifndef RETORT_STORE_JMEMBER_H
#define RETORT_STORE_JMEMBER_H

#include <stdbool.h>

#include "common/buf.h"

/* False if `json` is no object, is malformed, or has no such member. */
bool jmember_find(struct bytes json, struct bytes name, struct bytes *value);

/* Walks an array: *at is NULL at first. False at its end, or if `json` is no
 * array. */
bool jmember_next(struct bytes json, const unsigned char **at, struct bytes *value);

/* True if `json` is exactly one array, object, text, boolean or null. (Of a
 * number alone nothing tells where it ends.) */
bool jmember_is_whole(struct bytes json);

#endif
