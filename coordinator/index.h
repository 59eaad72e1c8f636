/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.h - the corpus, cut into shards and numbered, once and for all
 *
 * One pass over the files of the job, in their order. Every physical line gets
 * a prompt number in the order of discovery; blank and rejected lines leave
 * holes. What is found is reported through callbacks, whose caller (the
 * ledger) keeps it; here nothing is kept but two kinds of files: `ids`
 * (ids.h), and the spools of packed files (spool.h).
 *
 * Three situations, told apart by what the caller says is known:
 *   - first: nothing. All lines are new.
 *   - again: the files are those known, and perhaps more behind them. A file
 *     with the same size, time and inode is not read. Any other is compared
 *     with what is known, line by line; what stands behind its known part is
 *     new. A known line that differs is an error that names it.
 *   - reindex: all files are read anew and matched by id. A line whose id is in
 *     the old ids file has its old number; others get numbers behind the
 *     highest. All shards are new and carry their numbers.
 *
 * Nobody may rely on a part of the callbacks: either index_run returns
 * ERR_NONE and all that was reported holds, or nothing does. So the caller
 * collects them in one transaction, and makes totals.ids the current ids
 * file in it. Different paths for the old and the new ids file (and on
 * reindex a fresh spool folder) make a crash at any moment harmless.
 *
 * Duplicates: of the lines with one id the first is the prompt. Others are
 * reported when the ids have been sorted, after the shards that hold them;
 * such a reject says which bit to take back.
 *
 * Memory: constant; two sort buffers, one line, one shard. Threads: none.
 * Ownership: everything passed in is lent until index_run returns; everything
 * passed to a callback is lent until the callback returns.
 */
#ifndef RETORT_COORDINATOR_INDEX_H
#define RETORT_COORDINATOR_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/hash.h"
#include "coordinator/prompt_rules.h"
#include "coordinator/reject.h"
#include "coordinator/shard.h"

/* One file of the job's corpus list; `corpus` is its place in the list. */
struct index_corpus {
	uint32_t corpus;
	const char *path;
	uint64_t size; /* of the file, as it was when it was read */
	int64_t mtime_ns;
	uint64_t inode;
	uint64_t text_size;    /* of its text, unpacked */
	struct hash128 digest; /* of its text */
	uint64_t n_lines;
	bool spooled;
};

struct index_reject {
	uint32_t corpus;
	uint64_t line;
	uint64_t number; /* the prompt number that the line would have had */
	enum reject_reason reason;
	/* REJECT_DUPLICATE_ID: where the first line with this id is. */
	bool first_is_known; /* false if `locate` could not tell */
	uint32_t first_corpus;
	uint64_t first_line;
	/* The line's shard was reported with its bit set: clear it. */
	bool takes_back;
};

/* All may be NULL but `shard`, and `known_shard` where something is known. A
 * code other than ERR_NONE stops the index, which returns it. */
struct index_events {
	void *to;
	enum err_code (*shard)(
		void *to, const struct index_shard *shard, struct err *err);
	enum err_code (*reject)(
		void *to, const struct index_reject *reject, struct err *err);
	/* Once for each file that was read, behind its shards. */
	enum err_code (*corpus)(
		void *to, const struct index_corpus *corpus, struct err *err);
	/* Bytes of files, read (or skipped, being unchanged) and in all. */
	enum err_code (*progress)(
		void *to, uint64_t bytes, uint64_t of, struct err *err);

	/* Gives the known shard of a file that begins at a line; ERR_NOT_FOUND if
	 * there is none. Its `numbers` stay good until the next call. */
	enum err_code (*known_shard)(void *to, uint32_t corpus, uint64_t first_line,
		struct index_shard *out, struct err *err);
	/* Says where a known prompt is; ERR_NOT_FOUND if it cannot be told. */
	enum err_code (*locate)(void *to, uint64_t number, uint32_t *corpus,
		uint64_t *line, struct err *err);
};

struct index_options {
	const struct prompt_rules *rules;
	const char *const *paths; /* as messages shall name them */
	size_t n_paths;

	const struct index_corpus *known; /* in the order of the list */
	size_t n_known;
	uint64_t next_prompt, next_shard; /* the first numbers not in use */
	bool reindex;

	const char *temp_dir;
	const char *spool_dir; /* exists */
	const char *ids_old;   /* NULL or missing: made anew from the files */
	const char *ids_new;   /* may be the same */
	size_t sort_memory;    /* 0: IDSORT_MEMORY */
};

/* Of what this run found, not of what was known before. */
struct index_totals {
	uint64_t n_lines, n_blank, n_prompts, n_rejected; /* rejected: of any reason */
	uint64_t n_duplicates;
	uint64_t next_prompt, next_shard;
	const char *ids; /* which of the two ids files is current; NULL: none */
};

/*
 * ERR_INVALID: a person must act (a changed line, a file gone from the list);
 * the message says what to do. ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT: a file
 * cannot be read, or is damaged; it is named.
 */
enum err_code index_run(const struct index_options *options,
	const struct index_events *events, struct index_totals *totals, struct err *err)
	MUST_CHECK;

#endif
