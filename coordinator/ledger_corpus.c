/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus in the ledger: files, shards as the index found them, rejects. */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "coordinator/ledger.h"

static struct hash128 digest_of(struct bytes b)
{
	if (b.len != 16)
		return (struct hash128){0, 0};
	return (struct hash128){get_u64(b.data), get_u64(b.data + 8)};
}

size_t ledger_corpora(struct ledger *l, struct index_corpus **out)
{
	static struct index_corpus *list;
	static size_t cap, n;
	struct db_query *q =
		db_query(l->db, "SELECT * FROM corpus ORDER BY corpus", "");

	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)list[i].path);
	n = 0;
	while (db_next(q)) {
		MEM_GROW(list, cap, n + 1);
		list[n++] = (struct index_corpus){
			.corpus = (uint32_t)db_int(q, 0),
			.path = mem_dup_str(db_text(q, 1)),
			.size = db_u64(q, 2),
			.mtime_ns = db_int(q, 3),
			.inode = db_u64(q, 4),
			.text_size = db_u64(q, 5),
			.digest = digest_of(db_blob(q, 6)),
			.n_lines = db_u64(q, 7),
			.spooled = db_int(q, 8) != 0,
		};
	}
	*out = list;
	return n;
}

void ledger_put_corpus(struct ledger *l, const struct index_corpus *c)
{
	unsigned char digest[16];

	put_u64(digest, c->digest.low);
	put_u64(digest + 8, c->digest.high);
	ledger_begin(l);
	db_run(l->db, "INSERT OR REPLACE INTO corpus VALUES (?,?,?,?,?,?,?,?,?)",
		"ituiuubui", (int64_t)c->corpus, c->path, c->size, c->mtime_ns,
		c->inode, c->text_size, digest, sizeof(digest), c->n_lines,
		(int64_t)c->spooled);
}

void ledger_forget_corpora(struct ledger *l)
{
	ledger_begin(l);
	db_run(l->db, "DELETE FROM corpus", "");
	db_run(l->db, "DELETE FROM reject", "");
	l->totals.rejects = 0;
	l->totals_changed = true;
}

bool ledger_forget_empty(struct ledger *l)
{
	if (db_int_of(l->db, 1, "SELECT EXISTS (SELECT 1 FROM shard WHERE prompts > 0)",
		    ""))
		return false;
	ledger_begin(l);
	db_run(l->db, "DELETE FROM shard", "");
	l->totals.next_prompt = l->totals.next_shard = 0;
	l->totals_changed = true;
	return true;
}

/* Failures, and samples to be asked again, stand where their prompt stands. */
static void move_failures(struct ledger *l, const struct index_shard *s)
{
	for (uint32_t i = 0; i < s->n_lines; i++) {
		uint64_t prompt = index_shard_number(s, i);

		if (!(s->present >> i & 1))
			continue;
		db_run(l->db, "UPDATE failure SET shard = ?, line = ? WHERE prompt = ?",
			"uiu", s->shard, (int64_t)i, prompt);
		db_run(l->db, "UPDATE redo SET shard = ?, line = ? WHERE prompt = ?",
			"uiu", s->shard, (int64_t)i, prompt);
	}
}

void ledger_add_shard(struct ledger *l, const struct index_shard *s)
{
	unsigned char hashes[4 * SHARD_PROMPTS], numbers[8 * SHARD_PROMPTS];
	int64_t prompts = __builtin_popcountll(s->present);

	for (uint32_t i = 0; i < s->n_lines; i++) {
		put_u32(hashes + 4 * i, s->line_hash[i]);
		put_u64(numbers + 8 * i, index_shard_number(s, i));
	}
	ledger_begin(l);
	db_run(l->db,
		"INSERT INTO shard (shard, state, corpus, first_line, first_prompt,"
		" byte_offset, byte_length, n_lines, present, numbers, line_hash, prompts)"
		" VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
		"uiiuuuuiubbi", s->shard,
		(int64_t)(prompts ? SHARD_PENDING : SHARD_ENDED), (int64_t)s->corpus,
		s->first_line, s->first_prompt, s->offset, s->length,
		(int64_t)s->n_lines, s->present, s->numbers ? numbers : NULL,
		s->numbers ? 8 * (size_t)s->n_lines : 0, hashes, 4 * (size_t)s->n_lines,
		prompts);
	if (l->reindexing)
		move_failures(l, s);
	l->totals.prompts += prompts;
	l->totals_changed = true;
}

void ledger_retire_shards(struct ledger *l)
{
	struct totals *t = &l->totals;
	struct db_query *q;

	ledger_begin(l);
	l->reindexing = true;
	db_run(l->db, "UPDATE shard SET state = 2", "");
	t->prompts = t->prompts_done = t->prompts_failed = 0;
	t->samples_committed = t->samples_accepted = t->samples_duplicate = 0;
	t->samples_truncated = t->samples_failed = t->answers_fenced = 0;
	t->prompt_tokens = t->cached_prompt_tokens = 0;
	t->completion_tokens = t->reasoning_tokens = t->cost_nusd = 0;
	q = db_query(l->db,
		"SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),"
		" coalesce(sum(cost_nusd), 0) FROM failure",
		"");
	if (db_next(q)) {
		t->prompt_tokens = db_int(q, 0);
		t->completion_tokens = db_int(q, 1);
		t->cost_nusd = db_int(q, 2);
		db_done(q);
	}
	l->totals_changed = true;
}

