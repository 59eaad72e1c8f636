/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_rig.h - index_run against a ledger of arrays, which keeps what it is told
 */
#ifndef RETORT_TESTS_INDEX_RIG_H
#define RETORT_TESTS_INDEX_RIG_H

#include "unit/folder.h"

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

static inline enum err_code on_shard(
	void *to, const struct index_shard *s, struct err *err)
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
static inline struct kept_shard *find_number(
	struct ledger *l, uint64_t number, uint32_t *at)
{
	for (size_t i = 0; i < l->n_shards; i++)
		for (*at = 0; *at < l->shard[i].shard.n_lines; (*at)++)
			if (l->shard[i].numbers[*at] == number)
				return &l->shard[i];
	return NULL;
}

static inline enum err_code on_reject(
	void *to, const struct index_reject *r, struct err *err)
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

static inline enum err_code on_corpus(
	void *to, const struct index_corpus *c, struct err *err)
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

static inline enum err_code on_progress(
	void *to, uint64_t bytes, uint64_t of, struct err *err)
{
	struct ledger *l = to;

	(void)err;
	assert_true(bytes >= l->progress && bytes <= of);
	l->progress = bytes;
	l->of = of;
	return ERR_NONE;
}

static inline enum err_code on_known(void *to, uint32_t corpus, uint64_t line,
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

static inline enum err_code on_locate(
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

static inline void ledger_make(struct ledger *l)
{
	memset(l, 0, sizeof(*l));
	folder_make(&l->folder);
	l->ids_new = file_join(l->folder.path, "ids");
	l->ids_old = mem_dup_str(l->ids_new);
	l->spool_dir = mem_dup_str(l->folder.path);
}

static inline void ledger_remove(struct ledger *l)
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
static inline void put(
	struct ledger *l, size_t i, const char *name, const void *text, size_t len)
{
	free(l->path[i]);
	l->path[i] = folder_write(&l->folder, name, text, len);
	if (l->n_paths <= i)
		l->n_paths = i + 1;
}

static inline void put_text(
	struct ledger *l, size_t i, const char *name, const char *text)
{
	put(l, i, name, text, strlen(text));
}

/* One run; on an error the ledger stays as it was. */
static inline enum err_code run(struct ledger *l, struct err *err)
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

static inline void run_ok(struct ledger *l)
{
	struct err err;

	if (run(l, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_true(l->progress == l->of);
}

static inline void run_fails(struct ledger *l, enum err_code code, const char *message)
{
	struct err err;

	assert_int_equal(run(l, &err), code);
	if (!strstr(err.msg, message))
		fail_msg("%s\ndoes not say: %s", err.msg, message);
}

/* The number of the prompt with an id; -1 if there is none, by reading back all
 * shards, as a lease would. */
static inline int64_t number_of(struct ledger *l, const char *id)
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

static inline uint64_t count_prompts(const struct ledger *l)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n_shards; i++)
		n += (uint64_t)__builtin_popcountll(l->shard[i].shard.present);
	return n;
}

/* n lines, from id `from` on. */
static inline void add_rows(struct buf *out, int from, int n)
{
	for (int i = from; i < from + n; i++)
		buf_printf(
			out, "{\"id\":\"r%d\",\"question\":\"what is %d?\"}\n", i, i);
}

static inline int make_rules(void **state)
{
	(void)state;
	return prompt_rules_init(&rules, NULL, NULL, false, NULL) != ERR_NONE;
}

static inline int release_rules(void **state)
{
	(void)state;
	prompt_rules_release(&rules);
	return 0;
}

#endif
