/* SPDX-License-Identifier: Apache-2.0 */
/* Shards in work: what has ended, leases, suspects, failures, reindex. */
#include "unit/ledger_rig.h"

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

static void shard_row__has_ended_when_all_are_accounted_for(void **state)
{
	struct shard_row r = {.n_lines = 6, .present = 0x3d};

	(void)state;
	shard_row_count(&r, 2);
	assert_int_equal(r.state, SHARD_PENDING);
	assert_true(r.ended == 0);
	r.committed[0] = 2; /* done */
	r.committed[1] = 9; /* no prompt: not counted */
	r.committed[2] = 1; /* one of two is missing */
	r.committed[3] = 1, r.failed[3] = 1;
	r.failed[4] = 2;
	r.committed[5] = 2, r.redo[5] = 1; /* done, and to be asked again */
	shard_row_count(&r, 2);
	assert_true(r.ended == 0x19);
	assert_int_equal(r.prompts_done, 2);
	assert_int_equal(r.prompts_failed, 2);
	assert_int_equal(r.samples_committed, 6);
	assert_int_equal(r.samples_failed, 3);
	assert_int_equal(r.redo_open, 1);
	assert_int_equal(r.state, SHARD_PENDING);
	r.committed[2] = 2, r.redo[5] = 0;
	shard_row_count(&r, 2);
	assert_int_equal(r.state, SHARD_ENDED);
	assert_true(r.ended == 0x3d);
	/* More samples: what was done is open again. */
	shard_row_count(&r, 3);
	assert_int_equal(r.state, SHARD_PENDING);
	assert_true(r.ended == 0);
	assert_int_equal(r.prompts_done + r.prompts_failed, 0);
	r.state = SHARD_RETIRED;
	shard_row_count(&r, 2);
	assert_int_equal(r.state, SHARD_RETIRED);
}

static void ledger__keeps_a_shards_progress(void **state)
{
	struct shard_row now, got;

	(void)state;
	rig_add_shard(&rig, 3, 0, 64);
	now = rig_row(&rig, 3);
	for (int i = 0; i < 64; i++)
		now.committed[i] = (uint16_t)(i % 3);
	now.deaths = 2;
	now.samples_accepted = 1;
	now.samples_duplicate = 2;
	now.samples_truncated = 3;
	now.answers_fenced = 4;
	now.prompt_tokens = 5;
	now.cached_prompt_tokens = 6;
	now.completion_tokens = 7;
	now.reasoning_tokens = 8;
	now.cost_nusd = 9;
	rig_save(&rig, &now);
	assert_true(ledger_commit(rig.l, 1));
	rig_open_again(&rig);
	got = rig_row(&rig, 3);
	assert_memory_equal(&got, &now, sizeof(got));
	assert_int_equal(rig.l->totals.prompts_done, 21);
	assert_int_equal(rig.l->totals.samples_committed, 63);
	assert_int_equal(rig.l->totals.samples_accepted, 1);
	assert_int_equal(rig.l->totals.samples_duplicate, 2);
	assert_int_equal(rig.l->totals.samples_truncated, 3);
	assert_int_equal(rig.l->totals.answers_fenced, 4);
	assert_int_equal(rig.l->totals.prompt_tokens, 5);
	assert_int_equal(rig.l->totals.cached_prompt_tokens, 6);
	assert_int_equal(rig.l->totals.completion_tokens, 7);
	assert_int_equal(rig.l->totals.reasoning_tokens, 8);
	assert_int_equal(rig.l->totals.cost_nusd, 9);
	assert_int_equal(ledger_load_shard(rig.l, 4, &got), ERR_NOT_FOUND);
}

