/* SPDX-License-Identifier: Apache-2.0 */
/* The views, which people and scripts rely on: their columns are kept. */
#include "unit/ledger_rig.h"

#include "coordinator/run_state.h"

static struct ledger_rig rig;
static struct buf row;

static int begin(void **state)
{
	(void)state;
	rig_begin(&rig, 2);
	buf_init(&row, 65536);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_release(&row);
	rig_end(&rig);
	return 0;
}

static void check(const char *sql, const char *want)
{
	rig_values(rig.l->db, sql, &row);
	assert_string_equal(buf_text(&row), want);
}

static void views__have_the_columns_they_always_had(void **state)
{
	static const struct {
		const char *sql, *columns;
	} views[] = {
		{"SELECT * FROM progress",
			"state,started_at,updated_at,prompts_total,prompts_done,"
			"prompts_failed,samples_total,samples_committed,samples_accepted,"
			"samples_duplicate,samples_truncated,samples_failed,"
			"requests_in_flight,requests_retried,prompt_tokens,"
			"cached_prompt_tokens,completion_tokens,reasoning_tokens,cost_usd,"
			"samples_per_s,tokens_per_s,eta_s"},
		{"SELECT * FROM workers",
			"worker,name,state,joined_at,seen_at,leases,prompts_held,"
			"in_flight,asked,answered,retried"},
		{"SELECT * FROM endpoints",
			"teacher,url,model,state,max_in_flight,in_flight,asked,answered,"
			"retried,latency_ms,first_token_ms,tokens_per_s,tokens,cost_usd,last_reason,last_status,"
			"misaligned,calibration,calibration_why,calibration_tokens,"
			"first_z,beyond_z,unscored,gives,questions_prompt_tokens,questions_completion_tokens,"
			"questions_cost_usd"},
		{"SELECT * FROM alignment", "teacher,url,rule,samples"},
		{"SELECT * FROM failures",
			"prompt_no,sample,revision,reason,http_status,attempts,"
			"prompt_tokens,completion_tokens,cost_usd,worker,failed_at"},
		{"SELECT * FROM throughput",
			"at,seconds,samples_per_s,tokens_per_s,failed_per_s,cost_usd,"
			"in_flight,retried,workers"},
		{"SELECT * FROM rejects",
			"file,line,reason,hint,first_file,first_line"},
		{"SELECT * FROM shards",
			"shard,file,first_line,n_lines,state,prompts,prompts_done,"
			"prompts_failed,samples_committed,samples_accepted,"
			"samples_duplicate,samples_failed,answers_fenced,deaths,"
			"prompt_tokens,completion_tokens,cost_usd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		rig_columns(rig.l->db, views[i].sql, &row);
		assert_string_equal(buf_text(&row), views[i].columns);
	}
	/* Tables that DESIGN names. */
	assert_int_equal(
		db_int_of(rig.l->db, 0,
			"SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
			" AND name IN ('job', 'corpus', 'shard', 'lease', 'worker',"
			" 'endpoint', 'failure', 'reject', 'redo', 'sample_rate',"
			" 'event')",
			""),
		11);
}

static void progress__shows_the_totals(void **state)
{
	struct totals *t = &rig.l->totals;

	(void)state;
	t->state = RUN_RUNNING;
	t->started_ms = 1767225600000;
	t->prompts = 10;
	t->prompts_done = 3;
	t->prompts_failed = 1;
	t->samples_committed = 7;
	t->samples_accepted = 6;
	t->samples_duplicate = 1;
	t->samples_truncated = 2;
	t->samples_failed = 2;
	t->requests_in_flight = 4;
	t->requests_retried = 5;
	t->prompt_tokens = 100;
	t->cached_prompt_tokens = 50;
	t->completion_tokens = 200;
	t->reasoning_tokens = 150;
	t->cost_nusd = 1500000000;
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 1767225661500));
	check("SELECT state, updated_at, prompts_total, prompts_done, prompts_failed,"
	      " samples_total, samples_committed, samples_accepted, samples_duplicate,"
	      " samples_truncated, samples_failed, requests_in_flight, requests_retried,"
	      " prompt_tokens, cached_prompt_tokens, completion_tokens, reasoning_tokens,"
	      " cost_usd, samples_per_s, tokens_per_s, eta_s FROM progress",
		"running|2026-01-01T00:01:01.500Z|10|3|1|20|7|6|1|2|2|4|5|100|50|200|150|"
		"1.5|0.0|0.0|-");
}

