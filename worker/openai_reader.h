/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_reader.h - the reader's state, between walking and judging
 *
 * openai_answer.c walks the document, openai_values.c takes what it meets, and
 * openai_judge.c says at the end what that means. Nobody else includes this.
 */
#ifndef RETORT_WORKER_OPENAI_READER_H
#define RETORT_WORKER_OPENAI_READER_H

#include "common/jscan.h"
#include "worker/answer.h"
#include "worker/openai_ids.h"
#include "worker/openai_keys.h"
#include "worker/openai_row.h"

/* Which lane reads the bytes at hand. */
enum openai_lanes { LANE_NONE, LANE_ROW, LANE_IDS };

struct openai_reader {
	struct answer_reader head;
	struct jscan scan;
	size_t body_len;
	enum reason failed; /* the text itself is bad: nothing more is read */

	enum openai_place place;
	const struct openai_key *key; /* of the value that comes next; NULL */
	uint32_t seen[PLACE_N];       /* keys of the object at hand, as bits */
	enum openai_lanes lane;
	struct openai_lane rows;
	struct openai_ids ids;
	size_t hold_until; /* bytes at hand before a lane is tried again */

	/* What was seen, for the judge. */
	unsigned n_choices;
	const char *why_shape, *why_choices, *why_usage; /* first complaints */
	bool has_choices, has_message;
	bool is_flat_error;                 /* {"object": "error", ...} */
	struct answer_error flat;           /* error members at the root */
	struct answer_text detail;          /* FastAPI's errors, JSON */
	struct answer_text other_reasoning; /* the field `reasoning` */
	struct answer_text matched_stop;    /* SGLang's name of stop_reason */
	struct answer_text function_call;   /* the older form of tool_calls */
};

/* The text itself is bad. */
void openai_fail(struct openai_reader *reader, enum reason reason, const char *why);

/* After JSCAN_KEY. */
void openai_on_key(struct openai_reader *reader);
/* The event of the value of reader->key. */
void openai_on_member(struct openai_reader *reader, enum jscan_event event);
/* That of a value that has no key: the root, or an entry of a list. */
void openai_on_entry(struct openai_reader *reader, enum jscan_event event);

/* Cut at a whole character. */
void openai_set_text(char *to, size_t size, struct bytes text);

/* For a document that was JSON: completes the answer and gives the verdict. */
enum reason openai_judge(struct openai_reader *reader);

#endif
