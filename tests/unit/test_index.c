/* SPDX-License-Identifier: Apache-2.0 */
/* index_run against a ledger of arrays, which keeps what it is told. */
#include "unit/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "coordinator/ids.h"
#include "coordinator/index.h"
#include "coordinator/prompt.h"
#include "coordinator/spool.h"

#define FILES_MAX 4

struct kept_shard {
	struct index_shard shard;
	uint64_t numbers[SHARD_PROMPTS];
};

struct ledger {
	struct folder folder;
	char *path[FILES_MAX];
	size_t n_paths;
	char *ids_new, *ids_old, *spool_dir;
	bool reindex;

	/* What the last successful run left. */
	struct kept_shard *shard;
	size_t n_shards, cap_shards;
	struct index_reject *reject;
	size_t n_rejects, cap_rejects;
	struct index_corpus corpus[FILES_MAX];
	char *corpus_path[FILES_MAX];
	size_t n_corpora;
	struct index_totals totals;
	unsigned n_read; /* files read in the last run */
	uint64_t progress, of;
};

static struct prompt_rules rules;

static enum err_code on_shard(void *to, const struct index_shard *s, struct err *err)
{
	struct ledger *l = to;
	struct kept_shard *kept;

	(void)err;
	MEM_GROW(l->shard, l->cap_shards, l->n_shards + 1);
	kept = &l->shard[l->n_shards++];
	kept->shard = *s;
	for (uint32_t i = 0; i < s->n_lines; i++)
		kept->numbers[i] = index_shard_number(s, i);
	kept->shard.numbers = s->numbers ? kept->numbers : NULL;
	return ERR_NONE;
}

/* The shard and line that have a number; NULL if none has. */
static struct kept_shard *find_number(struct ledger *l, uint64_t number, uint32_t *at)
{
	for (size_t i = 0; i < l->n_shards; i++)
		for (*at = 0; *at < l->shard[i].shard.n_lines; (*at)++)
			if (l->shard[i].numbers[*at] == number)
				return &l->shard[i];
	return NULL;
}

static enum err_code on_reject(void *to, const struct index_reject *r, struct err *err)
{
	struct ledger *l = to;
	uint32_t i;

	(void)err;
	MEM_GROW(l->reject, l->cap_rejects, l->n_rejects + 1);
	l->reject[l->n_rejects++] = *r;
	if (r->takes_back) {
		struct kept_shard *kept = find_number(l, r->number, &i);

		assert_non_null(kept);
		assert_true(kept->shard.present >> i & 1);
		kept->shard.present &= ~((uint64_t)1 << i);
	}
	return ERR_NONE;
}

static enum err_code on_corpus(void *to, const struct index_corpus *c, struct err *err)
{
	struct ledger *l = to;

	(void)err;
	free(l->corpus_path[c->corpus]);
	l->corpus_path[c->corpus] = mem_dup_str(c->path);
	l->corpus[c->corpus] = *c;
	l->corpus[c->corpus].path = l->corpus_path[c->corpus];
	if (l->n_corpora <= c->corpus)
		l->n_corpora = c->corpus + 1;
	l->n_read++;
	return ERR_NONE;
}

static enum err_code on_progress(void *to, uint64_t bytes, uint64_t of, struct err *err)
{
	struct ledger *l = to;

	(void)err;
	assert_true(bytes >= l->progress && bytes <= of);
	l->progress = bytes;
	l->of = of;
	return ERR_NONE;
}

static enum err_code on_known(void *to, uint32_t corpus, uint64_t line,
	struct index_shard *out, struct err *err)
{
	struct ledger *l = to;

	(void)err;
	for (size_t i = 0; i < l->n_shards; i++) {
		*out = l->shard[i].shard;
		if (out->corpus == corpus && out->first_line == line) {
			if (out->numbers)
				out->numbers = l->shard[i].numbers;
			return ERR_NONE;
		}
	}
	return ERR_NOT_FOUND;
}

static enum err_code on_locate(
	void *to, uint64_t number, uint32_t *corpus, uint64_t *line, struct err *err)
{
	uint32_t i;
	struct kept_shard *kept = find_number(to, number, &i);

	(void)err;
	if (!kept)
		return ERR_NOT_FOUND;
	*corpus = kept->shard.corpus;
	*line = kept->shard.first_line + i;
	return ERR_NONE;
}

static void ledger_make(struct ledger *l)
{
	memset(l, 0, sizeof(*l));
	folder_make(&l->folder);
	l->ids_new = file_join(l->folder.path, "ids");
	l->ids_old = mem_dup_str(l->ids_new);
	l->spool_dir = mem_dup_str(l->folder.path);
}

