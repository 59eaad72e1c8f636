/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topk_data.h - rows of top-k logprobs to measure the packing with
 *
 * Two sources: files that tests/real/run.sh --topk wrote (its README has their
 * layout), and rows made here over a vocabulary of 151 936, the same ones each
 * time. Of a made row, id v has the logit  -ln((v + 17) / 17) + N(0, 2), and
 * eight ids more, of density 1 / (v + 17), have E / j^0.7 + N(0, 2) for j = 1
 * to 8, where E = 6 + 18 sqrt(U): texts prefer frequent ids, and most rows have
 * a few candidates far above the rest. Logprobs are over the whole vocabulary.
 *
 * Neither has what a sample has besides; that is made for both, by these rules:
 * the token is drawn by the row's own probabilities, and where the draw falls
 * into the tail it is any id of the vocabulary, 0 to 2 nat below the last
 * listed; its bytes are 1 to 8, a hash of its id.
 *
 * Ownership: the set owns all arrays. topk_first only looks into another set,
 * which must outlive it. What cannot be had ends the process.
 */
#ifndef RETORT_BENCH_TOPK_DATA_H
#define RETORT_BENCH_TOPK_DATA_H

#include "store/logits.h"

struct topk_set {
	uint32_t k, vocabulary, n;
	struct logits *samples; /* [n], profile fine */
	size_t tokens;
};

#define TOPK_MADE_K 256

/* Samples of 160 to 479 tokens with the TOPK_MADE_K most likely each. */
struct topk_set topk_make(uint32_t samples);
/* The same rows with the first k candidates of each. */
struct topk_set topk_first(const struct topk_set *of, uint32_t k);
/* False if there is no such file. */
bool topk_read(const char *path, struct topk_set *set);
void topk_free(struct topk_set *set);

/* Bytes a token that order-0 codes of ids, over the whole set, and of the gaps
 * between logprobs, for each rank by itself, at 1/256 nat, cannot go below. */
double topk_floor(const struct topk_set *set);
/* Bytes a token of DistillKit's layout: fp16, and ids of as few bits as do. */
double topk_distillkit(const struct topk_set *set);

#endif
