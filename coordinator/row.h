/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row.h - the columns of one corpus line, found in one pass
 *
 * A row is a list of (name, value) spans into the line, plus a slot for each
 * name that somebody cares about: those with a meaning of their own (below)
 * and those that the job's template names. Column names are compared by what
 * they mean, so "a" and "\u0061" are one column, and twice is a fault.
 *
 * Which column is the prompt is not decided here: see shape.h.
 *
 * Memory: reused from line to line; a line allocates only when it has more
 * columns than any before it. Ownership: spans are lent from the line.
 */
#ifndef RETORT_COORDINATOR_ROW_H
#define RETORT_COORDINATOR_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/jscan.h"
#include "common/limits.h"
#include "coordinator/reject.h"
#include "coordinator/turns.h"

#define ROW_COLUMNS_MAX 4096
#define ROW_NAME_MAX 4096
#define ROW_TEMPLATE_COLUMNS 64
#define ROW_REQUEST_MEMBERS 64 /* what a line may ask for by itself */

enum row_slot {
	ROW_CUSTOM_ID,
	ROW_ID,
	ROW_UUID,
	ROW_MESSAGES,
	ROW_PROMPT,
	ROW_CONVERSATIONS,
	ROW_INSTRUCTION,
	ROW_INPUT,
	ROW_PROBLEM,
	ROW_QUESTION,
	ROW_QUERY,
	ROW_INPUTS,
	ROW_SYSTEM,
	ROW_REFERENCE,
	ROW_ANSWER,
	ROW_SOLUTION,
	ROW_OUTPUT,
	ROW_RESPONSE,
	ROW_TARGETS,
	ROW_COMPLETION,
	ROW_TOOLS,
	ROW_TOOL_CHOICE,
	ROW_RESPONSE_FORMAT,
	ROW_SAMPLING,
	ROW_INPUT_IDS,
	ROW_PROMPT_TOKEN_IDS,
	ROW_PROMPT_LEN,
	ROW_BODY,
	ROW_METHOD,
	ROW_URL,
	ROW_TEXT,
	ROW_KNOWN /* those of a template come from here on */
};
#define ROW_SLOTS (ROW_KNOWN + ROW_TEMPLATE_COLUMNS)
#define ROW_NO_SLOT (-1)

/* The names that have a slot. Filled once a job. */
struct row_names {
	const char *name[ROW_SLOTS]; /* lent */
	uint32_t len[ROW_SLOTS];
	int n;
	bool wants_turns; /* lists of messages are to be read */
	struct {
		uint64_t hash;
		int16_t slot;
		bool taken;
	} table[256];
};

void row_names_init(struct row_names *names);
/* The slot of `name`, made if it is new; ROW_NO_SLOT when there is no room. The
 * name must outlive the table. */
int row_names_add(struct row_names *names, const char *name, size_t len);

enum row_type {
	ROW_IS_ABSENT,
	ROW_IS_NULL,
	ROW_IS_STRING,
	ROW_IS_NUMBER,
	ROW_IS_BOOL,
	ROW_IS_ARRAY,
	ROW_IS_OBJECT
};

struct row_column {
	struct bytes name;  /* as it stands between its quotes */
	struct bytes value; /* as it stands; a string with its quotes */
	enum row_type type;
	int slot;
};

struct row {
	struct row_column *column;
	size_t n_columns;
	int at[ROW_SLOTS]; /* index into column, or -1 */
	struct turns messages, prompt, conversations, body_messages;
	struct buf id;      /* see shape.h */
	struct buf request; /* see request.h */

	/* The rest is the row's own. */
	struct jscan scan;
	struct buf scratch;
	uint64_t requested[ROW_REQUEST_MEMBERS], body_names[ROW_REQUEST_MEMBERS];
	unsigned n_requested;
	size_t cap_columns;
	struct row_seen *seen;
	size_t n_seen;
	uint32_t generation;
};

void row_init(struct row *row);
void row_release(struct row *row);

/* Reads a line, which must stay where it is as long as the row is looked at.
 * Any result but REJECT_NONE leaves the row unusable. */
enum reject_reason row_read(
	struct row *row, const struct row_names *names, const void *line, size_t len);

/* The column of a slot, or one of type ROW_IS_ABSENT. */
extern const struct row_column row_absent;
static inline const struct row_column *row_get(const struct row *row, int slot)
{
	return slot < 0 || row->at[slot] < 0 ? &row_absent
					     : &row->column[row->at[slot]];
}

/* True for absent, null, "", [] and {}: what tools write for "nothing". */
bool row_holds_nothing(const struct row_column *column);
static inline bool row_is_empty(const struct row_column *column)
{
	return column->type <= ROW_IS_NULL || row_holds_nothing(column);
}

#endif
