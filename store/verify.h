/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - whether a dataset or a snapshot is what FORMAT.md says
 *
 * Reads every value of every database: seals, codecs, and what must hold
 * between them: each key has its record and each record its key, text, prompt
 * and captures; totals of shards are what the records add up to. What is wrong
 * is told, one line each, and the walk goes on.
 *
 * It may run beside the store: what must agree is read in one view, and what is
 * never changed afterwards in views that are renewed. It writes nothing. LMDB
 * itself trusts the structure of its pages, so a caller who must survive any
 * damage runs this in a process of its own.
 */
#ifndef RETORT_STORE_VERIFY_H
#define RETORT_STORE_VERIFY_H

#include "store/dataset.h"

/* Called with one line about something that is wrong. */
typedef void (*verify_tell)(void *to, const char *finding);

struct verify_counts {
	bool snapshot;
	uint64_t findings;
	uint64_t sequence; /* up to here */
	uint64_t records, keys, live, prompts, captures, tokens;
	uint64_t shards, raw, vocabulary;
	uint64_t bytes; /* of values read */
};

/* An error is one of opening or reading; what is damaged is a finding. */
enum err_code verify_dataset(const char *dir, verify_tell tell, void *to,
	struct verify_counts *counts, struct err *err) MUST_CHECK;

#endif
