/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator and the store: adoption, totals, and what follows from them
 * for shards, failures and samples that are asked again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/reason.h"
#include "coordinator/coordinator.h"

/* Keys asked for in one HAVE. */
#define HAVE_MAX 4096
/* The tag of a HAVE: about samples to be asked again, or about a prompt that
 * was convicted (its number behind TAG_PROMPT). */
#define TAG_REDOS 0
#define TAG_PROMPT 1
#define CATCH_UP_SHARDS 1024
#define BYE_EVERY_MS 200
/* How long a store is waited for that does nothing, and one that cannot be reached. */
#define PART_MS 30000
#define UNREACHABLE_MS 3000

static void refuse(struct coordinator *c, const struct link_peer *peer, const char *why)
{
	struct wire m = {.type = WIRE_REFUSED, .refused = {bytes_of(why, strlen(why))}};

	out_send(c, peer, &m);
}

static bool is_zero(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i])
			return false;
	return true;
}

/* Asks which of the samples that are to be asked again are there already. */
static void ask_redos(struct coordinator *c)
{
	static struct redo redos[HAVE_MAX];
	static struct wire_key keys[HAVE_MAX];
	struct wire m = {.type = WIRE_HAVE, .have = {.tag = TAG_REDOS}};

	m.have.keys.n = (uint32_t)ledger_open_redos(c->l, UINT64_MAX, redos, HAVE_MAX);
	m.have.keys.at = keys;
	for (uint32_t i = 0; i < m.have.keys.n; i++)
		keys[i] = (struct wire_key){
			redos[i].prompt, redos[i].sample, redos[i].revision};
	if (m.have.keys.n > 0)
		out_send(c, &c->store.peer, &m);
}

static void adopt(struct coordinator *c, const struct link_peer *peer,
	const struct wire_register *reg)
{
	struct totals *t = &c->l->totals;
	struct wire m = {.type = WIRE_ADOPT};
	bool moved;

	/* An empty ledger takes over the run of a dataset that is there: it was
	 * lost, and is rebuilt from it. */
	if (!is_zero(reg->run) && memcmp(reg->run.data, t->run, RUN_ID_SIZE) != 0) {
		if (t->next_epoch > 1 || t->samples_committed > 0) {
			refuse(c, peer, "the dataset belongs to another run");
			return;
		}
		memcpy(t->run, reg->run.data, RUN_ID_SIZE);
		ledger_event(c->l, "ledger_rebuilt", -1, -1, "from the dataset");
		c->l->totals_changed = true;
	}
	if (reg->commit < t->store_commit) {
		/* The dataset was replaced by an older copy: count it all anew. */
		log_warn("coordinator", "the dataset is older than the ledger",
			"dataset=%" PRIu64 " ledger=%" PRIu64, reg->commit,
			t->store_commit);
		t->store_commit = 0;
	}
	if (reg->highest_epoch >= t->next_epoch)
		t->next_epoch = reg->highest_epoch + 1;
	c->l->totals_changed = true;
	moved = c->store.address[0] &&
		(strlen(c->store.address) != reg->address.len ||
			memcmp(c->store.address, reg->address.data, reg->address.len) !=
				0);
	if (reg->address.len >= sizeof(c->store.address))
		return;
	memcpy(c->store.address, reg->address.data, reg->address.len);
	c->store.address[reg->address.len] = '\0';
	if (!c->store.adopted)
		log_info("coordinator", "the store is there",
			"address=%s commit=%" PRIu64, log_quote(c->store.address).text,
			reg->commit);
	/* Only now can workers join: those of before a restart have a term for it. */
	if (!c->store.adopted) {
		lease_begin_terms(c->leases, clock_mono_ms());
		c->return_by_ms = clock_mono_ms() + c->options->term_ms;
	}
	c->store.peer = *peer;
	c->store.known = c->store.adopted = true;
	m.adopt.run = bytes_of(t->run, RUN_ID_SIZE);
	m.adopt.settings = t->settings;
	m.adopt.job = bytes_of(c->public_text, strlen(c->public_text));
	m.adopt.since = t->store_commit;
	out_send(c, peer, &m);
	tokenizers_begin(c, clock_mono_ms());
	ask_redos(c);
	if (moved) /* workers say HELLO, and are told the new address */
		for (size_t i = 0; i < c->n_workers; i++) {
			struct wire who = {.type = WIRE_WHO};

			out_send(c, &c->worker[i]->peer, &who);
		}
}

