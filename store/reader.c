/* SPDX-License-Identifier: Apache-2.0 */
#include "store/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

/* A view is renewed after so many prompts or so much time. */
#define VIEW_PROMPTS 1000
#define VIEW_MS 1000

struct reader {
	struct dataset *d;
	struct reader_query query;
	bool exact;
	char *accept; /* the filter that the stored bits are for */
	size_t accept_len;

	uint64_t next_prompt; /* where to go on */
	bool ended;           /* behind the last possible one */

	/* The prompt at hand. */
	struct key_list entries;  /* up to query.until; bits as stored */
	struct key_list judged;   /* the same with the bits of query.where */
	struct dedup_mark *marks; /* under query.where */
	struct dedup_mark *accept_marks;
	size_t cap_marks, cap_accept_marks;
	size_t at; /* the entry to look at next */

	bool owns_view;
	size_t prompts; /* since the view was renewed */
	int64_t view_began_ms;
	struct settings_cache settings;
	struct sample sample;
	bool points; /* the sample points at something */
};

static enum err_code check_accept(struct reader *r, struct err *err)
{
	struct bytes text;
	enum err_code code = dataset_accept(r->d, &text, err);

	if (code == ERR_NOT_FOUND) /* no job has come yet: no samples either */
		return ERR_NONE;
	if (code != ERR_NONE)
		return code;
	if (text.len == 0)
		return err_set(err, ERR_AGAIN,
			"the accept filter is being applied anew; try again in a moment");
	if (!r->accept) {
		r->accept = mem_dup(text.data, text.len);
		r->accept_len = text.len;
	}
	if (text.len != r->accept_len || memcmp(text.data, r->accept, text.len) != 0)
		return err_set(err, ERR_AGAIN,
			"the accept filter was changed meanwhile; begin again");
	return ERR_NONE;
}

static enum err_code set_up(struct reader *r, struct err *err)
{
	const struct settings *newest;
	enum err_code code = check_accept(r, err);

	if (code != ERR_NONE)
		return code;
	code = settings_newest(&r->settings, r->d, &newest, err);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	r->exact = code == ERR_NOT_FOUND || newest->dedup_exact;
	if (r->query.until == 0)
		r->query.until = r->d->state.last_sequence;
	r->view_began_ms = clock_mono_ms();
	return ERR_NONE;
}

enum err_code reader_open(struct dataset *d, const struct reader_query *query,
	struct reader **out, struct err *err)
{
	bool owns_view = !d->txn;
	struct reader *r;
	enum err_code code = owns_view ? dataset_begin_view(d, err) : ERR_NONE;

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	r = mem_zalloc(1, sizeof(*r));
	r->d = d;
	r->owns_view = owns_view;
	r->query = *query;
	sample_init(&r->sample, d, &r->settings);
	code = set_up(r, err);
	if (code != ERR_NONE) {
		reader_close(r);
		return code;
	}
	*out = r;
	return ERR_NONE;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	if (r->owns_view)
		dataset_end_view(r->d);
	sample_release(&r->sample);
	settings_release(&r->settings);
	key_list_release(&r->entries);
	key_list_release(&r->judged);
	free(r->marks);
	free(r->accept_marks);
	free(r->accept);
	free(r);
}

void reader_seek(struct reader *r, uint64_t prompt)
{
	r->next_prompt = prompt;
	r->ended = false;
	r->entries.n = r->at = 0;
}

/* Nothing is held of the view between two prompts, so it may go. */
static enum err_code renew_view(struct reader *r, struct err *err)
{
	int64_t now_ms = clock_mono_ms();
	enum err_code code = ERR_NONE;

	if (++r->prompts < VIEW_PROMPTS && now_ms - r->view_began_ms < VIEW_MS)
		return ERR_NONE;
	r->prompts = 0;
	r->view_began_ms = now_ms;
	if (r->owns_view)
		code = dataset_renew_view(r->d, err);
	return code == ERR_NONE ? check_accept(r, err) : code;
}

/* Keeps what is up to query.until of the prompt that the cursor stands in. */
static enum err_code take_entries(struct reader *r, struct env_cursor *c,
	struct bytes key, struct bytes value, struct err *err)
{
	enum err_code code = ERR_NONE;
	struct key_entry entry;

