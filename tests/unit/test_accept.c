/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/dedup.h"

static struct maker maker;

static int begin(void **state)
{
	(void)state;
	maker_begin(&maker);
	return 0;
}

static int end(void **state)
{
	(void)state;
	maker_end(&maker);
	return 0;
}

static uint8_t bits_of(uint64_t prompt, uint32_t sample)
{
	struct key_entry entry;
	struct sample_key key = {prompt, sample, 0, 0};
	struct err err;

	must(dataset_begin_view(maker.d, &err), &err);
	must(dataset_find(maker.d, &key, &entry, &err), &err);
	dataset_end_view(maker.d);
	return entry.bits;
}

static void accept__judges_offers(void **state)
{
	const struct made samples[] = {
		{.prompt = 1, .sample = 0, .content = "a"},
		{.prompt = 1, .sample = 1, .content = "b", .finish = FINISH_LENGTH},
		{.prompt = 1, .sample = 2, .content = "c", .flags = FLAG_LOOPING},
	};

	(void)state;
	maker_store(&maker, samples, 3);
	assert_int_equal(bits_of(1, 0), KEY_PASSES);
	assert_int_equal(bits_of(1, 1), 0);
	assert_int_equal(bits_of(1, 2), 0);
}

static void accept__reads_an_offers_own_texts(void **state)
{
	struct made made = {
		.prompt = 3, .content = "four", .extra = "{\"level\":\"9\"}"};
	struct made_offer o;
	struct accept *a;
	struct err err;
	uint8_t bits;

	(void)state;
	must(accept_compile("content == 'four' and extra.level == '9' and "
			    "provenance.teacher == 't0' and "
			    "provenance.endpoint == 'http://127.0.0.1:1/v1'",
		     &a, &err),
		&err);
	assert_true(accept_reads_text(a));
	made_offer_init(&o);
	made_offer_build(&o, maker.d->packer, &made);
	must(dataset_begin(maker.d, &err), &err);
	must(accept_bits_of_offer(a, maker.d, &o.offer, &bits, &err), &err);
	assert_int_equal(bits, KEY_PASSES | KEY_PASSES_AS_DUPLICATE);
	/* The prompt's text is in the dataset already. */
	maker_add(&maker, &made);
	o.offer.prompt = bytes_of(NULL, 0);
	must(accept_bits_of_offer(a, maker.d, &o.offer, &bits, &err), &err);
	assert_int_equal(bits, KEY_PASSES | KEY_PASSES_AS_DUPLICATE);
	/* What does not unpack is an error, not a verdict. */
	o.offer.text = bytes_of("\x01garbage", 8);
	assert_int_equal(
		accept_bits_of_offer(a, maker.d, &o.offer, &bits, &err), ERR_CORRUPT);
	dataset_rollback(maker.d);
	made_offer_release(&o);
	accept_free(a);
}

static void accept__refuses_to_depend_on_itself(void **state)
{
	struct accept *a;
	struct err err;

	(void)state;
	assert_int_equal(accept_compile("accepted", &a, &err), ERR_INVALID);
	assert_string_equal(err.msg, "'accepted' is what this filter decides");
}

/* What the recount told, by prompt. */
struct told {
	int accepted[400], duplicates[400];
	int changes, commits;
};

static enum err_code changed(void *to, const struct accept_change *c, struct err *err)
{
	struct told *told = to;

	(void)err;
	assert_true(c->prompt < 400);
	assert_int_equal(c->shard, c->prompt / 64);
	told->accepted[c->prompt] += (int)c->accepted_now - (int)c->accepted_before;
	told->duplicates[c->prompt] +=
		(int)c->duplicates_now - (int)c->duplicates_before;
	told->changes++;
	return ERR_NONE;
}

static enum err_code count_commit(void *to, struct dataset *d, struct err *err)
{
	struct told *told = to;
	struct bytes text;

	must(dataset_accept(d, &text, err), err);
	told->commits++;
	return ERR_NONE;
}

static enum err_code fail_late(void *to, struct dataset *d, struct err *err)
{
	int *left = to;

	(void)d;
	return (*left)-- > 0 ? ERR_NONE : err_set(err, ERR_IO, "as if killed");
}

static int accepted_of(uint64_t prompt)
{
	struct key_list entries = {0};
	struct dedup_counts counts;
	struct err err;

	must(dataset_begin_view(maker.d, &err), &err);
	must(dataset_prompt_entries(maker.d, prompt, &entries, &err), &err);
	dataset_end_view(maker.d);
	counts = dedup_count(entries.at, entries.n, true);
	key_list_release(&entries);
	return (int)counts.selected;
}

static void read_accept(char out[128])
{
	struct bytes text;
	struct err err;

	must(dataset_begin_view(maker.d, &err), &err);
	must(dataset_accept(maker.d, &text, &err), &err);
	snprintf(out, 128, "%.*s", (int)text.len, (const char *)text.data);
	dataset_end_view(maker.d);
}

static void accept__recounts_in_short_transactions(void **state)
{
	struct told *told = mem_zalloc(1, sizeof(*told));
	struct accept_recount_steps steps = {changed, count_commit, told};
	int was[400], left = 1;
	struct accept_recount_steps failing = {NULL, fail_late, &left};
	uint64_t commit = maker.d->state.commit;
	struct accept *a;
	struct err err;
	char text[128];

	(void)state;
	must(dataset_begin(maker.d, &err), &err);
	for (uint64_t p = 0; p < 400; p++) {
		for (uint32_t s = 0; s < 25; s++) {
			char content[32];

			/* Two of each text: a group. */
			snprintf(content, sizeof(content), "%u", s / 2);
			maker_add(&maker, &(struct made){.prompt = p,
						  .sample = s,
						  .content = content,
						  .answer = (float)(s % 3)});
		}
	}
	must(dataset_commit(maker.d, &err), &err);
	for (uint64_t p = 0; p < 400; p++) {
		was[p] = accepted_of(p);
		assert_int_equal(was[p], 13);
	}

	must(accept_compile("scores.answer >= 1", &a, &err), &err);
	/* The second of three transactions fails: no text, so nobody reads bits. */
	assert_int_equal(accept_recount(maker.d, a, true, &failing, &err), ERR_IO);
	read_accept(text);
	assert_string_equal(text, "");
	must(accept_recount(maker.d, a, true, &steps, &err), &err);
	read_accept(text);
	assert_string_equal(text, "scores.answer >= 1");
	assert_int_equal(told->commits, 3);
	for (uint64_t p = 0; p < 400; p++) {
		assert_int_equal(accepted_of(p), 16);
		assert_int_equal(told->duplicates[p], 0);
		/* The first transaction's prompts were changed before the failure. */
		assert_true(told->accepted[p] == 3 || told->accepted[p] == 0);
	}
	assert_int_equal(told->accepted[399], 3);

	/* The same text again: nothing to count. */
	told->commits = 0;
	commit = maker.d->state.commit;
	must(accept_recount(maker.d, a, true, &steps, &err), &err);
	assert_int_equal(told->commits, 0);
	assert_int_equal(maker.d->state.commit, commit);
	accept_free(a);
	free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accept__judges_offers, begin, end),
		cmocka_unit_test_setup_teardown(
			accept__reads_an_offers_own_texts, begin, end),
		cmocka_unit_test(accept__refuses_to_depend_on_itself),
		cmocka_unit_test_setup_teardown(
			accept__recounts_in_short_transactions, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
