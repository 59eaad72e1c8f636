/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_rows.h - rows whose parts stand in lists beside each other
 *
 * Plain completions and SGLang tell the tokens, their logprobs and their
 * candidates in lists of their own, in any order and, in a stream, piece by
 * piece. Entry i of each list goes into row i. Lists of different lengths cannot
 * be told apart: bad_logprobs.
 *
 * For hooks of shapes, with the reader's state: answer.rows is filled, complaints
 * go to reader.rows.tokens.
 */
#ifndef RETORT_WORKER_RAW_ROWS_H
#define RETORT_WORKER_RAW_ROWS_H

#include "common/jscan.h"
#include "worker/openai_entry.h"

struct reader;

/* Entries so far of each list. */
struct raw_lists {
	uint32_t n_tokens, n_logprobs, n_tops;
	bool has_tokens, has_logprobs, has_tops; /* in any document; not null */
	unsigned item;                           /* in the entry at hand */
	size_t pool_before;                      /* that entry */
};

/* Rows will come; does nothing the second time. */
void raw_rows_begin(struct reader *r);

/* A text of a token or of a candidate: "token_id:N" is an id. Goes into the pool. */
void raw_entry_begin(struct reader *r);
void raw_entry_text(struct reader *r, struct bytes text, bool cut);
/* A number that must be an id, or null. */
void raw_entry_id(struct reader *r, enum jscan_event event);
/* A number, or null for an absent one. */
void raw_entry_logprob(struct reader *r, enum jscan_event event);

/* The next entry of the list of tokens, of their logprobs: from reader.entry. */
void raw_rows_token(struct reader *r);
void raw_rows_logprob(struct reader *r);
/* The next entry of the list of candidates. */
void raw_rows_top_begin(struct reader *r);
void raw_rows_candidate(struct reader *r); /* from reader.entry */
void raw_rows_top_end(struct reader *r);

/* All of it has been read. */
void raw_rows_settle(struct reader *r);

/* Of what was given and scored (rules.scored): the rows are those of the whole
 * prompt, of which only the part behind rules.prompt_len stays. Token ids are taken
 * from prompt_token_ids where the rows have none of their own. What the server
 * generated beside is thrown away. */
void raw_rows_settle_scored(struct reader *r);

#endif
