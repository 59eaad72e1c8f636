/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet_levels.h - Parquet's levels as runs
 *
 * Levels say, value by value, where a list begins and what is absent. They are
 * stored in the hybrid of runs and packed bits that the Apache Parquet format's
 * page "Encodings" calls RLE: a varint head, then either one value for head / 2
 * positions, or head / 2 groups of eight values, lowest bits first. Groups are
 * filled up with zeros at the end only.
 *
 * Pure.
 */
#ifndef RETORT_STORE_PARQUET_LEVELS_H
#define RETORT_STORE_PARQUET_LEVELS_H

#include "common/buf.h"

/* Appends n levels of `width` bits each, 1 to 8. */
void parquet_levels_encode(
	const unsigned char *level, size_t n, int width, struct buf *out);

#endif
