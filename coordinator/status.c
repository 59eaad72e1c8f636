/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/status.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/mem.h"
#include "common/text.h"
#include "common/verdict.h"
#include "coordinator/db.h"

struct status {
	struct db *db;
};

enum err_code status_open(const char *dir, struct status **out, struct err *err)
{
	struct status *s = mem_zalloc(1, sizeof(*s));
	char *path = file_join(dir, "ledger.sqlite");
	enum err_code code;

	*out = NULL;
	if (!file_exists(path))
		code = err_set(err, ERR_NOT_FOUND, "there is no run in '%s'", dir);
	else
		code = db_open(path, DB_READ, &s->db, err);
	free(path);
	if (code != ERR_NONE) {
		free(s);
		return code;
	}
	*out = s;
	return ERR_NONE;
}

void status_close(struct status *s)
{
	if (!s)
		return;
	db_close(s->db);
	free(s);
}

static json_t *value_json(struct db_query *q, int column)
{
	if (db_is_null(q, column))
		return json_null();
	if (db_is_integer(q, column))
		return json_integer(db_int(q, column));
	if (db_is_number(q, column))
		return json_real(db_real(q, column));
	return json_string(db_text(q, column));
}

static json_t *row_json(struct db_query *q)
{
	json_t *row = json_object();

	for (int i = 0; i < db_columns(q); i++)
		json_object_set_new(row, db_column_name(q, i), value_json(q, i));
	return row;
}

static json_t *rows_json(struct db *db, const char *sql)
{
	struct db_query *q = db_query(db, sql, "");
	json_t *rows = json_array();

	while (db_next(q))
		json_array_append_new(rows, row_json(q));
	return rows;
}

/* Pairs of a name and a number as an object. */
static json_t *counts_json(struct db *db, const char *sql)
{
	struct db_query *q = db_query(db, sql, "");
	json_t *counts = json_object();

	while (db_next(q))
		json_object_set_new(counts, db_text(q, 0), json_integer(db_int(q, 1)));
	return counts;
}

#define FAILURES "SELECT reason, count(*) FROM failures GROUP BY reason ORDER BY 2 DESC"
#define REJECTS "SELECT reason, count(*) FROM reject GROUP BY reason ORDER BY 2 DESC"

json_t *status_json(struct status *s)
{
	json_t *all = json_object(), *rows;

	rows = rows_json(s->db, "SELECT * FROM progress");
	json_object_set(all, "progress", json_array_get(rows, 0));
	json_decref(rows);
	json_object_set_new(
		all, "endpoints", rows_json(s->db, "SELECT * FROM endpoints"));
	json_object_set_new(all, "workers",
		rows_json(s->db, "SELECT * FROM workers WHERE state = 'joined'"));
	json_object_set_new(all, "failures", counts_json(s->db, FAILURES));
	json_object_set_new(all, "rejects", counts_json(s->db, REJECTS));
	return all;
}

bool status_now(struct status *s, struct status_now *out)
{
	struct db_query *q = db_query(s->db,
		"SELECT state, prompts_total, prompts_done, prompts_failed, samples_total,"
		" samples_committed, samples_failed, samples_per_s, tokens_per_s, cost_usd,"
		" eta_s FROM progress",
		"");

	if (!db_next(q))
		return false;
	snprintf(out->state, sizeof(out->state), "%s", db_text(q, 0));
	out->prompts = db_int(q, 1);
	out->done = db_int(q, 2);
	out->failed = db_int(q, 3);
	out->samples = db_int(q, 4);
	out->committed = db_int(q, 5);
	out->samples_failed = db_int(q, 6);
	out->per_s = db_real(q, 7);
	out->tokens_per_s = db_real(q, 8);
	out->cost_usd = db_real(q, 9);
	out->eta_s = db_is_null(q, 10) ? -1 : db_int(q, 10);
	db_done(q);
	return true;
}

void status_bar(struct status *s, char *out, size_t size, unsigned width)
{
	struct status_now now;
	char left[32], tail[160], per_s[16], tokens[16];
	unsigned cells, full;
	double part;
	size_t n;

	*out = '\0';
	if (!status_now(s, &now))
		return;
	part = now.samples ? (double)(now.committed + now.samples_failed) /
				     (double)now.samples
			   : 0;
	text_duration(now.eta_s, left);
	text_count(now.per_s, per_s);
	text_count(now.tokens_per_s, tokens);
	n = (size_t)snprintf(tail, sizeof(tail),
		"] %5.1f%%  %lld/%lld samples  %s/s  %s tok/s  %lld failed  left %s",
		100 * part, (long long)now.committed, (long long)now.samples, per_s,
		tokens, (long long)now.samples_failed, left);
	cells = width > n + 12 ? width - (unsigned)n - 2 : 10;
	if (cells > 40)
		cells = 40;
	full = (unsigned)(part * cells);
	if (size < n + cells + 2)
		return;
	*out++ = '[';
	for (unsigned i = 0; i < cells; i++)
		*out++ = i < full ? '#' : '.';
	memcpy(out, tail, n + 1);
}

