/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard.h - a few consecutive lines of one corpus file, read back
 *
 * The shard is the index's unit: at most SHARD_PROMPTS lines and SHARD_BYTES of
 * text, but at least one line, never of two files. It covers all physical
 * lines; `present` says which are prompts. A line that is too long is alone
 * in its shard, so that nothing ever reads it.
 *
 * Reading checks each line against the hash it had when it was indexed: a
 * corpus that changes under a run is noticed before a wrong prompt is sent.
 *
 * Ownership: see each struct. Threads: none; one reader and text each.
 */
#ifndef RETORT_COORDINATOR_SHARD_H
#define RETORT_COORDINATOR_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"

struct index_shard {
	uint32_t corpus;
	uint64_t shard;
	uint64_t first_line; /* 1-based */
	uint64_t first_prompt;
	uint64_t offset, length; /* of its text, or of its frame in the spool */
	uint32_t n_lines;
	uint64_t present; /* bit i: line i is a prompt */
	uint32_t line_hash[SHARD_PROMPTS];
	const uint64_t *numbers; /* NULL: first_prompt + i; lent */
};

/* The prompt number of line i. */
static inline uint64_t index_shard_number(const struct index_shard *s, uint32_t i)
{
	return s->numbers ? s->numbers[i] : s->first_prompt + i;
}

/* One corpus file, open for reading shards. */
struct shard_reader;
/* `path` is the corpus file, which messages name; `spool` its spool, or NULL. */
enum err_code shard_reader_open(const char *path, const char *spool,
	struct shard_reader **out, struct err *err) MUST_CHECK;
void shard_reader_close(struct shard_reader *r);

/* A shard's lines. May be used again, with any reader. */
struct shard_text {
	uint32_t n_lines;
	struct bytes line[SHARD_PROMPTS]; /* lent from here, without line ends */

	struct buf text, frame; /* its own */
	void *zstd;
};
void shard_text_init(struct shard_text *t);
void shard_text_release(struct shard_text *t);

/* Reads a shard back. ERR_CORRUPT, naming file and line, if a line is not what
 * it was. Of a shard without prompts the lines are empty, and nothing is read. */
enum err_code index_read_shard(struct shard_reader *r, const struct index_shard *shard,
	struct shard_text *out, struct err *err) MUST_CHECK;

#endif
