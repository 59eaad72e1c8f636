/* SPDX-License-Identifier: Apache-2.0 */
/* Alignment and calibration in the ledger: what workers count, and what it means. */
#include <math.h>

#include "coordinator/ledger.h"

void ledger_put_alignment(
	struct ledger *l, uint32_t worker, const struct wire_endpoint_beat *e)
{
	const struct calibration *c = &e->calibration;

	ledger_begin(l);
	for (unsigned rule = 1; rule < MISALIGNED_N; rule++)
		if (e->misaligned[rule] > 0)
			db_run(l->db,
				"INSERT OR REPLACE INTO worker_misaligned"
				" VALUES (?,?,?,?,?)",
				"iiitu", (int64_t)worker, (int64_t)e->teacher,
				(int64_t)e->endpoint,
				misaligned_name((enum misaligned)rule),
				e->misaligned[rule]);
	if (c->tokens > 0)
		db_run(l->db,
			"INSERT OR REPLACE INTO worker_calibration"
			" VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
			"iiiuuuuuuuuuu", (int64_t)worker, (int64_t)e->teacher,
			(int64_t)e->endpoint, c->tokens, c->open_ends, c->first.hits,
			c->first.low, c->first.high, c->first.variance, c->beyond.hits,
			c->beyond.low, c->beyond.high, c->beyond.variance);
}

void ledger_sum_calibration(
	struct ledger *l, uint16_t teacher, uint16_t endpoint, struct calibration *out)
{
	struct db_query *q = db_query(l->db,
		"SELECT coalesce(sum(tokens), 0), coalesce(sum(open_ends), 0),"
		" coalesce(sum(first_hits), 0), coalesce(sum(first_low), 0),"
		" coalesce(sum(first_high), 0), coalesce(sum(first_variance), 0),"
		" coalesce(sum(beyond_hits), 0), coalesce(sum(beyond_low), 0),"
		" coalesce(sum(beyond_high), 0), coalesce(sum(beyond_variance), 0)"
		" FROM worker_calibration WHERE teacher = ? AND endpoint = ?",
		"ii", (int64_t)teacher, (int64_t)endpoint);

	*out = (struct calibration){0};
	if (!db_next(q))
		return;
	*out = (struct calibration){db_u64(q, 0), db_u64(q, 1),
		{db_u64(q, 2), db_u64(q, 3), db_u64(q, 4), db_u64(q, 5)},
		{db_u64(q, 6), db_u64(q, 7), db_u64(q, 8), db_u64(q, 9)}};
	db_done(q);
}

/* Reals that are no numbers are null. */
static double known(double z)
{
	return isnan(z) ? 0 : z;
}

void ledger_put_calibration(struct ledger *l, uint16_t teacher, uint16_t endpoint,
	const struct calibration *c, const struct calibration_verdict *v,
	const char *why)
{
	const double nano = 1e-9;

	ledger_begin(l);
	db_run(l->db,
		"UPDATE endpoint SET calibration=?, calibration_why=?,"
		" calibration_tokens=?, first_hits=?, first_expected=?,"
		" first_variance=?, first_z=?, beyond_hits=?, beyond_expected=?,"
		" beyond_variance=?, beyond_z=? WHERE teacher=? AND endpoint=?",
		"ttuudddudddii", calibration_state_name(v->state), why, c->tokens,
		c->first.hits,
		((double)c->first.low + (double)c->first.high) / 2 * nano,
		(double)c->first.variance * nano, known(v->first_z), c->beyond.hits,
		((double)c->beyond.low + (double)c->beyond.high) / 2 * nano,
		(double)c->beyond.variance * nano, known(v->beyond_z), (int64_t)teacher,
		(int64_t)endpoint);
}

enum calibration_state ledger_calibration(
	struct ledger *l, uint16_t teacher, uint16_t endpoint)
{
	struct db_query *q = db_query(l->db,
		"SELECT calibration FROM endpoint WHERE teacher = ? AND endpoint = ?",
		"ii", (int64_t)teacher, (int64_t)endpoint);
	enum calibration_state state = CALIBRATION_NONE;

	if (db_next(q)) {
		state = calibration_state_by_name(db_text(q, 0));
		db_done(q);
	}
	return state;
}

#define FORGET_STATE                                                                   \
	"UPDATE endpoint SET calibration=NULL, calibration_why=NULL,"                  \
	" calibration_tokens=0, first_hits=0, first_expected=0, first_variance=0,"     \
	" first_z=0, beyond_hits=0, beyond_expected=0, beyond_variance=0, beyond_z=0"

void ledger_forget_calibration(struct ledger *l)
{
	ledger_begin(l);
	db_run(l->db, "DELETE FROM worker_calibration", "");
	db_run(l->db, FORGET_STATE, "");
}

void ledger_forget_calibration_unless(struct ledger *l, uint16_t teacher,
	uint16_t endpoint, const char *url, const char *model)
{
	if (db_int_of(l->db, 0,
		    "SELECT count(*) FROM endpoint WHERE teacher = ? AND endpoint = ?"
		    " AND (url != ? OR model != ?)",
		    "iitt", (int64_t)teacher, (int64_t)endpoint, url, model) == 0)
		return;
	ledger_begin(l);
	db_run(l->db, "DELETE FROM worker_calibration WHERE teacher=? AND endpoint=?",
		"ii", (int64_t)teacher, (int64_t)endpoint);
	db_run(l->db, FORGET_STATE " WHERE teacher=? AND endpoint=?", "ii",
		(int64_t)teacher, (int64_t)endpoint);
}
