/* SPDX-License-Identifier: Apache-2.0 */
/* Totals of shards against the records; raw answers; the vocabulary. */
#include <string.h>

#include "common/limits.h"
#include "store/blob_walk.h"
#include "store/pack.h"
#include "store/seal.h"
#include "store/verify_state.h"

/* Shards come in rising order, or nearly. */
struct shard_sum *verify_shard_sum(struct verify *v, uint64_t shard)
{
	size_t low = 0, high = v->n_shards;

	if (high > 0 && v->shard[high - 1].shard < shard)
		low = high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->shard[middle].shard < shard)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < v->n_shards && v->shard[low].shard == shard)
		return &v->shard[low];
	MEM_GROW(v->shard, v->cap_shards, v->n_shards + 1);
	memmove(&v->shard[low + 1], &v->shard[low],
		(v->n_shards - low) * sizeof(*v->shard));
	v->shard[low] = (struct shard_sum){.shard = shard};
	v->n_shards++;
	return &v->shard[low];
}

static void differ(struct verify *v, uint64_t shard, const char *what,
	unsigned long long says, unsigned long long records)
{
	verify_say(v, "shard %llu: says %llu %s, the records say %llu",
		(unsigned long long)shard, says, what, records);
}

/* Which line of the shard a prompt is, the dataset does not say, but lines are
 * in the order of the prompts' numbers. */
static void check_lines(
	struct verify *v, const struct shard_sum *sum, const struct shard_state *s)
{
	uint32_t prompt = 0;

	for (int line = 0; line < SHARD_PROMPTS; line++) {
		if (s->committed[line] == 0)
			continue;
		if (prompt >= sum->n_prompts ||
			s->committed[line] != sum->live[prompt]) {
			verify_say(v,
				"shard %llu: line %d says %u live samples, the records %u",
				(unsigned long long)sum->shard, line,
				s->committed[line],
				prompt < sum->n_prompts ? sum->live[prompt] : 0);
			return;
		}
		prompt++;
	}
	if (prompt < sum->n_prompts)
		verify_say(v, "shard %llu: counts samples of %u prompts, there are %u",
			(unsigned long long)sum->shard, prompt, sum->n_prompts);
}

static void check_totals(
	struct verify *v, const struct shard_sum *sum, const struct shard_state *s)
{
	if (s->accepted != sum->accepted)
		differ(v, sum->shard, "accepted", s->accepted, sum->accepted);
	if (s->duplicates != sum->duplicates)
		differ(v, sum->shard, "duplicates", s->duplicates, sum->duplicates);
	if (s->truncated != sum->truncated)
		differ(v, sum->shard, "truncated", s->truncated, sum->truncated);
	/* Fenced answers are counted and not stored, so these may only be more. */
	if (s->prompt_tokens < sum->prompt_tokens)
		differ(v, sum->shard, "prompt tokens", s->prompt_tokens,
			sum->prompt_tokens);
	if (s->completion_tokens < sum->completion_tokens)
		differ(v, sum->shard, "completion tokens", s->completion_tokens,
			sum->completion_tokens);
	if (s->cost_nusd < sum->cost_nusd)
		differ(v, sum->shard, "nano-USD", (unsigned long long)s->cost_nusd,
			(unsigned long long)sum->cost_nusd);
	check_lines(v, sum, s);
}

static enum err_code check_shard(
	struct verify *v, struct bytes key, struct bytes value, struct bitmap *seen)
{
	struct shard_state state;
	struct shard_sum *sum;
	struct bytes payload;
	enum err_code code;

	if (key.len != 8)
		return err_set(v->err, ERR_CORRUPT, "a key of %zu bytes", key.len);
	code = seal_open(key.data, key.len, value, &payload, v->err);
	if (code == ERR_NONE)
		code = shard_state_decode(payload, &state, v->err);
	if (code != ERR_NONE)
		return code;
	if (state.commit > v->d->state.commit)
		verify_say(v, "shard %llu: is of a commit to come",
			(unsigned long long)get_u64_be(key.data));
	sum = verify_shard_sum(v, get_u64_be(key.data));
	/* After a reindex records name the shard that they came under, totals
	 * the one that their prompts are in now. */
	if (!state.moved && !state.adopted)
		check_totals(v, sum, &state);
	bitmap_add(seen, (uint64_t)(sum - v->shard));
	return ERR_NONE;
}

/* All shards that have records must have a row, so the sums are made first and
 * rows without records only find zeros. */
enum err_code verify_shards(struct verify *v)
{
	size_t n = v->n_shards, rows = 0;
	struct bitmap seen;
	struct env_cursor *c;
	struct bytes key, value;
	enum err_code code;

