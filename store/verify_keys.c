/* SPDX-License-Identifier: Apache-2.0 */
/* Records and the keys that name them: each record one key, each key one record. */
#include <math.h>
#include <string.h>

#include "store/dedup.h"
#include "store/seal.h"
#include "store/verify_state.h"

/* What must hold in a head by itself. */
static void check_head(struct verify *v, uint64_t sequence, const struct record *r)
{
	const struct token_span *spans[] = {&r->reasoning, &r->content};

	for (int i = 0; i < 2; i++) {
		bool unknown = spans[i]->first == SPAN_UNKNOWN;

		if (unknown ? spans[i]->behind != SPAN_UNKNOWN
			    : spans[i]->first > spans[i]->behind ||
					spans[i]->behind > r->n_tokens)
			verify_say(v, "record %llu: a span outside its %u tokens",
				(unsigned long long)sequence, r->n_tokens);
	}
	if (r->flags & FLAG_DUPLICATE || r->flags >> FLAGS_STORED)
		verify_say(v, "record %llu: unknown flags %x",
			(unsigned long long)sequence, r->flags);
	for (int i = 0; i < SCORE_SLOTS; i++)
		if (isinf(r->score[i]))
			verify_say(v, "record %llu: an infinite score",
				(unsigned long long)sequence);
	if (!(r->captures & 1) && r->n_tokens > 0)
		verify_say(v, "record %llu: tokens without a capture",
			(unsigned long long)sequence);
	v->captures_due += (uint64_t)__builtin_popcount(r->captures);
}

enum err_code verify_records(struct verify *v)
{
	struct env_cursor *c;
	struct bytes key, value, payload;
	uint64_t last = 0;
	enum err_code code = env_cursor_open(v->d->txn, DB_RECORD, &c, v->err);

	if (code != ERR_NONE)
		return code;
	bitmap_init(&v->records, v->last_sequence);
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		struct record r;
		uint64_t sequence;

		if (key.len != SEQUENCE_KEY_SIZE) {
			verify_say(v, "record: a key of %zu bytes", key.len);
			continue;
		}
		sequence = get_u64_be(key.data);
		if (!bitmap_add(&v->records, sequence))
			verify_say(v, "record %llu: is after the last sequence, %llu",
				(unsigned long long)sequence,
				(unsigned long long)v->last_sequence);
		if (!v->counts->snapshot && sequence != last + 1)
			verify_say(v, "record: the one after %llu is %llu",
				(unsigned long long)last, (unsigned long long)sequence);
		last = sequence;
		v->counts->records++;
		v->counts->bytes += value.len;
		code = seal_open(key.data, key.len, value, &payload, v->err);
		if (code == ERR_NONE)
			code = record_decode(payload, &r, v->err);
		if (code == ERR_NONE)
			check_head(v, sequence, &r);
		code = verify_take(
			v, code, "record %llu", (unsigned long long)sequence);
		if (code != ERR_NONE)
			break;
	}
	env_cursor_close(c);
	if (code == ERR_NOT_FOUND && !v->counts->snapshot && last != v->last_sequence)
		verify_say(v, "record: the last one is %llu, not %llu",
			(unsigned long long)last, (unsigned long long)v->last_sequence);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* The prompt at hand, while keys are walked in order. */
struct prompt_walk {
	struct verify *v;
	struct sample sample;
	struct settings_cache settings;
	struct key_list entries;
	uint32_t *flags; /* of each entry's record */
	size_t cap_flags;
	uint64_t shard;
};

static void name_key(const struct sample_key *k, char out[80])
{
	snprintf(out, 80, "key %llu/%u/%u", (unsigned long long)k->prompt, k->sample,
		k->revision);
}

static bool same_key(const struct sample_key *a, const struct sample_key *b)
{
	return a->prompt == b->prompt && a->sample == b->sample &&
	       a->revision == b->revision && a->store == b->store;
}

/* The bits against what the filter says, where heads are enough. */
static enum err_code check_bits(
	struct prompt_walk *w, const struct key_entry *entry, const char *name)
{
	uint8_t bits;
	enum err_code code;

	if (!w->v->accept)
		return ERR_NONE;
	code = filter_bits(w->v->accept, &w->sample, &bits, w->v->err);
	if (code == ERR_NONE && bits != entry->bits)
		verify_say(w->v, "%s: has bits %u, its record has %u under accept",
			name, entry->bits, bits);
	return code;
}

static void add_to_shard(struct verify *v, const struct record *r)
{
	struct shard_sum *sum = verify_shard_sum(v, r->shard);

	sum->prompt_tokens +=
		(uint64_t)count_or_zero(r->prompt_tokens) + r->wasted_prompt_tokens;
	sum->completion_tokens += (uint64_t)count_or_zero(r->completion_tokens) +
				  r->wasted_completion_tokens;
	sum->cost_nusd += r->cost_nusd + r->wasted_nusd;
}