static void redo_ended(struct coordinator *c, const struct wire_key *key, bool done)
{
	struct redo redo;
	struct live *live;

	if (!ledger_end_redo(c->l, key, done, &redo))
		return;
	live = live_load(c, redo.shard);
	if (!live)
		return;
	if (live->row.redo[redo.line] > 0)
		live->row.redo[redo.line]--;
	if (!done && redo.was_failed)
		live->row.failed[redo.line]++;
	live_changed(c, live);
}

static void take_totals_of(struct coordinator *c, const struct wire_shard_totals *t)
{
	struct live *live = live_load(c, t->shard);
	struct shard_row *r;

	if (!live) {
		log_warn("coordinator", "totals of an unknown shard", "shard=%" PRIu64,
			t->shard);
		return;
	}
	r = &live->row;
	memcpy(r->committed, t->committed, sizeof(r->committed));
	r->samples_accepted = t->accepted;
	r->samples_duplicate = t->duplicates;
	r->samples_truncated = t->truncated;
	r->answers_fenced = t->fenced;
	r->prompt_tokens = (int64_t)t->prompt_tokens;
	r->cached_prompt_tokens = (int64_t)t->cached_prompt_tokens;
	r->completion_tokens = (int64_t)t->completion_tokens;
	r->reasoning_tokens = (int64_t)t->reasoning_tokens;
	r->cost_nusd = t->cost_nusd;
	live_changed(c, live);
}

static void take_totals(struct coordinator *c, const struct wire_totals *totals)
{
	for (uint32_t i = 0; i < totals->n_shards; i++) {
		take_totals_of(c, &totals->shard[i]);
		if (i % CATCH_UP_SHARDS == CATCH_UP_SHARDS - 1)
			live_save(c); /* many at once: a ledger that is rebuilt */
	}
	for (uint32_t i = 0; i < totals->revised.n; i++)
		redo_ended(c, &totals->revised.at[i], true);
	if (totals->paused != c->store.paused)
		ledger_event(c->l, totals->paused ? "disk_low" : "disk_ok", -1, -1,
			totals->paused ? "the store is paused" : "the store goes on");
	c->store.paused = totals->paused;
	c->l->totals.disk_bytes = totals->disk_bytes;
	c->l->totals_changed = true;
	/* Goes into the ledger together with the rows, see live_save. */
	if (!totals->more && totals->commit > c->seen_commit)
		c->seen_commit = totals->commit;
}

void fail_sample(struct coordinator *c, const struct wire_failed *f, uint32_t worker)
{
	struct live *live = live_load(c, f->shard);
	struct redo redo;

	if (!live || f->line >= live->row.n_lines ||
		!ledger_add_failure(c->l, f, worker, clock_wall_ms()))
		return;
	if (f->key.revision == 0) {
		live->row.failed[f->line]++;
	} else if (ledger_end_redo(c->l, &f->key, false, &redo)) {
		if (live->row.redo[f->line] > 0)
			live->row.redo[f->line]--;
		if (redo.was_failed)
			live->row.failed[f->line]++;
	}
	live_changed(c, live);
}

/* What a prompt may still lack: its first samples, and what is to be asked again.
 * The caller frees the list. */
static struct wire_key_list wanted_keys(
	struct coordinator *c, uint64_t shard, uint64_t prompt)
{
	static struct redo redos[HAVE_MAX];
	size_t n_redos = ledger_open_redos(c->l, shard, redos, HAVE_MAX);
	struct wire_key_list list = {0};

	list.at = mem_zalloc(c->l->totals.n + n_redos, sizeof(*list.at));
	for (uint32_t s = 0; s < c->l->totals.n; s++)
		list.at[list.n++] = (struct wire_key){prompt, s, 0};
	for (size_t i = 0; i < n_redos; i++)
		if (redos[i].prompt == prompt)
			list.at[list.n++] = (struct wire_key){
				prompt, redos[i].sample, redos[i].revision};
	return list;
}

/* Which samples are committed is the store's to say; those that are not are
 * given up when its answer comes. If that is lost, the prompt stays suspect. */