static void ledger_remove(struct ledger *l)
{
	folder_remove(&l->folder);
	for (size_t i = 0; i < FILES_MAX; i++) {
		free(l->path[i]);
		free(l->corpus_path[i]);
	}
	free(l->shard);
	free(l->reject);
	free(l->ids_new);
	free(l->ids_old);
	free(l->spool_dir);
}

/* Adds a file to the list, or replaces the text of one. */
static void put(
	struct ledger *l, size_t i, const char *name, const void *text, size_t len)
{
	free(l->path[i]);
	l->path[i] = folder_write(&l->folder, name, text, len);
	if (l->n_paths <= i)
		l->n_paths = i + 1;
}

static void put_text(struct ledger *l, size_t i, const char *name, const char *text)
{
	put(l, i, name, text, strlen(text));
}

/* One run; on an error the ledger stays as it was. */
static enum err_code run(struct ledger *l, struct err *err)
{
	struct index_events events = {
		l, on_shard, on_reject, on_corpus, on_progress, on_known, on_locate};
	struct index_corpus known[FILES_MAX];
	struct index_options options = {.rules = &rules,
		.paths = (const char *const *)l->path,
		.n_paths = l->n_paths,
		.known = known,
		.n_known = l->n_corpora,
		.next_prompt = l->totals.next_prompt,
		.next_shard = l->totals.next_shard,
		.reindex = l->reindex,
		.temp_dir = l->folder.path,
		.spool_dir = l->spool_dir,
		.ids_old = l->ids_old,
		.ids_new = l->ids_new,
		.sort_memory = 1000 * sizeof(struct id_record)};
	struct ledger before = *l;
	enum err_code code;

	memcpy(known, l->corpus, sizeof(known));
	l->n_read = 0;
	l->progress = 0;
	if (l->reindex) {
		l->n_shards = 0;
		l->n_rejects = 0;
	}
	code = index_run(&options, &events, &l->totals, err);
	if (code != ERR_NONE) {
		l->n_shards = before.n_shards;
		l->n_rejects = before.n_rejects;
		l->n_corpora = before.n_corpora;
		l->totals = before.totals;
	}
	return code;
}

static void run_ok(struct ledger *l)
{
	struct err err;

	if (run(l, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_true(l->progress == l->of);
}

static void run_fails(struct ledger *l, enum err_code code, const char *message)
{
	struct err err;

	assert_int_equal(run(l, &err), code);
	if (!strstr(err.msg, message))
		fail_msg("%s\ndoes not say: %s", err.msg, message);
}

/* The number of the prompt with an id; -1 if there is none, by reading back all
 * shards, as a lease would. */
static int64_t number_of(struct ledger *l, const char *id)
{
	int64_t number = -1;
	struct shard_text text;
	struct prompt prompt;
	struct err err;

	shard_text_init(&text);
	prompt_init(&prompt);
	for (size_t i = 0; i < l->n_shards; i++) {
		const struct index_shard *s = &l->shard[i].shard;
		char *spool = l->corpus[s->corpus].spooled
				      ? spool_path(l->spool_dir, s->corpus)
				      : NULL;
		struct shard_reader *r;

		if (shard_reader_open(l->path[s->corpus], spool, &r, &err) !=
				ERR_NONE ||
			index_read_shard(r, s, &text, &err) != ERR_NONE)
			fail_msg("%s", err.msg);
		assert_int_equal(text.n_lines, s->n_lines);
		for (uint32_t k = 0; k < s->n_lines; k++) {
			if (!(s->present >> k & 1))
				continue;
			assert_int_equal(prompt_build(&rules, text.line[k].data,
						 text.line[k].len, &prompt, NULL),
				ERR_NONE);
			if (prompt.id.len == strlen(id) &&
				memcmp(prompt.id.data, id, prompt.id.len) == 0) {
				assert_int_equal(number, -1);
				number = (int64_t)l->shard[i].numbers[k];
			}
		}
		shard_reader_close(r);
		free(spool);
	}
	prompt_release(&prompt);
	shard_text_release(&text);
	return number;
}

static uint64_t count_prompts(const struct ledger *l)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n_shards; i++)
		n += (uint64_t)__builtin_popcountll(l->shard[i].shard.present);
	return n;
}

/* n lines, from id `from` on. */
static void add_rows(struct buf *out, int from, int n)
{
	for (int i = from; i < from + n; i++)
		buf_printf(
			out, "{\"id\":\"r%d\",\"question\":\"what is %d?\"}\n", i, i);
}

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