/* A full shard takes one number; the list comes back all the same. */
static void ledger__tells_a_full_shard_by_one_number(void **state)
{
	struct index_shard index = rig_shard(0, 0, 8, 0xf7);
	struct shard_row now;

	(void)state;
	ledger_add_shard(rig.l, &index);
	now = rig_row(&rig, 0);
	for (int i = 0; i < 8; i++)
		now.committed[i] = i == 3 ? 0 : 2;
	rig_save(&rig, &now);
	assert_int_equal(db_int_of(rig.l->db, 0,
				 "SELECT committed IS NULL AND full_n = 2 AND state = 1"
				 " FROM shard",
				 ""),
		1);
	now = rig_row(&rig, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(now.committed[i], i == 3 ? 0 : 2);
	/* And when n has grown since. */
	ledger_grow_samples(rig.l, 2);
	rig.l->totals.n = 3;
	now = rig_row(&rig, 0);
	assert_int_equal(now.committed[7], 2);
	assert_int_equal(now.state, SHARD_PENDING);
	now.committed[7] = 3;
	rig_save(&rig, &now);
	now = rig_row(&rig, 0);
	assert_int_equal(now.committed[7], 3);
	assert_int_equal(now.committed[6], 2);
}

static void ledger__makes_shards_pending_again_when_n_grows(void **state)
{
	struct index_shard empty = rig_shard(2, 6, 2, 0);
	struct shard_row now;
	uint64_t shard;

	(void)state;
	rig_add_shard(&rig, 0, 0, 4);
	rig_add_shard(&rig, 1, 4, 2);
	ledger_add_shard(rig.l, &empty);
	for (uint64_t s = 0; s < 2; s++) {
		now = rig_row(&rig, s);
		for (int i = 0; i < now.n_lines; i++)
			now.committed[i] = 2;
		rig_save(&rig, &now);
	}
	assert_false(ledger_next_pending(rig.l, 0, &shard));
	assert_int_equal(rig.l->totals.prompts_done, 6);
	ledger_grow_samples(rig.l, 2);
	rig.l->totals.n = 3;
	assert_int_equal(rig.l->totals.prompts_done, 0);
	assert_true(ledger_next_pending(rig.l, 0, &shard) && shard == 0);
	assert_true(ledger_next_pending(rig.l, 1, &shard) && shard == 1);
	assert_false(ledger_next_pending(rig.l, 2, &shard));
	now = rig_row(&rig, 1);
	now.committed[0] = now.committed[1] = 3;
	rig_save(&rig, &now);
	assert_int_equal(rig.l->totals.prompts_done, 2);
	assert_int_equal(rig.l->totals.samples_committed, 14);
}

/* -- Leases and suspects -- */

static void take_lease(void *to, const struct lease *lease)
{
	struct buf *out = to;

	buf_printf(out, "%llu/%llu/%llx/%u ", (unsigned long long)lease->epoch,
		(unsigned long long)lease->shard, (unsigned long long)lease->prompts,
		lease->worker);
}

static void ledger__keeps_leases_in_the_order_of_their_epochs(void **state)
{
	static const struct lease leases[] = {
		{.epoch = 7, .shard = 1, .prompts = UINT64_MAX, .worker = 2},
		{.epoch = 3, .shard = 2, .prompts = 5, .worker = 4},
		{.epoch = 9, .shard = 1, .prompts = 1, .worker = 4},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < 3; i++)
		ledger_add_lease(rig.l, &leases[i], 5);
	ledger_each_lease(rig.l, take_lease, &out);
	assert_string_equal(buf_text(&out), "3/2/5/4 7/1/ffffffffffffffff/2 9/1/1/4 ");
	ledger_remove_lease(rig.l, 7);
	ledger_remove_lease(rig.l, 8);
	assert_true(ledger_commit(rig.l, 1));
	rig_open_again(&rig);
	buf_clear(&out);
	ledger_each_lease(rig.l, take_lease, &out);
	assert_string_equal(buf_text(&out), "3/2/5/4 9/1/1/4 ");
	ledger_forget_leases(rig.l);
	buf_clear(&out);
	ledger_each_lease(rig.l, take_lease, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

static void ledger__keeps_the_evidence_against_suspects(void **state)
{
	struct lease_shard s = {.shard = 1, .open = 0x7};

	(void)state;
	ledger_put_suspect(rig.l, 1, 0, 0);
	ledger_put_suspect(rig.l, 1, 2, 1);
	ledger_put_suspect(rig.l, 1, 2, 3);
	ledger_put_suspect(rig.l, 1, 5, 2); /* it has ended since */
	ledger_put_suspect(rig.l, 2, 1, 2);
	ledger_load_suspects(rig.l, &s);
	assert_true(s.suspect == 0x5);
	assert_int_equal(s.points[2], 3);
	assert_int_equal(s.points[0], 0);
	assert_int_equal(s.points[1], 0);
}

/* -- Failures -- */

static void ledger__counts_a_failure_once(void **state)
{
	struct wire_failed f = rig_failure(0, 3, 3, 1);
	bool failed[2] = {false};
	struct shard_row r;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	assert_true(ledger_add_failure(rig.l, &f, 1, 5));
	assert_false(ledger_add_failure(rig.l, &f, 2, 6));
	/* What it cost is in the totals, not in the shard's: those are the
	 * store's. */
	assert_int_equal(rig.l->totals.prompt_tokens, 10);
	assert_int_equal(rig.l->totals.completion_tokens, 7);
	assert_int_equal(rig.l->totals.cost_nusd, 3000);
	r = rig_row(&rig, 0);
	assert_int_equal(r.failed[3], 1);
	assert_int_equal(r.failed[2], 0);
	assert_int_equal(r.prompt_tokens, 0);
	r.committed[3] = 1;
	rig_save(&rig, &r);
	assert_int_equal(rig.l->totals.prompts_failed, 1);
	assert_int_equal(rig.l->totals.samples_failed, 1);
	ledger_failed_samples(rig.l, 3, failed, 2);
	assert_true(!failed[0] && failed[1]);
	failed[1] = false;
	ledger_failed_samples(rig.l, 3, failed, 1);
	assert_false(failed[1]);
}

static void ledger__asks_again_for_what_has_failed(void **state)
{
	struct redo redo = {3, 0, 1, 1, 3, true}, got[4];
	struct wire_failed f = rig_failure(0, 3, 3, 1);
	struct wire_key key = {3, 1, 1};

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	rig_add_shard(&rig, 1, 8, 8);
	ledger_add_failure(rig.l, &f, 1, 5);
	ledger_add_redo(rig.l, &redo, 6);
	assert_int_equal(rig_row(&rig, 0).failed[3], 0);
	assert_int_equal(rig_row(&rig, 0).redo[3], 1);
	assert_int_equal(rig_row(&rig, 1).redo[3], 0);
	redo = (struct redo){9, 1, 0, 1, 1, false};
	ledger_add_redo(rig.l, &redo, 6);
	assert_int_equal(ledger_open_redos(rig.l, 0, got, 4), 1);
	assert_int_equal(got[0].prompt, 3);
	assert_int_equal(got[0].revision, 1);
	assert_int_equal(got[0].line, 3);
	assert_true(got[0].was_failed);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 4), 2);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 1), 1);
	/* It fails again, now as revision 1: the sample has failed. */
	f.key.revision = 1;
	assert_true(ledger_add_failure(rig.l, &f, 1, 7));
	assert_true(ledger_end_redo(rig.l, &key, false, got));
	assert_int_equal(got[0].shard, 0);
	assert_false(ledger_end_redo(rig.l, &key, false, got));
	assert_int_equal(rig_row(&rig, 0).failed[3], 1);
	assert_int_equal(rig_row(&rig, 0).redo[3], 0);
}

