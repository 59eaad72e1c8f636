/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/tally.h"

static struct maker maker;
static struct tally tally;

static int begin(void **state)
{
	struct err err;

	(void)state;
	maker_begin(&maker);
	must(dataset_begin(maker.d, &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dataset_rollback(maker.d);
	tally_release(&tally);
	maker_end(&maker);
	return 0;
}

static struct shard_state *touch(uint64_t shard)
{
	struct shard_state *s;
	struct err err;

	must(tally_touch(&tally, maker.d, shard, &s, &err), &err);
	return s;
}

/* Writes what was touched, commits, and gives what the coordinator is told. */
static struct wire_totals commit(void)
{
	struct wire_totals out = {0};
	struct err err;

	must(tally_write(&tally, maker.d, &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	tally_take(&tally, &out);
	must(dataset_begin(maker.d, &err), &err);
	return out;
}

static void tally__reads_a_shard_once_and_writes_it_at_the_end(void **state)
{
	struct shard_state *s = touch(5);
	uint64_t first = maker.d->state.commit + 1;

	(void)state;
	assert_int_equal(s->accepted, 0);
	s->accepted = 7;
	assert_ptr_equal(touch(5), s);
	touch(6);
	assert_int_equal(touch(5)->accepted, 7);
	assert_int_equal(tally.n, 2);
	assert_int_equal(commit().n_shards, 2);
	/* Forgotten, and so read again. */
	assert_int_equal(tally.n, 0);
	assert_int_equal(touch(5)->accepted, 7);
	assert_int_equal(touch(5)->commit, first);
	touch(5)->accepted = 8;
	commit();
	assert_int_equal(touch(5)->commit, first + 1);
	assert_int_equal(touch(5)->accepted, 8);
	/* 6 was not touched again. */
	assert_int_equal(touch(6)->commit, first);
}

static void tally__tells_totals_without_the_empty_end(void **state)
{
	struct shard_state *s = touch(UINT64_MAX);
	struct wire_totals out;

	(void)state;
	*s = (struct shard_state){.accepted = 1,
		.duplicates = 2,
		.truncated = 3,
		.fenced = 4,
		.prompt_tokens = 5,
		.cached_prompt_tokens = 6,
		.completion_tokens = 7,
		.reasoning_tokens = 8,
		.cost_nusd = -9,
		.committed = {[1] = 10, [4] = 11}};
	touch(2);
	touch(3)->committed[63] = 1;
	out = commit();
	assert_int_equal(out.n_shards, 3);
	assert_true(out.shard[0].shard == UINT64_MAX);
	assert_int_equal(out.shard[0].accepted, 1);
	assert_int_equal(out.shard[0].duplicates, 2);
	assert_int_equal(out.shard[0].truncated, 3);
	assert_int_equal(out.shard[0].fenced, 4);
	assert_int_equal(out.shard[0].prompt_tokens, 5);
	assert_int_equal(out.shard[0].cached_prompt_tokens, 6);
	assert_int_equal(out.shard[0].completion_tokens, 7);
	assert_int_equal(out.shard[0].reasoning_tokens, 8);
	assert_int_equal(out.shard[0].cost_nusd, -9);
	assert_int_equal(out.shard[0].n_lines, 5);
	assert_int_equal(out.shard[0].committed[1], 10);
	assert_int_equal(out.shard[0].committed[4], 11);
	assert_int_equal(out.shard[1].n_lines, 0);
	assert_int_equal(out.shard[2].n_lines, 64);
	tally_take(&tally, &out);
	assert_int_equal(out.n_shards, 0);
}

static void tally__forgets_what_was_rolled_back(void **state)
{
	struct err err;

	(void)state;
	touch(1)->accepted = 1;
	commit();
	touch(1)->accepted = 2;
	touch(2)->accepted = 2;
	must(tally_write(&tally, maker.d, &err), &err);
	dataset_rollback(maker.d);
	tally_forget(&tally);
	must(dataset_begin(maker.d, &err), &err);
	assert_int_equal(touch(1)->accepted, 1);
	assert_int_equal(touch(2)->accepted, 0);
}

static void tally__lists_what_changed_since_a_commit(void **state)
{
	struct wire_totals out;
	struct err err;
	uint64_t first;

	(void)state;
	touch(300)->accepted = 1;
	touch(2)->accepted = 2;
	commit();
	first = maker.d->state.commit;
	touch(2)->accepted = 3;
	touch(7)->accepted = 4;
	commit();
	must(tally_load_since(&tally, maker.d, 0, &err), &err);
	tally_take(&tally, &out);
	assert_int_equal(out.n_shards, 3);
	/* In the order of the shards' numbers. */
	assert_int_equal(out.shard[0].shard, 2);
	assert_int_equal(out.shard[0].accepted, 3);
	assert_int_equal(out.shard[1].shard, 7);
	assert_int_equal(out.shard[2].shard, 300);
	must(tally_load_since(&tally, maker.d, first, &err), &err);
	tally_take(&tally, &out);
	assert_int_equal(out.n_shards, 2);
	assert_int_equal(out.shard[1].shard, 7);
	must(tally_load_since(&tally, maker.d, first + 1, &err), &err);
	tally_take(&tally, &out);
	assert_int_equal(out.n_shards, 0);
}

static void tally__does_not_go_on_with_a_damaged_shard(void **state)
{
	struct shard_state *s;
	unsigned char key[8];
	struct err err;

	(void)state;
	touch(1)->accepted = 1;
	commit();
	put_u64_be(key, 2);
	must(seal_put(maker.d->txn, DB_SHARD, key, 8, "short", 5, ENV_PUT, &err), &err);
	assert_int_equal(tally_touch(&tally, maker.d, 2, &s, &err), ERR_CORRUPT);
	/* It is not kept as if it were empty. */
	assert_int_equal(tally.n, 0);
	assert_int_equal(tally_load_since(&tally, maker.d, 0, &err), ERR_CORRUPT);
}

static void tally__counts_an_answer_with_what_was_wasted_before_it(void **state)
{
	struct record r = {.prompt_tokens = 100,
		.cached_prompt_tokens = 40,
		.completion_tokens = 50,
		.reasoning_tokens = 20,
		.cost_nusd = 1000,
		.wasted_nusd = 300,
		.wasted_prompt_tokens = 7,
		.wasted_completion_tokens = 3};
	struct shard_state s = {0};

	(void)state;
	tally_add_answer(&s, &r);
	tally_add_answer(&s, &r);
	assert_int_equal(s.prompt_tokens, 214);
	assert_int_equal(s.cached_prompt_tokens, 80);
	assert_int_equal(s.completion_tokens, 106);
	assert_int_equal(s.reasoning_tokens, 40);
	assert_int_equal(s.cost_nusd, 2600);
	/* What was not told is 0. */
	r.prompt_tokens = r.cached_prompt_tokens = COUNT_UNKNOWN;
	r.completion_tokens = r.reasoning_tokens = COUNT_UNKNOWN;
	tally_add_answer(&s, &r);
	assert_int_equal(s.prompt_tokens, 221);
	assert_int_equal(s.cached_prompt_tokens, 80);
	assert_int_equal(s.completion_tokens, 109);
	assert_int_equal(s.reasoning_tokens, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(tally__reads_a_shard_once_and_writes_it_at_the_end),
		TEST(tally__tells_totals_without_the_empty_end),
		TEST(tally__forgets_what_was_rolled_back),
		TEST(tally__lists_what_changed_since_a_commit),
		TEST(tally__does_not_go_on_with_a_damaged_shard),
		cmocka_unit_test(
			tally__counts_an_answer_with_what_was_wasted_before_it),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
