/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "coordinator/lease.h"

#define TERM 30000
#define ALL UINT64_MAX

static struct lease_table *table;
static uint64_t last_epoch;

static int begin(void **state)
{
	(void)state;
	table = lease_table_new(TERM);
	last_epoch = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	lease_table_free(table);
	return 0;
}

/* Grants up to `max` prompts at `now_ms`; the epoch, or 0 if there are none. */
static uint64_t grant_at(uint32_t worker, unsigned max, int64_t now_ms)
{
	struct lease_choice choice;

	if (!lease_choose(table, worker, max, &choice))
		return 0;
	lease_grant(table, &choice, worker, ++last_epoch, now_ms);
	return last_epoch;
}

static uint64_t grant(uint32_t worker, unsigned max)
{
	return grant_at(worker, max, 1000);
}

static const struct lease *lease_of(uint64_t epoch)
{
	for (size_t i = 0; i < lease_n(table); i++)
		if (lease_at(table, i)->epoch == epoch)
			return lease_at(table, i);
	fail_msg("no lease of epoch %llu", (unsigned long long)epoch);
	return NULL;
}

/* The holder of a lease dies; what is convicted by it. */
static uint64_t die(uint64_t epoch, enum worker_end how)
{
	uint64_t convicted = 99;

	lease_holder_died(table, lease_of(epoch)->shard, epoch, how, &convicted);
	return convicted;
}

/* The invariants of lease.h, and the counts against the bits. */
static void check_table(void)
{
	uint64_t n_free = 0;

	for (size_t i = 0; i < lease_n_shards(table); i++) {
		struct lease_shard *s = lease_shard_at(table, i);
		uint64_t leased = 0;

		if (i > 0)
			assert_true(lease_shard_at(table, i - 1)->shard < s->shard);
		for (size_t k = 0; k < lease_n(table); k++) {
			const struct lease *l = lease_at(table, k);

			if (l->shard != s->shard)
				continue;
			assert_true(l->prompts != 0);
			assert_true((leased & l->prompts) == 0);
			leased |= l->prompts;
			assert_ptr_equal(
				lease_find(table, l->shard, l->epoch), (void *)l);
		}
		assert_true(leased == s->leased);
		assert_true((s->leased & ~s->open) == 0);
		n_free += (uint64_t)__builtin_popcountll(
			s->open & ~s->leased & ~s->suspect);
	}
	for (size_t k = 1; k < lease_n(table); k++)
		assert_true(lease_at(table, k - 1)->epoch < lease_at(table, k)->epoch);
	assert_int_equal(lease_n_free(table), n_free);
}

static void lease__gives_the_oldest_shard_first_and_a_prompt_once(void **state)
{
	struct lease_choice choice;

	(void)state;
	lease_add_shard(table, 7, 0xf0);
	lease_add_shard(table, 3, 0x7);
	lease_add_shard(table, 9, 1);
	check_table();
	assert_int_equal(lease_n_free(table), 8);
	assert_false(lease_choose(table, 1, 0, &choice));
	/* Choosing changes nothing. */
	assert_true(lease_choose(table, 1, 2, &choice));
	assert_true(lease_choose(table, 1, 2, &choice));
	assert_int_equal(choice.shard, 3);
	assert_true(choice.prompts == 3 && !choice.suspect);
	assert_int_equal(lease_n_free(table), 8);
	grant(1, 2);
	grant(2, 2); /* of one shard only, though there is room for more */
	assert_true(lease_of(2)->prompts == 4 && lease_of(2)->shard == 3);
	grant(2, 64);
	assert_true(lease_of(3)->prompts == 0xf0 && lease_of(3)->shard == 7);
	grant(1, 64);
	assert_true(lease_of(4)->shard == 9);
	assert_int_equal(grant(1, 64), 0);
	check_table();
	assert_int_equal(lease_n_free(table), 0);
	assert_int_equal(lease_n_prompts_of(table, 1), 3);
	assert_int_equal(lease_n_prompts_of(table, 2), 5);
	assert_int_equal(lease_n_prompts_of(table, 3), 0);
}

static void lease__is_found_by_shard_and_epoch(void **state)
{
	(void)state;
	lease_add_shard(table, 5, ALL);
	grant(1, 10);
	grant(2, 10);
	assert_non_null(lease_find(table, 5, 1));
	assert_int_equal(lease_find(table, 5, 2)->worker, 2);
	assert_null(lease_find(table, 4, 1));
	assert_null(lease_find(table, 5, 3));
	assert_null(lease_find_shard(table, 4));
	assert_int_equal(lease_find_shard(table, 5)->shard, 5);
	lease_release(table, 5, 1);
	assert_null(lease_find(table, 5, 1));
	assert_non_null(lease_find(table, 5, 2));
	lease_release(table, 5, 1);
	check_table();
}

