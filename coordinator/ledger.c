/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, transactions, totals, jobs, events. */
#include "coordinator/ledger.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "coordinator/run_state.h"

/* A new run: its id, and empty totals. */
static void begin_run(struct ledger *l)
{
	int64_t now = clock_wall_ms();

	l->totals = (struct totals){.state = RUN_INDEXING,
		.started_ms = now,
		.updated_ms = now,
		.next_epoch = 1};
	randombytes_buf(l->totals.run, sizeof(l->totals.run));
	db_run(l->db,
		"INSERT INTO totals VALUES (1, ?, ?, ?, ?, 0, 0, 1, 0, 0, '', '', 0, 0,"
		" 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0)",
		"btii", l->totals.run, sizeof(l->totals.run), l->totals.state, now,
		now);
	l->totals_changed = true;
}

/* A new ledger: the tables, and the row of totals. In one transaction, so that
 * nobody ever sees the one without the other. */
static enum err_code make_ledger(struct ledger *l, struct err *err)
{
	char pragmas[96];
	enum err_code code = db_script(l->db, "BEGIN IMMEDIATE", err);

	if (code == ERR_NONE)
		code = db_script(l->db, ledger_schema, err);
	if (code == ERR_NONE)
		code = db_script(l->db, ledger_views, err);
	if (code == ERR_NONE)
		begin_run(l);
	snprintf(pragmas, sizeof(pragmas),
		"PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT;",
		LEDGER_VERSION, LEDGER_APPLICATION);
	if (code == ERR_NONE)
		code = db_script(l->db, pragmas, err);
	return code;
}

static enum err_code load_totals(struct ledger *l, struct err *err)
{
	struct totals *t = &l->totals;
	struct db_query *q = db_query(l->db, "SELECT * FROM totals", "");
	struct bytes run;
	int c = 1;

	if (!db_next(q))
		return err_set(err, ERR_CORRUPT, "the ledger has no totals");
	run = db_blob(q, c++);
	if (run.len == RUN_ID_SIZE)
		memcpy(t->run, run.data, RUN_ID_SIZE);
	t->state = run_state_of(db_text(q, c++));
	t->started_ms = db_int(q, c++);
	t->updated_ms = db_int(q, c++);
	t->settings = (uint32_t)db_int(q, c++);
	t->n = (uint32_t)db_int(q, c++);
	t->next_epoch = db_u64(q, c++);
	t->next_prompt = db_u64(q, c++);
	t->next_shard = db_u64(q, c++);
	snprintf(t->ids_file, sizeof(t->ids_file), "%s", db_text(q, c++));
	snprintf(t->spool, sizeof(t->spool), "%s", db_text(q, c++));
	t->store_commit = db_u64(q, c++);
	t->disk_bytes = db_u64(q, c++);
	t->prompts = db_int(q, c++);
	t->prompts_done = db_int(q, c++);
	t->prompts_failed = db_int(q, c++);
	t->samples_committed = db_int(q, c++);
	t->samples_accepted = db_int(q, c++);
	t->samples_duplicate = db_int(q, c++);
	t->samples_truncated = db_int(q, c++);
	t->samples_failed = db_int(q, c++);
	t->answers_fenced = db_int(q, c++);
	t->rejects = db_int(q, c++);
	t->requests_in_flight = db_int(q, c++);
	t->requests_retried = db_int(q, c++);
	t->prompt_tokens = db_int(q, c++);
	t->cached_prompt_tokens = db_int(q, c++);
	t->completion_tokens = db_int(q, c++);
	t->reasoning_tokens = db_int(q, c++);
	t->cost_nusd = db_int(q, c++);
	db_done(q);
	return ERR_NONE;
}

static void save_totals(struct ledger *l)
{
	const struct totals *t = &l->totals;

	db_run(l->db,
		"UPDATE totals SET run=?, state=?, updated_ms=?, settings=?, n=?, next_epoch=?,"
		" next_prompt=?, next_shard=?, ids_file=?, spool=?, store_commit=?,"
		" disk_bytes=?, prompts=?, prompts_done=?, prompts_failed=?,"
		" samples_committed=?, samples_accepted=?, samples_duplicate=?,"
		" samples_truncated=?, samples_failed=?, answers_fenced=?, rejects=?,"
		" requests_in_flight=?, requests_retried=?, prompt_tokens=?,"
		" cached_prompt_tokens=?, completion_tokens=?, reasoning_tokens=?, cost_nusd=?",
		"btiiiuuuttuuiiiiiiiiiiiiiiiii", t->run, sizeof(t->run), t->state,
		t->updated_ms, (int64_t)t->settings, (int64_t)t->n, t->next_epoch,
		t->next_prompt, t->next_shard, t->ids_file, t->spool, t->store_commit,
		t->disk_bytes, t->prompts, t->prompts_done, t->prompts_failed,
		t->samples_committed, t->samples_accepted, t->samples_duplicate,
		t->samples_truncated, t->samples_failed, t->answers_fenced, t->rejects,
		t->requests_in_flight, t->requests_retried, t->prompt_tokens,
		t->cached_prompt_tokens, t->completion_tokens, t->reasoning_tokens,
		t->cost_nusd);
	l->totals_changed = false;
}

