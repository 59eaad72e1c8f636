/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's promises, asked of a real store process over its sockets: fences,
 * the idempotent put, and that what is acknowledged survives kill -9.
 *
 *     store_protocol RETORT [TEST]
 *
 * mutants.sh runs it against builds that lack one protection each.
 */
#include "system/store_rig.h"

#include "store/logits.h"

#define ALL_LINES UINT64_MAX

static struct made sample_of(uint64_t prompt, uint32_t sample)
{
	return (struct made){.prompt = prompt,
		.sample = sample,
		.reasoning = "because",
		.content = "4",
		.n_tokens = 6,
		.k = 5};
}

static void an_older_epoch_is_fenced(void **state)
{
	struct made a = sample_of(3, 0), b = sample_of(3, 1), c = sample_of(4, 0);
	struct store_rig r;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 5, ALL_LINES, NULL), OPEN_OK);
	assert_int_equal(rig_put(&r, 5, &a), PUT_STORED);
	/* Line 3 goes to somebody else; the rest stays with epoch 5. */
	assert_int_equal(rig_open(&r, 6, UINT64_C(1) << 3, NULL), OPEN_OK);
	assert_int_equal(rig_put(&r, 5, &b), PUT_FENCED);
	assert_int_equal(rig_put(&r, 5, &c), PUT_STORED);
	assert_int_equal(rig_put(&r, 6, &b), PUT_STORED);
	assert_int_equal(rig_open(&r, 5, ALL_LINES, NULL), OPEN_FENCED);
	rig_end(&r);
}

static void an_epoch_that_was_never_opened_is_fenced(void **state)
{
	struct made a = sample_of(0, 0);
	struct store_rig r;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_put(&r, 9, &a), PUT_FENCED);
	rig_end(&r);
}

static void a_fence_survives_kill(void **state)
{
	struct made a = sample_of(0, 0);
	struct store_rig r;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	for (uint64_t epoch = 10; epoch < 20; epoch++) {
		assert_int_equal(rig_open(&r, epoch, ALL_LINES, NULL), OPEN_OK);
		rig_kill(&r);
		rig_start(&r);
		assert_int_equal(rig_put(&r, epoch - 1, &a), PUT_FENCED);
		assert_int_equal(rig_open(&r, epoch - 1, ALL_LINES, NULL), OPEN_FENCED);
	}
	rig_end(&r);
}

static void the_same_put_again_does_nothing(void **state)
{
	struct made a = sample_of(1, 0), other = sample_of(1, 0);
	uint32_t present;
	struct store_rig r;

	(void)state;
	other.content = "5";
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	assert_int_equal(rig_put(&r, 1, &a), PUT_STORED);
	assert_int_equal(rig_put(&r, 1, &a), PUT_SAME);
	assert_int_equal(rig_put(&r, 1, &other), PUT_OCCUPIED);
	rig_kill(&r);
	rig_start(&r);
	assert_int_equal(rig_put(&r, 1, &a), PUT_SAME);
	assert_int_equal(rig_put(&r, 1, &other), PUT_OCCUPIED);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, &present), OPEN_OK);
	assert_int_equal(present, 1);
	rig_end(&r);
}

/* Two in one message, so in one transaction. */
static void twice_in_one_put(void **state)
{
	struct made a = sample_of(2, 0);
	struct wire_put_item items[3] = {
		{1, 0, 1, 2, {0}}, {2, 0, 1, 2, {0}}, {3, 0, 1, 2, {0}}};
	struct wire w = {.type = WIRE_PUT, .put = {3, items}};
	struct store_rig r;
	struct buf offer, other;
	struct heard h;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	buf_init(&offer, LIMIT_MESSAGE);
	buf_init(&other, LIMIT_MESSAGE);
	rig_offer(&r, &a, 1, &offer);
	a.content = "something else";
	rig_offer(&r, &a, 1, &other);
	items[0].offer = items[1].offer = buf_bytes(&offer);
	items[2].offer = buf_bytes(&other);
	rig_say(r.worker, NULL, &w);
	assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.result.n, 3);
	assert_int_equal(h.w.result.item[0].answer, PUT_STORED);
	assert_int_equal(h.w.result.item[1].answer, PUT_SAME);
	assert_int_equal(h.w.result.item[2].answer, PUT_OCCUPIED);
	rig_forget(&h);
	buf_release(&offer);
	buf_release(&other);
	rig_end(&r);
}

#define BATCH 48
#define ROUNDS 12

