/* SPDX-License-Identifier: Apache-2.0 */
#include "store/accept.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/dedup.h"

/* Entries of `key` in one transaction: short pauses, few commits. */
#define ENTRIES_PER_COMMIT 4096

struct accept {
	struct filter *filter;
	char *text;
	/* For offers. */
	struct sample *sample;
	struct settings_cache *settings;
};

enum err_code accept_compile(const char *text, struct accept **out, struct err *err)
{
	struct filter *filter;
	enum err_code code = filter_compile(text, &filter, NULL, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	if (filter_needs(filter) & NEEDS_ACCEPTED) {
		filter_free(filter);
		return err_set(
			err, ERR_INVALID, "'accepted' is what this filter decides");
	}
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->filter = filter;
	(*out)->text = mem_dup_str(text);
	(*out)->sample = mem_zalloc(1, sizeof(struct sample));
	(*out)->settings = mem_zalloc(1, sizeof(struct settings_cache));
	sample_init((*out)->sample, NULL, (*out)->settings);
	return ERR_NONE;
}

void accept_free(struct accept *a)
{
	if (!a)
		return;
	filter_free(a->filter);
	free(a->text);
	sample_release(a->sample);
	free(a->sample);
	settings_release(a->settings);
	free(a->settings);
	free(a);
}

const char *accept_text(const struct accept *a)
{
	return a->text;
}

bool accept_reads_text(const struct accept *a)
{
	return filter_needs(a->filter) & (NEEDS_TEXT | NEEDS_PROMPT | NEEDS_SETTINGS);
}

enum err_code accept_bits_of_offer(struct accept *a, struct dataset *d,
	const struct offer *o, uint8_t *bits, struct err *err)
{
	if (a->sample->d != d) {
		settings_release(a->settings);
		a->sample->holds_prompt = false;
		a->sample->d = d;
	}
	sample_from_offer(a->sample, o);
	return filter_bits(a->filter, a->sample, bits, err);
}

/* What a recount carries along. */
struct recount {
	struct dataset *d;
	const struct accept *a;
	bool exact;
	const struct accept_recount_steps *steps;
	struct settings_cache settings;
	struct sample sample;
	struct key_list entries;
	uint64_t next_prompt;
	bool ended;
};

/* The first prompt from r->next_prompt on that has entries. */
static enum err_code find_prompt(struct recount *r, uint64_t *prompt, struct err *err)
{
	unsigned char from[SAMPLE_KEY_SIZE];
	struct bytes key, value;
	struct env_cursor *c;
	enum err_code code = env_cursor_open(r->d->txn, DB_KEY, &c, err);

	if (code != ERR_NONE)
		return code;
	sample_key_write(from, &(struct sample_key){.prompt = r->next_prompt});
	code = env_seek(c, from, sizeof(from), &key, &value, err);
	if (code == ERR_NONE && key.len != SAMPLE_KEY_SIZE)
		code = err_set(err, ERR_CORRUPT, "database 'key': a key of %zu bytes",
			key.len);
	if (code == ERR_NONE)
		*prompt = get_u64_be(key.data);
	env_cursor_close(c);
	return code;
}

static enum err_code judge_entry(
	struct recount *r, struct key_entry *entry, struct err *err)
{
	uint8_t was = entry->bits;
	enum err_code code = sample_from_entry(&r->sample, entry, err);

	if (code == ERR_NONE)
		code = filter_bits(r->a->filter, &r->sample, &entry->bits, err);
	if (code == ERR_NONE && entry->bits != was)
		code = dataset_put_key(r->d, entry, false, err);
	return code;
}

static enum err_code tell(struct recount *r, uint64_t prompt, struct dedup_counts was,
	struct dedup_counts now, struct err *err)
{
	/* The sample at hand is the prompt's last one, which is live. */
	struct accept_change change = {r->d, prompt, r->sample.head.shard, was.selected,
		now.selected, was.duplicates, now.duplicates};

	if (!r->steps->changed ||
		(was.selected == now.selected && was.duplicates == now.duplicates))
		return ERR_NONE;
	return r->steps->changed(r->steps->to, &change, err);
}

static enum err_code judge_prompt(struct recount *r, uint64_t prompt, struct err *err)
{
	enum err_code code = dataset_prompt_entries(r->d, prompt, &r->entries, err);
	struct dedup_counts was;

	if (code != ERR_NONE)
		return code;
	was = dedup_count(r->entries.at, r->entries.n, r->exact);
	for (size_t i = 0; i < r->entries.n && code == ERR_NONE; i++)
		code = judge_entry(r, &r->entries.at[i], err);
	if (code != ERR_NONE)
		return code;
	return tell(r, prompt, was, dedup_count(r->entries.at, r->entries.n, r->exact),
		err);
}

static enum err_code set_text(struct recount *r, const char *text, struct err *err)
{
	return dataset_set_accept(r->d, bytes_of(text, strlen(text)), err);
}

/* One transaction's worth of prompts. */
static enum err_code judge_some(struct recount *r, struct err *err)
{
	enum err_code code = set_text(r, "", err);
	uint64_t prompt = 0;

	for (size_t n = 0; code == ERR_NONE && n < ENTRIES_PER_COMMIT;
		n += r->entries.n) {
		code = prompt == UINT64_MAX ? ERR_NOT_FOUND
					    : find_prompt(r, &prompt, err);
		if (code == ERR_NONE)
			code = judge_prompt(r, prompt, err);
		r->next_prompt = prompt + 1;
	}
	if (code == ERR_NOT_FOUND) {
		r->ended = true;
		code = set_text(r, r->a->text, err);
	}
	if (code == ERR_NONE && r->steps->before_commit)
		code = r->steps->before_commit(r->steps->to, r->d, err);
	return code;
}

static enum err_code is_needed(
	struct dataset *d, const char *text, bool *needed, struct err *err)
{
	struct bytes was;
	enum err_code code = dataset_begin_view(d, err);

	if (code != ERR_NONE)
		return code;
	code = dataset_accept(d, &was, err);
	*needed = code == ERR_NOT_FOUND || was.len != strlen(text) ||
		  memcmp(was.data, text, was.len) != 0;
	dataset_end_view(d);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum err_code accept_recount(struct dataset *d, const struct accept *a, bool exact,
	const struct accept_recount_steps *steps, struct err *err)
{
	struct recount r = {.d = d, .a = a, .exact = exact, .steps = steps};
	bool needed = false;
	enum err_code code = is_needed(d, a->text, &needed, err);

	sample_init(&r.sample, d, &r.settings);
	while (code == ERR_NONE && needed && !r.ended) {
		code = dataset_begin(d, err);
		if (code != ERR_NONE)
			break;
		code = judge_some(&r, err);
		if (code == ERR_NONE)
			code = dataset_commit(d, err);
		else
			dataset_rollback(d);
	}
	sample_release(&r.sample);
	settings_release(&r.settings);
	key_list_release(&r.entries);
	return code;
}
