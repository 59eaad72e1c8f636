/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_tree.h - a compiled expression, inside filter_*.c only
 *
 * Nodes and operands lie in two arrays and name each other by index. `and` and
 * `or` hold any number of children in a list, so that a long chain is no deeper
 * than a short one.
 */
#ifndef RETORT_STORE_FILTER_TREE_H
#define RETORT_STORE_FILTER_TREE_H

#include "store/filter.h"

#define FILTER_NO_NODE UINT32_MAX
#define FILTER_PATH_MAX 16

enum filter_op {
	FILTER_ALL,
	FILTER_ANY,
	FILTER_NOT,
	/* Tests: of one operand ... */
	FILTER_TRUTH,
	FILTER_NULL,
	FILTER_EMPTY,
	/* ... of two ... */
	FILTER_EQ,
	FILTER_NE,
	FILTER_LT,
	FILTER_LE,
	FILTER_GT,
	FILTER_GE,
	FILTER_CONTAINS,
	FILTER_STARTS,
	FILTER_ENDS,
	/* ... and of one and a list. */
	FILTER_IN
};

struct filter_operand {
	const struct field *field; /* NULL: a constant */
	enum field_type type;
	struct value constant;
	/* Behind `extra`. */
	struct bytes path[FILTER_PATH_MAX];
	size_t n_path;
	/* As written; for messages while it is compiled. */
	const char *from;
	size_t len;
};

struct filter_node {
	enum filter_op op;
	bool negated;         /* of a test whose operands are there */
	uint32_t first, next; /* child and sibling nodes, or FILTER_NO_NODE */
	uint32_t left, right; /* operands; right is the first of n_right */
	uint32_t n_right;
};

struct filter {
	struct filter_node *nodes;
	size_t n_nodes, cap_nodes;
	struct filter_operand *operands;
	size_t n_operands, cap_operands;
	uint32_t root;
	unsigned needs;
	char *texts; /* what constants and paths lend from */
	struct buf left_room, right_room;
};

/* The bit of a flag's name; 0 if there is none. */
uint32_t filter_flag_bit(struct bytes name);

#endif
