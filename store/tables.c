/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/token_table.h"
#include "store/logits.h"

/* In memory at once, the job's and those of generations before it. */
#define TABLES_MAX (2 * LIMIT_TEACHERS)

struct table {
	uint32_t number;
	struct dataset_tokenizer head; /* as committed */
	bool expected, known, loaded;  /* known: the dataset has its head */
	struct token_table tokens;

	uint64_t unknown, several;
	struct wire_table_fault *fault;
	size_t n_faults, cap_faults;
	bool changed;
};

struct tables {
	struct table at[TABLES_MAX];
	size_t n;
	struct table *written; /* by tables_take, and not committed yet */
	struct dataset_tokenizer before;
	bool was_known;
};

struct tables *tables_new(void)
{
	return mem_zalloc(1, sizeof(struct tables));
}

static void release(struct table *t)
{
	token_table_release(&t->tokens);
	free(t->fault);
}

void tables_free(struct tables *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		release(&t->at[i]);
	free(t);
}

static struct table *find(struct tables *t, uint32_t number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i].number == number)
			return &t->at[i];
	return NULL;
}

/* Where a table of another number can stand. */
static struct table *make_room(struct tables *t)
{
	size_t i = 0;

	if (t->n < TABLES_MAX) {
		t->at[t->n] = (struct table){0};
		return &t->at[t->n++];
	}
	while (t->at[i].expected) /* at most LIMIT_TEACHERS are */
		i++;
	release(&t->at[i]);
	t->at[i] = (struct table){0};
	return &t->at[i];
}

static bool is_whole(const struct table *t)
{
	return t->known && t->head.stored == t->head.total;
}

static enum err_code read_head(
	struct dataset *d, struct table *t, uint32_t number, struct err *err)
{
	enum err_code code = dataset_tokenizer(d, number, &t->head, err);

	t->number = number;
	t->known = code == ERR_NONE;
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum err_code tables_expect(struct tables *t, struct dataset *d, const struct job *job,
	uint32_t settings, struct err *err)
{
	for (size_t i = 0; i < t->n; i++)
		t->at[i].expected = false;
	for (size_t i = 0; i < job->n_teachers; i++) {
		uint64_t digest = job->teacher[i].tokenizer_digest;
		uint32_t number = vocabulary_number(settings, (uint16_t)i, false);
		struct table *table;
		enum err_code code;

		if (digest == 0)
			continue;
		table = find(t, number);
		if (!table)
			table = make_room(t);
		code = read_head(d, table, number, err);
		if (code != ERR_NONE)
			return code;
		if (table->known && table->head.digest != digest)
			return err_set(err, ERR_REFUSED,
				"the dataset was made with another tokenizer.json for "
				"teacher %s: its digest is %016" PRIx64
				", the job's is %016" PRIx64,
				log_quote(job->teacher[i].name).text,
				table->head.digest, digest);
		table->head.digest = digest;
		table->expected = true;
	}
	return ERR_NONE;
}

bool tables_are_whole(const struct tables *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i].expected && !is_whole(&t->at[i]))
			return false;
	return true;
}

static void say(const struct table *t, struct wire_table_at *out)
{
	*out = (struct wire_table_at){.vocabulary = t->number,
		.digest = t->head.digest,
		.stored = t->known ? t->head.stored : 0,
		.unknown = t->unknown,
		.several = t->several,
		.n = (uint32_t)t->n_faults,
		.fault = t->fault};
}

static enum err_code write_part(struct dataset *d, struct table *t,
	const struct wire_table *part, struct err *err)
{
	enum err_code code = ERR_NONE;

	for (uint32_t i = 0; i < part->n && code == ERR_NONE; i++) {
		const struct wire_table_token *token = &part->token[i];

		if (token->id >= part->size)
			return err_set(err, ERR_INVALID, "a table's id is beyond it");
		code = dataset_put_token(
			d, t->number, token->id, token->ordinal, token->token, err);
	}
	t->head.stored += part->n;
	if (code == ERR_NONE)
		code = dataset_set_tokenizer(d, t->number, &t->head, err);
	return code;
}

enum err_code tables_take(struct tables *t, struct dataset *d,
	const struct wire_table *part, struct wire_table_at *out, struct err *err)
{
	struct table *table = find(t, part->vocabulary);
	enum err_code code = ERR_NONE;

	if (!table || !table->expected || table->head.digest != part->digest)
		return err_set(err, ERR_NOT_FOUND, "nobody expects this table");
	if (!table->known)
		table->head = (struct dataset_tokenizer){.digest = part->digest,
			.size = part->size,
			.total = part->total,
			.strips = part->strips};
	if (part->n > 0 && part->before == table->head.stored &&
		part->total == table->head.total &&
		part->n <= table->head.total - table->head.stored) {
		t->written = table;
		t->before = table->head;
		t->was_known = table->known;
		table->known = true;
		code = write_part(d, table, part, err);
	}
	say(table, out);
	return code;
}

void tables_end_part(struct tables *t, bool committed)
{
	if (t->written && !committed) {
		t->written->head = t->before;
		t->written->known = t->was_known;
	}
	t->written = NULL;
}