static void lease__expires_after_its_term(void **state)
{
	(void)state;
	lease_add_shard(table, 1, ALL);
	grant_at(1, 4, 1000);
	grant_at(2, 4, 2000);
	assert_null(lease_expired(table, 1000 + TERM - 1));
	assert_int_equal(lease_expired(table, 1000 + TERM)->epoch, 1);
	assert_true(lease_renew(table, 1, 1, 1, 9000));
	assert_int_equal(lease_expired(table, 2000 + TERM)->epoch, 2);
	assert_true(lease_renew(table, 1, 2, 2, 9500));
	assert_null(lease_expired(table, 9000 + TERM - 1));
	assert_int_equal(lease_expired(table, 9000 + TERM)->epoch, 1);
	/* What has gone is told to be lost; its prompts can be had again. */
	lease_release(table, 1, 1);
	assert_false(lease_renew(table, 1, 1, 1, 9000 + TERM));
	assert_int_equal(lease_n_free(table), 60);
	assert_true(grant(3, 4) && lease_of(3)->prompts == 0xf);
	check_table();
}

/* A grant that was lost on its way is not kept alive by what its worker says
 * of other leases: it must be named itself. */
static void lease__expires_if_its_worker_never_names_it(void **state)
{
	(void)state;
	lease_add_shard(table, 1, ALL);
	grant_at(1, 4, 1000);
	assert_false(lease_of(1)->confirmed);
	lease_find(table, 1, 1)->until_ms = 1000 + 5 * TERM;
	assert_null(lease_expired(table, 1000 + TERM - 1));
	assert_int_equal(lease_expired(table, 1000 + TERM)->epoch, 1);
	lease_renew(table, 1, 1, 1, 1000);
	assert_true(lease_of(1)->confirmed);
	lease_find(table, 1, 1)->until_ms = 1000 + 5 * TERM;
	assert_null(lease_expired(table, 1000 + TERM));
	/* A new term holds for what is renewed or granted from now on. */
	lease_table_set_term(table, 10);
	lease_renew(table, 1, 1, 1, 5000);
	assert_int_equal(lease_of(1)->until_ms, 5010);
}

static void lease__is_its_workers_that_named_it_last(void **state)
{
	(void)state;
	lease_add_shard(table, 1, ALL);
	grant(1, 4);
	assert_true(lease_renew(table, 1, 1, 8, 2000));
	assert_int_equal(lease_n_prompts_of(table, 1), 0);
	assert_int_equal(lease_n_prompts_of(table, 8), 4);
	assert_false(lease_renew(table, 2, 1, 8, 2000));
	assert_false(lease_renew(table, 1, 2, 8, 2000));
}

static void lease__ends_with_its_last_prompt(void **state)
{
	(void)state;
	lease_add_shard(table, 1, 0xff);
	grant(1, 2);
	grant(2, 2);
	assert_int_equal(lease_prompt_ended(table, 1, 0), 0);
	assert_true(lease_of(1)->prompts == 2);
	assert_int_equal(lease_prompt_ended(table, 1, 0), 0);
	assert_int_equal(lease_prompt_ended(table, 1, 1), 1);
	assert_null(lease_find(table, 1, 1));
	/* Also one that nobody holds. */
	assert_int_equal(lease_prompt_ended(table, 1, 63), 0);
	assert_int_equal(lease_prompt_ended(table, 1, 7), 0);
	assert_true(lease_find_shard(table, 1)->open == 0x7c);
	assert_int_equal(lease_prompt_ended(table, 2, 0), 0);
	check_table();
	assert_int_equal(lease_prompt_ended(table, 1, 2), 0);
	assert_int_equal(lease_prompt_ended(table, 1, 3), 2);
	for (uint8_t line = 4; line < 7; line++)
		lease_prompt_ended(table, 1, line);
	lease_add_shard(table, 2, 1);
	lease_remove_shard(table, 1);
	assert_null(lease_find_shard(table, 1));
	assert_int_equal(lease_n_shards(table), 1);
	assert_int_equal(lease_shard_at(table, 0)->shard, 2);
}

