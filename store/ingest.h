/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest.h - what may be stored, and what is counted
 *
 * Between the server, which moves messages, and the dataset, which moves
 * bytes: fences, identities, duplicates, the accept filter and the totals of
 * shards. Everything happens in the dataset's open transaction; what the
 * functions answer is true only once that is committed.
 *
 * The rules, in order, for an offer:
 *   INVALID   it does not decode, or does not belong to the lease it names
 *   FENCED    its epoch has not, or no longer, the right to the prompt
 *   SAME      its key is taken by the very same answer (a resend)
 *   OCCUPIED  its key is taken by another answer
 *   STORED    it is appended, and the totals follow
 *
 * An enum err_code other than ERR_NONE means that the transaction is lost and
 * must be rolled back, not that the offer is bad.
 */
#ifndef RETORT_STORE_INGEST_H
#define RETORT_STORE_INGEST_H

#include "common/wire.h"
#include "store/accept.h"
#include "store/dataset.h"
#include "store/dictionary.h"
#include "store/tables.h"

struct ingest;

/* Lends the dataset. `accept` is taken over; may be set later. */
struct ingest *ingest_new(struct dataset *d, uint16_t store);
void ingest_free(struct ingest *g);

/* What the job says; before the first offer and when the job changes. Takes
 * `accept` over. */
void ingest_set_job(struct ingest *g, struct accept *accept, bool exact);

/* Remembers the fingerprints of the newest records, for elsewhere.h. Call in
 * a transaction. */
enum err_code ingest_warm_up(struct ingest *g, struct err *err) MUST_CHECK;

/* Raises the fence and lists what is there. `out` gets status, known prompts
 * and the list of present keys, lent until the next call. */
enum err_code ingest_open(struct ingest *g, const struct wire_open *open,
	struct wire_opened *out, struct err *err) MUST_CHECK;

enum err_code ingest_put(struct ingest *g, const struct wire_put_item *item,
	enum put_answer *answer, struct err *err) MUST_CHECK;

/* Writes the totals of the shards that were touched into the transaction,
 * under the number of the commit to come. */
enum err_code ingest_flush(struct ingest *g, struct err *err) MUST_CHECK;

/* What changed since the last call: totals of shards and keys with a revision
 * above 0. Lent until the next ingest call. */
void ingest_take_totals(struct ingest *g, struct wire_totals *out);

/* After dataset_rollback: forgets what was not committed. */
void ingest_rollback(struct ingest *g);

/* The trainer to give texts to while it wants them; may be NULL. */
void ingest_set_trainer(struct ingest *g, struct trainer *t);
/* The tables that what answers tell of ids is held against; may be NULL. */
void ingest_set_tables(struct ingest *g, struct tables *t);

#endif
