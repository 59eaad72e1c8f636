/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizers that the job names: read at the start, and brought to the store
 * part by part, each answered once it is committed there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/tokenizer.h"
#include "coordinator/coordinator.h"

/* A part has no more tokens, nor about so many bytes. */
#define PART_TOKENS 65536
#define PART_BYTES MIB(1)
#define ASK_AGAIN_MS 2000

struct carried {
	uint16_t teacher;
	uint32_t vocabulary;
	bool whole;
	int64_t asked_ms;
	/* Loaded while it is on its way. */
	struct tokenizer tokenizer;
	uint32_t before, next_id; /* tokens before next_id */
	/* When so many tokens have got no id, it is said again. */
	uint64_t say_at;
	bool accused[LIMIT_ENDPOINTS];
};

/* One vocabulary per settings generation and teacher (FORMAT.md, "logits"). */
static uint32_t vocabulary_of(const struct coordinator *c, uint16_t teacher)
{
	return c->l->totals.settings << 16 | (uint32_t)teacher << 1;
}

/* The file may have changed since somebody knew its digest. */
static enum err_code load(
	struct job_teacher *t, struct tokenizer *tokenizer, struct err *err)
{
	enum err_code code = tokenizer_read_file(t->tokenizer, tokenizer, err);

	if (code != ERR_NONE)
		return code;
	if (t->tokenizer_digest != 0 && t->tokenizer_digest != tokenizer->digest) {
		err_set(err, ERR_INVALID,
			"'%s' is another file than it was: its digest is %016" PRIx64
			", not %016" PRIx64,
			t->tokenizer, tokenizer->digest, t->tokenizer_digest);
		tokenizer_release(tokenizer);
		return ERR_INVALID;
	}
	t->tokenizer_digest = tokenizer->digest;
	return ERR_NONE;
}

enum err_code tokenizers_read(struct coordinator *c, struct err *err)
{
	for (size_t i = 0; i < c->job.n_teachers; i++) {
		struct job_teacher *t = &c->job.teacher[i];
		struct tokenizer tokenizer;
		char place[1024], key[64], what[128];

		if (!t->tokenizer)
			continue;
		if (load(t, &tokenizer, err) != ERR_NONE) {
			snprintf(key, sizeof(key), "teachers[%zu].tokenizer", i);
			job_place(c->options->job_path, key, place, sizeof(place));
			err_prefix(err, "%s: %s", place, key);
			return err->code = ERR_INVALID;
		}
		tokenizer_describe(&tokenizer, what, sizeof(what));
		log_info("coordinator", "read a tokenizer",
			"teacher=%s digest=%016" PRIx64 " what=%s",
			log_quote(t->name).text, tokenizer.digest,
			log_quote(what).text);
		MEM_GROW(c->carried, c->cap_carried, c->n_carried + 1);
		c->carried[c->n_carried++] = (struct carried){
			.teacher = (uint16_t)i, .tokenizer = tokenizer};
	}
	return job_tokenizers_agree(c->options->job_path, &c->job, err);
}

/* Once the ledger is open: what there is to be known of each, as an event. */
void tokenizers_note(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_carried; i++) {
		struct carried *t = &c->carried[i];
		const char *name = c->job.teacher[t->teacher].name;
		char what[128], which[256];

		t->vocabulary = vocabulary_of(c, t->teacher);
		tokenizer_describe(&t->tokenizer, what, sizeof(what));
		tokenizer_collisions(&t->tokenizer, which, sizeof(which));
		ledger_event(c->l, "tokenizer", -1, -1, "%s: %s%s%s", name, what,
			which[0] ? ": " : "", which);
		/* It is read again when it is needed: rarely twice. */
		tokenizer_release(&t->tokenizer);
	}
}

void tokenizers_free(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_carried; i++)
		tokenizer_release(&c->carried[i].tokenizer);
	free(c->carried);
}

bool tokenizers_are_there(const struct coordinator *c)
{
	for (size_t i = 0; i < c->n_carried; i++)
		if (!c->carried[i].whole)
			return false;
	return true;
}

static void ask(struct coordinator *c, struct carried *t, int64_t now_ms)
{
	struct wire m = {.type = WIRE_TABLE,
		.table = {.vocabulary = t->vocabulary,
			.digest = c->job.teacher[t->teacher].tokenizer_digest}};

	t->asked_ms = now_ms;
	out_send(c, &c->store.peer, &m);
}

void tokenizers_begin(struct coordinator *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->n_carried; i++) {
		c->carried[i].whole = false;
		ask(c, &c->carried[i], now_ms);
	}
}

void tokenizers_ask_again(struct coordinator *c, int64_t now_ms)
{
	for (size_t i = 0; c->store.adopted && i < c->n_carried; i++)
		if (!c->carried[i].whole &&
			now_ms - c->carried[i].asked_ms > ASK_AGAIN_MS)
			ask(c, &c->carried[i], now_ms);
}

