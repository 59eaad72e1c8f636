/* SPDX-License-Identifier: Apache-2.0 */
/*
 * templated.h - prompt ids for samples whose server told none, and the proof of them
 *
 * By a tokenizer.json and its chat template (common/chat_prompt.h), from the messages and
 * the request that are stored. Where a server did tell the ids, they stay, and the
 * template's are held against them: that they are the same is the proof that the others
 * are right. Where it told only their number (usage), that is compared.
 *
 * Samples of one prompt come one after the other, so the last prompt's ids are kept.
 */
#ifndef RETORT_STORE_TEMPLATED_H
#define RETORT_STORE_TEMPLATED_H

#include "store/sample.h"

struct templated;

/* As chat_prompt_read. */
enum err_code templated_open(const char *tokenizer, const char *chat_template,
	struct templated **out, struct err *err) MUST_CHECK;
void templated_close(struct templated *t);

/* The ids for a sample: the server's, which are in *ids, or those that are made, lent
 * until the next call; data NULL if neither can be had. An error is of reading, not of
 * the template. */
enum err_code templated_choose(struct templated *t, struct sample *s, struct bytes *ids,
	struct err *err) MUST_CHECK;
/* Counts what was chosen last, for a sample that was taken (or was not for want of
 * ids). */
void templated_count(struct templated *t);

/* ERR_INVALID if the samples' ids are known to be another tokenizer's. */
enum err_code templated_check(
	const struct templated *t, uint64_t digest, struct err *err) MUST_CHECK;

/* For the manifest; and for people: what is wrong, or "". */
json_t *templated_json(const struct templated *t);
void templated_say(const struct templated *t, char *out, size_t size);

#endif
