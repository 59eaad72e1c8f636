/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/without.h"
#include "store/dedup.h"
#include "store/elsewhere.h"
#include "store/tally.h"

/* Records read at start for elsewhere.h. */
#define WARM_UP_RECORDS 200000

struct ingest {
	struct dataset *d;
	uint16_t store;
	struct accept *accept;
	bool exact;
	struct elsewhere *elsewhere;
	struct trainer *trainer;
	struct tables *tables;
	struct buf unpacked;

	struct tally tally;
	struct key_list entries; /* of the prompt at hand */

	struct wire_key *present;
	size_t cap_present;
	struct wire_key *revised;
	size_t n_revised, cap_revised;
};

struct ingest *ingest_new(struct dataset *d, uint16_t store)
{
	struct ingest *g = mem_zalloc(1, sizeof(*g));

	g->d = d;
	g->store = store;
	g->elsewhere = elsewhere_new();
	buf_init(&g->unpacked, PACK_RAW_MAX);
	return g;
}

void ingest_free(struct ingest *g)
{
	if (!g)
		return;
	accept_free(g->accept);
	elsewhere_free(g->elsewhere);
	buf_release(&g->unpacked);
	key_list_release(&g->entries);
	tally_release(&g->tally);
	free(g->present);
	free(g->revised);
	free(g);
}

void ingest_set_job(struct ingest *g, struct accept *accept, bool exact)
{
	accept_free(g->accept);
	g->accept = accept;
	g->exact = exact;
}

void ingest_set_trainer(struct ingest *g, struct trainer *t)
{
	g->trainer = t;
}

void ingest_set_tables(struct ingest *g, struct tables *t)
{
	g->tables = t;
}

static bool is_long(const struct record *r)
{
	uint32_t tokens = count_or_zero(r->completion_tokens);

	if (tokens < r->n_tokens)
		tokens = r->n_tokens;
	return tokens >= ELSEWHERE_MIN_TOKENS && r->fingerprint != 0;
}

enum err_code ingest_warm_up(struct ingest *g, struct err *err)
{
	uint64_t last = g->d->state.last_sequence;
	uint64_t first = last > WARM_UP_RECORDS ? last - WARM_UP_RECORDS + 1 : 1;

	for (uint64_t seq = first; seq <= last; seq++) {
		struct record r;
		enum err_code code = dataset_record(g->d, seq, &r, err);

		if (code != ERR_NONE)
			return code;
		if (is_long(&r))
			elsewhere_seen(g->elsewhere, r.fingerprint, r.key.prompt);
	}
	return ERR_NONE;
}

/* A shard that is new to the store, of prompts that are not: after the corpus
 * was indexed again. Counts what is there. */
static enum err_code count_prompt(
	struct ingest *g, uint64_t shard, uint8_t line, struct err *err)
{
	struct dedup_counts counts = dedup_count(g->entries.at, g->entries.n, g->exact);
	struct shard_state *s, *old;
	enum err_code code = tally_touch(&g->tally, g->d, shard, &s, err);

	if (code != ERR_NONE)
		return code;
	s->adopted |= (uint64_t)1 << line;
	s->committed[line] = (uint16_t)counts.live;
	s->accepted += counts.selected;
	s->duplicates += counts.duplicates;
	for (size_t i = 0; i < g->entries.n; i++) {
		struct record r;

		code = dataset_record(g->d, g->entries.at[i].sequence, &r, err);
		if (code == ERR_NONE)
			code = tally_touch(&g->tally, g->d, r.shard, &old, err);
		if (code != ERR_NONE)
			return code;
		old->moved = true;
		/* Touching may have moved the states. */
		code = tally_touch(&g->tally, g->d, shard, &s, err);
		if (code != ERR_NONE)
			return code;
		tally_add_answer(s, &r);
		if ((r.flags & FLAG_TRUNCATED) &&
			(i + 1 == g->entries.n ||
				g->entries.at[i + 1].key.sample != r.key.sample))
			s->truncated++;
	}
	return ERR_NONE;
}

static enum err_code list_prompt(struct ingest *g, const struct wire_open *open,
	const struct wire_open_prompt *p, struct wire_opened *out, struct err *err)
{
	struct shard_state *s;
	enum err_code code = dataset_prompt_entries(g->d, p->number, &g->entries, err);

	if (code == ERR_NONE)
		code = tally_touch(&g->tally, g->d, open->shard, &s, err);
	if (code == ERR_NONE && s->committed[p->line] == 0 && g->entries.n > 0)
		code = count_prompt(g, open->shard, p->line, err);
	if (code != ERR_NONE)
		return code;
	MEM_GROW(g->present, g->cap_present, out->present.n + g->entries.n);
	for (size_t i = 0; i < g->entries.n; i++) {
		const struct sample_key *k = &g->entries.at[i].key;

		g->present[out->present.n++] =
			(struct wire_key){k->prompt, k->sample, k->revision};
	}
	if (dataset_has_prompt(g->d, p->number, open->settings))
		out->known_prompts |= (uint64_t)1 << p->line;
	return ERR_NONE;
}