/* A sample that is there stays there when asking for another one fails. */
static void ledger__keeps_an_older_revision_when_a_newer_one_fails(void **state)
{
	struct redo redo = {3, 0, 1, 1, 3, false}, got;
	struct wire_failed f = rig_failure(0, 3, 3, 1);
	struct wire_key key = {3, 1, 1};

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	ledger_add_redo(rig.l, &redo, 6);
	f.key.revision = 1;
	ledger_add_failure(rig.l, &f, 1, 7);
	assert_true(ledger_end_redo(rig.l, &key, false, &got));
	assert_int_equal(rig_row(&rig, 0).failed[3], 0);
	assert_int_equal(rig_row(&rig, 0).redo[3], 0);
}

/* -- After a reindex -- */

/* A prompt that had failed would be asked again without end: its failures stand
 * there already, and are not counted a second time. */
static void ledger__takes_failures_over_in_a_reindex(void **state)
{
	uint64_t numbers[3] = {6, 1, 3};
	struct index_shard moved = rig_shard(1, 100, 3, 0x5);
	struct redo redo = {6, 0, 0, 1, 6, true}, got[4];
	struct wire_failed f = rig_failure(0, 3, 3, 1);

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	ledger_add_failure(rig.l, &f, 1, 5);
	f = rig_failure(0, 1, 1, 0);
	ledger_add_failure(rig.l, &f, 1, 5);
	ledger_add_redo(rig.l, &redo, 6);
	ledger_retire_shards(rig.l);
	moved.numbers = numbers; /* prompt 1 is rejected now */
	ledger_add_shard(rig.l, &moved);
	assert_int_equal(rig_row(&rig, 1).failed[2], 1);
	assert_int_equal(rig_row(&rig, 1).failed[1], 0);
	assert_int_equal(rig_row(&rig, 1).redo[0], 1);
	assert_int_equal(ledger_open_redos(rig.l, 1, got, 4), 1);
	assert_int_equal(got[0].prompt, 6);
	assert_int_equal(got[0].line, 0);
	/* What they cost was paid all the same. */
	assert_int_equal(rig.l->totals.prompt_tokens, 20);
	assert_int_equal(rig.l->totals.completion_tokens, 14);
	assert_int_equal(rig.l->totals.cost_nusd, 6000);
}