static void lease__can_be_given_back_in_parts(void **state)
{
	(void)state;
	lease_add_shard(table, 1, 0xff);
	grant(1, 4);
	assert_false(lease_give_back(table, 1, 1, 0xc));
	assert_true(lease_of(1)->prompts == 3);
	assert_int_equal(lease_n_free(table), 6);
	/* What was never its own stays where it is. */
	grant(2, 4);
	assert_false(lease_give_back(table, 1, 1, 0x3c));
	assert_true(lease_of(2)->prompts == 0x3c);
	check_table();
	assert_false(lease_give_back(table, 1, 9, 1));
	assert_false(lease_give_back(table, 2, 1, 1));
	assert_true(lease_give_back(table, 1, 1, ALL));
	assert_null(lease_find(table, 1, 1));
	check_table();
}

static void lease__comes_back_after_a_restart_for_a_full_term(void **state)
{
	struct lease old = {.shard = 1, .epoch = 40, .prompts = 0xf, .worker = 3};

	(void)state;
	lease_add_shard(table, 1, 0xfc);
	old.granted_ms = 5;
	old.until_ms = 6;
	old.confirmed = true;
	lease_restore(table, &old, 70000);
	/* Of what has ended meanwhile nothing is held. */
	assert_true(lease_of(40)->prompts == 0xc);
	assert_int_equal(lease_of(40)->worker, 3);
	assert_int_equal(lease_of(40)->granted_ms, 70000);
	assert_int_equal(lease_of(40)->until_ms, 70000 + TERM);
	assert_false(lease_of(40)->confirmed);
	/* Lower epochs may come later; what is held twice is the first's. */
	old.epoch = 30;
	old.prompts = 0x3c;
	lease_restore(table, &old, 70000);
	assert_true(lease_of(30)->prompts == 0x30);
	old.epoch = 50;
	lease_restore(table, &old, 70000);
	assert_null(lease_find(table, 1, 50));
	old.shard = 2;
	lease_restore(table, &old, 70000);
	assert_null(lease_find(table, 2, 50));
	assert_int_equal(lease_n(table), 2);
	check_table();
	/* Workers can come back from now on only. */
	lease_begin_terms(table, 90000);
	assert_int_equal(lease_of(30)->until_ms, 90000 + TERM);
	assert_int_equal(lease_of(40)->until_ms, 90000 + TERM);
	assert_false(lease_of(40)->confirmed);
}

/* -- Suspects -- */

static void lease__of_those_that_left_are_no_evidence(void **state)
{
	(void)state;
	lease_add_shard(table, 1, 0xff);
	for (int i = 0; i < 20; i++)
		assert_int_equal(die(grant(1, 4), WORKER_LEFT), 0);
	assert_int_equal(lease_find_shard(table, 1)->deaths, 0);
	assert_true(lease_find_shard(table, 1)->suspect == 0);
	assert_int_equal(lease_n(table), 0);
	assert_int_equal(lease_n_free(table), 8);
}

static void lease__after_two_deaths_is_of_one_suspect_alone(void **state)
{
	struct lease_choice choice;

	(void)state;
	lease_add_shard(table, 1, 0xff);
	lease_add_shard(table, 2, 1);
	die(grant(1, 4), WORKER_LOST);
	assert_true(lease_find_shard(table, 1)->suspect == 0);
	die(grant(2, 4), WORKER_LOST);
	assert_true(lease_find_shard(table, 1)->suspect == 0xf);
	assert_int_equal(lease_find_shard(table, 1)->deaths, 2);
	check_table();
	/* Others first; a suspect only to who holds nothing, and then nothing
	 * else to it. */
	grant(3, 64);
	assert_true(lease_of(3)->prompts == 0xf0);
	grant(4, 64);
	assert_int_equal(lease_of(4)->shard, 2);
	assert_false(lease_choose(table, 3, 64, &choice));
	assert_true(lease_choose(table, 5, 64, &choice));
	assert_true(choice.suspect && choice.shard == 1 && choice.prompts == 1);
	grant(5, 64);
	assert_true(lease_of(5)->suspect);
	lease_release(table, 2, 4);
	assert_false(lease_choose(table, 5, 64, &choice));
	/* A suspect that ends well is none any more. */
	assert_int_equal(lease_prompt_ended(table, 1, 0), 5);
	assert_true(lease_find_shard(table, 1)->suspect == 0xe);
	assert_true(lease_choose(table, 5, 64, &choice));
	assert_int_equal(choice.shard, 2);
	check_table();
}