enum err_code ingest_open(struct ingest *g, const struct wire_open *open,
	struct wire_opened *out, struct err *err)
{
	struct shard_state *s;
	uint64_t lines = 0;
	enum err_code code = tally_touch(&g->tally, g->d, open->shard, &s, err);

	if (code != ERR_NONE)
		return code;
	out->shard = open->shard;
	out->epoch = open->epoch;
	out->status = OPEN_REFUSED;
	for (uint32_t i = 0; i < open->n_prompts; i++) {
		if (open->prompt[i].line >= SHARD_PROMPTS)
			return ERR_NONE;
		lines |= (uint64_t)1 << open->prompt[i].line;
	}
	if (lines != open->prompts || lines == 0)
		return ERR_NONE;
	out->status = OPEN_FENCED;
	if (!shard_raise_fence(s, open->epoch, open->prompts))
		return ERR_NONE;
	out->status = OPEN_OK;
	if (open->epoch > g->d->state.highest_epoch)
		g->d->state.highest_epoch = open->epoch;
	for (uint32_t i = 0; i < open->n_prompts; i++) {
		code = list_prompt(g, open, &open->prompt[i], out, err);
		if (code != ERR_NONE)
			return code;
	}
	out->present.at = g->present;
	return ERR_NONE;
}

/* Whether the offer is what its message says, and fit to be stored. */
static bool is_sound(
	struct ingest *g, const struct wire_put_item *item, const struct offer *o)
{
	const struct record *r = &o->head;
	struct bytes entries = o->vocabulary;
	struct vocab_entry entry;
	bool bad = false;
	uint32_t dictionary;

	if (r->shard != item->shard || r->epoch != item->epoch ||
		item->line >= SHARD_PROMPTS || r->key.sample >= LIMIT_SAMPLES ||
		r->key.store != g->store)
		return false;
	if (o->text.len < PACK_HEAD || get_u32(o->text.data + 5) > PACK_RAW_MAX)
		return false;
	dictionary = get_u32(o->text.data + 1);
	if (dictionary && !packer_has_dictionary(g->d->packer, dictionary))
		return false;
	while (vocab_entry_take(&entries, &entry, &bad))
		;
	if (bad)
		return false;
	return o->prompt.data || dataset_has_prompt(g->d, r->key.prompt, r->settings);
}

/* A resend has the same head; a flag may have been added here. */
static enum err_code compare_with_stored(struct ingest *g, uint64_t sequence,
	const struct offer *o, enum put_answer *answer, struct err *err)
{
	unsigned char a[RECORD_SIZE], b[RECORD_SIZE];
	struct record stored, offered = o->head;
	enum err_code code = dataset_record(g->d, sequence, &stored, err);

	if (code != ERR_NONE)
		return code;
	stored.flags &= ~(uint32_t)FLAG_DUPLICATE_ELSEWHERE;
	offered.flags &= ~(uint32_t)FLAG_DUPLICATE_ELSEWHERE;
	record_encode(&stored, a);
	record_encode(&offered, b);
	*answer = memcmp(a, b, sizeof(a)) == 0 ? PUT_SAME : PUT_OCCUPIED;
	return ERR_NONE;
}

static int compare_keys(const struct sample_key *a, const struct sample_key *b)
{
	unsigned char x[SAMPLE_KEY_SIZE], y[SAMPLE_KEY_SIZE];

	sample_key_write(x, a);
	sample_key_write(y, b);
	return memcmp(x, y, sizeof(x));
}

/* Puts a new entry into the prompt's list, in key order; its index. */
static size_t insert_entry(struct key_list *list, const struct key_entry *entry)
{
	size_t at = list->n;

	MEM_GROW(list->at, list->cap, list->n + 1);
	while (at > 0 && compare_keys(&list->at[at - 1].key, &entry->key) > 0)
		at--;
	memmove(list->at + at + 1, list->at + at, (list->n - at) * sizeof(*list->at));
	list->at[at] = *entry;
	list->n++;
	return at;
}

/* The truncated samples among the live ones change when entry `at` comes: it
 * counts itself, and the one that it supersedes no longer does. */
static enum err_code follow_truncated(struct ingest *g, struct shard_state *s,
	size_t at, const struct record *r, struct err *err)
{
	const struct key_entry *e = g->entries.at;
	bool is_live = at + 1 == g->entries.n || e[at + 1].key.sample != r->key.sample;
	struct record old;
	enum err_code code;

	if (!is_live)
		return ERR_NONE; /* a newer revision stands already */
	if (r->flags & FLAG_TRUNCATED)
		s->truncated++;
	if (at == 0 || e[at - 1].key.sample != r->key.sample)
		return ERR_NONE;
	code = dataset_record(g->d, e[at - 1].sequence, &old, err);
	if (code == ERR_NONE && (old.flags & FLAG_TRUNCATED))
		s->truncated--;
	return code;
}

