/* SPDX-License-Identifier: Apache-2.0 */
/* Shards in work: progress, leases, suspects, failures, samples asked again. */
#include <string.h>

#include "common/bytes.h"
#include "common/reason.h"
#include "coordinator/ledger.h"

void shard_row_count(struct shard_row *r, uint32_t n)
{
	r->ended = 0;
	r->prompts_done = r->prompts_failed = 0;
	r->samples_committed = r->samples_failed = 0;
	r->redo_open = 0;
	for (int i = 0; i < r->n_lines; i++) {
		if (!(r->present >> i & 1))
			continue;
		r->samples_committed += r->committed[i];
		r->samples_failed += r->failed[i];
		r->redo_open += r->redo[i];
		if (r->committed[i] >= n)
			r->prompts_done++;
		if ((uint32_t)r->committed[i] + r->failed[i] < n)
			continue;
		if (r->committed[i] < n)
			r->prompts_failed++;
		if (r->redo[i] == 0)
			r->ended |= (uint64_t)1 << i;
	}
	if (r->state != SHARD_RETIRED)
		r->state = (r->present & ~r->ended) ? SHARD_PENDING : SHARD_ENDED;
}

bool ledger_next_pending(struct ledger *l, uint64_t from, uint64_t *shard)
{
	struct db_query *q = db_query(l->db,
		"SELECT shard FROM shard WHERE state = 0 AND shard >= ?"
		" ORDER BY shard LIMIT 1",
		"u", from);

	if (!db_next(q))
		return false;
	*shard = db_u64(q, 0);
	db_done(q);
	return true;
}

static void load_failed(struct ledger *l, struct shard_row *r)
{
	struct db_query *q;

	memset(r->failed, 0, sizeof(r->failed));
	memset(r->redo, 0, sizeof(r->redo));
	/* Only the newest failure of a sample counts, and only if nothing of the
	 * sample was committed: a revision that failed leaves the older one live. */
	q = db_query(l->db,
		"SELECT f.line, count(DISTINCT f.sample) FROM failure f WHERE f.shard = ?1"
		" AND f.retried = 0 AND (f.revision = 0 OR EXISTS (SELECT 1 FROM redo d WHERE"
		" d.prompt = f.prompt AND d.sample = f.sample AND d.revision = f.revision"
		" AND d.was_failed)) GROUP BY f.line",
		"u", r->shard);
	while (db_next(q))
		r->failed[db_int(q, 0) & 63] = (uint16_t)db_int(q, 1);
	q = db_query(l->db,
		"SELECT line, count(*) FROM redo WHERE shard = ? AND state = 0 GROUP BY line",
		"u", r->shard);
	while (db_next(q))
		r->redo[db_int(q, 0) & 63] = (uint16_t)db_int(q, 1);
}

enum err_code ledger_load_shard(struct ledger *l, uint64_t shard, struct shard_row *out)
{
	struct db_query *q = db_query(l->db,
		"SELECT corpus, state, n_lines, deaths, present, ended, committed, full_n,"
		" prompts_done, prompts_failed, samples_committed, samples_accepted,"
		" samples_duplicate, samples_truncated, samples_failed, answers_fenced,"
		" prompt_tokens, cached_prompt_tokens, completion_tokens, reasoning_tokens,"
		" cost_nusd, redo_open FROM shard WHERE shard = ?",
		"u", shard);
	struct bytes committed;

	if (!db_next(q))
		return ERR_NOT_FOUND;
	*out = (struct shard_row){
		.shard = shard,
		.corpus = (uint32_t)db_int(q, 0),
		.state = (uint8_t)db_int(q, 1),
		.n_lines = (uint8_t)db_int(q, 2),
		.deaths = (uint8_t)db_int(q, 3),
		.present = db_u64(q, 4),
		.ended = db_u64(q, 5),
		.prompts_done = db_int(q, 8),
		.prompts_failed = db_int(q, 9),
		.samples_committed = db_int(q, 10),
		.samples_accepted = db_int(q, 11),
		.samples_duplicate = db_int(q, 12),
		.samples_truncated = db_int(q, 13),
		.samples_failed = db_int(q, 14),
		.answers_fenced = db_int(q, 15),
		.prompt_tokens = db_int(q, 16),
		.cached_prompt_tokens = db_int(q, 17),
		.completion_tokens = db_int(q, 18),
		.reasoning_tokens = db_int(q, 19),
		.cost_nusd = db_int(q, 20),
		.redo_open = (uint32_t)db_int(q, 21),
	};
	committed = db_blob(q, 6);
	for (int i = 0; i < out->n_lines; i++)
		out->committed[i] = committed.len >= 2 * (size_t)(i + 1)
					    ? get_u16(committed.data + 2 * i)
				    : out->present >> i & 1 ? (uint16_t)db_int(q, 7)
							    : 0;
	db_done(q);
	load_failed(l, out);
	return ERR_NONE;
}