/* Goes to the token that has `before` others before it. */
static void seek(struct carried *t, uint32_t before)
{
	struct bytes token;

	if (before < t->before)
		t->before = t->next_id = 0;
	for (; t->before < before && t->next_id < t->tokenizer.table.size; t->next_id++)
		t->before += token_table_get(&t->tokenizer.table, t->next_id, &token);
}

static void send_part(struct coordinator *c, struct carried *t, uint32_t stored)
{
	const struct token_table *table = &t->tokenizer.table;
	struct wire_table_token *token = mem_zalloc(PART_TOKENS, sizeof(*token));
	struct wire m = {.type = WIRE_TABLE,
		.table = {.vocabulary = t->vocabulary,
			.digest = t->tokenizer.digest,
			.strips = t->tokenizer.strips,
			.size = table->size,
			.total = table->n,
			.before = stored,
			.token = token}};
	size_t bytes = 0;

	seek(t, stored);
	for (; t->next_id < table->size && m.table.n < PART_TOKENS &&
		bytes < PART_BYTES;
		t->next_id++) {
		struct wire_table_token *to = &token[m.table.n];

		if (!token_table_get(table, t->next_id, &to->token))
			continue;
		to->id = t->next_id;
		to->ordinal = table->at[t->next_id].ordinal;
		bytes += 10 + to->token.len;
		m.table.n++;
	}
	t->before += m.table.n;
	out_send(c, &c->store.peer, &m);
	free(token);
}

/* What the store says of tokens that got no id, and of endpoints that give other
 * ids than the table. */
static void take_counts(
	struct coordinator *c, struct carried *t, const struct wire_table_at *at)
{
	const char *name = c->job.teacher[t->teacher].name;

	if (at->unknown + at->several > t->say_at) {
		t->say_at = 2 * (at->unknown + at->several);
		ledger_event(c->l, "tokenizer_unknown", -1, -1,
			"%s: %" PRIu64 " tokens of answers are not in its tokenizer, "
			"%" PRIu64 " might be several",
			name, at->unknown, at->several);
		log_warn("coordinator", "tokens have no id in the tokenizer",
			"teacher=%s unknown=%" PRIu64 " several=%" PRIu64,
			log_quote(name).text, at->unknown, at->several);
	}
	for (uint32_t i = 0; i < at->n; i++) {
		uint16_t e = at->fault[i].endpoint;

		if (e >= c->job.teacher[t->teacher].n_urls || t->accused[e])
			continue;
		t->accused[e] = true;
		ledger_event(c->l, "tokenizer_differs", -1, -1,
			"%s %u: token id %u has other bytes than in its tokenizer",
			name, e, at->fault[i].id);
		log_warn("coordinator",
			"an endpoint's token ids are not those of its tokenizer",
			"endpoint=%s id=%u",
			log_quote(c->job.teacher[t->teacher].url[e]).text,
			at->fault[i].id);
	}
}

void tokenizers_hear(
	struct coordinator *c, const struct wire_table_at *at, int64_t now_ms)
{
	struct carried *t = c->carried, *end = c->carried + c->n_carried;
	struct job_teacher *teacher;
	struct err err = {0};

	while (t < end && t->vocabulary != at->vocabulary)
		t++;
	if (t == end)
		return;
	teacher = &c->job.teacher[t->teacher];
	if (at->digest != teacher->tokenizer_digest)
		return;
	take_counts(c, t, at);
	if (t->whole)
		return;
	if (!t->tokenizer.table.at && load(teacher, &t->tokenizer, &err) != ERR_NONE) {
		c->fatal = err;
		return;
	}
	t->whole = at->stored == t->tokenizer.table.n;
	if (t->whole) {
		log_info("coordinator", "the store has a tokenizer's table",
			"teacher=%s ids=%u", log_quote(teacher->name).text, at->stored);
		tokenizer_release(&t->tokenizer);
		t->before = t->next_id = 0;
		return;
	}
	t->asked_ms = now_ms;
	send_part(c, t, at->stored);
}

static bool says(const struct token_table *table, const uint32_t *id, uint32_t n,
	struct bytes text)
{
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct bytes token;

		if (id[i] >= table->size || !token_table_get(table, id[i], &token))
			return false;
		/* Some put a blank before the first word. */
		if (i == 0 && token.len > 0 && token.data[0] == ' ')
			token = bytes_of(token.data + 1, token.len - 1);
		if (token.len > text.len - at ||
			memcmp(text.data + at, token.data, token.len) != 0)
			return false;
		at += token.len;
	}
	return at == text.len;
}

bool tokenizers_agree(struct coordinator *c, uint16_t teacher, const uint32_t *id,
	uint32_t n, struct bytes text)
{
	struct tokenizer tokenizer;
	struct err err = {0};
	bool agree;

	if (!c->job.teacher[teacher].tokenizer)
		return true;
	if (load(&c->job.teacher[teacher], &tokenizer, &err) != ERR_NONE) {
		c->fatal = err;
		return true;
	}
	agree = says(&tokenizer.table, id, n, text);
	tokenizer_release(&tokenizer);
	return agree;
}
