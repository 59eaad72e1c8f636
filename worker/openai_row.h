/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_row.h - the fast lane: one entry of `logprobs.content`
 *
 * Nine tenths of an answer with top-k candidates are these rows. They are read
 * straight from the bytes at hand into the packed arrays of rows.h: keys in
 * any order, unknown ones checked and skipped, strict JSON throughout.
 *
 *   {"token": ..., "logprob": ..., "bytes": [...], "id": ...,
 *    "top_logprobs": [{"token": ..., "logprob": ..., "bytes": ..., "id": ...}]}
 *
 * A row may be cut anywhere. The lane then stops behind the last whole member
 * or candidate and goes on from there, so that a row is never read twice and
 * what must be held is one candidate, not one row.
 *
 * Token identity, in falling order: `id` (llama.cpp); a text "token_id:N"
 * (vLLM), whose `bytes`, where they are the bytes of that very text, are no
 * token's; the bytes; the text. A candidate with an id keeps its bytes, too,
 * where they are what the id stands for: so a vocabulary is learnt (tokens.h).
 */
#ifndef RETORT_WORKER_OPENAI_ROW_H
#define RETORT_WORKER_OPENAI_ROW_H

#include "worker/openai_layout.h"

/* Where in a row the reading is. */
enum openai_row_place {
	ROW_FIRST_KEY, /* behind '{' */
	ROW_KEY,       /* behind ',' */
	ROW_MEMBER_END,
	ROW_FIRST_ENTRY, /* behind the list's '[' */
	ROW_ENTRY,       /* behind ',' */
	ROW_ENTRY_END
};

/* Candidates that are read at once (openai_run.h), and where their reading is. */
#define RUN_MOST 32
#define RUN_LEAST 4

struct openai_run {
	const unsigned char *at[RUN_MOST], *end[RUN_MOST];
	uint64_t text[RUN_MOST][2];
	struct word *word[RUN_MOST]; /* where the text may be known */
	/* Of their logprobs (jdecimal_avx2.h). */
	uint32_t parts[RUN_MOST][8];
	bool may_begin; /* the last candidate that was read by itself was a word */
	uint32_t hope;  /* candidates to look for: as many as lately were good */
	uint32_t luck;  /* each in a run adds to it, each by itself takes LUCK_LOSS */
};
/* When luck has run out, words are not looked up for so many candidates: an answer may
 * be of words that are hardly ever known. */
#define LUCK_FIRST 256
#define LUCK_MOST 1024
#define LUCK_LOSS 8
#define LUCK_REST 512

struct openai_lane {
	struct openai_tokens tokens;
	uint32_t most; /* candidates that a row may list: k + 1 */
	enum openai_row_place place;
	struct openai_entry own; /* of the row at hand */
	/* Of the last candidate, and of the last row up to its list. */
	struct openai_layout candidate, head;
	struct openai_run run;
};

/* For a new list of rows. */
void openai_lane_begin(struct openai_lane *lane, struct rows *rows, uint32_t most);

/* Behind the row's '{'. */
void openai_lane_begin_row(struct openai_lane *lane);

/* JT_OK: the row has been added, and those that follow it closely and whole;
 * *next is behind the last one's '}'. JT_MORE: call again
 * from *next on when more bytes are there. JT_BAD: not JSON. */
enum jt openai_lane_read(struct openai_lane *lane, const unsigned char *p,
	const unsigned char *end, const unsigned char **next);

#endif
