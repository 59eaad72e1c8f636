/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include "common/job.h"
#include "store/logits.h"
#include "store/tables.h"

#define DIGEST 0x0123456789abcdef
/* Settings 0, teacher 0. */
#define NUMBER 0

static struct maker maker;
static struct tables *tables;

static int begin(void **state)
{
	struct err err;

	(void)state;
	maker_begin(&maker);
	tables = tables_new();
	must(dataset_begin(maker.d, &err), &err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dataset_rollback(maker.d);
	tables_free(tables);
	maker_end(&maker);
	return 0;
}

static enum err_code expect(uint64_t digest, struct err *err)
{
	struct job_teacher teacher[2] = {
		{.name = (char *)(uintptr_t) "a", .tokenizer_digest = digest},
		{.name = (char *)(uintptr_t) "b"}};
	struct job job = {.teacher = teacher, .n_teachers = 2};

	return tables_expect(tables, maker.d, &job, 0, err);
}

#define T(id_, ordinal_, text)                                                         \
	{                                                                              \
		(id_), (ordinal_),                                                     \
		{                                                                      \
			(const unsigned char *)(text), sizeof(text) - 1                \
		}                                                                      \
	}
static struct wire_table_token all[] = {T(0, 0, "a"), T(1, 1, " so"), T(2, 0, "Hello"),
	T(3, 0, " Hello"), T(5, 0, "\xe2\x80"), T(6, 2, " so"), T(7, 0, ""),
	T(8, 0, "\xef\xbf\xbd"), T(9, 0, " b"), T(10, 1, "1"), T(11, 0, "1")};
#define N (sizeof(all) / sizeof(all[0]))

static struct wire_table part(uint32_t before, uint32_t n)
{
	return (struct wire_table){.vocabulary = NUMBER,
		.digest = DIGEST,
		.strips = true,
		.size = 12,
		.total = N,
		.before = before,
		.n = n,
		.token = all + before};
}

/* Gives a part; how far the table is then. */
static uint32_t take(struct wire_table p)
{
	struct wire_table_at at;
	struct err err;

	must(tables_take(tables, maker.d, &p, &at, &err), &err);
	assert_int_equal(at.vocabulary, NUMBER);
	assert_true(at.digest == DIGEST);
	tables_end_part(tables, true);
	return at.stored;
}

static void give_all(void)
{
	struct err err;

	must(expect(DIGEST, &err), &err);
	assert_int_equal(take(part(0, N)), N);
	assert_true(tables_are_whole(tables));
}

static uint32_t look_up(uint16_t ordinal, const char *token)
{
	struct err err;
	uint32_t id = 12345;

	must(tables_look_up(
		     tables, maker.d, NUMBER, ordinal, str_bytes(token), &id, &err),
		&err);
	return id;
}

static struct wire_table_at news(void)
{
	struct wire_table_at at = {0};
	size_t i = 0;

	tables_news(tables, &i, &at);
	return at;
}

static void tables__come_in_parts(void **state)
{
	struct wire_table other = part(2, 3), question = part(0, 0);
	struct dataset_tokenizer head;
	struct err err = {0};
	struct wire_table_at at;
	uint32_t id;

	(void)state;
	assert_true(tables_are_whole(tables)); /* of a job that needs none */
	assert_int_equal(
		tables_take(tables, maker.d, &question, &at, &err), ERR_NOT_FOUND);
	must(expect(DIGEST, &err), &err);
	assert_false(tables_are_whole(tables));
	assert_int_equal(take(question), 0);
	assert_int_equal(take(part(1, 2)), 0); /* not the next one */
	assert_int_equal(take(part(0, 2)), 2);
	assert_int_equal(take(part(0, 2)), 2); /* once more */
	assert_int_equal(take(part(4, 2)), 2); /* one is missing */
	assert_int_equal(take(question), 2);
	other.digest++;
	assert_int_equal(
		tables_take(tables, maker.d, &other, &at, &err), ERR_NOT_FOUND);
	assert_int_equal(
		tables_look_up(tables, maker.d, NUMBER, 0, str_bytes("a"), &id, &err),
		ERR_NOT_FOUND);
	other = part(2, N - 2);
	other.total++; /* of another table than the first part */
	assert_int_equal(take(other), 2);
	assert_int_equal(take(part(2, N - 2)), N);
	assert_true(tables_are_whole(tables));
	must(dataset_tokenizer(maker.d, NUMBER, &head, &err), &err);
	assert_true(head.digest == DIGEST && head.strips);
	assert_int_equal(head.size, 12);
	assert_int_equal(head.total, N);
	assert_int_equal(head.stored, N);
}

/* What is not committed does not count; what is, counts after any restart. */
static void tables__go_on_where_the_dataset_ends(void **state)
{
	struct wire_table first = part(0, 3), second = part(3, 3);
	struct wire_table_at at;
	struct err err;

	(void)state;
	must(expect(DIGEST, &err), &err);
	must(tables_take(tables, maker.d, &first, &at, &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	tables_end_part(tables, true);
	must(dataset_begin(maker.d, &err), &err);
	must(tables_take(tables, maker.d, &second, &at, &err), &err);
	assert_int_equal(at.stored, 6);
	dataset_rollback(maker.d);
	tables_end_part(tables, false);
	must(dataset_begin(maker.d, &err), &err);
	assert_int_equal(take(part(0, 0)), 3);
	tables_free(tables);
	tables = tables_new();
	must(expect(DIGEST, &err), &err);
	assert_false(tables_are_whole(tables));
	assert_int_equal(take(part(0, 0)), 3);
	assert_int_equal(take(part(3, N - 3)), N);
	assert_true(tables_are_whole(tables));
}

static void tables__refuse_another_tokenizer(void **state)
{
	struct err err;

	(void)state;
	must(expect(DIGEST, &err), &err);
	take(part(0, 3));
	assert_int_equal(expect(DIGEST + 1, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "another tokenizer.json"));
	assert_non_null(strstr(err.msg, "0123456789abcdef"));
}

static void tables__give_ids_only_without_doubt(void **state)
{
	struct wire_table_at at;

	(void)state;
	give_all();
	assert_int_equal(look_up(0, "a"), 0);
	assert_int_equal(look_up(0, "\xe2\x80"), 5);
	assert_int_equal(look_up(0, "Hello"), 2);
	assert_int_equal(look_up(0, " Hello"), 3);
	/* A byte piece gives way. */
	assert_int_equal(look_up(0, "1"), 11);
	at = news();
	assert_int_equal(at.unknown, 0);
	assert_int_equal(at.several, 0);
	/* Two ids, no id, nothing to go by, the second of two. */
	assert_int_equal(look_up(0, " so"), TOKEN_ID_UNKNOWN);
	assert_int_equal(look_up(0, "zz"), TOKEN_ID_UNKNOWN);
	assert_int_equal(look_up(0, ""), TOKEN_ID_UNKNOWN);
	assert_int_equal(look_up(0, "\xef\xbf\xbd"), TOKEN_ID_UNKNOWN);
	assert_int_equal(look_up(1, "a"), TOKEN_ID_UNKNOWN);
	at = news();
	assert_int_equal(at.unknown, 3);
	assert_int_equal(at.several, 2);
	assert_int_equal(news().unknown, 0); /* said once */
}

/* An answer's first token may have lost its blank. */
static void tables__do_not_trust_a_first_tokens_beginning(void **state)
{
	(void)state;
	give_all();
	assert_int_equal(look_up(WIRE_TOKEN_FIRST, "a"), 0);
	assert_int_equal(look_up(WIRE_TOKEN_FIRST, " Hello"), 3);
	assert_int_equal(look_up(WIRE_TOKEN_FIRST, "Hello"), TOKEN_ID_UNKNOWN);
	/* It might be " b", but "b" alone is no token: still not known. */
	assert_int_equal(look_up(WIRE_TOKEN_FIRST, "b"), TOKEN_ID_UNKNOWN);
}

static void tables__trust_it_where_nothing_is_lost(void **state)
{
	struct wire_table p = part(0, N);
	struct err err;

	(void)state;
	must(expect(DIGEST, &err), &err);
	p.strips = false;
	take(p);
	assert_int_equal(look_up(WIRE_TOKEN_FIRST, "Hello"), 2);
}

static void compare(uint16_t endpoint, uint32_t number, uint32_t id, const char *token)
{
	struct buf entries;
	struct err err;

	buf_init(&entries, MIB(1));
	vocab_entry_add(&entries, number, id, str_bytes(token));
	must(tables_compare(tables, maker.d, endpoint, buf_bytes(&entries), &err),
		&err);
	buf_release(&entries);
}

static void tables__hold_answers_against_them(void **state)
{
	struct wire_table_at at;

	(void)state;
	give_all();
	news();
	compare(0, NUMBER, 0, "a");
	compare(0, NUMBER, 1, " so");
	compare(0, NUMBER, 3, "Hello");        /* without its blank */
	compare(0, NUMBER, 5, "\xef\xbf\xbd"); /* a broken character */
	compare(0, NUMBER + 2, 0, "x");        /* no table */
	assert_int_equal(news().n, 0);
	compare(1, NUMBER, 2, "hello");
	compare(1, NUMBER, 0, "b"); /* once for each endpoint */
	compare(0, NUMBER, 4, "hole");
	compare(2, NUMBER, 99, "beyond");
	at = news();
	assert_int_equal(at.n, 3);
	assert_int_equal(at.fault[0].endpoint, 1);
	assert_int_equal(at.fault[0].id, 2);
	assert_int_equal(at.fault[1].endpoint, 0);
	assert_int_equal(at.fault[1].id, 4);
	assert_int_equal(at.fault[2].endpoint, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(tables__come_in_parts),
		TEST(tables__go_on_where_the_dataset_ends),
		TEST(tables__refuse_another_tokenizer),
		TEST(tables__give_ids_only_without_doubt),
		TEST(tables__do_not_trust_a_first_tokens_beginning),
		TEST(tables__trust_it_where_nothing_is_lost),
		TEST(tables__hold_answers_against_them),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