/* From the oldest row of the last minute to now. */
static void progress__tells_rate_and_time_left(void **state)
{
	struct totals *t = &rig.l->totals;
	static const char rate[] =
		"SELECT samples_per_s, tokens_per_s, eta_s FROM progress";

	(void)state;
	t->prompts = 100;
	t->samples_committed = 5;
	ledger_add_rate(rig.l, 1, 100000);
	t->samples_committed = 20;
	t->completion_tokens = 1000;
	ledger_add_rate(rig.l, 1, 140000);
	t->samples_committed = 50;
	ledger_add_rate(rig.l, 1, 150000);
	t->samples_committed = 60;
	t->samples_failed = 20;
	t->completion_tokens = 3000;
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 160001));
	/* 40 in 20.001 s; 120 are left. */
	check(rate, "2.0|100.0|60");
	assert_true(ledger_commit(rig.l, 1));
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 160000));
	/* The one of a minute ago counts: 55 in 60 s. */
	check(rate, "0.92|50.0|130");
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 999999));
	check(rate, "0.0|0.0|-");
	t->prompts_done = 80;
	t->prompts_failed = 20;
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 999999));
	check(rate, "0.0|0.0|0");
}

static void throughput__is_what_came_between_two_rows(void **state)
{
	struct totals *t = &rig.l->totals;

	(void)state;
	t->completion_tokens = 50;
	ledger_add_rate(rig.l, 1, 1767225600000);
	check("SELECT * FROM throughput", "");
	t->samples_committed = 30;
	t->completion_tokens = 1050;
	t->samples_failed = 5;
	t->cost_nusd = 2000000;
	t->requests_in_flight = 7;
	t->requests_retried = 3;
	ledger_add_rate(rig.l, 4, 1767225604000);
	check("SELECT * FROM throughput",
		"2026-01-01T00:00:04.000Z|4.0|7.5|250.0|1.25|0.002|7|3|4");
	/* A second row of the same time takes its place. */
	t->samples_committed = 34;
	ledger_add_rate(rig.l, 4, 1767225604000);
	check("SELECT count(*), sum(samples_per_s) FROM throughput", "1|8.5");
}

static void workers_and_endpoints__add_up(void **state)
{
	struct wire_endpoint_beat e = {.in_flight = 4,
		.asked = 20,
		.answered = 10,
		.retried = 3,
		.latency_ms = 25000,
		.streamed = 4,
		.first_token_ms = 1200,
		.writing_ms = 5000,
		.written_tokens = 200,
		.unscored = 3,
		.tokens = 100,
		.cost_nusd = 500000000};
	uint32_t a = ledger_join_worker(rig.l, 1, bytes_of("a", 1), 1767225600000);
	const struct wire_verdict asked = {
		.prompt_tokens = 7, .completion_tokens = 11, .cost_nusd = 2000000};
	char *gives;

	(void)state;
	ledger_join_worker(rig.l, 2, bytes_of("b", 1), 1767225600000);
	ledger_put_endpoint(rig.l, 0, 0, "t0", "http://x/v1", "m", 64);
	ledger_put_endpoint(rig.l, 0, 1, "t0", "http://y/v1", "m", 64);
	ledger_put_endpoint_state(rig.l, 0, 1, "held", 503, "overloaded");
	ledger_put_worker_endpoint(rig.l, a, 6, &e);
	e.endpoint = 1;
	ledger_put_worker_endpoint(rig.l, a, 6, &e);
	e.answered = 0;
	e.latency_ms = 0;
	ledger_put_worker_endpoint(rig.l, 2, 6, &e);
	ledger_put_worker(rig.l, a, "joined", 2, 30, 1767225601000);
	check("SELECT * FROM workers WHERE name = 'a'",
		"1|a|joined|2026-01-01T00:00:00.000Z|2026-01-01T00:00:01.000Z|2|30|8|40|20|6");
	check("SELECT * FROM endpoints WHERE url = 'http://x/v1'",
		"t0|http://x/v1|m|new|64|4|20|10|3|2500|300|40.0|100|0.5|none|0|0|-|-|0|0.0|0.0|3|-|0|0|0.0");
	check("SELECT * FROM endpoints WHERE url = 'http://y/v1'",
		"t0|http://y/v1|m|held|64|8|40|10|6|2500|300|40.0|200|1.0|overloaded|503|0|-|-|0|0.0|0.0|6|-|0|0|0.0");
	/* What it gives holds for its address and for these settings. */
	assert_null(ledger_verdict(rig.l, 0, 0, "http://x/v1", "m"));
	ledger_put_verdict(rig.l, 0, 0, "{\"k\":1}");
	check("SELECT gives FROM endpoints WHERE url = 'http://x/v1'", "{\"k\":1}");
	gives = ledger_verdict(rig.l, 0, 0, "http://x/v1", "m");
	assert_string_equal(gives, "{\"k\":1}");
	free(gives);
	assert_null(ledger_verdict(rig.l, 0, 0, "http://y/v1", "m"));
	assert_null(ledger_verdict(rig.l, 0, 0, "http://x/v1", "n"));
	rig.l->totals.settings++;
	assert_null(ledger_verdict(rig.l, 0, 0, "http://x/v1", "m"));
	ledger_pay_questions(rig.l, &asked);
	ledger_pay_questions(rig.l, &asked);
	check("SELECT questions_prompt_tokens, questions_completion_tokens,"
	      " questions_cost_usd FROM endpoints WHERE url = 'http://x/v1'",
		"14|22|0.004");
	assert_int_equal(rig.l->totals.prompt_tokens, 14);
	assert_int_equal(rig.l->totals.completion_tokens, 22);
	assert_int_equal(rig.l->totals.cost_nusd, 4000000);
	rig.l->totals.settings--;
	ledger_doubt_verdict(rig.l, 0, 0);
	assert_null(ledger_verdict(rig.l, 0, 0, "http://x/v1", "m"));
	check("SELECT gives FROM endpoints WHERE url = 'http://x/v1'", "{\"k\":1}");
	ledger_put_verdict(rig.l, 0, 0, NULL);
	check("SELECT gives FROM endpoints WHERE url = 'http://x/v1'", "-");
	/* Nobody has been there: shown, with zeros. */
	ledger_put_endpoint(rig.l, 1, 0, "t1", "http://z/v1", "m", 8);
	check("SELECT * FROM endpoints WHERE teacher = 't1'",
		"t1|http://z/v1|m|new|8|0|0|0|0|-|-|-|0|0.0|none|0|0|-|-|0|0.0|0.0|0|-|0|0|0.0");
}

