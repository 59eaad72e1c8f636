/* SPDX-License-Identifier: Apache-2.0 */
/* Caps that must fit into each other: the largest of every thing, sent. */
#include "unit/unit.h"

#include "common/limits.h"
#include "common/mem.h"
#include "common/wire.h"

static void limits__are_bytes_on_any_machine(void **state)
{
	(void)state;
	assert_int_equal(KIB(1), 1024);
	assert_int_equal(MIB(1), 1048576);
	/* Not in int, which would overflow. */
	assert_true(MIB(4096) == (size_t)1 << 32);
	assert_int_equal(sizeof(MIB(1)), sizeof(size_t));
}

static void limits__fit_into_each_other(void **state)
{
	(void)state;
	/* A prompt's place in its shard is a bit of one map. */
	assert_int_equal(SHARD_PROMPTS, 64);
	assert_true(LIMIT_LEASE_PROMPTS <= SHARD_PROMPTS);
	/* A sample, with what a PUT says about it. */
	assert_true(LIMIT_RECORD + KIB(64) <= LIMIT_MESSAGE);
	/* The longest line as a prompt: its messages may double by escapes, and
	 * its reference and other columns come from the same line. */
	assert_true(2 * LIMIT_CORPUS_LINE + 2 * LIMIT_CORPUS_LINE + KIB(64) <=
		    LIMIT_MESSAGE);
	assert_true(LIMIT_TEXT < LIMIT_RECORD);
	assert_true(LIMIT_RAW_BODY <= LIMIT_RAW_TOTAL);
	assert_true(STORE_CREDIT <= COMMIT_BYTES);
	/* The largest answer that a job can ask for. */
	assert_true((uint64_t)LIMIT_BODY_BASE + LIMIT_BODY_PER_ENTRY <= LIMIT_BODY);
	assert_true(LIMIT_ENDPOINTS >= LIMIT_TEACHERS);
	/* Counts of samples are kept in 16 bits. */
	assert_true(LIMIT_SAMPLES <= UINT16_MAX);
	assert_true(LIMIT_TOKEN_BYTES < UINT16_MAX);
}

/* True if the message can be sent and read. */
static bool passes(const struct wire *w)
{
	struct buf frame;
	struct wire back;
	struct err err;
	bool passed;

	buf_init(&frame, LIMIT_MESSAGE);
	wire_encode(w, &frame);
	passed = !frame.over;
	if (passed) {
		assert_int_equal(wire_decode(buf_bytes(&frame), &back, &err), ERR_NONE);
		assert_int_equal(back.type, w->type);
		wire_release(&back);
	}
	buf_release(&frame);
	return passed;
}

static void limits__let_the_largest_sample_pass(void **state)
{
	unsigned char *bytes = mem_zalloc(LIMIT_RECORD + 1, 1);
	struct wire_put_item item = {1, 2, 3, 63, {bytes, LIMIT_RECORD}};
	struct wire put = {.type = WIRE_PUT, .put = {1, &item}};

	(void)state;
	assert_true(passes(&put));
	item.offer.len = LIMIT_RECORD + 1;
	assert_false(passes(&put));
	free(bytes);
}

static void limits__let_the_largest_prompts_pass(void **state)
{
	unsigned char *bytes = mem_zalloc(2 * LIMIT_CORPUS_LINE + 1, 1);
	static struct wire_wanted wanted[2 * LIMIT_SAMPLES + 1];
	static struct wire_prompt prompt[LIMIT_LEASE_PROMPTS + 1];
	struct wire grant = {.type = WIRE_GRANT, .grant = {1, 2, 3, 4, 1, prompt}};

	(void)state;
	prompt[0] = (struct wire_prompt){.number = 1,
		.id = {bytes, LIMIT_PROMPT_ID},
		.messages = {bytes, 2 * LIMIT_CORPUS_LINE},
		.has_reference = true,
		.reference = {bytes, LIMIT_CORPUS_LINE},
		.has_extra = true,
		.extra = {bytes, LIMIT_CORPUS_LINE},
		.n_wanted = 2 * LIMIT_SAMPLES,
		.wanted = wanted};
	assert_true(passes(&grant));
	prompt[0].id.len++;
	assert_false(passes(&grant));
	prompt[0].id.len--;
	prompt[0].messages.len++;
	assert_false(passes(&grant));
	prompt[0].messages.len--;
	prompt[0].n_wanted++;
	assert_false(passes(&grant));
	/* A full lease, each prompt with all its samples listed. */
	for (int i = 0; i <= LIMIT_LEASE_PROMPTS; i++)
		prompt[i] = (struct wire_prompt){.number = (uint64_t)i,
			.messages = {bytes, LIMIT_LEASE_BYTES / LIMIT_LEASE_PROMPTS},
			.n_wanted = 2 * LIMIT_SAMPLES,
			.wanted = wanted};
	grant.grant.n_prompts = LIMIT_LEASE_PROMPTS;
	assert_true(passes(&grant));
	grant.grant.n_prompts++;
	assert_false(passes(&grant));
	free(bytes);
}

static void limits__let_the_longest_lists_pass(void **state)
{
	/* All samples of a lease, the live ones and as many old revisions. */
	uint32_t n_keys = LIMIT_LEASE_PROMPTS * LIMIT_SAMPLES * 2;
	struct wire_key *keys = mem_zalloc(n_keys, sizeof(*keys));
	struct wire_shard_totals *totals = mem_zalloc(4096, sizeof(*totals));
	struct wire opened = {.type = WIRE_OPENED,
		.opened = {.status = OPEN_OK, .present = {n_keys, keys}}};
	struct wire told = {
		.type = WIRE_TOTALS, .totals = {.n_shards = 4096, .shard = totals}};

	(void)state;
	assert_true(passes(&opened));
	for (int i = 0; i < 4096; i++)
		totals[i].n_lines = SHARD_PROMPTS;
	assert_true(passes(&told));
	free(keys);
	free(totals);
}

static void limits__let_the_longest_job_pass(void **state)
{
	unsigned char *bytes = mem_zalloc(LIMIT_JOB_FILE + 1, 1);
	struct wire welcome = {.type = WIRE_WELCOME,
		.welcome = {.run = {bytes, RUN_ID_SIZE},
			.job = {bytes, LIMIT_JOB_FILE},
			.store_address = {bytes, LIMIT_ADDRESS}}};
	struct wire why = {.type = WIRE_REFUSED, .refused = {{bytes, ERR_MSG_MAX}}};

	(void)state;
	assert_true(passes(&welcome));
	welcome.welcome.job.len++;
	assert_false(passes(&welcome));
	assert_true(passes(&why));
	why.refused.why.len++;
	assert_false(passes(&why));
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits__are_bytes_on_any_machine),
		cmocka_unit_test(limits__fit_into_each_other),
		cmocka_unit_test(limits__let_the_largest_sample_pass),
		cmocka_unit_test(limits__let_the_largest_prompts_pass),
		cmocka_unit_test(limits__let_the_longest_lists_pass),
		cmocka_unit_test(limits__let_the_longest_job_pass),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
