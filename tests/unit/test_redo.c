/* SPDX-License-Identifier: Apache-2.0 */
/* retort retry: samples made eligible again (coordinator/retry.c). */
#include "unit/ledger_rig.h"

#include "coordinator/coordinator.h"

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

static void give_up(uint64_t prompt, uint32_t sample, uint32_t revision, uint8_t reason)
{
	struct wire_failed f =
		rig_failure(prompt / 64, (uint8_t)(prompt % 64), prompt, sample);

	f.key.revision = revision;
	f.reason = reason;
	assert_true(ledger_add_failure(rig.l, &f, 1, 5));
}

/* All samples of a shard committed but for what has failed. */
static void end_shard(uint64_t shard)
{
	struct shard_row r = rig_row(&rig, shard);

	for (int i = 0; i < r.n_lines; i++)
		r.committed[i] = (uint16_t)(2 - r.failed[i]);
	rig_save(&rig, &r);
	assert_int_equal(rig_row(&rig, shard).state, SHARD_ENDED);
}

static int64_t retry_keys(const struct wire_key *keys, uint32_t n)
{
	struct retry_choice choice = {
		.use_keys = true, .keys = {n, (struct wire_key *)(uintptr_t)keys}};

	return retry_samples(rig.l, &choice);
}

static void retry__makes_all_that_failed_eligible(void **state)
{
	struct retry_choice all = {0};
	struct redo got[4];
	uint64_t shard;

	(void)state;
	rig_add_shard(&rig, 0, 0, 64);
	rig_add_shard(&rig, 1, 64, 64);
	give_up(3, 1, 0, REASON_BAD_REQUEST);
	give_up(70, 0, 0, REASON_WORKER_CRASH);
	end_shard(0);
	end_shard(1);
	assert_int_equal(rig.l->totals.prompts_failed, 2);
	assert_false(ledger_next_pending(rig.l, 0, &shard));
	assert_int_equal(retry_samples(rig.l, &all), 2);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 4), 2);
	assert_int_equal(got[0].prompt, 3);
	assert_int_equal(got[0].sample, 1);
	assert_int_equal(got[0].revision, 1);
	assert_int_equal(got[0].line, 3);
	assert_true(got[0].was_failed);
	assert_int_equal(got[1].shard, 1);
	assert_int_equal(got[1].line, 6);
	/* They are open, not failed. */
	assert_true(ledger_next_pending(rig.l, 0, &shard) && shard == 0);
	assert_true(ledger_next_pending(rig.l, 1, &shard) && shard == 1);
	assert_int_equal(rig.l->totals.prompts_failed, 0);
	assert_int_equal(rig.l->totals.samples_failed, 0);
	assert_true(rig_row(&rig, 0).ended == ~((uint64_t)1 << 3));
	/* And are not made so twice. */
	assert_int_equal(retry_samples(rig.l, &all), 0);
	assert_int_equal(retry_keys(&(struct wire_key){3, 1, 0}, 1), 0);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 4), 2);
}

static void retry__chooses_by_reason(void **state)
{
	struct retry_choice choice = {.reason = reason_name(REASON_WORKER_CRASH)};
	struct redo got[4];

	(void)state;
	rig_add_shard(&rig, 0, 0, 64);
	give_up(3, 1, 0, REASON_BAD_REQUEST);
	give_up(4, 0, 0, REASON_WORKER_CRASH);
	end_shard(0);
	assert_int_equal(retry_samples(rig.l, &choice), 1);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 4), 1);
	assert_int_equal(got[0].prompt, 4);
	assert_int_equal(rig.l->totals.samples_failed, 1);
	choice.reason = "no_such_reason";
	assert_int_equal(retry_samples(rig.l, &choice), 0);
}

static void retry__takes_samples_that_are_there(void **state)
{
	static const struct wire_key keys[] = {{2, 0, 0}, {2, 1, 0}, {5, 0, 0},
		{2, 0, 0},                       /* twice */
		{2, 2, 0},                       /* n is 2 */
		{64, 0, 0}, {UINT64_MAX, 0, 0}}; /* no such prompt */
	struct index_shard index = rig_shard(0, 0, 64, ~((uint64_t)1 << 5));
	struct redo got[4];

	(void)state;
	ledger_add_shard(rig.l, &index);
	end_shard(0);
	assert_int_equal(retry_keys(keys, 7), 2);
	assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, got, 4), 2);
	assert_false(got[0].was_failed);
	assert_int_equal(got[1].sample, 1);
	/* Both samples are there, and the prompt is open. */
	assert_int_equal(rig.l->totals.samples_committed, 126);
	assert_int_equal(rig_row(&rig, 0).redo_open, 2);
	assert_int_equal(rig_row(&rig, 0).state, SHARD_PENDING);
}

/* Each time the revision behind the highest that was ever asked for. */
static void retry__counts_revisions_up(void **state)
{
	struct wire_key key = {3, 1, 0};
	struct redo got;

	(void)state;
	rig_add_shard(&rig, 0, 0, 64);
	give_up(3, 1, 0, REASON_BAD_REQUEST);
	for (uint32_t revision = 1; revision < 5; revision++) {
		bool done = revision == 3;

		assert_int_equal(retry_keys(&key, 1), 1);
		assert_int_equal(ledger_open_redos(rig.l, UINT64_MAX, &got, 1), 1);
		assert_int_equal(got.revision, revision);
		/* Until one was stored; then there is something to fall back on. */
		assert_int_equal(got.was_failed, revision < 4);
		key.revision = revision;
		if (!done)
			give_up(3, 1, revision, REASON_BAD_REQUEST);
		assert_true(ledger_end_redo(rig.l, &key, done, &got));
		assert_int_equal(rig_row(&rig, 0).failed[3], revision < 3);
		assert_int_equal(rig_row(&rig, 0).redo[3], 0);
	}
}

/* More than one chunk, and among them prompts that are gone. */
static void retry__goes_through_all_of_a_long_list(void **state)
{
	struct retry_choice all = {0};
	int64_t n = 0;

	(void)state;
	for (uint64_t shard = 0; shard < 48; shard++) {
		uint64_t first = 64 * shard;
		struct index_shard s = rig_shard(
			shard, first, 64, shard % 2 ? UINT64_MAX : 0xffffffff);

		ledger_add_shard(rig.l, &s);
		for (uint64_t p = first; p < first + 64; p++) {
			give_up(p, 0, 0, REASON_BAD_REQUEST);
			give_up(p, 1, 0, REASON_BAD_REQUEST);
			n += s.present >> (p - first) & 1 ? 2 : 0;
		}
	}
	assert_true(n > 4096);
	assert_int_equal(retry_samples(rig.l, &all), n);
	assert_int_equal(retry_samples(rig.l, &all), 0);
	assert_int_equal(db_int_of(rig.l->db, 0,
				 "SELECT count(*) FROM event WHERE kind = 'retry'", ""),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(retry__makes_all_that_failed_eligible),
		TEST(retry__chooses_by_reason),
		TEST(retry__takes_samples_that_are_there),
		TEST(retry__counts_revisions_up),
		TEST(retry__goes_through_all_of_a_long_list),
	};

	return cmocka_run_group_tests_name("redo", tests, NULL, NULL);
}
