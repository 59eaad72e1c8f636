/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns.h - lists of messages in a corpus line
 *
 * Two dialects: OpenAI's {"role", "content"} and ShareGPT's {"from", "value"}.
 * The list is walked with the scanner that reads the line, so that judging
 * a line and building its prompt see the same thing.
 *
 * A list ends with the last turn that is not the assistant's: what stands
 * behind it is an answer, not a question. `sent_to` is that end.
 *
 * Pure. Ownership: all pointers are lent from the line.
 */
#ifndef RETORT_COORDINATOR_TURNS_H
#define RETORT_COORDINATOR_TURNS_H

#include "common/jscan.h"

enum turn_dialect { TURNS_OPENAI, TURNS_SHAREGPT };

enum turn_role { TURN_NO_ROLE, TURN_SYSTEM, TURN_USER, TURN_ASSISTANT, TURN_TOOL };

/* One message. */
struct turn {
	enum turn_role role;
	struct bytes content; /* its value as it stands; data NULL: null or absent */
	bool has_calls;       /* tool_calls */
	bool whole;           /* role and string content are all there is */
	bool bad;
};

struct turns {
	bool bad; /* not a list that can be sent */
	bool has_system;
	bool whole; /* each turn is (see above) */
	unsigned n;
	unsigned n_behind; /* assistant turns behind sent_to */
	bool is_one_text; /* what is sent is one turn, a user's, and all of it a text */
	struct bytes text; /* the list, with its brackets */
	const unsigned char *sent_to;
	struct turn last;
};

/* The name that the teachers' APIs have for a role. */
const char *turn_role_name(enum turn_role role);

/* After JSCAN_OBJECT in a list: reads one message to its end. Returns
 * JSCAN_OBJECT_END, or what stopped the scanner. `line` is where the
 * scanner's document begins. */
enum jscan_event turn_read(struct jscan *s, const unsigned char *line,
	enum turn_dialect dialect, struct turn *out);

/* After JSCAN_KEY: reads the column's value, whatever it is. Returns the event
 * that ended it, or what stopped the scanner; a value that is no good list is
 * read to its end, too, and `bad`. */
enum jscan_event turns_read(struct jscan *s, const unsigned char *line,
	enum turn_dialect dialect, struct turns *out);

#endif
