/* SPDX-License-Identifier: Apache-2.0 */
/* Making samples eligible again. Each gets the revision behind the highest
 * that was ever asked for; the older ones stay in the dataset. */
#include "coordinator/coordinator.h"
#include "coordinator/db.h"

#include "common/clock.h"

#define CHUNK 4096

static uint32_t next_revision(struct ledger *l, uint64_t prompt, uint32_t sample)
{
	return 1 +
	       (uint32_t)db_int_of(l->db, 0,
		       "SELECT max(revision) FROM redo WHERE prompt = ? AND sample = ?",
		       "ui", prompt, (int64_t)sample);
}

static bool is_open(struct ledger *l, uint64_t prompt, uint32_t sample)
{
	return db_int_of(l->db, 0,
		"SELECT count(*) FROM redo WHERE prompt = ? AND sample = ? AND state = 0",
		"ui", prompt, (int64_t)sample);
}

/* True if no revision of the sample was ever committed. */
static bool was_failed(struct ledger *l, uint64_t prompt, uint32_t sample)
{
	return db_int_of(l->db, 0,
		"SELECT count(*) FROM failure f WHERE prompt = ?1 AND sample = ?2"
		" AND retried = 0 AND (revision = 0 OR EXISTS (SELECT 1 FROM redo d WHERE"
		" d.prompt = ?1 AND d.sample = ?2 AND d.revision = f.revision"
		" AND d.was_failed))",
		"ui", prompt, (int64_t)sample);
}

/* Counts the shard anew, so that its open prompts are found. */
static void recount(struct ledger *l, uint64_t shard)
{
	struct shard_row was, now;

	if (ledger_load_shard(l, shard, &was) != ERR_NONE)
		return;
	now = was;
	shard_row_count(&now, l->totals.n);
	ledger_save_shard(l, &was, &now);
}

static bool retry_one(struct ledger *l, uint64_t prompt, uint32_t sample)
{
	struct redo redo = {.prompt = prompt, .sample = sample};
	uint64_t line;
	uint32_t corpus;
	struct index_shard index;

	if (sample >= l->totals.n || is_open(l, prompt, sample) ||
		ledger_locate(l, prompt, &redo.shard, &corpus, &line) != ERR_NONE ||
		ledger_index_shard(l, redo.shard, &index) != ERR_NONE)
		return false;
	redo.line = (uint8_t)(line - index.first_line);
	if (!(index.present >> redo.line & 1))
		return false;
	redo.revision = next_revision(l, prompt, sample);
	redo.was_failed = was_failed(l, prompt, sample);
	ledger_add_redo(l, &redo, clock_wall_ms());
	recount(l, redo.shard);
	return true;
}

/* The next failed samples; retrying takes them off the list. */
static size_t failed_chunk(struct ledger *l, const char *reason, struct wire_key *out)
{
	struct db_query *q = db_query(l->db,
		"SELECT prompt, sample FROM failure WHERE retried = 0"
		" AND (?1 IS NULL OR reason = ?1) LIMIT ?2",
		"ti", reason, (int64_t)CHUNK);
	size_t n = 0;

	while (db_next(q))
		out[n++] = (struct wire_key){db_u64(q, 0), (uint32_t)db_int(q, 1), 0};
	return n;
}

int64_t retry_samples(struct ledger *l, const struct retry_choice *choice)
{
	static struct wire_key chunk[CHUNK];
	int64_t n = 0;
	size_t n_chunk;

	for (uint32_t i = 0; choice->use_keys && i < choice->keys.n; i++)
		n += retry_one(l, choice->keys.at[i].prompt, choice->keys.at[i].sample);
	while (!choice->use_keys &&
		(n_chunk = failed_chunk(l, choice->reason, chunk)) > 0) {
		int64_t before = n;

		for (size_t i = 0; i < n_chunk; i++)
			n += retry_one(l, chunk[i].prompt, chunk[i].sample);
		if (n == before)
			break; /* prompts that are no longer in the corpus */
	}
	if (n > 0)
		ledger_event(l, "retry", -1, -1, "%lld samples", (long long)n);
	return n;
}
