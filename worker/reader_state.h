/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_state.h - the reader's state, between walking and judging
 *
 * reader.c walks the documents, reader_values.c takes what it meets, and
 * reader_judge.c says at the end what that means. Shapes with hooks include
 * this; nobody else does.
 */
#ifndef RETORT_WORKER_READER_STATE_H
#define RETORT_WORKER_READER_STATE_H

#include "common/jscan.h"
#include "worker/frames.h"
#include "worker/loop_watch.h"
#include "worker/openai_ids.h"
#include "worker/openai_row.h"
#include "worker/packed_rows.h"
#include "worker/raw_rows.h"
#include "worker/reader.h"

/* Which lane reads the bytes at hand. */
enum reader_lane { LANE_NONE, LANE_ROW, LANE_IDS };

#define READER_NAME_MAX 64
#define READER_MARK "[DONE]"
#define READER_MARK_LEN 6

/* One of several answers, when it has been read. */
struct reader_choice {
	int64_t index; /* -1: not told, or no number */
	const char *why_shape;
	bool has_message;
	struct openai_tokens tokens; /* what was wrong with its rows */
};

struct reader {
	const struct shape *shape;
	struct answer_rules rules;
	struct answer *answer;        /* the one at hand */
	struct answer *first;         /* what is told once stands here */
	struct answer *last;          /* of the choice before */
	struct reader_choice *choice; /* [rules.n_choices], if there are several */
	size_t cap_choices;
	int64_t index;              /* of the choice at hand */
	const char *root_why_shape; /* what was wrong before it */
	struct jscan scan;
	size_t body_len;
	enum reason failed; /* the text itself is bad: nothing more is read */

	unsigned place, depth;
	unsigned char around[PLACES_DEEP]; /* the places that we are in */
	const struct shape_key *key;       /* of the value that comes next; NULL */
	char name[READER_NAME_MAX];        /* of a key that no table names */
	uint32_t seen[PLACES_MAX];         /* keys of the object at hand, as bits */
	size_t text_before;                /* of a VALUE_TEXT before this document */
	enum reader_lane lane;
	struct openai_lane rows;
	struct openai_ids ids;
	size_t hold_until; /* bytes at hand before a lane is tried again */

	/* The stream. */
	enum framing framing;
	bool framing_known;
	struct frames frames;
	bool in_event;         /* bytes of a document have been fed */
	unsigned mark_len;     /* of READER_MARK, held back */
	bool over;             /* the semantic end has come */
	bool has_finished;     /* a document before gave the finish reason, */
	size_t size_at_finish; /* and this was the size of texts and rows */
	struct loop_watch loop;
	bool cut_early;

	/* What was seen, for the judge. */
	unsigned n_choices, choices_here; /* in any document; in this one */
	const char *why_shape, *why_choices, *why_usage; /* first complaints */
	bool has_choices, has_message;
	bool is_flat_error;                 /* {"object": "error", ...} */
	struct answer_error flat;           /* error members at the root */
	struct answer_text detail;          /* FastAPI's errors, JSON */
	struct answer_text other_reasoning; /* the field `reasoning` */
	struct answer_text matched_stop;    /* SGLang's name of stop_reason */
	struct answer_text function_call;   /* the older form of tool_calls */

	/* For shapes: a part that is judged when all of it is there. */
	struct answer_text part, part_kind, part_raw, part_id, part_name, item_kind;
	bool part_flag;
	struct openai_entry entry;
	struct answer_ids list_starts; /* where lists of candidates begin */
	uint32_t extra_tokens;
	struct raw_lists lists;
	struct packed_rows packed;
	struct buf piece; /* of a VALUE_PIECES text */
};

/* A document is read in slices of so many bytes if its shape takes pieces, so that
 * what is held of one is no more, however it arrives. */
#define READER_SLICE KIB(16)

/* The text itself is bad. */
void reader_fail(struct reader *r, enum reason reason, const char *why);
/* A complaint about the shape; the first one counts. */
void reader_wrong_shape(struct reader *r, const char *why);
/* A value of a type that the key must not have; skipped if it is nested. */
void reader_wrong_value(struct reader *r, enum jscan_event event);
void reader_wrong_count(struct reader *r, enum jscan_event event);
/* Leaves out an object or list that has just begun; nothing for others. */
void reader_skip_value(struct reader *r, enum jscan_event event);

/* What has come of a VALUE_PIECES text goes to its hook. */
void reader_hand_over(struct reader *r, bool whole);
/* After JSCAN_KEY. */
void reader_on_key(struct reader *r);
/* The event of the value of r->key. */
void reader_on_member(struct reader *r, enum jscan_event event);
/* That of a value that has no key: the root, or an entry of a list. */
void reader_on_entry(struct reader *r, enum jscan_event event);
/* An object or list ends. */
void reader_leave(struct reader *r);
void reader_enter(struct reader *r, unsigned place);

/* Cut at a whole character. */
void reader_set_text(char *to, size_t size, struct bytes text);
bool text_is(const struct answer_text *t, const char *word);
bool bytes_are(struct bytes text, const char *word);
/* Empties a text of the reader's own, or all of them that belong to a choice. */
void reader_text_reset(struct answer_text *t);
void reader_reset_own(struct reader *r);

/* All documents were JSON: completes the answer and gives the verdict. */
enum reason reader_judge(struct reader *r);

#endif