/* All prompts have n samples: told by one number instead of a list. */
static bool is_full(const struct shard_row *r, uint32_t n)
{
	for (int i = 0; i < r->n_lines; i++)
		if ((r->present >> i & 1) && r->committed[i] != n)
			return false;
	return true;
}

static void add_difference(
	struct totals *t, const struct shard_row *was, const struct shard_row *now)
{
	t->prompts_done += now->prompts_done - was->prompts_done;
	t->prompts_failed += now->prompts_failed - was->prompts_failed;
	t->samples_committed += now->samples_committed - was->samples_committed;
	t->samples_accepted += now->samples_accepted - was->samples_accepted;
	t->samples_duplicate += now->samples_duplicate - was->samples_duplicate;
	t->samples_truncated += now->samples_truncated - was->samples_truncated;
	t->samples_failed += now->samples_failed - was->samples_failed;
	t->answers_fenced += now->answers_fenced - was->answers_fenced;
	t->prompt_tokens += now->prompt_tokens - was->prompt_tokens;
	t->cached_prompt_tokens +=
		now->cached_prompt_tokens - was->cached_prompt_tokens;
	t->completion_tokens += now->completion_tokens - was->completion_tokens;
	t->reasoning_tokens += now->reasoning_tokens - was->reasoning_tokens;
	t->cost_nusd += now->cost_nusd - was->cost_nusd;
}

void ledger_save_shard(
	struct ledger *l, const struct shard_row *was, const struct shard_row *now)
{
	unsigned char committed[2 * SHARD_PROMPTS];
	bool full = is_full(now, l->totals.n);

	for (int i = 0; i < now->n_lines; i++)
		put_u16(committed + 2 * i, now->committed[i]);
	ledger_begin(l);
	db_run(l->db,
		"UPDATE shard SET state=?, ended=?, committed=?, full_n=?, deaths=?,"
		" redo_open=?, prompts_done=?, prompts_failed=?, samples_committed=?,"
		" samples_accepted=?, samples_duplicate=?, samples_truncated=?,"
		" samples_failed=?, answers_fenced=?, prompt_tokens=?,"
		" cached_prompt_tokens=?, completion_tokens=?, reasoning_tokens=?,"
		" cost_nusd=? WHERE shard = ?",
		"iubiiiiiiiiiiiiiiiiu", (int64_t)now->state, now->ended,
		full ? NULL : committed, 2 * (size_t)now->n_lines,
		(int64_t)(full ? l->totals.n : 0), (int64_t)now->deaths,
		(int64_t)now->redo_open, now->prompts_done, now->prompts_failed,
		now->samples_committed, now->samples_accepted, now->samples_duplicate,
		now->samples_truncated, now->samples_failed, now->answers_fenced,
		now->prompt_tokens, now->cached_prompt_tokens, now->completion_tokens,
		now->reasoning_tokens, now->cost_nusd, now->shard);
	if (now->state != SHARD_RETIRED) {
		add_difference(&l->totals, was, now);
		l->totals_changed = true;
	}
}

void ledger_grow_samples(struct ledger *l, uint32_t was_n)
{
	ledger_begin(l);
	/* Of prompts that failed, the failed samples stay failed. */
	db_run(l->db,
		"UPDATE shard SET state = 0, ended = 0, prompts_done = 0, prompts_failed = 0"
		" WHERE state < 2 AND present <> 0",
		"");
	(void)was_n; /* a full shard's list is told by full_n, which stays */
	l->totals.prompts_done = l->totals.prompts_failed = 0;
	l->totals_changed = true;
}

void ledger_add_lease(struct ledger *l, const struct lease *lease, int64_t wall_ms)
{
	ledger_begin(l);
	db_run(l->db, "INSERT INTO lease VALUES (?,?,?,?,?)", "uuuii", lease->epoch,
		lease->shard, lease->prompts, (int64_t)lease->worker, wall_ms);
}

void ledger_remove_lease(struct ledger *l, uint64_t epoch)
{
	ledger_begin(l);
	db_run(l->db, "DELETE FROM lease WHERE epoch = ?", "u", epoch);
}

void ledger_each_lease(
	struct ledger *l, void (*each)(void *to, const struct lease *lease), void *to)
{
	struct db_query *q = db_query(l->db, "SELECT * FROM lease ORDER BY epoch", "");