/* Whatever happens to shards: the totals are the sums over those that are not
 * retired. */
static void ledger__totals_are_the_sums_of_the_shards(void **state)
{
	struct chance c = {3};
	struct buf sums;
	uint64_t n_shards = 0, first = 0;

	(void)state;
	buf_init(&sums, 4096);
	for (int i = 0; i < 1500; i++) {
		struct totals *t = &rig.l->totals;
		uint64_t dice = chance_below(&c, 100);
		char want[512];

		if (n_shards - first < 3 || dice < 2) {
			struct index_shard s = rig_shard(n_shards, 64 * n_shards,
				(uint32_t)(1 + chance_below(&c, 64)), 0);

			s.present = chance_next(&c);
			if (s.n_lines < 64)
				s.present &= ((uint64_t)1 << s.n_lines) - 1;
			ledger_add_shard(rig.l, &s);
			n_shards++;
		} else if (dice < 3 && t->n < 5) {
			ledger_grow_samples(rig.l, t->n);
			t->n++;
		} else if (dice < 4) {
			ledger_retire_shards(rig.l);
			first = n_shards;
		} else {
			struct shard_row now = rig_row(
				&rig, first + chance_below(&c, n_shards - first));
			uint64_t line = chance_below(&c, now.n_lines);

			now.committed[line] = (uint16_t)chance_below(&c, t->n + 1);
			now.samples_accepted = (int64_t)chance_below(&c, 50);
			now.cost_nusd = (int64_t)chance_below(&c, 5000);
			rig_save(&rig, &now);
		}
		rig_values(rig.l->db,
			"SELECT sum(prompts), sum(prompts_done), sum(prompts_failed),"
			" sum(samples_committed), sum(samples_accepted), sum(cost_nusd)"
			" FROM shard WHERE state < 2",
			&sums);
		snprintf(want, sizeof(want), "%lld|%lld|%lld|%lld|%lld|%lld",
			(long long)t->prompts, (long long)t->prompts_done,
			(long long)t->prompts_failed, (long long)t->samples_committed,
			(long long)t->samples_accepted, (long long)t->cost_nusd);
		if (n_shards > first)
			assert_string_equal(buf_text(&sums), want);
	}
	assert_true(n_shards > 20);
	buf_release(&sums);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		cmocka_unit_test(shard_row__has_ended_when_all_are_accounted_for),
		TEST(ledger__keeps_a_shards_progress),
		TEST(ledger__tells_a_full_shard_by_one_number),
		TEST(ledger__makes_shards_pending_again_when_n_grows),
		TEST(ledger__keeps_leases_in_the_order_of_their_epochs),
		TEST(ledger__keeps_the_evidence_against_suspects),
		TEST(ledger__counts_a_failure_once),
		TEST(ledger__asks_again_for_what_has_failed),
		TEST(ledger__keeps_an_older_revision_when_a_newer_one_fails),
		TEST(ledger__takes_failures_over_in_a_reindex),
		TEST(ledger__totals_are_the_sums_of_the_shards),
	};

	return cmocka_run_group_tests_name("ledger_shard", tests, NULL, NULL);
}
