/* SPDX-License-Identifier: Apache-2.0 */
/* A run as `retort status` and the progress bar see it, beside its writer. */
#include "unit/ledger_rig.h"

#include "coordinator/run_state.h"
#include "coordinator/status.h"

static struct ledger_rig rig;
static struct status *status;

static int begin(void **state)
{
	struct err err;

	(void)state;
	rig_begin(&rig, 2);
	must(status_open(rig.folder.path, &status, &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	status_close(status);
	rig_end(&rig);
	return 0;
}

static void commit(int64_t at_ms)
{
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, at_ms));
}

/* 250 of 1000 samples, 5 of them failed, at 12.5 a second. */
static void make_progress(void)
{
	struct totals *t = &rig.l->totals;

	t->state = RUN_RUNNING;
	t->prompts = 500;
	ledger_add_rate(rig.l, 1, 100000);
	t->prompts_done = 120;
	t->prompts_failed = 2;
	t->samples_committed = 245;
	t->samples_failed = 5;
	t->completion_tokens += 19600;
	t->cost_nusd = 12345678;
	commit(119600);
}

static void status__of_no_run_says_so(void **state)
{
	char *other = file_join(rig.folder.path, "other");
	struct status *s = status;
	struct err err;

	(void)state;
	assert_int_equal(status_open(other, &s, &err), ERR_NOT_FOUND);
	assert_null(s);
	assert_non_null(strstr(err.msg, "there is no run in"));
	status_close(NULL);
	free(other);
}

static void status_now__follows_the_run(void **state)
{
	struct status_now now;

	(void)state;
	assert_true(status_now(status, &now));
	assert_string_equal(now.state, "indexing");
	assert_int_equal(now.prompts, 0);
	assert_int_equal(now.eta_s, 0);
	make_progress();
	assert_true(status_now(status, &now));
	assert_string_equal(now.state, "running");
	assert_int_equal(now.prompts, 500);
	assert_int_equal(now.done, 120);
	assert_int_equal(now.failed, 2);
	assert_int_equal(now.samples, 1000);
	assert_int_equal(now.committed, 245);
	assert_int_equal(now.samples_failed, 5);
	assert_true(now.per_s == 12.5);
	assert_true(now.tokens_per_s == 1000);
	assert_true(now.cost_usd == 0.012345678);
	assert_int_equal(now.eta_s, 60);
	/* Without a rate there is no telling. */
	commit(9999999);
	assert_true(status_now(status, &now));
	assert_int_equal(now.eta_s, -1);
	db_run(rig.l->db, "DELETE FROM totals", "");
	assert_false(status_now(status, &now));
}

static void status_bar__fills_with_what_has_ended(void **state)
{
	char bar[256];

	(void)state;
	make_progress();
	status_bar(status, bar, sizeof(bar), 200);
	assert_string_equal(bar,
		"[##########..............................]  25.0%  245/1000 samples"
		"  12/s  1000 tok/s  5 failed  left 1 min 00 s");
	rig.l->totals.samples_committed = 995;
	commit(119600);
	status_bar(status, bar, sizeof(bar), 200);
	assert_non_null(
		strstr(bar, "[########################################] 100.0%"));
	/* In a narrow window the bar gets shorter, not the numbers. */
	status_bar(status, bar, sizeof(bar), 100);
	assert_in_range(strlen(bar), 90, 100);
	assert_non_null(strstr(bar, "995/1000 samples"));
	status_bar(status, bar, sizeof(bar), 10);
	assert_memory_equal(bar, "[##########] ", 13);
	/* What has no room is left out whole. */
	memset(bar, 'x', sizeof(bar));
	status_bar(status, bar, 40, 200);
	assert_string_equal(bar, "");
	assert_int_equal(bar[40], 'x');
}

static void status_bar__of_an_empty_run_is_empty(void **state)
{
	char bar[256];

	(void)state;
	status_bar(status, bar, sizeof(bar), 80);
	assert_non_null(strstr(bar, "0.0%  0/0 samples"));
	assert_null(strchr(bar, '#'));
}

static void add_details(void)
{
	struct wire_failed f = rig_failure(0, 3, 3, 1);
	struct index_reject r = {.line = 4, .reason = REJECT_BAD_JSON};
	struct wire_endpoint_beat e = {
		.in_flight = 4, .asked = 20, .answered = 10, .retried = 3};
	uint32_t a = ledger_join_worker(rig.l, 1, bytes_of("a", 1), 1);
	uint32_t b = ledger_join_worker(rig.l, 2, bytes_of("b", 1), 1);

	e.latency_ms = 25000;
	ledger_put_worker(rig.l, b, "lost", 0, 0, 2);
	ledger_put_endpoint(rig.l, 0, 0, "t0", "http://x/\033[2J", "m", 64);
	ledger_put_endpoint_state(rig.l, 0, 0, "up", 503, "overloaded");
	ledger_put_worker_endpoint(rig.l, a, 6, &e);
	rig_add_shard(&rig, 0, 0, 8);
	ledger_add_failure(rig.l, &f, 1, 5);
	f.key.sample = 0;
	ledger_add_failure(rig.l, &f, 1, 5);
	f.key.prompt = 4;
	f.reason = REASON_WORKER_CRASH;
	ledger_add_failure(rig.l, &f, 1, 5);
	ledger_add_reject(rig.l, &r);
	make_progress();
}

