/* SPDX-License-Identifier: Apache-2.0 */
/* What a corpus becomes, and what may be changed in it without a reindex; reindex,
 * packed files and runs that died are in test_index_files.c. */
#include "unit/index_rig.h"

#include <fcntl.h>
#include <sys/stat.h>

static void index__numbers_all_lines_and_rejects_bad_ones(void **state)
{
	struct ledger l;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl",
		"\xef\xbb\xbf{\"id\":\"a\",\"prompt\":\"1\"}\r\n"
		"\n"
		"nonsense\n"
		"{\"id\":\"b\",\"prompt\":\"2\"}\n"
		"{\"id\":\"a\",\"prompt\":\"3\"}\n"
		"{\"prompt\":\"caf\xe9\"}\n"
		"{\"id\":\"c\",\"prompt\":\"4\"}");
	put_text(&l, 1, "b.jsonl",
		"{\"id\":\"d\",\"prompt\":\"5\"}\n"
		"{\"id\":\"b\",\"prompt\":\"6\"}\n");
	run_ok(&l);
	assert_int_equal(l.totals.n_lines, 9);
	assert_int_equal(l.totals.n_blank, 1);
	assert_int_equal(l.totals.n_prompts, 4);
	assert_int_equal(l.totals.n_rejected, 4);
	assert_int_equal(l.totals.n_duplicates, 2);
	assert_int_equal(l.totals.next_prompt, 9);
	assert_int_equal(l.n_shards, 2);
	assert_int_equal(l.shard[0].shard.present, 1 | 1 << 3 | 1 << 6);
	assert_int_equal(l.shard[0].shard.offset, 3);
	assert_int_equal(l.shard[1].shard.first_prompt, 7);
	assert_int_equal(number_of(&l, "a"), 0);
	assert_int_equal(number_of(&l, "c"), 6);
	assert_int_equal(number_of(&l, "d"), 7);
	assert_int_equal(l.reject[0].line, 3);
	assert_int_equal(l.reject[0].reason, REJECT_BAD_JSON);
	assert_int_equal(l.reject[1].line, 6);
	assert_int_equal(l.reject[1].reason, REJECT_BAD_UTF8);
	for (size_t i = 2; i < 4; i++) {
		const struct index_reject *r = &l.reject[i];

		assert_int_equal(r->reason, REJECT_DUPLICATE_ID);
		assert_true(r->first_is_known && r->takes_back);
		assert_int_equal(r->first_corpus, 0);
		if (r->corpus == 0)
			assert_true(r->line == 5 && r->first_line == 1);
		else
			assert_true(r->line == 2 && r->first_line == 4);
	}
	ledger_remove(&l);
}

static void index__cuts_shards_by_lines_and_bytes(void **state)
{
	struct ledger l;
	struct buf text;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(32));
	add_rows(&text, 0, 130);
	/* Three of 400 KB: two and one. Then one that is too long: alone. */
	for (int i = 0; i < 3; i++) {
		buf_printf(&text, "{\"id\":\"big%d\",\"prompt\":\"", i);
		buf_add_fill(&text, 'x', 400000);
		buf_add_str(&text, "\"}\n");
	}
	buf_add_fill(&text, 'y', LIMIT_CORPUS_LINE + 1);
	buf_add_str(&text, "\n");
	add_rows(&text, 200, 1);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	/* 64, 64, 2 + 2 big, 1 big, 1 too long, 1 */
	assert_int_equal(l.n_shards, 6);
	assert_int_equal(l.shard[2].shard.n_lines, 4);
	assert_int_equal(l.shard[3].shard.n_lines, 1);
	assert_int_equal(l.shard[4].shard.n_lines, 1);
	assert_int_equal(l.shard[4].shard.present, 0);
	assert_int_equal(l.reject[0].reason, REJECT_TOO_LONG);
	assert_int_equal(number_of(&l, "r129"), 129);
	assert_int_equal(number_of(&l, "big2"), 132);
	assert_int_equal(number_of(&l, "r200"), 134);
	/* And it is known again. */
	chmod(l.path[0], 0600);
	l.corpus[0].mtime_ns++;
	run_ok(&l);
	assert_int_equal(l.n_read, 1);
	assert_int_equal(l.totals.n_lines, 0);
	buf_release(&text);
	ledger_remove(&l);
}