#define INDEX_COLUMNS                                                                  \
	"corpus, shard, first_line, first_prompt, byte_offset, byte_length, n_lines,"  \
	" present, line_hash, numbers"

static enum err_code take_index_shard(struct db_query *q, struct index_shard *out)
{
	static uint64_t numbers[SHARD_PROMPTS];
	struct bytes hashes, given;

	if (!db_next(q))
		return ERR_NOT_FOUND;
	*out = (struct index_shard){
		.corpus = (uint32_t)db_int(q, 0),
		.shard = db_u64(q, 1),
		.first_line = db_u64(q, 2),
		.first_prompt = db_u64(q, 3),
		.offset = db_u64(q, 4),
		.length = db_u64(q, 5),
		.n_lines = (uint32_t)db_int(q, 6),
		.present = db_u64(q, 7),
	};
	hashes = db_blob(q, 8);
	given = db_blob(q, 9);
	if (out->n_lines > SHARD_PROMPTS || hashes.len != 4 * (size_t)out->n_lines) {
		db_done(q);
		return ERR_CORRUPT;
	}
	for (uint32_t i = 0; i < out->n_lines; i++)
		out->line_hash[i] = get_u32(hashes.data + 4 * i);
	if (given.len == 8 * (size_t)out->n_lines) {
		for (uint32_t i = 0; i < out->n_lines; i++)
			numbers[i] = get_u64(given.data + 8 * i);
		out->numbers = numbers;
	}
	db_done(q);
	return ERR_NONE;
}

enum err_code ledger_index_shard(
	struct ledger *l, uint64_t shard, struct index_shard *out)
{
	return take_index_shard(
		db_query(l->db, "SELECT " INDEX_COLUMNS " FROM shard WHERE shard = ?",
			"u", shard),
		out);
}

enum err_code ledger_shard_at_line(
	struct ledger *l, uint32_t corpus, uint64_t first_line, struct index_shard *out)
{
	return take_index_shard(
		db_query(l->db,
			"SELECT " INDEX_COLUMNS " FROM shard"
			" WHERE corpus = ? AND first_line = ? AND state < 2",
			"iu", (int64_t)corpus, first_line),
		out);
}

/* The line of a prompt in a shard that lists its numbers, or -1. */
static int line_in_numbers(struct bytes numbers, uint64_t prompt)
{
	for (size_t i = 0; i < numbers.len / 8; i++)
		if (get_u64(numbers.data + 8 * i) == prompt)
			return (int)i;
	return -1;
}

enum err_code ledger_locate(struct ledger *l, uint64_t prompt, uint64_t *shard,
	uint32_t *corpus, uint64_t *line)
{
	struct db_query *q = db_query(l->db,
		"SELECT shard, corpus, first_line, first_prompt FROM shard WHERE"
		" first_prompt <= ?1 AND first_prompt + n_lines > ?1 AND numbers IS NULL"
		" AND state < 2 ORDER BY first_prompt DESC LIMIT 1",
		"u", prompt);

	if (db_next(q)) {
		*shard = db_u64(q, 0);
		*corpus = (uint32_t)db_int(q, 1);
		*line = db_u64(q, 2) + prompt - db_u64(q, 3);
		db_done(q);
		return ERR_NONE;
	}
	/* After a reindex numbers are anywhere: rare, and never in the loop. */
	q = db_query(l->db,
		"SELECT shard, corpus, first_line, numbers FROM shard"
		" WHERE numbers IS NOT NULL AND state < 2",
		"");
	while (db_next(q)) {
		int i = line_in_numbers(db_blob(q, 3), prompt);

		if (i < 0)
			continue;
		*shard = db_u64(q, 0);
		*corpus = (uint32_t)db_int(q, 1);
		*line = db_u64(q, 2) + (uint64_t)i;
		db_done(q);
		return ERR_NONE;
	}
	return ERR_NOT_FOUND;
}

void ledger_add_reject(struct ledger *l, const struct index_reject *r)
{
	bool has_first = r->reason == REJECT_DUPLICATE_ID && r->first_is_known;

	ledger_begin(l);
	db_run(l->db,
		"INSERT OR IGNORE INTO reject VALUES"
		" (?,?,?,?,?, nullif(?, -1), nullif(?, 0))",
		"iuuttiu", (int64_t)r->corpus, r->line, r->number,
		reject_name(r->reason), reject_hint(r->reason),
		has_first ? (int64_t)r->first_corpus : (int64_t)-1,
		has_first ? r->first_line : (uint64_t)0);
	l->totals.rejects += db_changes(l->db);
	l->totals_changed = true;
	if (r->takes_back)
		ledger_clear_prompt(l, r->number);
}

void ledger_clear_prompt(struct ledger *l, uint64_t prompt)
{
	uint64_t shard, line, bit;
	uint32_t corpus;
	struct index_shard s;

	if (ledger_locate(l, prompt, &shard, &corpus, &line) != ERR_NONE ||
		ledger_index_shard(l, shard, &s) != ERR_NONE)
		return;
	bit = (uint64_t)1 << (line - s.first_line);
	if (!(s.present & bit))
		return;
	db_run(l->db,
		"UPDATE shard SET present = ?2, prompts = prompts - 1,"
		" state = CASE WHEN ?2 = 0 THEN 1 ELSE state END WHERE shard = ?1",
		"uu", shard, s.present & ~bit);
	l->totals.prompts--;
	l->totals_changed = true;
}
