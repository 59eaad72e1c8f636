/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logits_thin.h - which candidates of a row are kept
 */
#ifndef RETORT_STORE_LOGITS_THIN_H
#define RETORT_STORE_LOGITS_THIN_H

#include "store/logits.h"

/* How many of a row's n candidates stay under keep_k and keep_mass: at least one
 * of a row that has any. If fewer than n, *tail becomes 1 - sum of p over them. */
uint32_t logits_thin_row(
	const struct logits *l, const float *logprobs, uint32_t n, float *tail);

#endif