/* Puts a copy in place of the first file, with the file's time. */
static void replace_with_same_time(struct ledger *l)
{
	struct timespec times[2];
	struct stat st;
	struct buf text;
	char *copy;

	buf_init(&text, MIB(1));
	assert_int_equal(file_read(l->path[0], &text, NULL), ERR_NONE);
	assert_int_equal(stat(l->path[0], &st), 0);
	copy = folder_write(&l->folder, "copy", text.data, text.len);
	times[0] = times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, copy, times, 0), 0);
	assert_int_equal(rename(copy, l->path[0]), 0);
	free(copy);
	buf_release(&text);
}

static void index__continues_a_file_that_grew(void **state)
{
	struct ledger l;
	struct buf text;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 100);
	buf_truncate(&text, text.len - 1); /* without its last line end */
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(l.totals.next_prompt, 100);

	/* Unchanged: not even read. */
	run_ok(&l);
	assert_int_equal(l.n_read, 0);
	assert_int_equal(l.totals.n_lines, 0);

	/* Another file of the same size and time: read, and the same. */
	replace_with_same_time(&l);
	run_ok(&l);
	assert_int_equal(l.n_read, 1);
	assert_int_equal(l.totals.n_lines, 0);

	buf_add_str(&text, "\n");
	add_rows(&text, 50, 1); /* a known id */
	add_rows(&text, 100, 100);
	put(&l, 0, "a.jsonl", text.data, text.len);
	put_text(&l, 1, "b.jsonl",
		"{\"id\":\"new\",\"prompt\":\"x\"}\n"
		"{\"id\":\"r150\",\"prompt\":\"x\"}\n"
		"{\"id\":\"r7\",\"prompt\":\"x\"}\n");
	run_ok(&l);
	assert_int_equal(l.n_read, 2);
	assert_int_equal(l.totals.n_lines, 104);
	assert_int_equal(l.totals.n_prompts, 101);
	assert_int_equal(l.totals.n_duplicates, 3);
	assert_int_equal(count_prompts(&l), 201);
	assert_int_equal(l.corpus[0].n_lines, 201);
	assert_int_equal(number_of(&l, "r99"), 99);
	assert_int_equal(number_of(&l, "r100"), 101);
	assert_int_equal(number_of(&l, "new"), 201);
	for (size_t i = 0; i < 3; i++) {
		const struct index_reject *r = &l.reject[i];

		assert_true(r->first_is_known && r->takes_back);
		assert_int_equal(r->first_corpus, 0);
		if (r->corpus == 0)
			assert_true(r->line == 101 && r->first_line == 51);
		else if (r->line == 2)
			assert_int_equal(r->first_line, 152);
		else
			assert_int_equal(r->first_line, 8);
	}
	buf_release(&text);
	ledger_remove(&l);
}

static void index__names_the_first_line_that_changed(void **state)
{
	struct ledger l;
	struct buf text;
	unsigned char *at;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 200);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);

	/* One digit in line 138. */
	at = memmem(text.data, text.len, "is 137?", 7);
	at[3] = '9';
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_fails(
		&l, ERR_INVALID, "a.jsonl:138: this line changed since the run began");
	at[3] = '1';

	/* The first line gone. */
	at = memchr(text.data, '\n', text.len);
	put(&l, 0, "a.jsonl", at + 1, text.len - (size_t)(at + 1 - text.data));
	run_fails(&l, ERR_INVALID, "a.jsonl:1: this line changed");

	/* The end gone. */
	put(&l, 0, "a.jsonl", text.data, (size_t)(at + 1 - text.data));
	run_fails(&l, ERR_INVALID, "a.jsonl:2: the file ends here");
	put(&l, 0, "a.jsonl", "", 0);
	run_fails(&l, ERR_INVALID, "a.jsonl:1: the file ends here");

	/* Text added to the last line. */
	buf_truncate(&text, text.len - 1);
	buf_add_str(&text, "{\"id\":\"more\",\"prompt\":\"x\"}\n");
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_fails(&l, ERR_INVALID, "a.jsonl:200: this line changed");
	buf_release(&text);
	ledger_remove(&l);
}

