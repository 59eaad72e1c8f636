/* SPDX-License-Identifier: Apache-2.0 */
/* Shards in work, between the ledger and the table of leases. */
#include "unit/ledger_rig.h"

#include "coordinator/coordinator.h"

static struct ledger_rig rig;
static struct coordinator c;

static int begin(void **state)
{
	(void)state;
	rig_begin(&rig, 2);
	c = (struct coordinator){.l = rig.l, .leases = lease_table_new(1000)};
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < c.n_live; i++)
		free(c.live[i]);
	free(c.live);
	lease_table_free(c.leases);
	rig_end(&rig);
	return 0;
}

static uint64_t open_of(uint64_t shard)
{
	const struct lease_shard *s = lease_find_shard(c.leases, shard);

	assert_non_null(s);
	return s->open;
}

/* As the store's totals would say it. */
static void set_committed(struct live *live, int first, int behind, uint16_t n)
{
	for (int i = first; i < behind; i++)
		live->row.committed[i] = n;
	live_changed(&c, live);
}

static void live__is_loaded_once_with_what_is_open(void **state)
{
	struct wire_failed f = rig_failure(5, 3, 3, 0);
	struct live *live;

	(void)state;
	rig_add_shard(&rig, 5, 0, 8);
	ledger_put_suspect(rig.l, 5, 2, 1);
	ledger_add_failure(rig.l, &f, 1, 1);
	f.key.sample = 1;
	ledger_add_failure(rig.l, &f, 1, 1);
	live = live_load(&c, 5);
	assert_non_null(live);
	assert_ptr_equal(live_load(&c, 5), live);
	assert_ptr_equal(live_find(&c, 5), live);
	assert_null(live_find(&c, 6));
	assert_null(live_load(&c, 6));
	assert_int_equal(c.n_live, 1);
	/* Prompt 3 has failed. */
	assert_true(open_of(5) == 0xf7);
	assert_true(lease_find_shard(c.leases, 5)->suspect == 4);
}

static void live__ends_leases_with_their_prompts(void **state)
{
	struct lease_choice choice;
	struct live *live;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	live = live_load(&c, 0);
	assert_true(lease_choose(c.leases, 1, 4, &choice));
	lease_grant(c.leases, &choice, 1, 7, 0);
	ledger_add_lease(rig.l, lease_at(c.leases, 0), 1);
	set_committed(live, 0, 3, 2);
	assert_true(open_of(0) == 0xf8);
	assert_int_equal(lease_n(c.leases), 1);
	set_committed(live, 3, 4, 2);
	assert_int_equal(lease_n(c.leases), 0);
	assert_int_equal(db_int_of(rig.l->db, -1, "SELECT count(*) FROM lease", ""), 0);
	/* A sample to be asked again opens its prompt again. */
	live->row.redo[1] = 1;
	live_changed(&c, live);
	assert_true(open_of(0) == 0xf2);
}

static void live__is_forgotten_when_it_has_ended_and_nobody_holds_it(void **state)
{
	struct lease_choice choice;
	struct live *live;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	live_refill(&c, 1);
	live = live_find(&c, 0);
	lease_choose(c.leases, 1, 8, &choice);
	lease_grant(c.leases, &choice, 1, 7, 0);
	set_committed(live, 0, 7, 2);
	c.seen_commit = 33;
	live_save(&c);
	assert_int_equal(c.n_live, 1);
	assert_int_equal(rig_row(&rig, 0).committed[6], 2);
	assert_int_equal(rig.l->totals.prompts_done, 7);
	assert_int_equal(rig.l->totals.store_commit, 33);
	assert_false(live_all_ended(&c));
	set_committed(live, 7, 8, 2);
	assert_true(live_all_ended(&c));
	live_save(&c);
	assert_int_equal(c.n_live, 0);
	assert_null(lease_find_shard(c.leases, 0));
	assert_int_equal(rig_row(&rig, 0).state, SHARD_ENDED);
}

/* The store still tells totals of shards from before a reindex. Their prompts
 * stand in other shards, and their lines are gone from the corpus. */
static void live__of_a_retired_shard_has_nothing_to_be_asked(void **state)
{
	struct live *live;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	ledger_retire_shards(rig.l);
	live = live_load(&c, 0);
	assert_true(open_of(0) == 0);
	assert_int_equal(lease_n_free(c.leases), 0);
	set_committed(live, 0, 2, 1);
	assert_true(open_of(0) == 0);
	assert_true(live_all_ended(&c));
	live_save(&c);
	assert_int_equal(c.n_live, 0);
	assert_int_equal(rig.l->totals.samples_committed, 0);
	assert_int_equal(rig_row(&rig, 0).committed[1], 1);
}

static void live_refill__loads_until_there_are_enough(void **state)
{
	(void)state;
	for (uint64_t shard = 0; shard < 10; shard++)
		rig_add_shard(&rig, shard, 64 * shard, 64);
	live_refill(&c, 65);
	assert_int_equal(c.n_live, 2);
	assert_int_equal(c.next_pending, 2);
	live_refill(&c, 65);
	assert_int_equal(c.n_live, 2);
	assert_false(live_all_ended(&c));
	live_refill(&c, 10000);
	assert_int_equal(c.n_live, 10);
	assert_int_equal(lease_n_free(c.leases), 640);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(c.live[i]->row.shard, i);
}

static void live_budget_use__counts_what_is_not_saved_yet(void **state)
{
	struct lease_choice choice;
	struct budget_use use;
	struct live *live;

	(void)state;
	rig_add_shard(&rig, 0, 0, 8);
	rig.l->totals.cost_nusd = 1000;
	rig.l->totals.prompt_tokens = 10;
	rig.l->totals.completion_tokens = 20;
	live = live_load(&c, 0);
	lease_choose(c.leases, 1, 3, &choice);
	lease_grant(c.leases, &choice, 1, 7, 0);
	live->row.cost_nusd = 500;
	live->row.prompt_tokens = 3;
	live->row.completion_tokens = 4;
	set_committed(live, 4, 5, 2);
	for (int saved = 0; saved < 2; saved++) {
		use = live_budget_use(&c);
		assert_int_equal(use.nusd, 1500);
		assert_int_equal(use.tokens, 37);
		assert_int_equal(use.samples, 2);
		assert_int_equal(use.samples_out, 6);
		live_save(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(live__is_loaded_once_with_what_is_open),
		TEST(live__ends_leases_with_their_prompts),
		TEST(live__is_forgotten_when_it_has_ended_and_nobody_holds_it),
		TEST(live__of_a_retired_shard_has_nothing_to_be_asked),
		TEST(live_refill__loads_until_there_are_enough),
		TEST(live_budget_use__counts_what_is_not_saved_yet),
	};

	return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}
