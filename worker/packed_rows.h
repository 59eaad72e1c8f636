/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed_rows.h - rows whose parts are whole arrays of numbers
 *
 * TRL's server says what it thought of the tokens that were given in up to four
 * arrays: the candidates' logprobs and ids, row after row, and the given tokens' own.
 * They come, in any order,
 *
 *   binary   as base64 of little-endian float32 and int32, every row padded to K
 *            candidates (logprob -inf, id 0), with "shape" [B, T, K] and
 *            "completion_lengths" [B]; or
 *   lists    as JSON, [B][T][k or k + 1], null for what is no number. The given
 *            tokens' own are not told: they are among the candidates.
 *
 * B is 1, since one sequence was given. The numbers go into the rows as they come, so
 * that memory does not grow with the body; numbers that nobody asked for are refused
 * before they are stored, whatever "shape" says. Columns of padding that all rows
 * have are no candidates; in a row it is an absent value, like NaN, which the server
 * turns into -inf.
 *
 * The ids must be those that were given (rules.given), and where the server does not
 * tell them each row must list the given one: bad_logprobs.
 *
 * For hooks of shapes, with the reader's state, as raw_rows.h.
 */
#ifndef RETORT_WORKER_PACKED_ROWS_H
#define RETORT_WORKER_PACKED_ROWS_H

#include "common/buf.h"
#include "common/jscan.h"
#include "worker/base64.h"

struct reader;

enum packed_array {
	PACKED_LOGPROBS,
	PACKED_IDS,
	PACKED_OWN_LOGPROBS,
	PACKED_OWN_IDS,
	PACKED_N
};

struct packed_rows {
	bool begun, binary, lists;
	bool has[PACKED_N];       /* it has come, and was not null */
	uint32_t n[PACKED_N];     /* numbers so far */
	uint32_t ended[PACKED_N]; /* rows of lists, */
	int first_lists;          /* of which these say how long they are; -1 */
	unsigned at;              /* the array at hand */
	uint32_t sequences;       /* in it */
	uint32_t n_rows;          /* what was given to be scored */
	uint32_t n_shape, n_lengths;
	int64_t shape[3], length;
	struct base64 base64;
	unsigned char word[4]; /* of a number that is not whole yet */
	unsigned in_word;
};

/* A piece of an array in base64; `whole`: the last one. */
void packed_rows_text(struct reader *r, unsigned array, struct bytes piece, bool whole);

/* Lists: an array begins; one of its sequences; a number, or null; a row ends. */
void packed_rows_begin(struct reader *r, unsigned array);
void packed_rows_sequence(struct reader *r);
void packed_rows_number(struct reader *r, enum jscan_event event);
void packed_rows_end(struct reader *r);

/* A number of "shape", of "completion_lengths". */
void packed_rows_shape(struct reader *r, enum jscan_event event);
void packed_rows_length(struct reader *r, enum jscan_event event);

/* All of it has been read: the rows, and the ids of tokens and prompt. */
void packed_rows_settle(struct reader *r);

#endif
