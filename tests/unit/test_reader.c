/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/reader.h"

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

/* Reads all and writes "prompt/sample.revision[a][dN] " for each sample. */
static void describe(const struct reader_query *query, struct buf *out)
{
	struct reader *r;
	struct sample *s;
	struct err err;
	enum err_code code;

	buf_clear(out);
	must(reader_open(maker.d, query, &r, &err), &err);
	while ((code = reader_next(r, &s, &err)) == ERR_NONE) {
		buf_printf(out, "%d/%u", (int)s->head.key.prompt, s->head.key.sample);
		if (s->head.key.revision)
			buf_printf(out, ".%u", s->head.key.revision);
		if (s->accepted)
			buf_add_byte(out, 'a');
		if (s->is_duplicate)
			buf_printf(out, "d%u", s->duplicate_of);
		buf_add_byte(out, ' ');
		assert_int_equal(reader_entry(r)->sequence, s->sequence);
	}
	if (code != ERR_NOT_FOUND)
		fail_msg("%s", err.msg);
	/* And it stays at its end. */
	assert_int_equal(reader_next(r, &s, &err), ERR_NOT_FOUND);
	reader_close(r);
}

static void expect(const char *where, uint64_t since, uint64_t until, const char *want)
{
	struct reader_query query = {.since = since, .until = until};
	struct buf got;
	struct err err;

	buf_init(&got, 65536);
	if (where)
		must(filter_compile(where, &query.where, NULL, &err), &err);
	describe(&query, &got);
	assert_string_equal(buf_text(&got), want);
	filter_free(query.where);
	buf_release(&got);
}

static void reader__yields_live_samples_in_key_order(void **state)
{
	const struct made samples[] = {
		{.prompt = 5, .sample = 1, .content = "b"},                /* 1 */
		{.prompt = 2, .sample = 0, .content = "a"},                /* 2 */
		{.prompt = 5, .sample = 0, .content = "a"},                /* 3 */
		{.prompt = 5, .sample = 1, .revision = 1, .content = "c"}, /* 4 */
		{.prompt = 9, .sample = 0, .content = "x", .finish = FINISH_LENGTH},
	};

	(void)state;
	expect(NULL, 0, 0, "");
	maker_store(&maker, samples, 5);
	expect(NULL, 0, 0, "2/0a 5/0a 5/1.1a 9/0 ");
	/* As of a sequence: the revision that was live then. */
	expect(NULL, 0, 3, "2/0a 5/0a 5/1a ");
	expect(NULL, 0, 1, "5/1a ");
	/* Since: what came after, among what is live now. */
	expect(NULL, 3, 0, "5/1.1a 9/0 ");
	expect(NULL, 1, 3, "2/0a 5/0a ");
	expect(NULL, 5, 0, "");
}