static void index__reindex_keeps_the_numbers_of_known_ids(void **state)
{
	struct ledger l;
	struct buf text;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 150);
	buf_add_str(&text, "broken\n");
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);

	/* Other files, another order, lines gone, new and doubled. */
	buf_clear(&text);
	add_rows(&text, 149, 1);
	add_rows(&text, 300, 2);
	add_rows(&text, 20, 100);
	buf_add_str(&text, "\nbroken again\n");
	add_rows(&text, 50, 1);
	put(&l, 0, "b.jsonl", text.data, text.len);
	buf_clear(&text);
	add_rows(&text, 0, 10);
	add_rows(&text, 300, 1);
	put(&l, 1, "a.jsonl", text.data, text.len);
	run_fails(&l, ERR_INVALID, "--reindex");
	l.reindex = true;
	run_ok(&l);
	l.reindex = false;
	assert_int_equal(l.totals.n_duplicates, 2);
	assert_int_equal(l.totals.n_rejected, 3);
	assert_int_equal(count_prompts(&l), 113);
	assert_int_equal(l.totals.n_prompts, 113);
	assert_int_equal(number_of(&l, "r149"), 149);
	assert_int_equal(number_of(&l, "r20"), 20);
	assert_int_equal(number_of(&l, "r119"), 119);
	assert_int_equal(number_of(&l, "r9"), 9);
	assert_int_equal(number_of(&l, "r130"), -1);
	assert_int_equal(number_of(&l, "r300"), 152);
	assert_int_equal(number_of(&l, "r301"), 153);
	assert_int_equal(l.reject[1].line, 106);
	assert_int_equal(l.reject[1].first_line, 34);
	assert_int_equal(l.reject[2].corpus, 1);
	assert_int_equal(l.reject[2].first_corpus, 0);
	assert_int_equal(l.reject[2].first_line, 2);
	assert_false(l.reject[2].takes_back);

	/* A run goes on from there: the same, then more behind it. */
	run_ok(&l);
	assert_int_equal(l.n_read, 0);
	buf_add_str(&text, "{\"id\":\"z\",\"prompt\":\"x\"}\n");
	add_rows(&text, 25, 1);
	put(&l, 1, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(number_of(&l, "z"), l.totals.next_prompt - 2);
	assert_int_equal(l.reject[3].first_line, 9);
	assert_int_equal(l.reject[3].first_corpus, 0);

	/* What was lost gets its number back; so do those found since. */
	buf_clear(&text);
	add_rows(&text, 130, 5);
	add_rows(&text, 301, 1);
	put(&l, 0, "b.jsonl", text.data, text.len);
	l.reindex = true;
	run_ok(&l);
	assert_int_equal(number_of(&l, "r130"), 130);
	assert_int_equal(number_of(&l, "r301"), 153);
	buf_release(&text);
	ledger_remove(&l);
}

static void index__gives_a_lost_id_that_returns_by_growth_a_new_number(void **state)
{
	struct ledger l;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"a\",\"prompt\":\"1\"}\n{\"id\":\"b\",\"prompt\":\"2\"}\n");
	run_ok(&l);
	put_text(&l, 0, "a.jsonl", "{\"id\":\"b\",\"prompt\":\"2\"}\n");
	l.reindex = true;
	run_ok(&l);
	l.reindex = false;
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"b\",\"prompt\":\"2\"}\n{\"id\":\"a\",\"prompt\":\"1\"}\n");
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	assert_int_equal(number_of(&l, "b"), 1);
	assert_int_equal(number_of(&l, "a"), 3);
	ledger_remove(&l);
}

static void add_gzip(struct buf *out, const void *text, size_t len)
{
	z_stream z = {0};
	size_t bound;

	assert_int_equal(
		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	bound = deflateBound(&z, len) + 32;
	z.next_out = buf_reserve(out, bound);
	z.avail_out = (uInt)bound;
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)len;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct buf *out, const void *text, size_t len)
{
	size_t bound = ZSTD_compressBound(len);

	out->len += ZSTD_compress(buf_reserve(out, bound), bound, text, len, 3);
}