static void index__notices_line_ends_that_changed(void **state)
{
	struct ledger l;
	struct buf text, other;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	buf_init(&other, MIB(1));
	add_rows(&text, 0, 100);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	buf_add_str(&other, "\xef\xbb\xbf");
	buf_add(&other, text.data, text.len);
	put(&l, 0, "a.jsonl", other.data, other.len);
	run_fails(&l, ERR_INVALID, "a.jsonl:1: the line ends or the byte order mark");

	/* In the first shard, and in the last, which only the digest tells. */
	for (int line = 10; line <= 100; line += 90) {
		const unsigned char *end = text.data;

		for (int i = 0; i < line; i++)
			end = (unsigned char *)memchr(end, '\n', text.len) + 1;
		buf_clear(&other);
		buf_add(&other, text.data, (size_t)(end - 1 - text.data));
		buf_add_str(&other, "\r");
		buf_add(&other, end - 1, (size_t)(text.data + text.len - end + 1));
		put(&l, 0, "a.jsonl", other.data, other.len);
		run_fails(&l, ERR_INVALID,
			line == 10 ? "a.jsonl:1: the line ends"
				   : "a.jsonl: its first 100 lines changed");
	}
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	buf_release(&text);
	buf_release(&other);
	ledger_remove(&l);
}

static void index__keeps_the_list_of_files(void **state)
{
	struct ledger l;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl", "{\"prompt\":\"a\"}\n");
	put_text(&l, 1, "b.jsonl", "{\"prompt\":\"b\"}\n");
	run_ok(&l);
	l.n_paths = 1;
	run_fails(&l, ERR_INVALID,
		"b.jsonl' in place 2 when the run began, and has nothing");
	put_text(&l, 1, "c.jsonl", "{\"prompt\":\"b\"}\n");
	run_fails(&l, ERR_INVALID, "c.jsonl");
	put_text(&l, 1, "gone.jsonl", "");
	unlink(l.path[1]);
	run_fails(&l, ERR_INVALID, "gone.jsonl");
	l.n_corpora = 1;
	run_fails(&l, ERR_NOT_FOUND, "gone.jsonl");
	ledger_remove(&l);
}

static void index__sorts_more_ids_than_fit_in_memory(void **state)
{
	struct ledger l;
	struct buf text;
	uint64_t n_ids;
	struct ids *ids;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(4));
	add_rows(&text, 0, 5000);
	add_rows(&text, 2500, 3000);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(l.totals.n_prompts, 5500);
	assert_int_equal(l.totals.n_duplicates, 2500);
	assert_int_equal(count_prompts(&l), 5500);
	assert_int_equal(ids_open(l.ids_new, &ids, NULL), ERR_NONE);
	n_ids = ids_count(ids);
	assert_int_equal(n_ids, 5500);
	ids_close(ids);
	l.reindex = true;
	run_ok(&l);
	assert_int_equal(l.totals.n_prompts, 5500);
	for (size_t i = 0; i < l.n_shards; i++)
		for (uint32_t k = 0; k < l.shard[i].shard.n_lines; k++)
			if (l.shard[i].shard.present >> k & 1)
				assert_int_equal(l.shard[i].numbers[k],
					l.shard[i].shard.first_line + k - 1);
	buf_release(&text);
	ledger_remove(&l);
}

static enum err_code refuse(void *to, const struct index_shard *s, struct err *err)
{
	(void)to;
	(void)s;
	return err_set(err, ERR_CANCELED, "enough");
}

static void index__stops_when_it_is_told_to(void **state)
{
	struct index_events events = {.shard = refuse};
	struct index_options options = {.rules = &rules, .n_paths = 1};
	struct index_totals totals;
	struct ledger l;
	struct err err;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl", "{\"prompt\":\"a\"}\n");
	options.paths = (const char *const *)l.path;
	options.temp_dir = options.spool_dir = l.folder.path;
	options.ids_new = l.ids_new;
	assert_int_equal(index_run(&options, &events, &totals, &err), ERR_CANCELED);
	assert_string_equal(err.msg, "enough");
	assert_false(file_exists(l.ids_new));
	ledger_remove(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index__numbers_all_lines_and_rejects_bad_ones),
		cmocka_unit_test(index__cuts_shards_by_lines_and_bytes),
		cmocka_unit_test(index__continues_a_file_that_grew),
		cmocka_unit_test(index__names_the_first_line_that_changed),
		cmocka_unit_test(index__notices_line_ends_that_changed),
		cmocka_unit_test(index__keeps_the_list_of_files),
		cmocka_unit_test(index__sorts_more_ids_than_fit_in_memory),
		cmocka_unit_test(index__stops_when_it_is_told_to),
	};

	return cmocka_run_group_tests_name("index", tests, make_rules, release_rules);
}
