/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h - a packed corpus, packed again so that a shard can be found
 *
 * A gzip or zstd file can be read only from its start. So its text is written
 * once more, one zstd frame per shard; a shard's offset and length are those
 * of its frame. The file as a whole is an ordinary .zst of the corpus, but for
 * the lines that are too long.
 *
 * It grows at its end. Frames behind the last one that the ledger knows were
 * written by a run that died before its ledger commit, and are cut off.
 *
 * Ownership: opaque, freed with spool_close.
 */
#ifndef RETORT_COORDINATOR_SPOOL_H
#define RETORT_COORDINATOR_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct spool;

/* The spool of a corpus in a folder; free it. */
char *spool_path(const char *dir, uint32_t corpus);

/* Opens it for writing behind its first `keep` bytes; makes it if keep is 0.
 * ERR_CORRUPT if it has fewer. */
enum err_code spool_open(const char *path, uint64_t keep, struct spool **out,
	struct err *err) MUST_CHECK;
/* Writes a shard's text as one frame, which lies at *offset then. */
enum err_code spool_add(struct spool *s, struct bytes text, uint64_t *offset,
	uint64_t *length, struct err *err) MUST_CHECK;
/* Afterwards what was added lasts. */
enum err_code spool_sync(struct spool *s, struct err *err) MUST_CHECK;
void spool_close(struct spool *s);

#endif