static void index__of_packed_files_is_that_of_plain_ones(void **state)
{
	struct ledger plain, packed;
	struct buf text, more, file;

	(void)state;
	buf_init(&text, MIB(1));
	buf_init(&more, MIB(1));
	buf_init(&file, MIB(1));
	buf_add_str(&text, "{\"prompt\":\"no id\"}\r\r\n\r\nbad\n");
	add_rows(&text, 0, 200);
	add_rows(&more, 150, 100);
	for (int zstd = 0; zstd < 2; zstd++) {
		void (*add)(struct buf *, const void *, size_t) =
			zstd ? add_zstd : add_gzip;

		ledger_make(&plain);
		ledger_make(&packed);
		put(&plain, 0, "a.jsonl", text.data, text.len);
		buf_clear(&file);
		add(&file, text.data, text.len);
		put(&packed, 0, "a.jsonl.gz", file.data, file.len);
		run_ok(&plain);
		run_ok(&packed);
		for (int grown = 0; grown < 2; grown++) {
			assert_true(packed.corpus[0].spooled);
			assert_memory_equal(&packed.corpus[0].digest,
				&plain.corpus[0].digest, sizeof(struct hash128));
			assert_int_equal(packed.n_shards, plain.n_shards);
			for (size_t i = 0; i < plain.n_shards; i++) {
				struct index_shard *a = &plain.shard[i].shard;
				struct index_shard *b = &packed.shard[i].shard;

				assert_true(a->present == b->present);
				assert_memory_equal(a->line_hash, b->line_hash,
					a->n_lines * sizeof(uint32_t));
			}
			assert_int_equal(number_of(&packed, "r199"), 202);
			assert_int_equal(number_of(&packed, "r249"), grown ? 302 : -1);
			/* Grown at its end, by a member or frame of its own. */
			add(&file, more.data, more.len);
			put(&packed, 0, "a.jsonl.gz", file.data, file.len);
			if (!grown) {
				buf_add(&text, more.data, more.len);
				put(&plain, 0, "a.jsonl", text.data, text.len);
				run_ok(&plain);
				run_ok(&packed);
				assert_int_equal(packed.totals.n_duplicates, 50);
			}
		}
		buf_truncate(&text, text.len - more.len);
		ledger_remove(&plain);
		ledger_remove(&packed);
	}
	buf_release(&text);
	buf_release(&more);
	buf_release(&file);
}

static void index__spool_survives_a_run_that_died(void **state)
{
	struct ledger l;
	struct buf text, file;
	struct spool *spool;
	uint64_t offset, length;
	char *path;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	buf_init(&file, MIB(1));
	add_rows(&text, 0, 70);
	add_zstd(&file, text.data, text.len);
	put(&l, 0, "a.zst", file.data, file.len);
	run_ok(&l);
	path = spool_path(l.spool_dir, 0);
	offset = l.shard[1].shard.offset + l.shard[1].shard.length;
	/* A frame that no ledger knows. */
	assert_int_equal(spool_open(path, offset, &spool, NULL), ERR_NONE);
	assert_int_equal(
		spool_add(spool, bytes_of("lost\n", 5), &offset, &length, NULL),
		ERR_NONE);
	spool_close(spool);
	buf_clear(&text);
	add_rows(&text, 70, 1);
	add_zstd(&file, text.data, text.len);
	put(&l, 0, "a.zst", file.data, file.len);
	run_ok(&l);
	assert_int_equal(l.shard[2].shard.offset, offset);
	assert_int_equal(number_of(&l, "r70"), 70);
	/* A spool that lost something is noticed. */
	assert_int_equal(truncate(path, 10), 0);
	add_zstd(&file, "\n", 1);
	put(&l, 0, "a.zst", file.data, file.len);
	run_fails(&l, ERR_CORRUPT, "0.zst");
	free(path);
	buf_release(&text);
	buf_release(&file);
	ledger_remove(&l);
}

static void index__fails_on_a_file_cut_short(void **state)
{
	struct ledger l;
	struct buf text, file;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	buf_init(&file, MIB(1));
	add_rows(&text, 0, 2000);
	add_gzip(&file, text.data, text.len);
	put(&l, 0, "a.gz", file.data, file.len - 100);
	run_fails(&l, ERR_CORRUPT, "a.gz");
	/* Plain when the run began. */
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	put(&l, 0, "a.jsonl", file.data, file.len);
	run_fails(&l, ERR_INVALID, "packed now");
	buf_release(&text);
	buf_release(&file);
	ledger_remove(&l);
}