/* What the dataset's ordinals say is all that the index needs to know. */
static enum err_code load(struct dataset *d, struct table *t, struct err *err)
{
	for (uint32_t id = 0; id < t->head.size; id++) {
		struct bytes token;
		uint16_t ordinal;
		enum err_code code =
			dataset_token(d, t->number, id, &ordinal, &token, err);

		if (code == ERR_NOT_FOUND)
			continue;
		if (code != ERR_NONE)
			return code;
		token_table_put(&t->tokens, id, token);
		t->tokens.at[id].weak = ordinal > 0;
	}
	if (t->tokens.n != t->head.total)
		return err_set(err, ERR_CORRUPT,
			"vocabulary %u has %u tokens, its head says %u", t->number,
			t->tokens.n, t->head.total);
	token_table_index(&t->tokens);
	t->loaded = true;
	return ERR_NONE;
}

/* The whole table of that number, read from the dataset if need be. */
static enum err_code get(struct tables *t, struct dataset *d, uint32_t number,
	struct table **out, struct err *err)
{
	struct table *table = find(t, number);
	struct dataset_tokenizer head;
	enum err_code code;

	if (!table) {
		code = dataset_tokenizer(d, number, &head, err);
		if (code != ERR_NONE)
			return code;
		table = make_room(t);
		code = read_head(d, table, number, err);
		if (code != ERR_NONE)
			return code;
	}
	*out = table;
	if (!is_whole(table))
		return err_set(
			err, ERR_NOT_FOUND, "vocabulary %u is not whole", number);
	return table->loaded ? ERR_NONE : load(d, table, err);
}

/* A broken character was replaced: which one it was is not known any more. */
static bool is_broken(struct bytes token)
{
	return token.len >= 3 && memmem(token.data, token.len, "\xef\xbf\xbd", 3);
}

/* True if the token with a blank before it is one as well. */
static bool may_lack_blank(const struct table *t, struct bytes token)
{
	unsigned char with[1 + LIMIT_TOKEN_BYTES];
	uint32_t id;

	with[0] = ' ';
	memcpy(with + 1, token.data, token.len);
	return token_table_find(&t->tokens, bytes_of(with, token.len + 1), &id) !=
	       TOKEN_NONE;
}

enum err_code tables_look_up(struct tables *t, struct dataset *d, uint32_t number,
	uint16_t ordinal, struct bytes token, uint32_t *id, struct err *err)
{
	struct table *table = NULL;
	enum token_found found;
	enum err_code code = get(t, d, number, &table, err);

	if (code != ERR_NONE)
		return code;
	found = token.len == 0 || token.len > LIMIT_TOKEN_BYTES || is_broken(token)
			? TOKEN_NONE
			: token_table_find(&table->tokens, token, id);
	if (found != TOKEN_NONE &&
		((ordinal & ~WIRE_TOKEN_FIRST) ||
			((ordinal & WIRE_TOKEN_FIRST) && table->head.strips &&
				may_lack_blank(table, token))))
		found = TOKEN_SHARED;
	if (found == TOKEN_ONE)
		return ERR_NONE;
	*id = TOKEN_ID_UNKNOWN;
	table->unknown += found == TOKEN_NONE;
	table->several += found == TOKEN_SHARED;
	table->changed = true;
	return ERR_NONE;
}

/* Whether a server may show the id like this. */
static bool agrees(const struct table *t, const struct vocab_entry *told)
{
	struct bytes own;

	if (!token_table_get(&t->tokens, told->id, &own))
		return false;
	if (is_broken(told->token))
		return true;
	if (t->head.strips && own.len == told->token.len + 1 && own.data[0] == ' ')
		own = bytes_of(own.data + 1, own.len - 1);
	return own.len == told->token.len &&
	       (own.len == 0 || memcmp(own.data, told->token.data, own.len) == 0);
}

static void accuse(struct table *t, uint16_t endpoint, uint32_t id)
{
	for (size_t i = 0; i < t->n_faults; i++)
		if (t->fault[i].endpoint == endpoint)
			return;
	if (t->n_faults == LIMIT_ENDPOINTS)
		return;
	MEM_GROW(t->fault, t->cap_faults, t->n_faults + 1);
	t->fault[t->n_faults++] = (struct wire_table_fault){endpoint, id};
	t->changed = true;
}

enum err_code tables_compare(struct tables *t, struct dataset *d, uint16_t endpoint,
	struct bytes entries, struct err *err)
{
	struct vocab_entry told;
	bool bad = false;

	while (vocab_entry_take(&entries, &told, &bad)) {
		struct table *table;
		enum err_code code = get(t, d, told.vocabulary, &table, err);

		if (code == ERR_NOT_FOUND)
			return ERR_NONE; /* the answers' own vocabulary */
		if (code != ERR_NONE)
			return code;
		if (!agrees(table, &told))
			accuse(table, endpoint, told.id);
	}
	return ERR_NONE;
}

bool tables_news(struct tables *t, size_t *at, struct wire_table_at *out)
{
	for (; *at < t->n; (*at)++) {
		struct table *table = &t->at[*at];

		if (!table->expected || !table->changed)
			continue;
		table->changed = false;
		say(table, out);
		(*at)++;
		return true;
	}
	return false;
}
