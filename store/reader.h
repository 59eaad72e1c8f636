/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - the samples of a dataset as of one sequence number, in key order
 *
 * Walks `key` prompt by prompt and yields the live samples that an expression
 * selects (dedup.h), with what the other samples of the prompt make of each:
 * duplicate, of which one, accepted. The store may go on writing: nothing after
 * `until` is seen, and the view is renewed every so often, so that a long read
 * does not make the file grow.
 *
 * Without `where` all live samples are selected, and a duplicate is one of the
 * sample with the smallest key. With `where` it is one of the smallest that
 * passes. So "no expression" and "true" are the same.
 *
 * Ownership: if no view of the dataset is open at reader_open, the reader opens
 * one and renews it every so often, until reader_close. Otherwise the view is
 * the caller's, who may renew it, or end it and begin another, between calls.
 * Samples are lent until the next call.
 */
#ifndef RETORT_STORE_READER_H
#define RETORT_STORE_READER_H

#include "store/dedup.h"
#include "store/filter.h"

struct reader;

struct reader_query {
	struct filter *where; /* NULL: all live samples; lent */
	uint64_t since;       /* only samples with a higher sequence */
	uint64_t until;       /* 0: the last sequence at reader_open */
};

/* ERR_AGAIN if the accept filter is being applied anew. */
enum err_code reader_open(struct dataset *d, const struct reader_query *query,
	struct reader **out, struct err *err) MUST_CHECK;
void reader_close(struct reader *r);

/* The next sample. ERR_NOT_FOUND behind the last. ERR_AGAIN if the accept filter
 * changed meanwhile: what was read does not hold together, begin again. */
enum err_code reader_next(struct reader *r, struct sample **s, struct err *err)
	MUST_CHECK;

/* Goes on with the samples of `prompt` and those behind it. */
void reader_seek(struct reader *r, uint64_t prompt);

/* Where the sample at hand stands in `key`; lent. */
const struct key_entry *reader_entry(const struct reader *r);
/* The sequence that all of it is as of. */
uint64_t reader_until(const struct reader *r);
/* The settings seen so far; lent. */
struct settings_cache *reader_settings(struct reader *r);

#endif