	while (code == ERR_NONE) {
		code = key_entry_decode(key, value, &entry, err);
		if (code != ERR_NONE || entry.key.prompt != r->next_prompt)
			break;
		if (entry.sequence <= r->query.until) {
			MEM_GROW(r->entries.at, r->entries.cap, r->entries.n + 1);
			r->entries.at[r->entries.n++] = entry;
		}
		code = env_next(c, &key, &value, err);
	}
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* Reads the entries of the first prompt from next_prompt on. ERR_NOT_FOUND if
 * there is none. */
static enum err_code read_entries(struct reader *r, struct err *err)
{
	unsigned char from[SAMPLE_KEY_SIZE];
	struct bytes key, value;
	struct env_cursor *c;
	enum err_code code = env_cursor_open(r->d->txn, DB_KEY, &c, err);

	if (code != ERR_NONE)
		return code;
	r->entries.n = r->at = 0;
	sample_key_write(from, &(struct sample_key){.prompt = r->next_prompt});
	code = env_seek(c, from, sizeof(from), &key, &value, err);
	if (code == ERR_NONE && key.len >= 8)
		r->next_prompt = get_u64_be(key.data);
	if (code == ERR_NONE)
		code = take_entries(r, c, key, value, err);
	env_cursor_close(c);
	r->ended = r->next_prompt == UINT64_MAX;
	r->next_prompt++;
	return code;
}

static enum err_code point(
	struct reader *r, const struct key_entry *entry, struct err *err)
{
	enum err_code code = ERR_NONE;

	if (!r->points || r->sample.sequence != entry->sequence)
		code = sample_from_entry(&r->sample, entry, err);
	r->points = code == ERR_NONE;
	return code;
}

/* Gives the live entries the bits of query.where. */
static enum err_code judge_entries(struct reader *r, struct err *err)
{
	size_t n = r->entries.n;

	MEM_GROW(r->judged.at, r->judged.cap, n);
	memcpy(r->judged.at, r->entries.at, n * sizeof(*r->judged.at));
	r->judged.n = n;
	for (size_t i = 0; i < n; i++) {
		struct key_entry *entry = &r->judged.at[i];
		enum err_code code;

		entry->bits = KEY_PASSES | KEY_PASSES_AS_DUPLICATE;
		if (!r->query.where || !r->accept_marks[i].live)
			continue;
		code = point(r, entry, err);
		r->sample.accepted = r->accept_marks[i].selected;
		if (code == ERR_NONE)
			code = filter_bits(
				r->query.where, &r->sample, &entry->bits, err);
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

/* Reads and marks all entries of the next prompt. ERR_NOT_FOUND if there is
 * none. */
static enum err_code load_prompt(struct reader *r, struct err *err)
{
	enum err_code code = r->ended ? ERR_NOT_FOUND : renew_view(r, err);

	if (code == ERR_NONE)
		code = read_entries(r, err);
	if (code == ERR_NOT_FOUND) {
		r->ended = true;
		r->entries.n = r->at = 0;
	}
	if (code != ERR_NONE || r->entries.n == 0)
		return code;
	MEM_GROW(r->marks, r->cap_marks, r->entries.n);
	MEM_GROW(r->accept_marks, r->cap_accept_marks, r->entries.n);
	dedup_mark(r->entries.at, r->entries.n, r->exact, r->accept_marks);
	code = judge_entries(r, err);
	if (code == ERR_NONE)
		dedup_mark(r->judged.at, r->entries.n, r->exact, r->marks);
	return code;
}

static enum err_code yield(struct reader *r, size_t i, struct err *err)
{
	enum err_code code = point(r, &r->entries.at[i], err);

	r->sample.is_duplicate = r->marks[i].duplicate;
	r->sample.duplicate_of = r->entries.at[r->marks[i].duplicate_of].key.sample;
	r->sample.accepted = r->accept_marks[i].selected;
	return code;
}

enum err_code reader_next(struct reader *r, struct sample **s, struct err *err)
{
	*s = NULL;
	for (;;) {
		enum err_code code;

		while (r->at < r->entries.n) {
			size_t i = r->at++;

			if (!r->marks[i].selected ||
				r->entries.at[i].sequence <= r->query.since)
				continue;
			*s = &r->sample;
			return yield(r, i, err);
		}
		code = load_prompt(r, err);
		if (code != ERR_NONE)
			return code;
	}
}

const struct key_entry *reader_entry(const struct reader *r)
{
	assert(r->at > 0);
	return &r->entries.at[r->at - 1];
}

uint64_t reader_until(const struct reader *r)
{
	return r->query.until;
}

struct settings_cache *reader_settings(struct reader *r)
{
	return &r->settings;
}
