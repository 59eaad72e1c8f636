/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - the run in SQLite: shards, leases, workers, failures, totals
 *
 * The coordinator's memory on disk, and what people watch a run with. All
 * writes of a round are one transaction: the caller says ledger_begin at the
 * first change and ledger_commit before it tells anybody. The dataset is the
 * truth; what the store reports replaces what stands here.
 *
 * Errors: opening and indexing return codes; in the loop a failed statement
 * makes ledger_failed true, after which the process must end.
 *
 * Threads: one.
 */
#ifndef RETORT_COORDINATOR_LEDGER_H
#define RETORT_COORDINATOR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/wire.h"
#include "coordinator/db.h"
#include "coordinator/index.h"
#include "coordinator/lease.h"

#define LEDGER_VERSION 3
#define LEDGER_APPLICATION 0x7265746f /* "reto" */
extern const char ledger_schema[], ledger_views[];

/* Sums over the shards that are not retired, and what the run is. */
struct totals {
	unsigned char run[RUN_ID_SIZE];
	const char *state; /* a constant: see run_state_* in coordinator/run.h */
	int64_t started_ms, updated_ms;
	uint32_t settings, n;
	uint64_t next_epoch, next_prompt, next_shard;
	char ids_file[16], spool[16]; /* names in RUN/corpus; "" for none */
	uint64_t store_commit, disk_bytes;
	int64_t prompts, prompts_done, prompts_failed;
	int64_t samples_committed, samples_accepted, samples_duplicate;
	int64_t samples_truncated, samples_failed, answers_fenced, rejects;
	int64_t requests_in_flight, requests_retried;
	int64_t prompt_tokens, cached_prompt_tokens, completion_tokens,
		reasoning_tokens;
	int64_t cost_nusd;
};

enum shard_row_state { SHARD_PENDING, SHARD_ENDED, SHARD_RETIRED };

/* The part of a shard's row that changes. The counts of prompts, `ended` and
 * `state` follow from the arrays: shard_row_count. */
struct shard_row {
	uint64_t shard;
	uint32_t corpus;
	uint8_t state; /* enum shard_row_state */
	uint8_t n_lines, deaths;
	uint64_t present, ended;
	uint16_t committed[SHARD_PROMPTS]; /* as the store told */
	uint16_t failed[SHARD_PROMPTS];    /* samples given up and not eligible again */
	uint16_t redo[SHARD_PROMPTS];      /* samples to be asked again */
	uint32_t redo_open;
	int64_t prompts_done, prompts_failed;
	int64_t samples_committed, samples_accepted, samples_duplicate;
	int64_t samples_truncated, samples_failed, answers_fenced;
	int64_t prompt_tokens, cached_prompt_tokens, completion_tokens,
		reasoning_tokens;
	int64_t cost_nusd;
};

/*
 * A prompt has ended when its committed and failed samples together are n and
 * none is to be asked again; it is done if all n are committed, else it has
 * failed. Sets ended, state (but for retired shards) and the counts.
 */
void shard_row_count(struct shard_row *r, uint32_t n);

struct ledger {
	struct db *db;
	struct totals totals;
	bool totals_changed;
	bool reindexing; /* shards were retired: prompts have failures already */
};

/* `path` is RUN/ledger.sqlite; made with an empty schema if it is not there
 * (*is_new). ERR_REFUSED: another version's. */
enum err_code ledger_open(const char *path, struct ledger **out, bool *is_new,
	struct err *err) MUST_CHECK;
/* Checkpoints and closes; the file can be read by others then. */
void ledger_close(struct ledger *l);
bool ledger_failed(const struct ledger *l);

bool ledger_in_transaction(const struct ledger *l);
/* Moves the WAL into the database as far as readers let it. */
void ledger_checkpoint(struct ledger *l);

/* Opens a transaction unless one is open. */
void ledger_begin(struct ledger *l);
/* Writes the totals and commits, if a transaction is open; false if it failed. */
bool ledger_commit(struct ledger *l, int64_t wall_ms);

/* The job of a settings generation; the caller frees it. NULL: none. */
char *ledger_job(struct ledger *l, uint32_t settings);
void ledger_set_job(
	struct ledger *l, uint32_t settings, const char *job, int64_t wall_ms);

/* The corpus. Lists and shards are lent until the next call of the same. */
size_t ledger_corpora(struct ledger *l, struct index_corpus **out);
void ledger_put_corpus(struct ledger *l, const struct index_corpus *c);
void ledger_forget_corpora(struct ledger *l); /* before a reindex */
/* If no prompt was ever found, nothing was ever asked: forgets the shards, which
 * hold rejected lines alone, so that numbers begin at 0 again. */
bool ledger_forget_empty(struct ledger *l);
void ledger_add_shard(struct ledger *l, const struct index_shard *s);
/* Before a reindex. What is added behind it takes its prompts' failures over, and
 * what of them is to be asked again; what failures cost stays counted. */
void ledger_retire_shards(struct ledger *l);
/* ERR_NOT_FOUND if there is no such shard. */
enum err_code ledger_index_shard(
	struct ledger *l, uint64_t shard, struct index_shard *out) MUST_CHECK;
enum err_code ledger_shard_at_line(struct ledger *l, uint32_t corpus,
	uint64_t first_line, struct index_shard *out) MUST_CHECK;
enum err_code ledger_locate(struct ledger *l, uint64_t prompt, uint64_t *shard,
	uint32_t *corpus, uint64_t *line) MUST_CHECK;