void fail_prompts(struct coordinator *c, uint64_t shard, uint64_t prompts)
{
	struct index_shard index;

	if (!c->store.adopted || ledger_index_shard(c->l, shard, &index) != ERR_NONE)
		return;
	for (; prompts; prompts &= prompts - 1) {
		uint64_t number =
			index_shard_number(&index, (uint32_t)__builtin_ctzll(prompts));
		struct wire m = {.type = WIRE_HAVE,
			.have = {TAG_PROMPT + number, wanted_keys(c, shard, number)}};

		out_send(c, &c->store.peer, &m);
		free(m.have.keys.at);
		log_warn("coordinator", "workers go on dying on a prompt",
			"prompt=%" PRIu64, number);
	}
}

static bool is_in(const struct wire_key_list *list, const struct wire_key *key)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->at[i].prompt == key->prompt &&
			list->at[i].sample == key->sample &&
			list->at[i].revision == key->revision)
			return true;
	return false;
}

/* A convicted prompt: the samples that the store has not are given up. What has
 * failed before stays as it is. */
static void carry_out(
	struct coordinator *c, uint64_t prompt, const struct wire_key_list *has)
{
	uint64_t shard, line;
	uint32_t corpus;
	struct index_shard index;
	struct wire_key_list wanted;

	if (ledger_locate(c->l, prompt, &shard, &corpus, &line) != ERR_NONE ||
		ledger_index_shard(c->l, shard, &index) != ERR_NONE)
		return;
	wanted = wanted_keys(c, shard, prompt);
	for (uint32_t i = 0; i < wanted.n; i++) {
		struct wire_failed f = {.shard = shard,
			.line = (uint8_t)(line - index.first_line),
			.key = wanted.at[i],
			.reason = REASON_WORKER_CRASH};

		if (!is_in(has, &wanted.at[i]))
			fail_sample(c, &f, 0);
	}
	free(wanted.at);
}

static void take_has(struct coordinator *c, const struct wire_have *has)
{
	if (has->tag >= TAG_PROMPT) {
		carry_out(c, has->tag - TAG_PROMPT, &has->keys);
		return;
	}
	for (uint32_t i = 0; i < has->keys.n; i++)
		redo_ended(c, &has->keys.at[i], true);
}

bool store_is(const struct coordinator *c, const struct link_peer *peer)
{
	return c->store.known && peer->len == c->store.peer.len &&
	       memcmp(peer->id, c->store.peer.id, peer->len) == 0;
}

/* A BYE that the store has not read yet is lost when this end closes (link.h), and the
 * store would wait for a coordinator for ever: so it says BYE itself before we end. */
bool store_has_left(struct coordinator *c, int64_t now_ms)
{
	struct store_peer *s = &c->store;
	struct wire bye = {.type = WIRE_BYE};
	struct buf frame;

	if (!s->known)
		return true;
	if (s->part_ms == 0)
		s->part_ms = s->reached_ms = now_ms;
	if (now_ms >= s->tell_at) {
		buf_init(&frame, LIMIT_MESSAGE);
		wire_encode(&bye, &frame);
		if (link_send(c->link, &s->peer, &frame) == ERR_NONE)
			s->reached_ms = now_ms;
		s->tell_at = now_ms + BYE_EVERY_MS;
	}
	if (now_ms - s->part_ms < PART_MS && now_ms - s->reached_ms < UNREACHABLE_MS)
		return false;
	log_warn("coordinator", "the store has not said that it ends", "address=%s",
		log_quote(s->address).text);
	return true;
}

void store_hear(struct coordinator *c, const struct link_message *m, struct wire *w,
	int64_t now_ms)
{
	if (w->type == WIRE_REGISTER) {
		if (w->reg.run.len == RUN_ID_SIZE && w->reg.store == 0)
			adopt(c, &m->peer, &w->reg);
		return;
	}
	if (!store_is(c, &m->peer)) {
		struct wire who = {.type = WIRE_WHO};

		out_send(c, &m->peer, &who);
		return;
	}
	c->store.seen_ms = now_ms;
	if (w->type == WIRE_TOTALS)
		take_totals(c, &w->totals);
	else if (w->type == WIRE_HAS)
		take_has(c, &w->has);
	else if (w->type == WIRE_TABLE_AT)
		tokenizers_hear(c, &w->table_at, now_ms);
	else if (w->type == WIRE_BYE)
		c->store.known = false;
}