/*
 * The store is killed at the moment in which the first acknowledgement arrives.
 * The batch is large, so that a store that answers before its commit is still
 * writing then.
 */
static void acknowledged_survives_kill(void **state)
{
	static char filler[60000];
	struct store_rig r;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(filler); i++)
		filler[i] = (char)('!' + (i * 2654435761u >> 13) % 90);
	rig_begin(&r);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct wire_put_item items[BATCH] = {{0}};
		struct wire w = {.type = WIRE_PUT, .put = {BATCH, items}};
		struct buf offers[BATCH];
		uint32_t present;
		struct heard h;

		rig_start(&r);
		assert_int_equal(rig_open(&r, round + 1, ALL_LINES, &present), OPEN_OK);
		assert_int_equal(present, round * BATCH);
		for (uint32_t i = 0; i < BATCH; i++) {
			struct made a = sample_of(i, round);

			a.content = filler;
			buf_init(&offers[i], LIMIT_MESSAGE);
			rig_offer(&r, &a, round + 1, &offers[i]);
			items[i] = (struct wire_put_item){
				i, 0, round + 1, (uint8_t)i, buf_bytes(&offers[i])};
		}
		rig_say(r.worker, NULL, &w);
		assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
		rig_kill(&r);
		assert_int_equal(h.w.result.n, BATCH);
		for (uint32_t i = 0; i < BATCH; i++) {
			assert_int_equal(h.w.result.item[i].answer, PUT_STORED);
			buf_release(&offers[i]);
		}
		rig_forget(&h);
	}
	rig_end(&r);
}

static void malformed_messages_harm_nobody(void **state)
{
	struct made a = sample_of(1, 0);
	struct wire_put_item items[2] = {{1, 0, 1, 1, {0}}, {2, 0, 1, 1, {0}}};
	struct wire w = {.type = WIRE_PUT, .put = {2, items}};
	static const unsigned char newer[] = {
		'r', 't', 99, WIRE_PING, 0, 0, 0, 0, 0, 0, 0, 0};
	struct store_rig r;
	struct heard h;
	struct buf offer;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	rig_say_bytes(r.worker, "", 0);
	rig_say_bytes(r.worker, "hello", 5);
	rig_say_bytes(r.worker, "rt\2\40\377\377\377\377", 8); /* PUT of 4G items */
	rig_say_bytes(r.worker, newer, sizeof(newer));
	assert_true(rig_hear(r.worker, WIRE_REFUSED, RIG_TIMEOUT_MS, &h));
	rig_forget(&h);

	buf_init(&offer, LIMIT_MESSAGE);
	rig_offer(&r, &a, 1, &offer);
	items[0].offer = bytes_of(offer.data, offer.len - 1);
	items[1].offer = buf_bytes(&offer);
	rig_say(r.worker, NULL, &w);
	assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.result.n, 2);
	assert_int_equal(h.w.result.item[0].answer, PUT_INVALID);
	assert_int_equal(h.w.result.item[1].answer, PUT_STORED);
	rig_forget(&h);
	buf_release(&offer);
	rig_end(&r);
}

