/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choices.h - several answers to one request, made samples of their own
 *
 * A request for n samples (sampling.n_per_request) is answered with n choices,
 * and with some things once: the model, the request's id, the prompt's token
 * ids and usage. Every sample is a record of its own, so what is told once is
 * given to each, but for what adds up, which is divided:
 *
 *   prompt tokens, cached   choice 0 has them all, the others have 0: they were
 *                           processed, and paid for, once
 *   completion tokens       each has as many as it has token ids or rows; what
 *                           usage counts beyond them (ends without a row) is
 *                           spread evenly. Where that is not known of all, or
 *                           is more than usage says: by the bytes of the texts
 *   reasoning tokens        by the bytes of the reasoning, or else as the
 *                           completion tokens
 *
 * The shares add up to what the server said; shares by weight are rounded by
 * largest remainder, equal ones in the order of the choices. What was not told
 * is told to nobody.
 *
 * Pure.
 */
#ifndef RETORT_WORKER_CHOICES_H
#define RETORT_WORKER_CHOICES_H

#include "worker/answer.h"

/* Gives to all answers of the list what the first was told. */
void choices_share(struct answer *first);

/* Divides usage among them. Each answer has its index. */
void choices_split_usage(struct answer *first, const struct answer_usage *usage);

/* `total` in parts of about weight[i] / their sum, which add up to it; evenly
 * where all weights are 0. */
void choices_divide(uint32_t total, const uint64_t *weight, uint32_t *part, unsigned n);

#endif
