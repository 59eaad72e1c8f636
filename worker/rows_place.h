/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_place.h - rows beside the tokens that they are of, where some tokens have none
 *
 * llama.cpp gives no row to a token behind which the text ends within a character,
 * and after a stop word it cuts off so many of the last rows as the stop word has
 * tokens when it is tokenized by itself. Its native answers have the ids of all
 * tokens all the same (return_tokens), and a row says whose it is. So the rows are
 * those of some of the tokens, in their order, and which these are is often sure:
 *
 *   - if there is only one way to lay the rows' ids over the tokens' ids, in order:
 *     the first way from the left is the first from the right;
 *   - after a stop word, if the rows are those of the first tokens. Where a whole
 *     text came to end within a character, the token that did it ends so by itself,
 *     wherever it stands, and its id has no row anywhere; so the first token that
 *     was passed over would be one that no row is of.
 *
 * Then a token without a row gets an absent one: its id, no logprob, no candidates.
 * Its bytes are none if a row follows, since that one has the bytes of the tokens
 * passed over before it, and else unknown. In any other case nothing is done.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_ROWS_PLACE_H
#define RETORT_WORKER_ROWS_PLACE_H

#include "worker/answer.h"

/* Before rows_normalise. `cut`: the last rows may have been cut off. True if the
 * rows are now one for each id. */
bool rows_place(struct rows *rows, const struct answer_ids *ids, bool cut);

/* Behind rows_normalise: a row that was placed so, and a row follows it. */
bool rows_passed_over(const struct rows *rows, uint32_t i);

#endif