static enum err_code check_entry(
	struct prompt_walk *w, const struct key_entry *entry, uint32_t *flags)
{
	struct verify *v = w->v;
	char name[80];
	enum err_code code;

	name_key(&entry->key, name);
	*flags = 0;
	if (!bitmap_has(&v->records, entry->sequence)) {
		verify_say(v, "%s: names record %llu, which is not there", name,
			(unsigned long long)entry->sequence);
		return ERR_NONE;
	}
	if (!bitmap_add(&v->named, entry->sequence)) {
		verify_say(v, "%s: names record %llu, as another key does", name,
			(unsigned long long)entry->sequence);
		return ERR_NONE;
	}
	code = sample_from_entry(&w->sample, entry, v->err);
	if (code != ERR_NONE) /* found when the records were read */
		return code == ERR_CORRUPT ? ERR_NONE : code;
	if (!same_key(&w->sample.head.key, &entry->key))
		verify_say(v, "%s: names record %llu, which is of %llu/%u/%u", name,
			(unsigned long long)entry->sequence,
			(unsigned long long)w->sample.head.key.prompt,
			w->sample.head.key.sample, w->sample.head.key.revision);
	if (w->sample.head.fingerprint != entry->fingerprint)
		verify_say(v, "%s: has another fingerprint than record %llu", name,
			(unsigned long long)entry->sequence);
	if (!dataset_has_prompt(v->d, entry->key.prompt, w->sample.head.settings))
		verify_say(v, "%s: its prompt is not there for settings %u", name,
			w->sample.head.settings);
	*flags = w->sample.head.flags;
	w->shard = w->sample.head.shard;
	add_to_shard(v, &w->sample.head);
	return check_bits(w, entry, name);
}

/* All entries of a prompt are there: live samples, groups, truncated ones. */
static void end_prompt(struct prompt_walk *w)
{
	size_t n = w->entries.n;
	struct dedup_counts counts = dedup_count(w->entries.at, n, w->v->exact);
	struct shard_sum *sum = verify_shard_sum(w->v, w->shard);

	if (n == 0)
		return;
	sum->accepted += counts.selected;
	sum->duplicates += counts.duplicates;
	for (size_t i = 0; i < n; i++) {
		bool live = i + 1 == n || w->entries.at[i].key.sample !=
						  w->entries.at[i + 1].key.sample;

		sum->truncated += live && (w->flags[i] & FLAG_TRUNCATED);
	}
	if (sum->n_prompts < SHARD_PROMPTS)
		sum->live[sum->n_prompts] = (uint16_t)counts.live;
	sum->n_prompts++;
	w->v->counts->prompts++;
	w->v->counts->live += counts.live;
	w->entries.n = 0;
}

static enum err_code take_entry(struct prompt_walk *w, const struct key_entry *entry)
{
	struct key_list *list = &w->entries;

	if (list->n > 0 && list->at[0].key.prompt != entry->key.prompt)
		end_prompt(w);
	MEM_GROW(list->at, list->cap, list->n + 1);
	MEM_GROW(w->flags, w->cap_flags, list->n + 1);
	list->at[list->n] = *entry;
	return check_entry(w, entry, &w->flags[list->n++]);
}

static void tell_orphans(struct verify *v)
{
	for (uint64_t i = 0; i < v->records.n; i++)
		if (bitmap_has(&v->records, i) && !bitmap_has(&v->named, i))
			verify_say(v, "record %llu: no key names it",
				(unsigned long long)i);
}

enum err_code verify_keys(struct verify *v)
{
	struct prompt_walk w = {.v = v};
	struct env_cursor *c;
	struct bytes key, value;
	enum err_code code = env_cursor_open(v->d->txn, DB_KEY, &c, v->err);

	if (code != ERR_NONE)
		return code;
	bitmap_init(&v->named, v->last_sequence);
	sample_init(&w.sample, v->d, &w.settings);
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		struct key_entry entry;

		v->counts->keys++;
		v->counts->bytes += value.len;
		code = key_entry_decode(key, value, &entry, v->err);
		if (code == ERR_NONE)
			code = take_entry(&w, &entry);
		code = verify_take(v, code, "key");
		if (code != ERR_NONE)
			break;
	}
	end_prompt(&w);
	env_cursor_close(c);
	sample_release(&w.sample);
	settings_release(&w.settings);
	key_list_release(&w.entries);
	free(w.flags);
	tell_orphans(v);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}
