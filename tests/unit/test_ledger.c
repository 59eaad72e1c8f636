/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, totals, jobs, events, the corpus, workers and endpoints; shards in
 * work are in test_ledger_shard.c, views in test_ledger_views.c. */
#include "unit/ledger_rig.h"

#include "coordinator/run_state.h"

static struct ledger_rig rig;

static int begin(void **state)
{
	(void)state;
	rig_begin(&rig, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_end(&rig);
	return 0;
}

static void ledger__finds_its_run_again(void **state)
{
	struct totals *t = &rig.l->totals, want;

	(void)state;
	assert_string_equal(t->state, RUN_INDEXING);
	assert_int_equal(t->next_epoch, 1);
	assert_true(t->started_ms > 1700000000000);
	want = *t;
	want.state = RUN_DRAINING;
	want.settings = 3;
	snprintf(want.ids_file, sizeof(want.ids_file), "ids.a");
	snprintf(want.spool, sizeof(want.spool), "spool.b");
	want.next_epoch = UINT64_MAX;
	want.next_prompt = 5;
	want.next_shard = 6;
	want.store_commit = 7;
	want.disk_bytes = (uint64_t)1 << 63;
	/* The rest are counts, one behind the other. */
	for (int64_t *count = &want.prompts; count <= &want.cost_nusd; count++)
		*count = 100 + (count - &want.prompts);
	*t = want;
	rig.l->totals_changed = true;
	assert_true(ledger_commit(rig.l, 4242));
	want.updated_ms = 4242;
	rig_open_again(&rig);
	t = &rig.l->totals;
	assert_string_equal(t->state, RUN_DRAINING);
	want.state = t->state;
	assert_memory_equal(t, &want, sizeof(want));
}

static void ledger__undoes_what_was_not_committed(void **state)
{
	char *job;

	(void)state;
	assert_false(ledger_in_transaction(rig.l));
	ledger_set_job(rig.l, 0, "{}", 1);
	assert_true(ledger_in_transaction(rig.l));
	rig.l->totals.next_shard = 99;
	rig.l->totals_changed = true;
	rig_open_again(&rig);
	assert_null(ledger_job(rig.l, 0));
	assert_int_equal(rig.l->totals.next_shard, 0);
	/* Without changes there is nothing to commit. */
	assert_true(ledger_commit(rig.l, 9999));
	assert_int_equal(rig.l->totals.updated_ms, 1000);
	ledger_set_job(rig.l, 0, "{}", 1);
	assert_true(ledger_commit(rig.l, 9999));
	assert_false(ledger_in_transaction(rig.l));
	rig_open_again(&rig);
	assert_non_null(job = ledger_job(rig.l, 0));
	free(job);
}

static void ledger__refuses_another_version_and_what_is_none(void **state)
{
	char *text = folder_write_text(&rig.folder, "text",
		"no database, but long "
		"enough to be read as one");
	struct ledger *l;
	struct err err;
	bool is_new;

	(void)state;
	must(db_script(rig.l->db, "PRAGMA user_version=9", &err), &err);
	ledger_close(rig.l);
	rig.l = NULL;
	assert_int_equal(ledger_open(rig.path, &l, &is_new, &err), ERR_REFUSED);
	assert_null(l);
	assert_non_null(strstr(err.msg, "has ledger version 9, this build has 3"));
	assert_int_equal(ledger_open(text, &l, &is_new, &err), ERR_CORRUPT);
	assert_int_equal(
		ledger_open("/no/such/folder/x", &l, &is_new, &err), ERR_NOT_FOUND);
	assert_null(l);
	ledger_close(NULL);
	free(text);
}

static void ledger__without_its_totals_is_corrupt(void **state)
{
	struct ledger *l;
	struct err err;
	bool is_new;

	(void)state;
	must(db_script(rig.l->db, "DELETE FROM totals", &err), &err);
	ledger_close(rig.l);
	rig.l = NULL;
	assert_int_equal(ledger_open(rig.path, &l, &is_new, &err), ERR_CORRUPT);
	assert_string_equal(err.msg, "the ledger has no totals");
}

static void ledger__keeps_the_job_of_each_settings_generation(void **state)
{
	char *job;

	(void)state;
	assert_null(ledger_job(rig.l, 0));
	ledger_set_job(rig.l, 0, "{\"a\":1}", 10);
	ledger_set_job(rig.l, 1, "{\"a\":2}", 20);
	ledger_set_job(rig.l, 0, "{\"a\":3}", 30);
	job = ledger_job(rig.l, 0);
	assert_string_equal(job, "{\"a\":3}");
	free(job);
	job = ledger_job(rig.l, 1);
	assert_string_equal(job, "{\"a\":2}");
	free(job);
	assert_null(ledger_job(rig.l, 2));
	assert_int_equal(db_int_of(rig.l->db, 0, "SELECT since_ms FROM job", ""), 10);
}

static void ledger__adds_events_and_never_changes_them(void **state)
{
	struct buf row;
	struct err err;

	(void)state;
	buf_init(&row, 4096);
	ledger_event(rig.l, "lost", 3, 0, "%d of %s", 7, "all");
	ledger_event(rig.l, "begun", -1, -1, "x");
	rig_values(rig.l->db,
		"SELECT event, kind, worker, shard, detail FROM event WHERE event = 1",
		&row);
	assert_string_equal(buf_text(&row), "1|lost|3|0|7 of all");
	rig_values(rig.l->db,
		"SELECT event, kind, worker, shard, detail FROM event WHERE event = 2",
		&row);
	assert_string_equal(buf_text(&row), "2|begun|-|-|x");
	assert_int_not_equal(db_script(rig.l->db, "DELETE FROM event", &err), ERR_NONE);
	assert_non_null(strstr(err.msg, "events are kept"));
	assert_int_not_equal(
		db_script(rig.l->db, "UPDATE event SET kind = 'y'", &err), ERR_NONE);
	assert_non_null(strstr(err.msg, "events are final"));
	buf_release(&row);
}

/* -- The corpus -- */

static void ledger__keeps_the_list_of_files(void **state)
{
	struct index_corpus c = {.corpus = 1,
		.path = "b.jsonl",
		.size = 5,
		.mtime_ns = -6,
		.inode = UINT64_MAX,
		.text_size = 7,
		.digest = {8, UINT64_MAX - 1},
		.n_lines = 9,
		.spooled = true};
	struct index_corpus *list;

	(void)state;
	assert_int_equal(ledger_corpora(rig.l, &list), 0);
	ledger_put_corpus(rig.l, &c);
	c.corpus = 0;
	c.path = "a.jsonl";
	c.spooled = false;
	ledger_put_corpus(rig.l, &c);
	c.n_lines = 10;
	ledger_put_corpus(rig.l, &c);
	assert_int_equal(ledger_corpora(rig.l, &list), 2);
	assert_string_equal(list[0].path, "a.jsonl");
	assert_int_equal(list[0].n_lines, 10);
	assert_false(list[0].spooled);
	assert_string_equal(list[1].path, "b.jsonl");
	assert_int_equal(list[1].corpus, 1);
	assert_int_equal(list[1].size, 5);
	assert_int_equal(list[1].mtime_ns, -6);
	assert_true(list[1].inode == UINT64_MAX);
	assert_int_equal(list[1].text_size, 7);
	assert_true(list[1].digest.low == 8 && list[1].digest.high == UINT64_MAX - 1);
	assert_int_equal(list[1].n_lines, 9);
	assert_true(list[1].spooled);
	ledger_forget_corpora(rig.l);
	assert_int_equal(ledger_corpora(rig.l, &list), 0);
}

static void ledger__gives_shards_back_as_the_index_made_them(void **state)
{
	uint64_t numbers[3] = {900, UINT64_MAX - 1, 7};
	struct index_shard a = rig_shard(0, 0, 64, 0xf00000000000000f);
	struct index_shard b = rig_shard(1, 64, 3, 0x5), got;

	(void)state;
	b.numbers = numbers;
	ledger_add_shard(rig.l, &a);
	ledger_add_shard(rig.l, &b);
	assert_int_equal(rig.l->totals.prompts, 10);
	assert_int_equal(ledger_index_shard(rig.l, 0, &got), ERR_NONE);
	assert_null(got.numbers);
	assert_memory_equal(&got, &a, sizeof(a));
	assert_int_equal(ledger_index_shard(rig.l, 1, &got), ERR_NONE);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(index_shard_number(&got, i) == numbers[i]);
	got.numbers = numbers;
	assert_memory_equal(&got, &b, sizeof(b));
	assert_int_equal(ledger_index_shard(rig.l, 2, &got), ERR_NOT_FOUND);
	assert_int_equal(ledger_shard_at_line(rig.l, 0, 65, &got), ERR_NONE);
	assert_int_equal(got.shard, 1);
	assert_int_equal(ledger_shard_at_line(rig.l, 0, 64, &got), ERR_NOT_FOUND);
	assert_int_equal(ledger_shard_at_line(rig.l, 1, 65, &got), ERR_NOT_FOUND);
	/* After it was retired a shard is nowhere, but keeps its number. */
	ledger_retire_shards(rig.l);
	assert_int_equal(rig.l->totals.prompts, 0);
	assert_int_equal(ledger_shard_at_line(rig.l, 0, 65, &got), ERR_NOT_FOUND);
	assert_int_equal(ledger_index_shard(rig.l, 1, &got), ERR_NONE);
}

static void ledger__does_not_believe_a_damaged_shard(void **state)
{
	struct index_shard got;
	struct err err;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	must(db_script(rig.l->db, "UPDATE shard SET line_hash = x'0102'", &err), &err);
	assert_int_equal(ledger_index_shard(rig.l, 0, &got), ERR_CORRUPT);
	must(db_script(rig.l->db,
		     "UPDATE shard SET n_lines = 65, line_hash = zeroblob(260)", &err),
		&err);
	assert_int_equal(ledger_index_shard(rig.l, 0, &got), ERR_CORRUPT);
}

static void check_place(uint64_t prompt, uint64_t want_shard, uint64_t want_line)
{
	uint64_t shard, line;
	uint32_t corpus;

	assert_int_equal(
		ledger_locate(rig.l, prompt, &shard, &corpus, &line), ERR_NONE);
	assert_int_equal(shard, want_shard);
	assert_int_equal(line, want_line);
	assert_int_equal(corpus, 0);
}

static void ledger__knows_where_a_prompt_is(void **state)
{
	uint64_t numbers[3] = {30, 3, 500}, n;
	struct index_shard moved = rig_shard(5, 40, 3, 7);
	uint32_t corpus;

	(void)state;
	rig_add_shard(&rig, 0, 0, 10);
	rig_add_shard(&rig, 1, 10, 20);
	check_place(0, 0, 1);
	check_place(9, 0, 10);
	check_place(10, 1, 11);
	check_place(29, 1, 30);
	assert_int_equal(ledger_locate(rig.l, 30, &n, &corpus, &n), ERR_NOT_FOUND);
	moved.numbers = numbers;
	ledger_add_shard(rig.l, &moved);
	check_place(30, 5, 41);
	check_place(500, 5, 43);
	/* Its own first_prompt says nothing where numbers are listed. */
	assert_int_equal(ledger_locate(rig.l, 41, &n, &corpus, &n), ERR_NOT_FOUND);
	ledger_retire_shards(rig.l);
	assert_int_equal(ledger_locate(rig.l, 5, &n, &corpus, &n), ERR_NOT_FOUND);
	assert_int_equal(ledger_locate(rig.l, 500, &n, &corpus, &n), ERR_NOT_FOUND);
}

static void ledger__counts_a_rejected_line_once(void **state)
{
	struct index_reject r = {.line = 4,
		.number = 3,
		.reason = REJECT_DUPLICATE_ID,
		.first_is_known = true,
		.first_line = 2,
		.takes_back = true};
	struct buf row;

	(void)state;
	buf_init(&row, 4096);
	rig_add_shard(&rig, 0, 0, 5);
	ledger_add_reject(rig.l, &r);
	ledger_add_reject(rig.l, &r);
	assert_int_equal(rig.l->totals.rejects, 1);
	/* The prompt that it was is taken back, once. */
	assert_int_equal(rig.l->totals.prompts, 4);
	assert_true(rig_row(&rig, 0).present == 0x17);
	assert_int_equal(db_int_of(rig.l->db, 0, "SELECT prompts FROM shard", ""), 4);
	r = (struct index_reject){.line = 9,
		.reason = REJECT_BAD_JSON,
		.first_corpus = 1,
		.first_line = 1};
	ledger_add_reject(rig.l, &r);
	assert_int_equal(rig.l->totals.rejects, 2);
	rig_values(rig.l->db,
		"SELECT reason, first_corpus, first_line FROM reject WHERE line = 4",
		&row);
	assert_string_equal(buf_text(&row), "duplicate_id|0|2");
	rig_values(rig.l->db,
		"SELECT reason, first_corpus, first_line FROM reject WHERE line = 9",
		&row);
	assert_string_equal(buf_text(&row), "bad_json|-|-");
	ledger_forget_corpora(rig.l);
	assert_int_equal(rig.l->totals.rejects, 0);
	buf_release(&row);
}

static void ledger__ends_a_shard_whose_last_prompt_is_taken_back(void **state)
{
	struct index_shard s = rig_shard(0, 0, 3, 0x5);
	uint64_t shard;

	(void)state;
	ledger_add_shard(rig.l, &s);
	ledger_clear_prompt(rig.l, 1); /* a line that is no prompt */
	assert_int_equal(rig.l->totals.prompts, 2);
	ledger_clear_prompt(rig.l, 0);
	assert_true(ledger_next_pending(rig.l, 0, &shard));
	ledger_clear_prompt(rig.l, 2);
	assert_int_equal(rig.l->totals.prompts, 0);
	assert_false(ledger_next_pending(rig.l, 0, &shard));
	ledger_clear_prompt(rig.l, 99);
	/* One without any prompt has ended from the beginning. */
	s = rig_shard(1, 3, 3, 0);
	ledger_add_shard(rig.l, &s);
	assert_false(ledger_next_pending(rig.l, 0, &shard));
}

/* -- Workers and endpoints -- */

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void ledger__knows_a_worker_by_its_session(void **state)
{
	uint32_t a = ledger_join_worker(rig.l, UINT64_MAX, text("host-1"), 100);
	uint32_t b = ledger_join_worker(rig.l, 5, text("a\033[31m\"b"), 100);
	char name[64];

	(void)state;
	assert_true(a > 0 && b > 0 && a != b);
	ledger_put_worker(rig.l, a, "lost", 0, 0, 150);
	assert_int_equal(ledger_join_worker(rig.l, UINT64_MAX, text("other"), 200), a);
	ledger_worker_name(rig.l, a, name, sizeof(name));
	assert_string_equal(name, "host-1");
	/* A terminal will print it. */
	ledger_worker_name(rig.l, b, name, sizeof(name));
	assert_string_equal(name, "a\\x1b[31m\\\"b");
	ledger_worker_name(rig.l, 99, name, sizeof(name));
	assert_string_equal(name, "");
	assert_int_equal(db_int_of(rig.l->db, 0,
				 "SELECT count(*) FROM worker WHERE state = 'joined'"
				 " AND joined_ms = 100 AND seen_ms IN (100, 200)",
				 ""),
		2);
}

static void ledger__forgets_what_is_in_flight_at_who_has_ended(void **state)
{
	struct wire_endpoint_beat e = {.teacher = 0,
		.endpoint = 1,
		.in_flight = 4,
		.asked = 20,
		.answered = 10,
		.retried = 3,
		.tokens = 100,
		.cost_nusd = -1};
	uint32_t a = ledger_join_worker(rig.l, 1, text("a"), 1);
	uint32_t b = ledger_join_worker(rig.l, 2, text("b"), 1);

	(void)state;
	ledger_put_worker_endpoint(rig.l, a, 6, &e);
	e.in_flight = 5;
	e.retried = 1;
	ledger_put_worker_endpoint(rig.l, b, 6, &e);
	ledger_put_worker_endpoint(rig.l, b, 6, &e);
	ledger_sum_requests(rig.l);
	assert_int_equal(rig.l->totals.requests_in_flight, 9);
	assert_int_equal(rig.l->totals.requests_retried, 4);
	ledger_put_worker(rig.l, a, "joined", 1, 2, 5);
	ledger_sum_requests(rig.l);
	assert_int_equal(rig.l->totals.requests_in_flight, 9);
	ledger_put_worker(rig.l, a, "crashed", 0, 0, 6);
	ledger_sum_requests(rig.l);
	assert_int_equal(rig.l->totals.requests_in_flight, 5);
	assert_int_equal(rig.l->totals.requests_retried, 4);
	/* After a restart nobody has joined yet; how others ended is kept. */
	ledger_reset_workers(rig.l);
	ledger_sum_requests(rig.l);
	assert_int_equal(rig.l->totals.requests_in_flight, 0);
	assert_int_equal(
		db_int_of(rig.l->db, 0,
			"SELECT count(*) FROM worker WHERE state = 'crashed'", ""),
		1);
	assert_int_equal(
		db_int_of(rig.l->db, 0,
			"SELECT count(*) FROM worker WHERE state = 'left'", ""),
		1);
}

static void ledger__knows_which_endpoints_have_answered(void **state)
{
	struct wire_endpoint_beat e = {.teacher = 2, .endpoint = 1, .asked = 1};
	struct buf row;

	(void)state;
	buf_init(&row, 4096);
	ledger_put_endpoint(rig.l, 2, 1, "t", "http://a", "m", 64);
	assert_false(ledger_endpoint_answered(rig.l, 2, 1, "http://a", "m"));
	ledger_put_worker_endpoint(rig.l, 1, 6, &e);
	assert_false(ledger_endpoint_answered(rig.l, 2, 1, "http://a", "m"));
	e.answered = 1;
	ledger_put_worker_endpoint(rig.l, 1, 6, &e);
	assert_true(ledger_endpoint_answered(rig.l, 2, 1, "http://a", "m"));
	/* Another place or model is another endpoint. */
	assert_false(ledger_endpoint_answered(rig.l, 2, 1, "http://b", "m"));
	assert_false(ledger_endpoint_answered(rig.l, 2, 1, "http://a", "n"));
	assert_false(ledger_endpoint_answered(rig.l, 2, 0, "http://a", "m"));
	ledger_put_endpoint_state(rig.l, 2, 1, "held", 503, "overloaded");
	ledger_put_endpoint(rig.l, 2, 1, "t", "http://b", "m", 32);
	rig_values(rig.l->db,
		"SELECT teacher, endpoint, name, url, model, max_in_flight, state,"
		" last_status, last_reason FROM endpoint",
		&row);
	assert_string_equal(buf_text(&row), "2|1|t|http://b|m|32|new|503|overloaded");
	buf_release(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(ledger__finds_its_run_again),
		TEST(ledger__undoes_what_was_not_committed),
		TEST(ledger__refuses_another_version_and_what_is_none),
		TEST(ledger__without_its_totals_is_corrupt),
		TEST(ledger__keeps_the_job_of_each_settings_generation),
		TEST(ledger__adds_events_and_never_changes_them),
		TEST(ledger__keeps_the_list_of_files),
		TEST(ledger__gives_shards_back_as_the_index_made_them),
		TEST(ledger__does_not_believe_a_damaged_shard),
		TEST(ledger__knows_where_a_prompt_is),
		TEST(ledger__counts_a_rejected_line_once),
		TEST(ledger__ends_a_shard_whose_last_prompt_is_taken_back),
		TEST(ledger__knows_a_worker_by_its_session),
		TEST(ledger__forgets_what_is_in_flight_at_who_has_ended),
		TEST(ledger__knows_which_endpoints_have_answered),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