	while (db_next(q)) {
		struct lease lease = {.epoch = db_u64(q, 0),
			.shard = db_u64(q, 1),
			.prompts = db_u64(q, 2),
			.worker = (uint32_t)db_int(q, 3)};

		each(to, &lease);
	}
}

void ledger_forget_leases(struct ledger *l)
{
	ledger_begin(l);
	db_run(l->db, "DELETE FROM lease", "");
}

void ledger_put_suspect(struct ledger *l, uint64_t shard, uint8_t line, uint8_t points)
{
	ledger_begin(l);
	db_run(l->db, "INSERT OR REPLACE INTO suspect VALUES (?,?,?)", "uii", shard,
		(int64_t)line, (int64_t)points);
}

void ledger_load_suspects(struct ledger *l, struct lease_shard *s)
{
	struct db_query *q = db_query(l->db,
		"SELECT line, points FROM suspect WHERE shard = ?", "u", s->shard);

	while (db_next(q)) {
		int line = (int)(db_int(q, 0) & 63);

		s->suspect |= s->open & (uint64_t)1 << line;
		s->points[line] = (uint8_t)db_int(q, 1);
	}
}

bool ledger_add_failure(
	struct ledger *l, const struct wire_failed *f, uint32_t worker, int64_t wall_ms)
{
	ledger_begin(l);
	db_run(l->db,
		"INSERT OR IGNORE INTO failure VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
		"uiiuitiiiiiii", f->key.prompt, (int64_t)f->key.sample,
		(int64_t)f->key.revision, f->shard, (int64_t)f->line,
		reason_name((enum reason)f->reason), (int64_t)f->status,
		(int64_t)f->attempts, (int64_t)f->prompt_tokens,
		(int64_t)f->completion_tokens, f->cost_nusd, (int64_t)worker, wall_ms);
	if (db_changes(l->db) == 0)
		return false;
	l->totals.prompt_tokens += f->prompt_tokens;
	l->totals.completion_tokens += f->completion_tokens;
	l->totals.cost_nusd += f->cost_nusd;
	l->totals_changed = true;
	return true;
}

void ledger_failed_samples(struct ledger *l, uint64_t prompt, bool *failed, uint32_t n)
{
	struct db_query *q = db_query(l->db,
		"SELECT sample FROM failure WHERE prompt = ? AND retried = 0", "u",
		prompt);

	while (db_next(q))
		if (db_u64(q, 0) < n)
			failed[db_u64(q, 0)] = true;
}

void ledger_add_redo(struct ledger *l, const struct redo *r, int64_t wall_ms)
{
	ledger_begin(l);
	db_run(l->db, "INSERT INTO redo VALUES (?,?,?,?,?,?,0,?)", "uiiuiii", r->prompt,
		(int64_t)r->sample, (int64_t)r->revision, r->shard, (int64_t)r->line,
		(int64_t)r->was_failed, wall_ms);
	db_run(l->db,
		"UPDATE failure SET retried = 1 WHERE prompt = ? AND sample = ?"
		" AND revision < ?",
		"uii", r->prompt, (int64_t)r->sample, (int64_t)r->revision);
}

static struct redo take_redo(struct db_query *q)
{
	return (struct redo){.prompt = db_u64(q, 0),
		.sample = (uint32_t)db_int(q, 1),
		.revision = (uint32_t)db_int(q, 2),
		.shard = db_u64(q, 3),
		.line = (uint8_t)db_int(q, 4),
		.was_failed = db_int(q, 5) != 0};
}

size_t ledger_open_redos(struct ledger *l, uint64_t shard, struct redo *out, size_t max)
{
	struct db_query *q = db_query(l->db,
		"SELECT prompt, sample, revision, shard, line, was_failed FROM redo"
		" WHERE state = 0 AND (shard = ?1 OR ?1 = -1) LIMIT ?2",
		"ui", shard, (int64_t)max);
	size_t n = 0;

	while (db_next(q))
		out[n++] = take_redo(q);
	return n;
}

bool ledger_end_redo(
	struct ledger *l, const struct wire_key *key, bool done, struct redo *out)
{
	struct db_query *q = db_query(l->db,
		"SELECT prompt, sample, revision, shard, line, was_failed FROM redo"
		" WHERE prompt = ? AND sample = ? AND revision = ? AND state = 0",
		"uii", key->prompt, (int64_t)key->sample, (int64_t)key->revision);

	if (!db_next(q))
		return false;
	*out = take_redo(q);
	db_done(q);
	ledger_begin(l);
	db_run(l->db,
		"UPDATE redo SET state = ? WHERE prompt = ? AND sample = ? AND revision = ?",
		"iuii", (int64_t)(done ? 1 : 2), key->prompt, (int64_t)key->sample,
		(int64_t)key->revision);
	return true;
}
