/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - what a protocol's answers look like, as tables
 *
 * An answer is a JSON document, or a stream of them. A shape names the objects
 * and lists that are known, by where they stand ("places"), and for each the
 * keys that are known and what their values are. One reader (reader.c) walks
 * any shape; what no table can say is a hook.
 *
 * To read one more member: a line in the table. To read one more protocol: one
 * more shape.
 */
#ifndef RETORT_WORKER_SHAPE_H
#define RETORT_WORKER_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "common/jscan.h"
#include "worker/answer.h"

struct reader;

/* Every shape has these; its own places follow. */
enum { PLACE_NONE, PLACE_ROOT, PLACE_OWN };
#define PLACES_MAX 24
#define PLACES_DEEP 12
#define PLACE_KEYS_MAX 32

/* What a known key's value is; `at` says where it goes. */
enum shape_value {
	VALUE_TEXT,     /* a struct answer_text; of several events the last counts */
	VALUE_PART,     /* likewise, but what events bring is joined */
	VALUE_RAW,      /* a struct answer_text that takes the value's JSON */
	VALUE_RAW_PART, /* likewise, joined by commas */
	VALUE_IDS,      /* a struct answer_ids */
	VALUE_COUNT,    /* a uint32_t: a count of tokens */
	VALUE_SHORT,    /* a small text of a struct answer_error */
	VALUE_OBJECT,   /* `at` is its place */
	VALUE_LIST,     /* likewise */
	VALUE_ROWS,     /* a list of rows in OpenAI's form (openai_row.h) */
	VALUE_ERROR,    /* an object, whose place `at` is, or a text */
	VALUE_PIECES,   /* a text that goes to the shape's hook as it comes, `at` is its
			 * number; nothing of it is kept */
	VALUE_OWN       /* goes to the shape's hook, `at` is its number */
};

/* Whose member `at` is an offset in. */
enum shape_owner { OF_ANSWER, OF_READER, OF_ROOT_ERROR };

/* In what answers a key counts; elsewhere it is unknown. */
enum shape_when { ALWAYS, WHOLE_ONLY, STREAM_ONLY };

struct shape_key {
	const char *name;
	uint8_t len, value, owner, when;
	bool about_rows; /* skipped where no logprobs were asked for */
	uint16_t at;
};

#define SHAPE_KEY(key, kind, whose, to)                                                \
	{                                                                              \
		.name = (key), .len = sizeof(key) - 1, .value = VALUE_##kind,          \
		.owner = (whose), .at = (uint16_t)(to)                                 \
	}
#define KEY_ANSWER(key, kind, member)                                                  \
	SHAPE_KEY(key, kind, OF_ANSWER, offsetof(struct answer, member))
#define KEY_READER(key, kind, member)                                                  \
	SHAPE_KEY(key, kind, OF_READER, offsetof(struct reader, member))
#define KEY_ERROR(key, member)                                                         \
	SHAPE_KEY(key, SHORT, OF_ROOT_ERROR, offsetof(struct answer_error, member))
#define KEY_PLACE(key, kind, place) SHAPE_KEY(key, kind, OF_ANSWER, place)
#define KEY_OWN(key, number) SHAPE_KEY(key, OWN, OF_ANSWER, number)

struct shape_place {
	const struct shape_key *keys;
	uint8_t n_keys;
	uint8_t entry; /* of a list: the place of its objects or lists; 0: none */
	bool entry_is_list;
	bool is_choice; /* one of several answers to one request */
	bool is_count;  /* of tokens: what is wrong here is bad_usage */
	bool is_rows;
	/* A key that no table names, if it is not to be skipped; `named` gets it
	 * whole. */
	const struct shape_key *any_key;
	void (*named)(struct reader *r, struct bytes name, bool cut);
	void (*entered)(struct reader *r);
	void (*left)(struct reader *r);
	/* An entry of a list that is neither object nor list. */
	void (*item)(struct reader *r, enum jscan_event event);
};

#define SHAPE_PLACE(table) .keys = (table), .n_keys = sizeof(table) / sizeof((table)[0])

struct shape_finish {
	const char *text;
	enum finish finish;
	enum reason reason;
};

/* How bodies are cut into documents when an answer is streamed. */
enum framing { FRAMING_WHOLE, FRAMING_SSE, FRAMING_LINES };

/* What makes a streamed answer whole. */
enum stream_end {
	END_BY_MARK,  /* an event "[DONE]" */
	END_BY_EVENT, /* the shape sets reader.over */
	END_BY_FINISH /* an event that gave the finish reason */
};

struct shape {
	const struct shape_place *places;
	/* Up to one without text; NULL: nothing is generated, and so nothing ends. */
	const struct shape_finish *finishes;
	enum framing streamed; /* FRAMING_WHOLE: not offered */
	enum stream_end stream_end;
	/* The value of a VALUE_OWN key. An object or list that is not entered
	 * must be skipped (reader_skip_value). */
	void (*own)(struct reader *r, unsigned number, enum jscan_event event);
	/* More of the text of a VALUE_PIECES key; `whole`: the last of it, perhaps
	 * empty. */
	void (*pieces)(
		struct reader *r, unsigned number, struct bytes text, bool whole);
	/* All of the body has been read: brings what the tables collected into
	 * the answer's form. NULL: nothing to do. */
	void (*settle)(struct reader *r);
};

/* NULL if the place has no such key; else *bit is one of its own there. */
const struct shape_key *shape_find_key(const struct shape_place *place,
	struct bytes name, bool streamed, uint32_t *bit);

#endif