enum err_code ledger_open(
	const char *path, struct ledger **out, bool *is_new, struct err *err)
{
	struct ledger *l = mem_zalloc(1, sizeof(*l));
	enum err_code code = db_open(path, DB_WRITE, &l->db, err);
	int64_t version = 0;

	*out = NULL;
	if (code == ERR_NONE) {
		version = db_int_of(l->db, 0, "PRAGMA user_version", "");
		*is_new = version == 0;
		if (*is_new)
			code = make_ledger(l, err);
		else if (version != LEDGER_VERSION)
			code = err_set(err, ERR_REFUSED,
				"'%s' has ledger version %lld, this build has %d", path,
				(long long)version, LEDGER_VERSION);
	}
	if (code == ERR_NONE && !*is_new)
		code = load_totals(l, err);
	if (code == ERR_NONE && ledger_failed(l))
		code = err_set(err, ERR_IO, "'%s': %s", path, db_message(l->db));
	if (code != ERR_NONE) {
		db_close(l->db);
		free(l);
		return code;
	}
	*out = l;
	return ERR_NONE;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	db_rollback(l->db);
	db_checkpoint(l->db, true);
	db_close(l->db);
	free(l);
}

bool ledger_failed(const struct ledger *l)
{
	return db_failed(l->db);
}

bool ledger_in_transaction(const struct ledger *l)
{
	return db_in_transaction(l->db);
}

void ledger_checkpoint(struct ledger *l)
{
	db_checkpoint(l->db, false);
}

void ledger_begin(struct ledger *l)
{
	if (!db_in_transaction(l->db))
		db_begin(l->db);
}

bool ledger_commit(struct ledger *l, int64_t wall_ms)
{
	if (l->totals_changed) {
		ledger_begin(l);
		l->totals.updated_ms = wall_ms;
		save_totals(l);
	}
	return !db_in_transaction(l->db) || db_commit(l->db);
}

char *ledger_job(struct ledger *l, uint32_t settings)
{
	struct db_query *q = db_query(l->db, "SELECT job FROM job WHERE settings = ?",
		"i", (int64_t)settings);
	char *job = NULL;

	if (db_next(q)) {
		job = mem_dup_str(db_text(q, 0));
		db_done(q);
	}
	return job;
}

void ledger_set_job(
	struct ledger *l, uint32_t settings, const char *job, int64_t wall_ms)
{
	ledger_begin(l);
	db_run(l->db,
		"INSERT INTO job VALUES (?1, ?2, ?3)"
		" ON CONFLICT (settings) DO UPDATE SET job = ?2",
		"iti", (int64_t)settings, job, wall_ms);
}

void ledger_add_rate(struct ledger *l, unsigned workers, int64_t wall_ms)
{
	const struct totals *t = &l->totals;

	ledger_begin(l);
	db_run(l->db, "INSERT OR REPLACE INTO sample_rate VALUES (?,?,?,?,?,?,?,?,?,?)",
		"iiiiiiiiii", wall_ms, t->samples_committed, t->samples_accepted,
		t->samples_failed, t->prompt_tokens, t->completion_tokens, t->cost_nusd,
		t->requests_in_flight, t->requests_retried, (int64_t)workers);
}

void ledger_event(struct ledger *l, const char *kind, int64_t worker, int64_t shard,
	const char *detail, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, detail);
	vsnprintf(text, sizeof(text), detail, ap);
	va_end(ap);
	ledger_begin(l);
	db_run(l->db,
		"INSERT INTO event (at_ms, kind, worker, shard, detail)"
		" VALUES (?, ?, nullif(?, -1), nullif(?, -1), ?)",
		"itiit", clock_wall_ms(), kind, worker, shard, text);
}
