/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_pass.h - the parts of one index_run, for the files that share it
 *
 *   index.c         the files of the list: known, grown, new
 *   index_build.c   lines into shards
 *   index_match.c   ids: duplicates, and old numbers on reindex
 *
 * Not for others: see index.h.
 */
#ifndef RETORT_COORDINATOR_INDEX_PASS_H
#define RETORT_COORDINATOR_INDEX_PASS_H

#include <stdio.h>

#include "coordinator/corpus_line.h"
#include "coordinator/idsort.h"
#include "coordinator/index.h"
#include "coordinator/lines.h"
#include "coordinator/spool.h"

/* Consecutive lines of a file with consecutive numbers. */
struct stretch {
	uint64_t first_number, n_lines, first_line;
	uint32_t corpus;
};

struct index_pass {
	const struct index_options *options;
	const struct index_events *events;
	struct index_totals *totals;
	struct corpus_judge judge;
	struct idsort *sort; /* the id of each prompt found, with its number */
	uint64_t n_sorted;
	bool has_old_ids;
	bool rebuilds_ids; /* something is known, but there is no ids file */

	struct stretch *stretch; /* by number */
	size_t n_stretches, cap_stretches;

	struct index_shard shard; /* being filled */
	struct spool *spool;      /* NULL: the file is read in place */
	struct buf spool_text;

	/* Reindex: shards wait here, with provisional numbers, until the ids have
	 * been matched. */
	FILE *held;
	uint64_t n_held;

	uint64_t bytes_before, bytes_in_all, bytes_reported;
};

/* Calls that do nothing when the event has no taker. */
enum err_code index_tell_reject(struct index_pass *p, const struct index_reject *reject,
	struct err *err) MUST_CHECK;

/* A new line, the next of its file. */
enum err_code index_build_line(struct index_pass *p, uint32_t corpus,
	const struct line *line, struct err *err) MUST_CHECK;
/* Ends the shard being filled, if any. */
enum err_code index_build_flush(struct index_pass *p, struct err *err) MUST_CHECK;

/* When all lines have been read: duplicates, numbers, the new ids file. */
enum err_code index_match(struct index_pass *p, struct err *err) MUST_CHECK;

#endif