static void reader__goes_where_it_is_told(void **state)
{
	const struct made three[] = {
		{.prompt = 0, .content = "a"},
		{.prompt = 1, .content = "a"},
		{.prompt = UINT64_MAX, .content = "a"},
	};
	static const struct {
		uint64_t to, want;
	} cases[] = {{1, 1}, {0, 0}, {2, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, {1, 1}};
	struct reader_query query = {0};
	struct reader *r;
	struct sample *s;
	struct err err;

	(void)state;
	maker_store(&maker, three, 3);
	must(reader_open(maker.d, &query, &r, &err), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reader_seek(r, cases[i].to);
		must(reader_next(r, &s, &err), &err);
		assert_int_equal(s->head.key.prompt, cases[i].want);
	}
	reader_seek(r, UINT64_MAX);
	must(reader_next(r, &s, &err), &err);
	assert_int_equal(reader_next(r, &s, &err), ERR_NOT_FOUND);
	reader_close(r);
}

static void reader__leaves_a_view_that_is_not_its_own(void **state)
{
	struct reader_query query = {0};
	struct reader *a, *b;
	struct sample *x, *y;
	struct err err;

	(void)state;
	maker_store(&maker,
		(struct made[]){{.prompt = 1, .content = "one"},
			{.prompt = 2, .content = "two"}},
		2);
	must(dataset_begin_view(maker.d, &err), &err);
	must(reader_open(maker.d, &query, &a, &err), &err);
	must(reader_open(maker.d, &query, &b, &err), &err);
	must(reader_next(a, &x, &err), &err);
	must(sample_load_text(x, &err), &err);
	dataset_end_view(maker.d);
	must(dataset_begin_view(maker.d, &err), &err);
	for (int i = 0; i < 2; i++)
		must(reader_next(b, &y, &err), &err);
	assert_int_equal(y->head.key.prompt, 2);
	assert_bytes_equal(x->text.at[TEXT_CONTENT], "one");
	must(reader_next(a, &x, &err), &err);
	assert_int_equal(x->head.key.prompt, 2);
	reader_close(a);
	reader_close(b);
	assert_non_null(maker.d->txn);
	dataset_end_view(maker.d);
}

static void reader__applies_the_filter_before_it_drops_duplicates(void **state)
{
	/* Three of the same text; the first one is not accepted. */
	const struct made samples[] = {
		{.prompt = 1, .sample = 0, .content = "a", .finish = FINISH_LENGTH},
		{.prompt = 1, .sample = 1, .content = "a", .answer = 1},
		{.prompt = 1, .sample = 2, .content = " A ", .answer = 1},
		{.prompt = 1, .sample = 3, .content = "b", .answer = 1},
	};

	(void)state;
	maker_store(&maker, samples, 4);
	/* No expression: the smallest key stands for the group. */
	expect(NULL, 0, 0, "1/0 1/1ad0 1/2d0 1/3a ");
	expect("true", 0, 0, "1/0 1/1ad0 1/2d0 1/3a ");
	/* The smallest that passes stands for it, so one of them stays. */
	expect("finish_reason == 'stop' and flags is empty", 0, 0, "1/1a 1/3a ");
	expect("accepted", 0, 0, "1/1a 1/3a ");
	expect("not accepted", 0, 0, "1/0 1/2d0 ");
	/* An expression that does not mind duplicates keeps them. */
	expect("scores.answer == 1", 0, 0, "1/1a 1/2d1 1/3a ");
	expect("'duplicate' in flags", 0, 0, "1/1ad0 1/2d0 ");
	expect("duplicate_of is null and content starts with 'a'", 0, 0, "1/0 ");
	expect("false", 0, 0, "");
}

static void reader__knows_when_duplicates_are_no_matter(void **state)
{
	const char *settings = "{\"dedup\":{\"exact\":false}}";
	const struct made samples[] = {
		{.prompt = 1, .sample = 0, .content = "a"},
		{.prompt = 1, .sample = 1, .content = "a"},
	};
	struct err err;

	(void)state;
	maker_store(&maker, samples, 2);
	expect(NULL, 0, 0, "1/0a 1/1d0 ");
	must(dataset_begin(maker.d, &err), &err);
	must(dataset_set_settings(maker.d, 1, str_bytes(settings), &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	expect(NULL, 0, 0, "1/0a 1/1a ");
}

static void set_accept(const char *text)
{
	struct err err;

	must(dataset_begin(maker.d, &err), &err);
	must(dataset_set_accept(maker.d, str_bytes(text), &err), &err);
	must(dataset_commit(maker.d, &err), &err);
}

static void reader__waits_for_a_recount(void **state)
{
	struct reader_query query = {0};
	struct reader *r;
	struct err err;

	(void)state;
	set_accept("");
	assert_int_equal(reader_open(maker.d, &query, &r, &err), ERR_AGAIN);
	assert_null(r);
	set_accept("true");
	must(reader_open(maker.d, &query, &r, &err), &err);
	reader_close(r);
}

/* Runs `write` on the dataset in another process, since LMDB wants one
 * environment a process. */
static void in_child(void (*write)(struct maker *m))
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct maker m = {.accept = maker.accept};
		struct err err;

		if (dataset_open(maker.dir, ENV_WRITE, &m.d, &err) != ERR_NONE)
			_exit(1);
		write(&m);
		dataset_close(m.d);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Between the samples that are there and behind them, and a revision. */
static void write_more(struct maker *m)
{
	struct err err;

	must(dataset_begin(m->d, &err), &err);
	for (uint64_t p = 0; p < 3100; p++)
		maker_add(m, &(struct made){.prompt = p * 2 + 1, .content = "later"});
	maker_add(m, &(struct made){.prompt = 4000, .revision = 1, .content = "later"});
	must(dataset_commit(m->d, &err), &err);
}

static void change_accept(struct maker *m)
{
	struct err err;

	must(dataset_begin(m->d, &err), &err);
	must(dataset_set_accept(m->d, str_bytes("true"), &err), &err);
	must(dataset_commit(m->d, &err), &err);
}

/* 3 000 prompts with even numbers; the dataset is then open for reading. */
static void many_prompts(void)
{
	struct err err;

	must(dataset_begin(maker.d, &err), &err);
	for (uint64_t p = 0; p < 3000; p++)
		maker_add(&maker, &(struct made){.prompt = p * 2, .content = "a"});
	must(dataset_commit(maker.d, &err), &err);
	maker_close(&maker);
	must(dataset_open(maker.dir, ENV_READ, &maker.d, &err), &err);
}

static void reader__sees_nothing_that_came_later(void **state)
{
	struct reader_query query = {0};
	struct reader *r;
	struct sample *s;
	struct err err;
	uint64_t n = 0;

	(void)state;
	many_prompts();
	must(reader_open(maker.d, &query, &r, &err), &err);
	while (reader_next(r, &s, &err) == ERR_NONE) {
		assert_int_equal(s->head.key.prompt, n * 2);
		assert_int_equal(s->head.key.revision, 0);
		if (n++ == 500)
			in_child(write_more);
	}
	assert_int_equal(n, 3000);
	assert_int_equal(reader_until(r), 3000);
	reader_close(r);
	/* A new reader does. */
	must(reader_open(maker.d, &query, &r, &err), &err);
	for (n = 0; reader_next(r, &s, &err) == ERR_NONE; n++)
		assert_int_equal(s->head.key.revision, s->head.key.prompt == 4000);
	assert_int_equal(n, 6100);
	reader_close(r);
}

static void reader__notices_that_accept_changed(void **state)
{
	struct reader_query query = {0};
	struct reader *r;
	struct sample *s;
	struct err err;
	uint64_t n = 0;
	enum err_code code;

	(void)state;
	many_prompts();
	must(reader_open(maker.d, &query, &r, &err), &err);
	while ((code = reader_next(r, &s, &err)) == ERR_NONE)
		if (n++ == 500)
			in_child(change_accept);
	assert_int_equal(code, ERR_AGAIN);
	assert_true(n < 3000);
	reader_close(r);
}

/* A text that zstd makes no shorter is stored plain, and a long one in parts, as
 * its prompt is here. Loading the prompt must not change the text. */
static void sample__keeps_its_text_when_the_prompt_is_loaded(void **state)
{
	struct reader_query query = {0};
	struct chance chance = {9};
	char content[6001], extra[6001];
	struct reader *r;
	struct sample *s;
	struct err err;
	int at = snprintf(extra, sizeof(extra), "{\"noise\":\"");

	(void)state;
	for (size_t i = 0; i < sizeof(content) - 1; i++)
		content[i] = (char)(1 + chance_below(&chance, 255));
	content[sizeof(content) - 1] = '\0';
	while ((size_t)at < sizeof(extra) - 3)
		extra[at++] = (char)('#' + chance_below(&chance, 50));
	snprintf(extra + at, 3, "\"}");
	maker_store(&maker, &(struct made){.content = content, .extra = extra}, 1);
	must(reader_open(maker.d, &query, &r, &err), &err);
	must(reader_next(r, &s, &err), &err);
	must(sample_load_text(s, &err), &err);
	must(sample_load_prompt(s, &err), &err);
	assert_bytes_equal(s->text.at[TEXT_CONTENT], content);
	assert_bytes_equal(s->prompt.at[PROMPT_EXTRA], extra);
	reader_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			reader__yields_live_samples_in_key_order, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__goes_where_it_is_told, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__leaves_a_view_that_is_not_its_own, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__applies_the_filter_before_it_drops_duplicates, begin,
			end),
		cmocka_unit_test_setup_teardown(
			reader__knows_when_duplicates_are_no_matter, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__waits_for_a_recount, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__sees_nothing_that_came_later, begin, end),
		cmocka_unit_test_setup_teardown(
			reader__notices_that_accept_changed, begin, end),
		cmocka_unit_test_setup_teardown(
			sample__keeps_its_text_when_the_prompt_is_loaded, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