static enum err_code give_to_trainer(
	struct ingest *g, struct bytes packed, struct err *err)
{
	struct bytes raw;
	enum err_code code;

	if (!g->trainer || !trainer_wants(g->trainer))
		return ERR_NONE;
	code = unpack(g->d->packer, packed, &g->unpacked, &raw, err);
	if (code == ERR_NONE)
		trainer_add(g->trainer, raw);
	return ERR_NONE; /* a text that does not unpack is verify's to find */
}

/* Appends the offer and makes the shard's totals follow. */
static enum err_code store_offer(struct ingest *g, const struct wire_put_item *item,
	struct offer *o, struct shard_state *s, enum put_answer *answer,
	struct err *err)
{
	struct dedup_counts before, after;
	struct key_entry entry = {
		.key = o->head.key, .fingerprint = o->head.fingerprint};
	enum err_code code;
	size_t at;

	if (is_long(&o->head) &&
		elsewhere_seen(g->elsewhere, o->head.fingerprint, o->head.key.prompt))
		o->head.flags |= FLAG_DUPLICATE_ELSEWHERE;
	code = accept_bits_of_offer(g->accept, g->d, o, &entry.bits, err);
	if (code == ERR_CORRUPT) {
		*answer = PUT_INVALID; /* its text does not unpack */
		return ERR_NONE;
	}
	if (code == ERR_NONE && g->tables)
		code = tables_compare(
			g->tables, g->d, o->head.endpoint, o->vocabulary, err);
	if (code == ERR_NONE)
		code = dataset_append(g->d, o, &entry.sequence, err);
	if (code == ERR_NONE)
		code = dataset_put_key(g->d, &entry, !WITHOUT_IDEMPOTENCE, err);
	if (code != ERR_NONE)
		return code;
	before = dedup_count(g->entries.at, g->entries.n, g->exact);
	at = insert_entry(&g->entries, &entry);
	after = dedup_count(g->entries.at, g->entries.n, g->exact);
	s->committed[item->line] = (uint16_t)after.live;
	s->accepted += after.selected - before.selected;
	s->duplicates += after.duplicates - before.duplicates;
	if (entry.key.revision > 0) {
		MEM_GROW(g->revised, g->cap_revised, g->n_revised + 1);
		g->revised[g->n_revised++] = (struct wire_key){
			entry.key.prompt, entry.key.sample, entry.key.revision};
	}
	code = follow_truncated(g, s, at, &o->head, err);
	return code == ERR_NONE ? give_to_trainer(g, o->text, err) : code;
}

static const struct key_entry *find_entry(
	const struct key_list *list, const struct sample_key *key)
{
	for (size_t i = 0; i < list->n; i++)
		if (compare_keys(&list->at[i].key, key) == 0)
			return &list->at[i];
	return NULL;
}

enum err_code ingest_put(struct ingest *g, const struct wire_put_item *item,
	enum put_answer *answer, struct err *err)
{
	const struct key_entry *there;
	struct shard_state *s;
	struct err why = {0};
	struct offer o;
	enum err_code code;

	*answer = PUT_INVALID;
	if (offer_decode(item->offer, &o, &why) != ERR_NONE) {
		log_warn("store", "an offer does not decode", "why=%s",
			log_quote(why.msg).text);
		return ERR_NONE;
	}
	if (!is_sound(g, item, &o))
		return ERR_NONE;
	code = tally_touch(&g->tally, g->d, item->shard, &s, err);
	if (code != ERR_NONE)
		return code;
	if (!shard_may_write(s, item->epoch, item->line)) {
		*answer = PUT_FENCED;
		s->fenced++;
		tally_add_answer(s, &o.head);
		return ERR_NONE;
	}
	code = dataset_prompt_entries(g->d, o.head.key.prompt, &g->entries, err);
	if (code != ERR_NONE)
		return code;
	there = find_entry(&g->entries, &o.head.key);
	if (there && !WITHOUT_IDEMPOTENCE) {
		code = compare_with_stored(g, there->sequence, &o, answer, err);
		if (code == ERR_NONE && *answer == PUT_OCCUPIED)
			tally_add_answer(s, &o.head);
		return code;
	}
	*answer = PUT_STORED;
	tally_add_answer(s, &o.head);
	return store_offer(g, item, &o, s, answer, err);
}

enum err_code ingest_flush(struct ingest *g, struct err *err)
{
	return tally_write(&g->tally, g->d, err);
}

void ingest_take_totals(struct ingest *g, struct wire_totals *out)
{
	tally_take(&g->tally, out);
	out->revised = (struct wire_key_list){(uint32_t)g->n_revised, g->revised};
	g->n_revised = 0;
}

void ingest_rollback(struct ingest *g)
{
	tally_forget(&g->tally);
	g->n_revised = 0;
}