static void alignment__is_counted_by_endpoint_and_rule(void **state)
{
	struct wire_endpoint_beat e = {.misaligned = {[MISALIGNED_SUM] = 3}};

	(void)state;
	ledger_put_endpoint(rig.l, 0, 0, "t0", "http://x/v1", "m", 64);
	ledger_put_endpoint(rig.l, 0, 1, "t0", "http://y/v1", "m", 64);
	check("SELECT count(*) FROM alignment", "0");
	ledger_put_alignment(rig.l, 1, &e);
	e.misaligned[MISALIGNED_SUM] = 5; /* absolute */
	e.misaligned[MISALIGNED_DRAFT] = 1;
	ledger_put_alignment(rig.l, 1, &e);
	ledger_put_alignment(rig.l, 2, &e);
	e.endpoint = 1;
	ledger_put_alignment(rig.l, 2, &e);
	check("SELECT * FROM alignment WHERE rule = 'sum_above_one' ORDER BY url",
		"t0|http://x/v1|sum_above_one|10");
	check("SELECT * FROM alignment WHERE rule = 'draft_token' ORDER BY url DESC",
		"t0|http://y/v1|draft_token|1");
	check("SELECT count(*), sum(samples) FROM alignment", "4|18");
	/* Two rows for two workers must not count anything else twice. */
	ledger_put_worker_endpoint(
		rig.l, 1, 6, &(struct wire_endpoint_beat){.asked = 4});
	ledger_put_worker_endpoint(
		rig.l, 2, 6, &(struct wire_endpoint_beat){.asked = 3});
	check("SELECT misaligned, asked FROM endpoints WHERE url = 'http://x/v1'",
		"12|7");
}

