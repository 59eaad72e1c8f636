/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and endpoints in the ledger. */
#include <stdio.h>

#include "common/mem.h"
#include "common/reason.h"
#include "common/text.h"
#include "coordinator/ledger.h"

uint32_t ledger_join_worker(
	struct ledger *l, uint64_t session, struct bytes name, int64_t wall_ms)
{
	char shown[256];

	text_escape(name.data, name.len, shown, sizeof(shown));
	ledger_begin(l);
	db_run(l->db,
		"INSERT INTO worker (session, name, state, joined_ms, seen_ms)"
		" VALUES (?1, ?2, 'joined', ?3, ?3)"
		" ON CONFLICT (session) DO UPDATE SET state = 'joined', seen_ms = ?3",
		"uti", session, shown, wall_ms);
	return (uint32_t)db_int_of(
		l->db, 0, "SELECT worker FROM worker WHERE session = ?", "u", session);
}

void ledger_worker_name(struct ledger *l, uint32_t worker, char *out, size_t size)
{
	struct db_query *q = db_query(l->db, "SELECT name FROM worker WHERE worker = ?",
		"i", (int64_t)worker);

	*out = '\0';
	if (db_next(q)) {
		snprintf(out, size, "%s", db_text(q, 0));
		db_done(q);
	}
}

void ledger_put_worker(struct ledger *l, uint32_t worker, const char *state,
	unsigned leases, unsigned prompts, int64_t wall_ms)
{
	ledger_begin(l);
	db_run(l->db,
		"UPDATE worker SET state=?, leases=?, prompts_held=?, seen_ms=? WHERE worker=?",
		"tiiii", state, (int64_t)leases, (int64_t)prompts, wall_ms,
		(int64_t)worker);
	if (state[0] != 'j') /* it has ended: nothing is in flight */
		db_run(l->db,
			"UPDATE worker_endpoint SET in_flight = 0, share = 0 WHERE worker = ?",
			"i", (int64_t)worker);
}

void ledger_put_worker_endpoint(struct ledger *l, uint32_t worker, uint32_t share,
	const struct wire_endpoint_beat *e)
{
	ledger_begin(l);
	db_run(l->db,
		"INSERT OR REPLACE INTO worker_endpoint VALUES "
		"(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		"iiiiiuuuuuiuuuuu", (int64_t)worker, (int64_t)e->teacher,
		(int64_t)e->endpoint, (int64_t)e->in_flight, (int64_t)share, e->asked,
		e->answered, e->retried, e->latency_ms, e->tokens, e->cost_nusd,
		e->streamed, e->first_token_ms, e->writing_ms, e->written_tokens,
		e->unscored);
}

void ledger_each_joined(struct ledger *l,
	void (*see)(void *to, uint32_t worker, const char *name), void *to)
{
	struct db_query *q = db_query(
		l->db, "SELECT worker, name FROM worker WHERE state = 'joined'", "");

	while (db_next(q))
		see(to, (uint32_t)db_int(q, 0), db_text(q, 1));
}

void ledger_reset_workers(struct ledger *l)
{
	ledger_begin(l);
	db_run(l->db,
		"UPDATE worker SET state = 'left', leases = 0, prompts_held = 0"
		" WHERE state = 'joined'",
		"");
	db_run(l->db, "UPDATE worker_endpoint SET in_flight = 0, share = 0", "");
}

bool ledger_endpoint_answered(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *url, const char *model)
{
	return db_int_of(l->db, 0,
		"SELECT count(*) FROM endpoint p JOIN worker_endpoint e"
		" USING (teacher, endpoint) WHERE p.teacher = ? AND p.endpoint = ?"
		" AND p.url = ? AND p.model = ? AND e.answered > 0",
		"iitt", (int64_t)teacher, (int64_t)endpoint, url, model);
}

void ledger_put_endpoint(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *name, const char *url, const char *model, int64_t max_in_flight)
{
	ledger_begin(l);
	db_run(l->db,
		"INSERT INTO endpoint (teacher, endpoint, name, url, model, max_in_flight)"
		" VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (teacher, endpoint) DO UPDATE SET"
		" name=?3, url=?4, model=?5, max_in_flight=?6, state='new'",
		"iittti", (int64_t)teacher, (int64_t)endpoint, name, url, model,
		max_in_flight);
}

void ledger_put_endpoint_state(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *state, uint16_t status, const char *reason)
{
	ledger_begin(l);
	db_run(l->db,
		"UPDATE endpoint SET state=?, last_status=?, last_reason=?"
		" WHERE teacher=? AND endpoint=?",
		"titii", state, (int64_t)status, reason, (int64_t)teacher,
		(int64_t)endpoint);
}

char *ledger_verdict(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const char *url, const char *model)
{
	struct db_query *q = db_query(l->db,
		"SELECT gives FROM endpoint WHERE teacher = ? AND endpoint = ? AND url = ?"
		" AND model = ? AND gives_settings = ? AND gives IS NOT NULL",
		"iitti", (int64_t)teacher, (int64_t)endpoint, url, model,
		(int64_t)l->totals.settings);
	char *text = NULL;

	if (db_next(q)) {
		text = mem_dup_str(db_text(q, 0));
		db_done(q);
	}
	return text;
}

void ledger_put_verdict(
	struct ledger *l, uint16_t teacher, uint16_t endpoint, const char *verdict)
{
	ledger_begin(l);
	db_run(l->db,
		"UPDATE endpoint SET gives = ?, gives_settings = ?"
		" WHERE teacher = ? AND endpoint = ?",
		"tiii", verdict, (int64_t)l->totals.settings, (int64_t)teacher,
		(int64_t)endpoint);
}

void ledger_doubt_verdict(struct ledger *l, uint16_t teacher, uint16_t endpoint)
{
	ledger_begin(l);
	db_run(l->db,
		"UPDATE endpoint SET gives_settings = NULL"
		" WHERE teacher = ? AND endpoint = ?",
		"ii", (int64_t)teacher, (int64_t)endpoint);
}

void ledger_pay_questions(struct ledger *l, const struct wire_verdict *v)
{
	struct totals *t = &l->totals;

	ledger_begin(l);
	db_run(l->db,
		"UPDATE endpoint SET questions_prompt_tokens = questions_prompt_tokens + ?,"
		" questions_completion_tokens = questions_completion_tokens + ?,"
		" questions_cost_nusd = questions_cost_nusd + ?"
		" WHERE teacher = ? AND endpoint = ?",
		"iiiii", (int64_t)v->prompt_tokens, (int64_t)v->completion_tokens,
		v->cost_nusd, (int64_t)v->teacher, (int64_t)v->endpoint);
	t->prompt_tokens += v->prompt_tokens;
	t->cached_prompt_tokens += v->cached_prompt_tokens;
	t->completion_tokens += v->completion_tokens;
	t->reasoning_tokens += v->reasoning_tokens;
	t->cost_nusd += v->cost_nusd;
	l->totals_changed = true;
}

void ledger_sum_requests(struct ledger *l)
{
	struct db_query *q = db_query(l->db,
		"SELECT coalesce(sum(in_flight), 0), coalesce(sum(retried), 0)"
		" FROM worker_endpoint",
		"");

	if (!db_next(q))
		return;
	l->totals.requests_in_flight = db_int(q, 0);
	l->totals.requests_retried = db_int(q, 1);
	db_done(q);
	l->totals_changed = true;
}
