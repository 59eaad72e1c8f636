/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_check.h - whether a test's types fit, inside filter_*.c only
 */
#ifndef RETORT_STORE_FILTER_CHECK_H
#define RETORT_STORE_FILTER_CHECK_H

#include "store/filter_tree.h"

struct filter_complaint {
	const struct filter_operand *at;
	char what[ERR_MSG_MAX];
};

/* Judges a test's node; false with the complaint. */
bool filter_check(const struct filter *f, const struct filter_node *n,
	struct filter_complaint *complaint);

#endif