static void calibration__is_summed_over_workers_and_forgotten(void **state)
{
	struct wire_endpoint_beat e = {
		.calibration = {1500, 2, {900, 1, 2, 3000000000}, {4, 5, 6, 7}}};
	struct calibration sum;
	struct calibration_verdict v;

	(void)state;
	ledger_put_endpoint(rig.l, 0, 0, "t0", "http://x/v1", "m", 64);
	ledger_put_endpoint(rig.l, 0, 1, "t0", "http://y/v1", "m", 64);
	ledger_put_alignment(rig.l, 1, &e);
	ledger_put_alignment(rig.l, 1, &e);
	ledger_put_alignment(rig.l, 2, &e);
	ledger_sum_calibration(rig.l, 0, 1, &sum);
	assert_int_equal(sum.tokens, 0);
	ledger_sum_calibration(rig.l, 0, 0, &sum);
	assert_int_equal(sum.tokens, 3000);
	assert_int_equal(sum.open_ends, 4);
	assert_int_equal(sum.first.hits, 1800);
	assert_int_equal(sum.first.low, 2);
	assert_int_equal(sum.first.high, 4);
	assert_int_equal(sum.first.variance, 6000000000);
	assert_int_equal(sum.beyond.hits, 8);
	assert_int_equal(sum.beyond.low, 10);
	assert_int_equal(sum.beyond.high, 12);
	assert_int_equal(sum.beyond.variance, 14);
	v = calibration_judge(&sum, true);
	assert_int_equal(ledger_calibration(rig.l, 0, 0), CALIBRATION_NONE);
	ledger_put_calibration(rig.l, 0, 0, &sum, &v, "first");
	assert_int_equal(ledger_calibration(rig.l, 0, 0), CALIBRATION_BROKEN);
	check("SELECT calibration, calibration_why, calibration_tokens, first_z"
	      " FROM endpoints WHERE url = 'http://x/v1'",
		"broken|first|3000|734.85");
	check("SELECT first_hits, first_variance, beyond_hits FROM endpoint"
	      " WHERE endpoint = 0",
		"1800|6.0|8");
	/* The same endpoint goes on; another one in its place begins anew. */
	ledger_forget_calibration_unless(rig.l, 0, 0, "http://x/v1", "m");
	assert_int_equal(ledger_calibration(rig.l, 0, 0), CALIBRATION_BROKEN);
	ledger_forget_calibration_unless(rig.l, 0, 0, "http://z/v1", "m");
	assert_int_equal(ledger_calibration(rig.l, 0, 0), CALIBRATION_NONE);
	ledger_sum_calibration(rig.l, 0, 0, &sum);
	assert_int_equal(sum.tokens, 0);
	e.endpoint = 1;
	ledger_put_alignment(rig.l, 1, &e);
	ledger_forget_calibration(rig.l);
	ledger_sum_calibration(rig.l, 0, 1, &sum);
	assert_int_equal(sum.tokens, 0);
}

static void failures__lists_those_that_still_stand(void **state)
{
	struct wire_failed f = rig_failure(0, 3, 3, 1);
	struct redo redo = {3, 0, 1, 1, 3, true};

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	ledger_add_failure(rig.l, &f, 2, 1767225600000);
	check("SELECT * FROM failures",
		"3|1|0|bad_request|400|5|10|7|3.0e-06|2|2026-01-01T00:00:00.000Z");
	ledger_add_redo(rig.l, &redo, 1);
	check("SELECT * FROM failures", "");
}

static void rejects_and_shards__name_their_file(void **state)
{
	struct index_corpus c = {.path = "a.jsonl"};
	struct index_reject r = {.corpus = 1,
		.line = 4,
		.number = 3,
		.reason = REJECT_DUPLICATE_ID,
		.first_is_known = true,
		.first_line = 2};
	struct lease lease = {.epoch = 1, .shard = 0, .prompts = 1, .worker = 1};
	struct shard_row s;
	static const char states[] =
		"SELECT group_concat(state) FROM (SELECT state FROM shards ORDER BY shard)";

	(void)state;
	ledger_put_corpus(rig.l, &c);
	c = (struct index_corpus){.corpus = 1, .path = "b.jsonl"};
	ledger_put_corpus(rig.l, &c);
	ledger_add_reject(rig.l, &r);
	check("SELECT file, line, reason, first_file, first_line FROM rejects",
		"b.jsonl|4|duplicate_id|a.jsonl|2");
	rig_add_shard(&rig, 0, 0, 1);
	rig_add_shard(&rig, 1, 1, 1);
	check(states, "pending,pending");
	ledger_add_lease(rig.l, &lease, 1);
	s = rig_row(&rig, 1);
	s.committed[0] = 2;
	s.samples_accepted = 1;
	s.deaths = 3;
	s.cost_nusd = 250000000;
	rig_save(&rig, &s);
	check(states, "leased,ended");
	check("SELECT * FROM shards WHERE shard = 1",
		"1|a.jsonl|2|1|ended|1|1|0|2|1|0|0|0|3|0|0|0.25");
	ledger_retire_shards(rig.l);
	check(states, "retired,retired");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(views__have_the_columns_they_always_had),
		TEST(progress__shows_the_totals),
		TEST(progress__tells_rate_and_time_left),
		TEST(throughput__is_what_came_between_two_rows),
		TEST(workers_and_endpoints__add_up),
		TEST(alignment__is_counted_by_endpoint_and_rule),
		TEST(calibration__is_summed_over_workers_and_forgotten),
		TEST(failures__lists_those_that_still_stand),
		TEST(rejects_and_shards__name_their_file),
	};

	return cmocka_run_group_tests_name("ledger_views", tests, NULL, NULL);
}
