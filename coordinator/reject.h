/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reject.h - why a corpus line is not a prompt
 *
 * The names go into the ledger's `reject` table and into scripts, so they are
 * kept; the hints are for people and say what to change.
 */
#ifndef RETORT_COORDINATOR_REJECT_H
#define RETORT_COORDINATOR_REJECT_H

/* In order of precedence: a line with several faults gets the first. */
enum reject_reason {
	REJECT_NONE = 0,
	REJECT_TOO_LONG,
	REJECT_BAD_UTF8,
	REJECT_BAD_JSON,
	REJECT_NESTED_TOO_DEEP,
	REJECT_NOT_OBJECT,
	REJECT_BAD_COLUMNS,
	REJECT_DUPLICATE_KEY,
	REJECT_BAD_ID,
	REJECT_UNSUPPORTED_SHAPE,
	REJECT_MISSING_COLUMN,
	REJECT_BAD_MESSAGES,
	REJECT_NO_PROMPT,
	REJECT_NOT_RAW,
	REJECT_BAD_IDS,
	REJECT_BAD_PROMPT_LEN,
	REJECT_NOTHING_TO_SCORE,
	REJECT_BAD_SAMPLING,
	REJECT_OWN_N,
	REJECT_BAD_REQUEST,
	REJECT_OTHER_MODEL,
	REJECT_MORE_LOGPROBS,
	REJECT_DUPLICATE_ID,
	REJECT_N
};

/* The one that counts of two. */
static inline enum reject_reason reject_first(
	enum reject_reason a, enum reject_reason b)
{
	return a != REJECT_NONE && (b == REJECT_NONE || a < b) ? a : b;
}

/* "bad_json", ...; "none" for REJECT_NONE. */
const char *reject_name(enum reject_reason reason);
/* One sentence, a constant: what is wrong and what to change. */
const char *reject_hint(enum reject_reason reason);

#endif