static void lease__convicts_by_crashes_sooner_than_by_losses(void **state)
{
	(void)state;
	lease_add_shard(table, 1, 3);
	die(grant(1, 64), WORKER_CRASHED);
	die(grant(1, 64), WORKER_CRASHED);
	assert_true(lease_find_shard(table, 1)->suspect == 3);
	/* Prompt 0: crash and crash. */
	assert_true(die(grant(1, 64), WORKER_CRASHED) == 0);
	assert_true(die(grant(1, 64), WORKER_LEFT) == 0);
	assert_int_equal(lease_find_shard(table, 1)->points[0], 2);
	assert_true(die(grant(1, 64), WORKER_CRASHED) == 1);
	lease_prompt_ended(table, 1, 0);
	/* Prompt 1: loss after loss. */
	for (int i = 0; i < LEASE_POINTS_LIMIT - 1; i++)
		assert_true(die(grant(1, 64), WORKER_LOST) == 0);
	assert_true(die(grant(1, 64), WORKER_LOST) == 2);
	/* Evidence against suspects is not evidence against the shard. */
	assert_int_equal(lease_find_shard(table, 1)->deaths, 2);
	/* Of a lease that is gone already there is nothing to count. */
	lease_holder_died(table, 1, 1, WORKER_CRASHED, &(uint64_t){0});
	assert_int_equal(lease_find_shard(table, 1)->deaths, 2);
	check_table();
}

static void lease__of_a_suspect_is_still_one_after_a_restart(void **state)
{
	struct lease old = {.shard = 1, .epoch = 40, .prompts = 4, .worker = 3};
	struct lease_choice choice;
	struct lease_shard *s;

	(void)state;
	s = lease_add_shard(table, 1, 0xff);
	s->deaths = LEASE_DEATHS_LIMIT;
	s->suspect = 0xc;
	lease_restore(table, &old, 70000);
	assert_true(lease_of(40)->suspect);
	assert_false(lease_choose(table, 3, 64, &choice));
	die(40, WORKER_CRASHED);
	assert_int_equal(lease_find_shard(table, 1)->points[2], 2);
	/* Others are not made suspects by it. */
	old = (struct lease){.shard = 1, .epoch = 41, .prompts = 3, .worker = 3};
	lease_restore(table, &old, 70000);
	assert_false(lease_of(41)->suspect);
}

/* Any order of events, the invariants after each. */
static void lease__keeps_its_invariants(void **state)
{
	struct chance c = {5};
	uint64_t n_shards = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint64_t dice = chance_below(&c, 100);
		size_t n = lease_n(table);
		struct lease l = {0};

		if (n > 0)
			l = *lease_at(table, chance_below(&c, n));
		if (dice < 2 && n_shards < 40)
			lease_add_shard(table, chance_below(&c, 1000) * 64 + n_shards++,
				chance_next(&c));
		else if (dice < 40)
			grant_at((uint32_t)chance_below(&c, 9),
				(unsigned)chance_below(&c, 20), i);
		else if (l.epoch == 0)
			continue;
		else if (dice < 60)
			lease_give_back(table, l.shard, l.epoch, chance_next(&c));
		else if (dice < 65)
			lease_prompt_ended(
				table, l.shard, (uint8_t)__builtin_ctzll(l.prompts));
		else if (dice < 70)
			die(l.epoch, (enum worker_end)chance_below(&c, 3));
		else if (dice < 80)
			lease_renew(table, l.shard, l.epoch, l.worker, i);
		else
			lease_release(table, l.shard, l.epoch);
		check_table();
	}
	assert_int_equal(n_shards, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(lease__gives_the_oldest_shard_first_and_a_prompt_once),
		TEST(lease__is_found_by_shard_and_epoch),
		TEST(lease__expires_after_its_term),
		TEST(lease__expires_if_its_worker_never_names_it),
		TEST(lease__is_its_workers_that_named_it_last),
		TEST(lease__ends_with_its_last_prompt),
		TEST(lease__can_be_given_back_in_parts),
		TEST(lease__comes_back_after_a_restart_for_a_full_term),
		TEST(lease__of_those_that_left_are_no_evidence),
		TEST(lease__after_two_deaths_is_of_one_suspect_alone),
		TEST(lease__convicts_by_crashes_sooner_than_by_losses),
		TEST(lease__of_a_suspect_is_still_one_after_a_restart),
		TEST(lease__keeps_its_invariants),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