	if (v->counts->snapshot)
		return ERR_NONE;
	code = env_cursor_open(v->d->txn, DB_SHARD, &c, v->err);
	if (code != ERR_NONE)
		return code;
	bitmap_init(&seen, n + env_entries(v->d->txn, DB_SHARD));
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		v->counts->shards++;
		v->counts->bytes += value.len;
		code = verify_take(v, check_shard(v, key, value, &seen), "shard");
		if (code != ERR_NONE)
			break;
	}
	env_cursor_close(c);
	for (size_t i = 0; i < v->n_shards; i++)
		rows += bitmap_has(&seen, i);
	if (code == ERR_NOT_FOUND && rows < v->n_shards)
		verify_say(v, "shard: %zu of %zu shards with records have no totals",
			v->n_shards - rows, v->n_shards);
	bitmap_release(&seen);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum err_code verify_raw(struct verify *v)
{
	const struct dataset_state *state = &v->d->state;
	uint64_t want = state->first_raw, bytes = 0;
	struct blob_walk w;
	struct buf room;
	struct bytes raw;
	enum err_code code = blob_walk_open(&w, v->d->txn, DB_RAW, 8, v->err);

	buf_init(&room, PACK_RAW_MAX);
	while (code == ERR_NONE) {
		uint64_t number;

		code = blob_walk_next(&w, v->err);
		if (code == ERR_NOT_FOUND)
			break;
		number = get_u64_be(w.base);
		if (number != want)
			verify_say(v, "raw: %llu where %llu should be",
				(unsigned long long)number, (unsigned long long)want);
		want = number + 1;
		v->counts->raw++;
		bytes += w.payload.len;
		if (code == ERR_NONE)
			code = unpack(v->d->packer, w.payload, &room, &raw, v->err);
		code = verify_take(v, code, "raw %llu", (unsigned long long)number);
	}
	blob_walk_close(&w);
	buf_release(&room);
	if (code != ERR_NOT_FOUND)
		return code;
	if (want != state->last_raw + 1 && !v->counts->snapshot)
		verify_say(v, "raw: ends before %llu",
			(unsigned long long)state->last_raw);
	if (bytes != state->raw_bytes || bytes > LIMIT_RAW_TOTAL)
		verify_say(v, "raw: %llu bytes, counted are %llu",
			(unsigned long long)bytes,
			(unsigned long long)state->raw_bytes);
	v->counts->bytes += bytes;
	return ERR_NONE;
}

static enum err_code check_token(struct bytes key, struct bytes value, struct err *err)
{
	struct bytes payload;
	enum err_code code;

	if (key.len != VOCAB_KEY_SIZE)
		return err_set(err, ERR_CORRUPT, "a key of %zu bytes", key.len);
	code = seal_open(key.data, key.len, value, &payload, err);
	if (code == ERR_NONE &&
		(payload.len < 2 || payload.len > 2 + LIMIT_TOKEN_BYTES))
		return err_set(err, ERR_CORRUPT, "a token of %zu bytes", payload.len);
	return code;
}

/* A tokenizer's table is whole up to where its head says; a snapshot may lack it. */
static enum err_code check_table(struct verify *v, uint32_t vocabulary, uint64_t n)
{
	struct dataset_tokenizer head;
	enum err_code code = dataset_tokenizer(v->d, vocabulary, &head, v->err);

	if (code == ERR_NONE && n != head.stored)
		verify_say(v, "vocab %u: %llu tokens, its tokenizer's head says %u",
			vocabulary, (unsigned long long)n, head.stored);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum err_code verify_vocabulary(struct verify *v)
{
	struct env_cursor *c;
	struct bytes key, value;
	uint32_t vocabulary = 0;
	uint64_t n = 0;
	enum err_code code = env_cursor_open(v->d->txn, DB_VOCAB, &c, v->err);

	if (code != ERR_NONE)
		return code;
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		v->counts->vocabulary++;
		v->counts->bytes += value.len;
		code = verify_take(v, check_token(key, value, v->err), "vocab");
		if (code != ERR_NONE)
			break;
		if (key.len != VOCAB_KEY_SIZE)
			continue; /* told */
		if (n > 0 && get_u32_be(key.data) != vocabulary) {
			code = verify_take(v, check_table(v, vocabulary, n), "vocab");
			n = 0;
		}
		if (code != ERR_NONE)
			break;
		vocabulary = get_u32_be(key.data);
		n++;
	}
	env_cursor_close(c);
	if (code == ERR_NOT_FOUND)
		code = n > 0 ? verify_take(v, check_table(v, vocabulary, n), "vocab")
			     : ERR_NONE;
	return code;
}
