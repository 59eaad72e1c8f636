/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "store/ingest.h"

#define LONG 80 /* tokens: enough for elsewhere.h */

static struct maker maker;
static struct ingest *ingest;
static struct buf offer;
static uint32_t n_revised; /* told with the last commit */

static struct accept *compile(const char *text)
{
	struct accept *a;
	struct err err;

	must(accept_compile(text, &a, &err), &err);
	return a;
}

static int begin(void **state)
{
	struct err err;

	(void)state;
	maker_begin(&maker);
	ingest = ingest_new(maker.d, 0);
	ingest_set_job(ingest, compile(MADE_ACCEPT), true);
	buf_init(&offer, MIB(60));
	must(dataset_begin(maker.d, &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dataset_rollback(maker.d);
	buf_release(&offer);
	ingest_free(ingest);
	maker_end(&maker);
	return 0;
}

/* OPEN for one prompt; its epoch is made_record's. */
static struct wire_opened open_at(
	uint64_t shard, uint64_t epoch, uint64_t prompt, uint8_t line)
{
	struct wire_open_prompt p = {prompt, line};
	struct wire_open m = {.shard = shard,
		.epoch = epoch,
		.prompts = (uint64_t)1 << line,
		.n_prompts = 1,
		.prompt = &p};
	struct wire_opened out = {0};
	struct err err;

	must(ingest_open(ingest, &m, &out, &err), &err);
	return out;
}

static void open_prompt(uint64_t prompt)
{
	assert_int_equal(open_at(prompt / 64, 9, prompt, prompt % 64).status, OPEN_OK);
}

static enum put_answer put_item(struct wire_put_item item)
{
	enum put_answer answer = PUT_ANSWER_N;
	struct err err;

	must(ingest_put(ingest, &item, &answer, &err), &err);
	return answer;
}

/* The sample as an offer, in `offer`. */
static struct wire_put_item item_of(const struct made *made)
{
	struct made_offer o;

	made_offer_init(&o);
	made_offer_build(&o, maker.d->packer, made);
	buf_clear(&offer);
	offer_encode(&o.offer, &offer);
	made_offer_release(&o);
	return (struct wire_put_item){1, made->prompt / 64, 9,
		(uint8_t)(made->prompt % 64), buf_bytes(&offer)};
}

static enum put_answer put(const struct made *made)
{
	return put_item(item_of(made));
}

/* Commits; the totals of `shard` as they are told, all zero if they are not. */
static struct wire_shard_totals commit(uint64_t shard)
{
	struct wire_totals totals = {0};
	struct err err;

	must(ingest_flush(ingest, &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	ingest_take_totals(ingest, &totals);
	n_revised = totals.revised.n;
	must(dataset_begin(maker.d, &err), &err);
	for (uint32_t i = 0; i < totals.n_shards; i++)
		if (totals.shard[i].shard == shard)
			return totals.shard[i];
	return (struct wire_shard_totals){0};
}

static struct record record_of(uint64_t prompt, uint32_t sample)
{
	struct sample_key key = {prompt, sample, 0, 0};
	struct key_entry entry;
	struct record r;
	struct err err;

	must(dataset_find(maker.d, &key, &entry, &err), &err);
	must(dataset_record(maker.d, entry.sequence, &r, &err), &err);
	return r;
}

static void ingest__stores_a_sample_once(void **state)
{
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_shard_totals t;

	(void)state;
	open_prompt(3);
	assert_int_equal(put(&made), PUT_STORED);
	/* A resend, in the same transaction and behind the commit. */
	assert_int_equal(put(&made), PUT_SAME);
	t = commit(0);
	assert_int_equal(put(&made), PUT_SAME);
	assert_int_equal(t.n_lines, 4);
	assert_int_equal(t.committed[3], 1);
	assert_int_equal(t.accepted, 1);
	assert_int_equal(t.prompt_tokens, 23 + 3);
	assert_int_equal(t.cost_nusd, 1234567 + 3 + 17);
	t = commit(0);
	assert_int_equal(t.prompt_tokens, 23 + 3);
	/* Another answer for the key: not kept, but it was paid for. */
	made.content = "y";
	assert_int_equal(put(&made), PUT_OCCUPIED);
	t = commit(0);
	assert_int_equal(t.committed[3], 1);
	assert_int_equal(t.prompt_tokens, 2 * (23 + 3));
	assert_int_equal(maker.d->state.last_sequence, 1);
}

static void ingest__takes_nothing_of_an_older_lease(void **state)
{
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_shard_totals t;

	(void)state;
	/* Nobody has opened it. */
	assert_int_equal(put(&made), PUT_FENCED);
	open_prompt(3);
	open_prompt(4);
	assert_int_equal(open_at(0, 10, 3, 3).status, OPEN_OK);
	assert_int_equal(maker.d->state.highest_epoch, 10);
	assert_int_equal(put(&made), PUT_FENCED);
	/* The other prompt of the older lease is still its own. */
	made.prompt = 4;
	assert_int_equal(put(&made), PUT_STORED);
	assert_int_equal(open_at(0, 9, 3, 3).status, OPEN_FENCED);
	t = commit(0);
	assert_int_equal(t.fenced, 2);
	assert_int_equal(t.committed[3], 0);
	assert_int_equal(t.committed[4], 1);
	/* Fenced answers were paid for as well. */
	assert_int_equal(t.cost_nusd, 3 * (1234567 + 17) + 3 + 3 + 4);
	/* Also behind the commit. */
	made.prompt = 3;
	assert_int_equal(put(&made), PUT_FENCED);
}

static void ingest__refuses_what_is_not_sound(void **state)
{
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_put_item good, bad;
	struct made_offer o;

	(void)state;
	open_prompt(3);
	good = item_of(&made);
	bad = good;
	bad.shard = 1;
	assert_int_equal(put_item(bad), PUT_INVALID);
	bad = good;
	bad.epoch = 8;
	assert_int_equal(put_item(bad), PUT_INVALID);
	bad = good;
	bad.line = 64;
	assert_int_equal(put_item(bad), PUT_INVALID);
	bad = good;
	bad.offer.len--;
	assert_int_equal(put_item(bad), PUT_INVALID);
	bad.offer = bytes_of(NULL, 0);
	assert_int_equal(put_item(bad), PUT_INVALID);
	made_offer_init(&o);
	made_offer_build(&o, maker.d->packer, &made);
#define CHECK_OFFER(answer)                                                            \
	do {                                                                           \
		buf_clear(&offer);                                                     \
		offer_encode(&o.offer, &offer);                                        \
		good.offer = buf_bytes(&offer);                                        \
		assert_int_equal(put_item(good), answer);                              \
	} while (0)
	o.offer.head.key.sample = LIMIT_SAMPLES;
	CHECK_OFFER(PUT_INVALID);
	o.offer.head.key.sample = 0;
	o.offer.head.key.store = 1;
	CHECK_OFFER(PUT_INVALID);
	o.offer.head.key.store = 0;
	/* Packed with a dictionary that nobody has. */
	put_u32(o.text.data + 1, 77);
	CHECK_OFFER(PUT_INVALID);
	put_u32(o.text.data + 1, 0);
	/* Said to be longer than a text may be. */
	put_u32(o.text.data + 5, (uint32_t)PACK_RAW_MAX + 1);
	CHECK_OFFER(PUT_INVALID);
	o.offer.text.len = PACK_HEAD - 1;
	CHECK_OFFER(PUT_INVALID);
	o.offer.text = buf_bytes(&o.text);
	put_u32(o.text.data + 5, (uint32_t)o.raw.len);
	o.offer.vocabulary = bytes_of("not an entry", 12);
	CHECK_OFFER(PUT_INVALID);
	o.offer.vocabulary = bytes_of(NULL, 0);
	/* Nothing of all this was counted or kept. */
	assert_int_equal(commit(0).cost_nusd, 0);
	assert_int_equal(maker.d->state.last_sequence, 0);
	/* The prompt's text is not there yet, and it brings none. */
	o.offer.prompt = bytes_of(NULL, 0);
	CHECK_OFFER(PUT_INVALID);
	made_offer_release(&o);
	assert_int_equal(put(&made), PUT_STORED);
#undef CHECK_OFFER
}

/* A filter that reads texts finds one that does not unpack. */
static void ingest__refuses_a_text_that_does_not_unpack(void **state)
{
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_put_item item;
	struct made_offer o;

	(void)state;
	ingest_set_job(ingest, compile("content == 'x'"), true);
	open_prompt(3);
	item = item_of(&made);
	made_offer_init(&o);
	made_offer_build(&o, maker.d->packer, &made);
	o.text.data[0] = 1; /* said to be zstd */
	memset(o.text.data + PACK_HEAD, 'x', o.text.len - PACK_HEAD);
	buf_clear(&offer);
	offer_encode(&o.offer, &offer);
	item.offer = buf_bytes(&offer);
	assert_int_equal(put_item(item), PUT_INVALID);
	made_offer_release(&o);
	assert_int_equal(maker.d->state.last_sequence, 0);
	assert_int_equal(put(&made), PUT_STORED);
}

static void ingest__tells_a_worker_what_is_there(void **state)
{
	struct made made = {.prompt = 3, .sample = 2, .content = "x"};
	struct wire_open_prompt prompts[] = {{3, 3}, {4, 4}};
	struct wire_open m = {.epoch = 12, .prompts = 0x18, .n_prompts = 2};
	struct wire_opened out = {0};
	struct err err;

	(void)state;
	m.prompt = prompts;
	open_prompt(3);
	put(&made);
	made.sample = 0;
	made.revision = 1;
	put(&made);
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_int_equal(out.status, OPEN_OK);
	assert_int_equal(out.shard, 0);
	assert_int_equal(out.epoch, 12);
	assert_true(out.known_prompts == 0x8);
	assert_int_equal(out.present.n, 2);
	assert_int_equal(out.present.at[0].prompt, 3);
	assert_int_equal(out.present.at[0].sample, 0);
	assert_int_equal(out.present.at[0].revision, 1);
	assert_int_equal(out.present.at[1].sample, 2);
	/* Under other settings the prompt's text is another. */
	m.settings = 1;
	out = (struct wire_opened){0};
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_true(out.known_prompts == 0);
	assert_int_equal(out.present.n, 2);
}

static void ingest__refuses_an_open_that_contradicts_itself(void **state)
{
	struct wire_open_prompt prompts[] = {{3, 3}, {4, 4}};
	struct wire_open m = {.epoch = 12, .prompts = 0x18, .n_prompts = 2};
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_opened out = {0};
	struct err err;

	(void)state;
	open_prompt(3);
	m.prompt = prompts;
	m.prompts = 0x38;
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_int_equal(out.status, OPEN_REFUSED);
	m.prompts = 0x8;
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_int_equal(out.status, OPEN_REFUSED);
	prompts[1].line = 64;
	m.prompts = 0x18;
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_int_equal(out.status, OPEN_REFUSED);
	m.prompts = m.n_prompts = 0;
	must(ingest_open(ingest, &m, &out, &err), &err);
	assert_int_equal(out.status, OPEN_REFUSED);
	/* No fence was raised by any of them. */
	assert_int_equal(put(&made), PUT_STORED);
}

/* Counts of duplicates, accepted and truncated follow each sample, also when a
 * revision takes another's place; FORMAT.md, "shard". */
static void ingest__counts_live_samples(void **state)
{
	struct made made = {.prompt = 3, .content = "same"};
	struct wire_shard_totals t;
	struct wire_totals totals;
	struct err err;

	(void)state;
	open_prompt(3);
	put(&made);
	made.sample = 1;
	put(&made);
	made.sample = 2;
	made.content = "cut";
	made.finish = FINISH_LENGTH;
	made.flags = FLAG_TRUNCATED;
	put(&made);
	t = commit(0);
	assert_int_equal(t.committed[3], 3);
	assert_int_equal(t.duplicates, 1);
	assert_int_equal(t.truncated, 1);
	assert_int_equal(n_revised, 0);
	assert_int_equal(t.accepted, 1); /* a duplicate has that flag */
	/* The truncated one is asked again: now it ends, as the others did. */
	made.revision = 1;
	made.content = "same";
	made.finish = FINISH_STOP;
	made.flags = 0;
	put(&made);
	must(ingest_flush(ingest, &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	ingest_take_totals(ingest, &totals);
	assert_int_equal(totals.shard[0].committed[3], 3);
	assert_int_equal(totals.shard[0].duplicates, 2);
	assert_int_equal(totals.shard[0].truncated, 0);
	assert_int_equal(totals.shard[0].accepted, 1);
	assert_int_equal(totals.revised.n, 1);
	assert_int_equal(totals.revised.at[0].prompt, 3);
	assert_int_equal(totals.revised.at[0].sample, 2);
	assert_int_equal(totals.revised.at[0].revision, 1);
	ingest_take_totals(ingest, &totals);
	assert_int_equal(totals.revised.n, 0);
	must(dataset_begin(maker.d, &err), &err);
	/* A truncated older revision that comes late is not live. */
	made = (struct made){.prompt = 3,
		.sample = 4,
		.revision = 2,
		.content = "later",
		.reference = "r"};
	put(&made);
	made.revision = 1;
	made.flags = FLAG_TRUNCATED;
	assert_int_equal(put(&made), PUT_STORED);
	t = commit(0);
	assert_int_equal(t.committed[3], 4);
	assert_int_equal(t.truncated, 0);
}

static void ingest__knows_no_duplicates_if_the_job_wants_none(void **state)
{
	struct made made = {.prompt = 3, .content = "same"};
	struct wire_shard_totals t;

	(void)state;
	ingest_set_job(ingest, compile(MADE_ACCEPT), false);
	open_prompt(3);
	put(&made);
	made.sample = 1;
	put(&made);
	t = commit(0);
	assert_int_equal(t.duplicates, 0);
	assert_int_equal(t.accepted, 2);
}

static void ingest__forgets_what_was_rolled_back(void **state)
{
	struct made made = {.prompt = 3, .content = "x"};
	struct wire_totals totals;
	struct err err;

	(void)state;
	open_prompt(3);
	commit(0);
	put(&made);
	made.sample = 1;
	made.revision = 1;
	put(&made);
	must(ingest_flush(ingest, &err), &err);
	dataset_rollback(maker.d);
	ingest_rollback(ingest);
	ingest_take_totals(ingest, &totals);
	assert_int_equal(totals.n_shards, 0);
	assert_int_equal(totals.revised.n, 0);
	must(dataset_begin(maker.d, &err), &err);
	/* The fence was committed before; the samples were not. */
	assert_int_equal(put(&made), PUT_STORED);
	assert_int_equal(commit(0).committed[3], 1);
}

/* After a reindex a prompt stands in another shard, which counts what is there. */
static void ingest__counts_prompts_that_have_moved(void **state)
{
	struct made made = {.prompt = 3, .content = "same"};
	struct wire_totals totals;
	struct wire_opened opened;
	struct shard_state s;
	struct wire_shard_totals t;
	unsigned char key[8];
	struct bytes v;
	struct err err;

	(void)state;
	open_prompt(3);
	put(&made);
	made.sample = 1;
	made.flags = FLAG_TRUNCATED;
	made.finish = FINISH_LENGTH;
	put(&made);
	commit(0);
	opened = open_at(70, 20, 3, 50);
	assert_int_equal(opened.present.n, 2);
	must(ingest_flush(ingest, &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	ingest_take_totals(ingest, &totals);
	assert_int_equal(totals.n_shards, 2);
	assert_int_equal(totals.shard[0].shard, 70);
	assert_int_equal(totals.shard[0].committed[50], 2);
	assert_int_equal(totals.shard[0].accepted, 1);
	assert_int_equal(totals.shard[0].duplicates, 1);
	assert_int_equal(totals.shard[0].truncated, 1);
	assert_int_equal(totals.shard[0].cost_nusd, 2 * (1234567 + 3 + 17));
	must(dataset_begin(maker.d, &err), &err);
	put_u64_be(key, 70);
	must(seal_get(maker.d->txn, DB_SHARD, key, 8, &v, &err), &err);
	must(shard_state_decode(v, &s, &err), &err);
	assert_true(s.adopted == (uint64_t)1 << 50 && !s.moved);
	put_u64_be(key, 0);
	must(seal_get(maker.d->txn, DB_SHARD, key, 8, &v, &err), &err);
	must(shard_state_decode(v, &s, &err), &err);
	assert_true(s.adopted == 0 && s.moved);
	/* Once: opening it again adds nothing. */
	open_at(70, 21, 3, 50);
	t = commit(70);
	assert_int_equal(t.committed[50], 2);
	assert_int_equal(t.accepted, 1);
	assert_int_equal(t.cost_nusd, 2 * (1234567 + 3 + 17));
}

static void ingest__flags_a_long_text_that_another_prompt_had(void **state)
{
	struct made made = {.prompt = 3, .content = "long", .n_tokens = LONG, .k = 1};
	struct err err;

	(void)state;
	for (uint64_t prompt = 3; prompt < 8; prompt++)
		open_prompt(prompt);
	put(&made);
	made.sample = 1;
	put(&made);
	made.sample = 0;
	made.prompt = 4;
	put(&made);
	assert_false(record_of(3, 1).flags & FLAG_DUPLICATE_ELSEWHERE);
	assert_true(record_of(4, 0).flags & FLAG_DUPLICATE_ELSEWHERE);
	/* A resend is the same with the flag and without. */
	assert_int_equal(put(&made), PUT_SAME);
	made.flags = FLAG_DUPLICATE_ELSEWHERE;
	assert_int_equal(put(&made), PUT_SAME);
	made.flags = 0;
	/* Short ones are equal by chance. */
	made.n_tokens = 0;
	made.content = "4";
	made.prompt = 5;
	put(&made);
	made.prompt = 6;
	put(&made);
	assert_false(record_of(6, 0).flags & FLAG_DUPLICATE_ELSEWHERE);
	/* Known again after a restart. */
	commit(0);
	ingest_free(ingest);
	ingest = ingest_new(maker.d, 0);
	ingest_set_job(ingest, compile(MADE_ACCEPT), true);
	must(ingest_warm_up(ingest, &err), &err);
	made = (struct made){.prompt = 7, .content = "long", .n_tokens = LONG, .k = 1};
	put(&made);
	assert_true(record_of(7, 0).flags & FLAG_DUPLICATE_ELSEWHERE);
}

static void ingest__gives_texts_to_the_trainer(void **state)
{
	struct made made = {.prompt = 3};
	char *text = mem_alloc(KIB(70));
	struct trainer *t = trainer_new();

	(void)state;
	memset(text, 'a', KIB(70) - 1);
	text[KIB(70) - 1] = '\0';
	made.content = text;
	open_prompt(3);
	ingest_set_trainer(ingest, t);
	/* Two MiB, 64 KiB of each. */
	for (; made.sample < 31; made.sample++)
		assert_int_equal(put(&made), PUT_STORED);
	assert_true(trainer_wants(t));
	assert_int_equal(put(&made), PUT_STORED);
	assert_false(trainer_wants(t));
	ingest_set_trainer(ingest, NULL);
	trainer_free(t);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(ingest__stores_a_sample_once),
		TEST(ingest__takes_nothing_of_an_older_lease),
		TEST(ingest__refuses_what_is_not_sound),
		TEST(ingest__refuses_a_text_that_does_not_unpack),
		TEST(ingest__tells_a_worker_what_is_there),
		TEST(ingest__refuses_an_open_that_contradicts_itself),
		TEST(ingest__counts_live_samples),
		TEST(ingest__knows_no_duplicates_if_the_job_wants_none),
		TEST(ingest__forgets_what_was_rolled_back),
		TEST(ingest__counts_prompts_that_have_moved),
		TEST(ingest__flags_a_long_text_that_another_prompt_had),
		TEST(ingest__gives_texts_to_the_trainer),
	};

	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
