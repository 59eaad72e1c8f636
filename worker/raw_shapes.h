/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_shapes.h - the answers to raw prompts (raw_request.h)
 *
 * completions_shape  OpenAI's "text_completion", whole or streamed. Rows are
 *                    lists beside each other; candidates the members of an
 *                    object by their texts ("token_id:N" where asked for), so
 *                    that of several with one text one is left, which shows as
 *                    list_short. llama.cpp has chat's rows here, which are read
 *                    as well. text_offset is left out: servers do not agree on it.
 * sglang_shape       {"text", "output_ids", "meta_info"}; rows are triples
 *                    [logprob, id, text or null]. An abort that names a status
 *                    is an error with that code.
 * llamacpp_shape     {"content", "tokens", "completion_probabilities", ...}. An
 *                    answer that ended by itself though its prompt did not fit
 *                    ("truncated") is flagged truncated: it was asked something
 *                    else. Rows that are fewer than "tokens" are placed
 *                    (rows_place.h).
 * trl_shape          {"logprobs_b64", "token_ids_b64", "shape", ...}, packed_rows.h.
 *                    It has no text, no finish reason and no usage: the tokens that
 *                    were given are counted.
 */
#ifndef RETORT_WORKER_RAW_SHAPES_H
#define RETORT_WORKER_RAW_SHAPES_H

#include "worker/shape.h"

extern const struct shape completions_shape, sglang_shape, llamacpp_shape, trl_shape;

#endif