static void index__makes_a_lost_ids_file_anew(void **state)
{
	struct ledger l;
	struct buf text;
	struct ids *ids;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 100);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	unlink(l.ids_old);
	l.reindex = true;
	run_fails(&l, ERR_NOT_FOUND, "once without --reindex");
	l.reindex = false;
	add_rows(&text, 99, 2);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 1);
	assert_int_equal(l.totals.n_prompts, 1);
	assert_int_equal(l.reject[0].first_line, 100);
	assert_int_equal(ids_open(l.ids_new, &ids, NULL), ERR_NONE);
	assert_int_equal(ids_count(ids), 101);
	ids_close(ids);

	/* A ledger that takes a duplicate for a prompt is taken as it is. */
	l.shard[2].shard.present |= 1;
	unlink(l.ids_old);
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	buf_release(&text);
	ledger_remove(&l);
}

static void index__ignores_ids_of_a_run_that_died(void **state)
{
	struct ledger l;
	char *old;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl", "{\"id\":\"a\",\"prompt\":\"1\"}\n");
	run_ok(&l);
	/* The ids file is written, the ledger's commit never happens. */
	old = mem_dup(l.shard, sizeof(*l.shard));
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"a\",\"prompt\":\"1\"}\n{\"id\":\"b\",\"prompt\":\"2\"}\n");
	run_ok(&l);
	l.n_shards = 1;
	memcpy(l.shard, old, sizeof(*l.shard));
	l.corpus[0].n_lines = 1;
	l.corpus[0].size = l.corpus[0].text_size = l.shard[0].shard.length;
	l.corpus[0].digest = hash128("{\"id\":\"a\",\"prompt\":\"1\"}\n", 24);
	l.totals.next_prompt = 1;
	l.totals.next_shard = 1;
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	assert_int_equal(number_of(&l, "b"), 1);
	free(old);
	ledger_remove(&l);
}

static void index_read_shard__names_a_line_that_changes_under_the_run(void **state)
{
	struct shard_reader *r;
	struct shard_text text;
	struct ledger l;
	struct buf rows;
	struct err err;
	int fd;

	(void)state;
	ledger_make(&l);
	buf_init(&rows, MIB(1));
	add_rows(&rows, 0, 100);
	put(&l, 0, "a.jsonl", rows.data, rows.len);
	run_ok(&l);
	shard_text_init(&text);
	assert_int_equal(shard_reader_open(l.path[0], NULL, &r, &err), ERR_NONE);
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);
	assert_bytes_equal(
		text.line[0], "{\"id\":\"r64\",\"question\":\"what is 64?\"}");

	l.shard[1].shard.length--;
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);
	l.shard[1].shard.length -= 2;
	assert_int_equal(
		index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_CORRUPT);
	l.shard[1].shard.length += 3;
	/* A line more than there should be. */
	l.shard[0].shard.n_lines--;
	assert_int_equal(
		index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_CORRUPT);
	l.shard[0].shard.n_lines++;
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);

	/* In place, line 66. */
	fd = open(l.path[0], O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1,
				 (off_t)(text.line[1].data - text.text.data + 5 +
					 (ptrdiff_t)l.shard[1].shard.offset)),
		1);
	assert_int_equal(
		index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_CORRUPT);
	assert_non_null(
		strstr(err.msg, "a.jsonl:66 changed while the run is using it"));
	assert_int_equal(index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_NONE);
	assert_int_equal(ftruncate(fd, (off_t)(l.shard[0].shard.length - 50)), 0);
	assert_int_equal(
		index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "a.jsonl:63 "));
	close(fd);
	shard_reader_close(r);
	shard_text_release(&text);
	buf_release(&rows);
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

static int make_rules(void **state)
{
	(void)state;
	return prompt_rules_init(&rules, NULL, NULL, false, NULL) != ERR_NONE;
}

static int release_rules(void **state)
{
	(void)state;
	prompt_rules_release(&rules);
	return 0;
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
		cmocka_unit_test(index__reindex_keeps_the_numbers_of_known_ids),
		cmocka_unit_test(
			index__gives_a_lost_id_that_returns_by_growth_a_new_number),
		cmocka_unit_test(index__of_packed_files_is_that_of_plain_ones),
		cmocka_unit_test(index__spool_survives_a_run_that_died),
		cmocka_unit_test(index__fails_on_a_file_cut_short),
		cmocka_unit_test(index__makes_a_lost_ids_file_anew),
		cmocka_unit_test(index__ignores_ids_of_a_run_that_died),
		cmocka_unit_test(
			index_read_shard__names_a_line_that_changes_under_the_run),
		cmocka_unit_test(index__sorts_more_ids_than_fit_in_memory),
		cmocka_unit_test(index__stops_when_it_is_told_to),
	};

	return cmocka_run_group_tests_name("index", tests, make_rules, release_rules);
}