void ledger_add_reject(struct ledger *l, const struct index_reject *r);
/* Takes a prompt out of its shard: it was a duplicate. */
void ledger_clear_prompt(struct ledger *l, uint64_t prompt);

/* Shards in work. The first pending shard with a number of at least `from`. */
bool ledger_next_pending(struct ledger *l, uint64_t from, uint64_t *shard);
enum err_code ledger_load_shard(struct ledger *l, uint64_t shard, struct shard_row *out)
	MUST_CHECK;
/* Writes the row, and makes the totals follow by the difference. */
void ledger_save_shard(
	struct ledger *l, const struct shard_row *was, const struct shard_row *now);
/* n has grown: every shard has samples to ask for again. */
void ledger_grow_samples(struct ledger *l, uint32_t was_n);

void ledger_add_lease(struct ledger *l, const struct lease *lease, int64_t wall_ms);
void ledger_remove_lease(struct ledger *l, uint64_t epoch);
/* Calls `each` for every lease; restored after a restart. */
void ledger_each_lease(
	struct ledger *l, void (*each)(void *to, const struct lease *lease), void *to);
void ledger_forget_leases(struct ledger *l);

void ledger_put_suspect(struct ledger *l, uint64_t shard, uint8_t line, uint8_t points);
void ledger_load_suspects(struct ledger *l, struct lease_shard *s);

/* The worker's number: a new one, or that of its session. */
uint32_t ledger_join_worker(
	struct ledger *l, uint64_t session, struct bytes name, int64_t wall_ms);
/* "" if it is not known. */
void ledger_worker_name(struct ledger *l, uint32_t worker, char *out, size_t size);
void ledger_put_worker(struct ledger *l, uint32_t worker, const char *state,
	unsigned leases, unsigned prompts, int64_t wall_ms);
void ledger_put_worker_endpoint(struct ledger *l, uint32_t worker, uint32_t share,
	const struct wire_endpoint_beat *e);
/* What a worker has told of alignment and calibration, absolute like the rest. */
void ledger_put_alignment(
	struct ledger *l, uint32_t worker, const struct wire_endpoint_beat *e);
/* An endpoint's sums over all workers. */
void ledger_sum_calibration(
	struct ledger *l, uint16_t teacher, uint16_t endpoint, struct calibration *out);
/* What was made of them. `why`: not applicable, or broken; NULL. */
void ledger_put_calibration(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const struct calibration *c, const struct calibration_verdict *v,
	const char *why);
/* What stands there; CALIBRATION_NONE if nothing does. */
enum calibration_state ledger_calibration(
	struct ledger *l, uint16_t teacher, uint16_t endpoint);
/* The settings have changed: what was summed under the old ones says nothing. */
void ledger_forget_calibration(struct ledger *l);
/* The same for an endpoint that is another one now. Before ledger_put_endpoint. */
void ledger_forget_calibration_unless(struct ledger *l, uint16_t teacher,
	uint16_t endpoint, const char *url, const char *model);
/* Workers that were joined when the coordinator ended: nothing in flight. */
void ledger_reset_workers(struct ledger *l);
/* Each worker that was joined when the last coordinator ended; call it first. */
void ledger_each_joined(struct ledger *l,
	void (*see)(void *to, uint32_t worker, const char *name), void *to);
/* Whether an endpoint that was there under the same url and model has ever
 * answered. Ask before ledger_put_endpoint. */
bool ledger_endpoint_answered(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *url, const char *model);
void ledger_put_endpoint(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *name, const char *url, const char *model, int64_t max_in_flight);
void ledger_put_endpoint_state(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *state, uint16_t status, const char *reason);
/* What an endpoint gives (verdict.h), as it was found out under this url, model and
 * settings; the caller frees it. NULL: nothing. Ask before ledger_put_endpoint. */
char *ledger_verdict(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *url, const char *model);
/* NULL: it is not known any more. */
void ledger_put_verdict(
	struct ledger *l, uint16_t teacher, uint16_t endpoint, const char *verdict);
/* It stays to be seen, and is not believed by the next start. */
void ledger_doubt_verdict(struct ledger *l, uint16_t teacher, uint16_t endpoint);
/* What finding it out has cost is added up, and is part of the run's totals. */
void ledger_pay_questions(struct ledger *l, const struct wire_verdict *v);
/* Retries and requests in flight over all. */
void ledger_sum_requests(struct ledger *l);

/* False if this failure stands there already. */
bool ledger_add_failure(struct ledger *l, const struct wire_failed *f, uint32_t worker,
	int64_t wall_ms);

/* Marks the samples below n of a prompt that were given up for good. */
void ledger_failed_samples(struct ledger *l, uint64_t prompt, bool *failed, uint32_t n);

/* Samples to be asked again. */
struct redo {
	uint64_t prompt, shard;
	uint32_t sample, revision;
	uint8_t line;
	bool was_failed; /* no revision of the sample was committed before */
};
void ledger_add_redo(struct ledger *l, const struct redo *r, int64_t wall_ms);
/* Open redos of one shard, or of all with UINT64_MAX; at most max. */
size_t ledger_open_redos(
	struct ledger *l, uint64_t shard, struct redo *out, size_t max);
/* Ends an open redo; false if there is none. */
bool ledger_end_redo(
	struct ledger *l, const struct wire_key *key, bool done, struct redo *out);

void ledger_add_rate(struct ledger *l, unsigned workers, int64_t wall_ms);
/* worker and shard: -1 for none. The detail is ours: no text from outside. */
void ledger_event(struct ledger *l, const char *kind, int64_t worker, int64_t shard,
	const char *detail, ...) PRINTF_LIKE(5, 6);

#endif