static void print_counts(struct db *db, FILE *to, const char *title, const char *sql)
{
	struct db_query *q = db_query(db, sql, "");
	bool first = true;

	while (db_next(q)) {
		fprintf(to, "%-12s%8lld  %s\n", first ? title : "",
			(long long)db_int(q, 1), db_text(q, 0));
		first = false;
	}
}

/* From column 17 of `endpoints` on. */
static void print_calibration(struct db_query *q, FILE *to)
{
	if (db_is_null(q, 17))
		return;
	fprintf(to, "  calibration %s", db_text(q, 17));
	if (db_int(q, 19) > 0)
		fprintf(to, " (z %.1f, %.1f)", db_real(q, 20), db_real(q, 21));
	else if (!db_is_null(q, 18))
		fprintf(to, " (%s)", db_text(q, 18));
}

static void print_gives(struct db_query *q, FILE *to)
{
	struct verdict v;
	char text[VERDICT_TEXT];
	const char *gives = db_is_null(q, 23) ? "" : db_text(q, 23);

	if (!verdict_read(bytes_of(gives, strlen(gives)), &v))
		return;
	verdict_text(&v, text);
	fprintf(to, "            gives %s\n", text);
}

static void print_endpoints(struct db *db, FILE *to)
{
	struct db_query *q = db_query(db, "SELECT * FROM endpoints", "");

	while (db_next(q)) {
		char url[512];

		text_escape(db_text(q, 1), strlen(db_text(q, 1)), url, sizeof(url));
		fprintf(to, "endpoint    %s  %s  %lld/%lld in flight  %lld answered",
			url, db_text(q, 3), (long long)db_int(q, 5),
			(long long)db_int(q, 4), (long long)db_int(q, 7));
		if (db_int(q, 8))
			fprintf(to, "  %lld retried", (long long)db_int(q, 8));
		if (!db_is_null(q, 9))
			fprintf(to, "  %lld ms", (long long)db_int(q, 9));
		if (!db_is_null(q, 10))
			fprintf(to, "  %lld ms to the first text",
				(long long)db_int(q, 10));
		if (strcmp(db_text(q, 14), "none") != 0)
			fprintf(to, "  last failure %s %lld", db_text(q, 14),
				(long long)db_int(q, 15));
		if (db_int(q, 16))
			fprintf(to, "  %lld misaligned", (long long)db_int(q, 16));
		if (db_int(q, 22))
			fprintf(to, "  %lld unscored", (long long)db_int(q, 22));
		print_calibration(q, to);
		fprintf(to, "\n");
		print_gives(q, to);
	}
}

void status_print(struct status *s, FILE *to)
{
	struct db_query *q = db_query(s->db, "SELECT * FROM progress", "");
	char text[32];

	if (!db_next(q)) {
		fprintf(to, "the run has not begun\n");
		return;
	}
	fprintf(to, "state       %s since %s, as of %s\n", db_text(q, 0), db_text(q, 1),
		db_text(q, 2));
	fprintf(to, "prompts     %8lld of %lld done, %lld failed\n",
		(long long)db_int(q, 4), (long long)db_int(q, 3),
		(long long)db_int(q, 5));
	fprintf(to,
		"samples     %8lld of %lld committed, %lld accepted, %lld duplicate, "
		"%lld truncated, %lld failed\n",
		(long long)db_int(q, 7), (long long)db_int(q, 6),
		(long long)db_int(q, 8), (long long)db_int(q, 9),
		(long long)db_int(q, 10), (long long)db_int(q, 11));
	fprintf(to, "requests    %8lld in flight, %lld retried\n",
		(long long)db_int(q, 12), (long long)db_int(q, 13));
	fprintf(to,
		"tokens      %8lld prompt (%lld cached), %lld completion, %lld reasoning\n",
		(long long)db_int(q, 14), (long long)db_int(q, 15),
		(long long)db_int(q, 16), (long long)db_int(q, 17));
	fprintf(to, "cost        %8.4f USD\n", db_real(q, 18));
	text_duration(db_is_null(q, 21) ? -1 : db_int(q, 21), text);
	fprintf(to, "rate        %8.2f samples/s, %.0f tokens/s, left %s\n",
		db_real(q, 19), db_real(q, 20), text);
	db_done(q);
	fprintf(to, "workers     %8lld\n",
		(long long)db_int_of(s->db, 0,
			"SELECT count(*) FROM worker WHERE state = 'joined'", ""));
	print_endpoints(s->db, to);
	print_counts(s->db, to, "failed", FAILURES);
	print_counts(s->db, to, "rejected", REJECTS);
}