static void status_json__has_what_the_views_have(void **state)
{
	json_t *all, *progress, *one;

	(void)state;
	add_details();
	all = status_json(status);
	assert_int_equal(json_object_size(all), 5);
	progress = json_object_get(all, "progress");
	assert_int_equal(json_object_size(progress), 22);
	assert_string_equal(
		json_string_value(json_object_get(progress, "state")), "running");
	assert_int_equal(
		json_integer_value(json_object_get(progress, "samples_total")), 1000);
	assert_true(json_is_real(json_object_get(progress, "cost_usd")));
	assert_int_equal(json_integer_value(json_object_get(progress, "eta_s")), 60);
	/* Only those that are there. */
	one = json_object_get(all, "workers");
	assert_int_equal(json_array_size(one), 1);
	one = json_array_get(json_object_get(all, "endpoints"), 0);
	assert_string_equal(
		json_string_value(json_object_get(one, "url")), "http://x/\033[2J");
	assert_int_equal(json_integer_value(json_object_get(one, "latency_ms")), 2500);
	one = json_object_get(all, "failures");
	assert_int_equal(json_object_size(one), 2);
	assert_int_equal(json_integer_value(json_object_get(one, "bad_request")), 2);
	assert_int_equal(json_integer_value(json_object_get(one, "worker_crash")), 1);
	one = json_object_get(all, "rejects");
	assert_int_equal(json_integer_value(json_object_get(one, "bad_json")), 1);
	json_decref(all);
	/* A value that is not known is null, not 0. */
	commit(9999999);
	all = status_json(status);
	assert_true(json_is_null(
		json_object_get(json_object_get(all, "progress"), "eta_s")));
	json_decref(all);
}

static void print(struct buf *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	status_print(status, to);
	fclose(to);
	buf_clear(out);
	buf_add(out, text, len);
	free(text);
}

static void put_calibration(struct calibration c, bool applies)
{
	struct calibration_verdict v = calibration_judge(&c, applies);

	ledger_put_calibration(rig.l, 0, 0, &c, &v,
		applies ? NULL : calibration_use_name(CALIBRATION_MODE));
	commit(119600);
}

static void status_print__tells_of_calibration_and_alignment(void **state)
{
	struct wire_endpoint_beat e = {.misaligned = {[MISALIGNED_SUM] = 7}};
	struct calibration broken = {.tokens = 2000,
		.first = {1900, 1000000000000, 1000000000000, 500000000000}};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	add_details();
	print(&out);
	assert_null(strstr(buf_text(&out), "calibration"));
	assert_null(strstr(buf_text(&out), "misaligned"));
	ledger_put_alignment(rig.l, 1, &e);
	put_calibration((struct calibration){0}, false);
	print(&out);
	assert_non_null(strstr(buf_text(&out),
		"7 misaligned  calibration not applicable (logprobs_mode)\n"));
	put_calibration((struct calibration){0}, true);
	print(&out);
	assert_non_null(strstr(buf_text(&out), "calibration too few\n"));
	put_calibration(broken, true);
	print(&out);
	assert_non_null(strstr(buf_text(&out), "calibration broken (z 40.2, 0.0)\n"));
	buf_release(&out);
}

static void status_print__says_it_to_people(void **state)
{
	static const char *const lines[] = {
		"state       running since ",
		"prompts          120 of 500 done, 2 failed\n",
		"samples          245 of 1000 committed, 0 accepted, 0 duplicate, "
		"0 truncated, 5 failed\n",
		"requests           0 in flight, 0 retried\n",
		"rate           12.50 samples/s, 1000 tokens/s, left 1 min 00 s\n",
		"workers            1\n",
		"  up  4/64 in flight  10 answered  3 retried  2500 ms  last failure "
		"overloaded 503\n",
		"failed             2  bad_request\n",
		"\n                   1  worker_crash\n",
		"rejected           1  bad_json\n",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	add_details();
	print(&out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(buf_text(&out), lines[i]))
			fail_msg("no '%s' in:\n%s", lines[i], buf_text(&out));
	assert_null(strchr(buf_text(&out), '\033'));
	db_run(rig.l->db, "DELETE FROM totals", "");
	assert_true(ledger_commit(rig.l, 1));
	print(&out);
	assert_string_equal(buf_text(&out), "the run has not begun\n");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(status__of_no_run_says_so),
		TEST(status_now__follows_the_run),
		TEST(status_bar__fills_with_what_has_ended),
		TEST(status_bar__of_an_empty_run_is_empty),
		TEST(status_json__has_what_the_views_have),
		TEST(status_print__says_it_to_people),
		TEST(status_print__tells_of_calibration_and_alignment),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