/* An offer whose head names another sample than the lease's line. */
static void an_offer_for_another_prompt_is_invalid(void **state)
{
	struct made a = sample_of(5, 0);
	struct wire_put_item item = {1, 0, 1, 9, {0}};
	struct wire w = {.type = WIRE_PUT, .put = {1, &item}};
	struct store_rig r;
	struct heard h;
	struct buf offer;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	buf_init(&offer, LIMIT_MESSAGE);
	rig_offer(&r, &a, 2, &offer); /* and another epoch in its head */
	item.offer = buf_bytes(&offer);
	rig_say(r.worker, NULL, &w);
	assert_true(rig_hear(r.worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.result.item[0].answer, PUT_INVALID);
	rig_forget(&h);
	buf_release(&offer);
	rig_end(&r);
}

static void another_run_is_refused(void **state)
{
	struct store_rig r;
	struct heard h;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	rig_kill(&r);
	rig_start_unadopted(&r, &h);
	assert_bytes_equal(h.w.reg.run, RIG_RUN_ID);
	rig_forget(&h);
	rig_adopt(&r, "another run's id");
	assert_int_not_equal(rig_wait_exit(&r), 0);
	rig_end(&r);
}

/* Ids of tokens, once told, hold for ever. */
static uint32_t intern(struct store_rig *r, uint32_t vocabulary, const char *token)
{
	struct wire_token t = {0, bytes_of(token, strlen(token))};
	struct wire w = {.type = WIRE_INTERN,
		.intern = {.serial = ++r->serial,
			.vocabulary = vocabulary,
			.n = 1,
			.token = &t}};
	struct heard h;
	uint32_t id;

	rig_say(r->worker, NULL, &w);
	assert_true(rig_hear(r->worker, WIRE_INTERNED, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.interned.serial, r->serial);
	assert_int_equal(h.w.interned.n, 1);
	id = h.w.interned.id[0];
	rig_forget(&h);
	return id;
}

#define INTERNED (1u << 31 | 1)

static void interned_ids_survive_kill(void **state)
{
	struct store_rig r;
	uint32_t cat, dog;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	cat = intern(&r, INTERNED, " cat");
	dog = intern(&r, INTERNED, " dog");
	assert_int_not_equal(cat, dog);
	assert_int_equal(intern(&r, INTERNED, " cat"), cat);
	rig_kill(&r);
	rig_start(&r);
	assert_int_equal(intern(&r, INTERNED, " dog"), dog);
	assert_int_equal(intern(&r, INTERNED, " cat"), cat);
	rig_end(&r);
}

#define TABLE_DIGEST 0x00ff00ff00ff00ff
#define TABLE_JOB(digest)                                                              \
	"{\"name\":\"rig\",\"corpus\":[\"p.jsonl\"],\"teachers\":[{\"name\":\"t0\","   \
	"\"url\":[\"http://127.0.0.1:1/v1\"],\"model\":\"m\",\"tokenizer\":"           \
	"{\"file\":\"/t.json\",\"digest\":\"" digest "\"}}]}"

/* Gives a part of the table, or asks; what the store says that it has. */
static uint32_t give_table(struct store_rig *r, uint32_t before, uint32_t n)
{
	static struct wire_table_token all[] = {
		{0, 0, {(const unsigned char *)" cat", 4}},
		{2, 1, {(const unsigned char *)" so", 3}},
		{3, 2, {(const unsigned char *)" so", 3}},
		{5, 0, {(const unsigned char *)"\xe2\x80", 2}}};
	struct wire w = {.type = WIRE_TABLE,
		.table = {.digest = TABLE_DIGEST,
			.size = 6,
			.total = 4,
			.before = before,
			.n = n,
			.token = all + before}};
	struct heard h;
	uint32_t stored;

	rig_say(r->coordinator, &r->peer, &w);
	assert_true(rig_hear(r->coordinator, WIRE_TABLE_AT, RIG_TIMEOUT_MS, &h));
	assert_true(h.w.table_at.digest == TABLE_DIGEST);
	stored = h.w.table_at.stored;
	rig_forget(&h);
	return stored;
}

/* An OPEN and a PING: true if the first that is answered is the OPEN. */
static bool is_open(struct store_rig *r, uint64_t epoch)
{
	struct wire_open_prompt prompt = {0, 0};
	struct wire open = {.type = WIRE_OPEN,
		.open = {.session = 7,
			.epoch = epoch,
			.prompts = 1,
			.n_prompts = 1,
			.prompt = &prompt}};
	struct wire ping = {.type = WIRE_PING, .ping = {7}};
	struct heard h;
	bool opened = false;

	rig_say(r->worker, NULL, &open);
	rig_say(r->worker, NULL, &ping);
	for (enum wire_type type = WIRE_N; type != WIRE_PONG;) {
		link_wait(&r->worker, 1, -1, 20);
		if (link_receive(r->worker, &h.m) != ERR_NONE)
			continue;
		assert_int_equal(
			wire_decode(h.m.frame, &h.w, &(struct err){0}), ERR_NONE);
		type = h.w.type;
		opened = opened || type == WIRE_OPENED;
		rig_forget(&h);
	}
	return opened;
}

/* A table goes on where it was committed, and nothing is opened before its end. */
static void a_table_survives_kill(void **state)
{
	struct store_rig r;
	struct heard h;
	int status;

	(void)state;
	rig_begin(&r);
	r.job = TABLE_JOB("00ff00ff00ff00ff");
	rig_start(&r);
	assert_false(is_open(&r, 1));
	assert_int_equal(give_table(&r, 0, 0), 0);
	assert_int_equal(give_table(&r, 0, 2), 2);
	assert_int_equal(give_table(&r, 0, 2), 2);
	rig_kill(&r);
	rig_start(&r);
	assert_false(is_open(&r, 1));
	assert_int_equal(give_table(&r, 3, 1), 2);
	assert_int_equal(give_table(&r, 2, 2), 4);
	rig_kill(&r);
	rig_start(&r);
	assert_true(is_open(&r, 2));
	assert_int_equal(give_table(&r, 0, 0), 4);
	assert_int_equal(intern(&r, 0, " cat"), 0);
	assert_int_equal(intern(&r, 0, "\xe2\x80"), 5);
	assert_int_equal(intern(&r, 0, " so"), TOKEN_ID_UNKNOWN);
	assert_int_equal(intern(&r, 0, " dog"), TOKEN_ID_UNKNOWN);
	/* Another file under the same settings. */
	rig_kill(&r);
	r.job = TABLE_JOB("00ff00ff00ff00fe");
	rig_start_unadopted(&r, &h);
	rig_forget(&h);
	rig_adopt(&r, RIG_RUN_ID);
	status = rig_wait_exit(&r);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	rig_end(&r);
}

static void the_coordinator_asks_what_is_there(void **state)
{
	struct made a = sample_of(1, 0), b = sample_of(1, 1);
	struct wire_key keys[] = {{1, 0, 0}, {1, 0, 1}, {1, 1, 0}, {2, 0, 0}};
	struct wire w = {.type = WIRE_HAVE, .have = {.tag = 77, .keys = {4, keys}}};
	uint64_t boot;
	struct store_rig r;
	struct heard h;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	boot = r.boot;
	assert_int_equal(rig_put(&r, 1, &a), PUT_STORED);
	assert_int_equal(rig_put(&r, 1, &b), PUT_STORED);
	rig_kill(&r);
	rig_start(&r);
	rig_say(r.coordinator, &r.peer, &w);
	assert_true(rig_hear(r.coordinator, WIRE_HAS, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.has.tag, 77);
	assert_int_equal(h.w.has.keys.n, 2);
	assert_int_equal(h.w.has.keys.at[0].sample, 0);
	assert_int_equal(h.w.has.keys.at[1].sample, 1);
	rig_forget(&h);
	assert_int_equal(rig_open(&r, 1, ALL_LINES, NULL), OPEN_OK);
	assert_true(r.boot != boot); /* a worker sends again what it has open */
	rig_end(&r);
}

/* While the store gathers what comes in the milliseconds after a commit, its
 * coordinator asks too, or adopts it once more. */
static void the_coordinator_asks_under_load(void **state)
{
	struct wire_key key = {1, 0, 0};
	struct wire have = {.type = WIRE_HAVE, .have = {.keys = {1, &key}}};
	struct wire open = {.type = WIRE_OPEN, .open = {.session = 7, .prompts = 1}};
	struct wire_open_prompt prompt = {0, 0};
	struct store_rig r;
	struct heard h;

	(void)state;
	rig_begin(&r);
	rig_start(&r);
	open.open.n_prompts = 1;
	open.open.prompt = &prompt;
	for (uint64_t tag = 1; tag <= ROUNDS; tag++) {
		for (int i = 0; i < 64; i++) {
			open.open.epoch++;
			rig_say(r.worker, NULL, &open);
		}
		have.have.tag = tag;
		rig_say(r.coordinator, &r.peer, &have);
		rig_adopt(&r, RIG_RUN_ID);
		assert_true(rig_hear(r.coordinator, WIRE_HAS, RIG_TIMEOUT_MS, &h));
		assert_int_equal(h.w.has.tag, tag);
		rig_forget(&h);
		for (int i = 0; i < 64; i++) {
			assert_true(
				rig_hear(r.worker, WIRE_OPENED, RIG_TIMEOUT_MS, &h));
			assert_int_equal(h.w.opened.status, OPEN_OK);
			rig_forget(&h);
		}
	}
	rig_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_epoch_is_fenced),
		cmocka_unit_test(an_epoch_that_was_never_opened_is_fenced),
		cmocka_unit_test(a_fence_survives_kill),
		cmocka_unit_test(the_same_put_again_does_nothing),
		cmocka_unit_test(twice_in_one_put),
		cmocka_unit_test(acknowledged_survives_kill),
		cmocka_unit_test(malformed_messages_harm_nobody),
		cmocka_unit_test(an_offer_for_another_prompt_is_invalid),
		cmocka_unit_test(another_run_is_refused),
		cmocka_unit_test(interned_ids_survive_kill),
		cmocka_unit_test(a_table_survives_kill),
		cmocka_unit_test(the_coordinator_asks_what_is_there),
		cmocka_unit_test(the_coordinator_asks_under_load),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: store_protocol RETORT [TEST]\n");
		return 2;
	}
	rig_program = argv[1];
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
