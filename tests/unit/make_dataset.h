/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_dataset.h - small datasets for tests, written as the store writes them
 *
 * A sample is described by the few things that a test cares about; the rest
 * gets values that are never all zero, so that a field read from the wrong
 * place shows.
 */
#ifndef RETORT_TESTS_MAKE_DATASET_H
#define RETORT_TESTS_MAKE_DATASET_H

#include "unit/folder.h"

#include <math.h>

#include "common/limits.h"
#include "store/accept.h"
#include "store/dataset.h"
#include "store/dedup.h"
#include "store/logits.h"
#include "store/seal.h"
#include "store/shard_state.h"

#define MADE_SETTINGS                                                                  \
	"{\"name\":\"made\",\"teachers\":[{\"name\":\"t0\",\"url\":"                   \
	"[\"http://127.0.0.1:1/v1\"],\"model\":\"m\",\"license\":\"MIT\"},"            \
	"{\"name\":\"t1\",\"url\":[\"http://127.0.0.1:2/v1\"],\"model\":\"n\","        \
	"\"license\":null}],\"dedup\":{\"exact\":true},\"accept\":\"true\"}"
#define MADE_ACCEPT "finish_reason == 'stop' and flags is empty"

struct maker {
	struct folder folder;
	char *dir; /* the dataset's */
	struct dataset *d;
	struct accept *accept;
};

/* Texts are NUL-terminated; what is left out is absent or 0. */
struct made {
	uint64_t prompt;
	uint32_t sample, revision;
	const char *reasoning, *content; /* NULL: absent */
	uint8_t finish;                  /* 0: stop */
	uint32_t flags;
	float answer;      /* its score */
	uint32_t n_tokens; /* with logits: rows; 0: no logits */
	uint32_t k;
	const char *extra;     /* JSON; NULL: {"level":"N"} */
	const char *reference; /* NULL: the prompt's number */
	const char *tool_calls;
	uint64_t tokenizer; /* digest; 0: some */
	uint8_t profile;    /* enum logits_profile */
	bool interned;      /* ids of the dataset's own vocabulary */
	bool with_bytes;    /* tokens' lengths and the stream they make up */
};

static inline void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

static inline struct bytes str_bytes(const char *s)
{
	return s ? bytes_of(s, strlen(s)) : bytes_of(NULL, 0);
}

static inline void maker_begin_in(struct maker *m, const char *dir)
{
	unsigned char run[RUN_ID_SIZE] = "made for a test";
	struct err err;

	m->dir = file_join(dir, "dataset");
	must(dataset_open(m->dir, ENV_CREATE, &m->d, &err), &err);
	must(accept_compile(MADE_ACCEPT, &m->accept, &err), &err);
	must(dataset_begin(m->d, &err), &err);
	must(dataset_set_run(m->d, run, &err), &err);
	must(dataset_set_settings(m->d, 0, str_bytes(MADE_SETTINGS), &err), &err);
	must(dataset_set_accept(m->d, str_bytes(MADE_ACCEPT), &err), &err);
	must(dataset_commit(m->d, &err), &err);
}

static inline void maker_begin(struct maker *m)
{
	folder_make(&m->folder);
	maker_begin_in(m, m->folder.path);
}

/* Closes the dataset and leaves its files. */
static inline void maker_close(struct maker *m)
{
	dataset_close(m->d);
	m->d = NULL;
}

static inline void maker_end(struct maker *m)
{
	maker_close(m);
	accept_free(m->accept);
	free(m->dir);
	folder_remove(&m->folder);
}

static inline void made_record(const struct made *made, struct record *r)
{
	*r = (struct record){.key = {made->prompt, made->sample, made->revision, 0},
		.finish = made->finish ? made->finish : FINISH_STOP,
		.flags = made->flags,
		.shard = made->prompt / 64,
		.epoch = 9,
		.fingerprint = record_fingerprint(
			str_bytes(made->reasoning), str_bytes(made->content)),
		.teacher = (uint16_t)(made->sample & 1),
		.created_at_ms =
			1767225600000 + (int64_t)made->prompt * 1000 + made->sample,
		.latency_ms = 250 + made->sample,
		.attempts = (uint16_t)(1 + made->revision),
		.captures = made->n_tokens ? 1 : 0,
		.seed = made->sample ? 1000 + made->prompt : SEED_NONE,
		.prompt_tokens = 20 + (uint32_t)made->prompt,
		.cached_prompt_tokens = made->sample ? 4 : COUNT_UNKNOWN,
		.completion_tokens = made->n_tokens ? made->n_tokens : 11,
		.reasoning_tokens = made->reasoning ? 5 : COUNT_UNKNOWN,
		.cost_nusd = 1234567 + (int64_t)made->prompt,
		.wasted_nusd = 17,
		.wasted_prompt_tokens = 3,
		.wasted_completion_tokens = 2,
		.reasoning_len =
			made->reasoning ? (uint32_t)strlen(made->reasoning) : 0,
		.content_len = made->content ? (uint32_t)strlen(made->content) : 0,
		.n_tokens = made->n_tokens,
		.reasoning = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.content = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.misaligned = MISALIGNED_SHORT, /* counts with the flag */
		.eos_row = made->n_tokens ? EOS_ROW_YES : EOS_ROW_UNKNOWN,
		.logprobs_mode = made->n_tokens ? LOGPROBS_RAW : LOGPROBS_UNKNOWN};
	for (int i = 0; i < SCORE_SLOTS; i++)
		r->score[i] = NAN;
	r->score[SCORE_LENGTH] = (float)r->completion_tokens;
	r->score[SCORE_REPETITION] = 0.1f * (float)(made->prompt % 7);
	r->score[SCORE_ANSWER] = made->answer;
	if (made->n_tokens > 1)
		r->content = (struct token_span){0, made->n_tokens - 1};
}

static inline void made_text(const struct made *made, struct buf *raw)
{
	struct sections s = {0};
	char id[32];

	snprintf(id, sizeof(id), "req-%llu-%u", (unsigned long long)made->prompt,
		made->sample);
	s.at[TEXT_REASONING] = str_bytes(made->reasoning);
	s.at[TEXT_CONTENT] = str_bytes(made->content);
	s.at[TEXT_TOOL_CALLS] = str_bytes(made->tool_calls);
	if (made->with_bytes)
		s.at[TEXT_STREAM] = str_bytes(made->content);
	s.at[TEXT_FINISH_REASON] = str_bytes("stop");
	s.at[TEXT_MODEL] = str_bytes("made-model");
	s.at[TEXT_REQUEST_ID] = str_bytes(id);
	s.at[TEXT_ENDPOINT] = str_bytes("http://127.0.0.1:1/v1");
	s.at[TEXT_WORKER] = str_bytes("w0");
	sections_encode(&s, true, raw);
}

static inline void made_prompt(const struct made *made, struct buf *raw)
{
	struct sections s = {0};
	char id[32], messages[160], reference[32], extra[64];

	snprintf(id, sizeof(id), "p-%llu", (unsigned long long)made->prompt);
	snprintf(messages, sizeof(messages),
		"[{\"role\":\"user\",\"content\":\"what is \\\"%llu\\\"?\"}]",
		(unsigned long long)made->prompt);
	snprintf(
		reference, sizeof(reference), "%llu", (unsigned long long)made->prompt);
	snprintf(extra, sizeof(extra), "{\"level\":\"%llu\"}",
		(unsigned long long)made->prompt % 5);
	s.at[PROMPT_ID] = str_bytes(id);
	s.at[PROMPT_MESSAGES] = str_bytes(messages);
	s.at[PROMPT_REFERENCE] =
		str_bytes(made->reference ? made->reference : reference);
	s.at[PROMPT_EXTRA] = str_bytes(made->extra ? made->extra : extra);
	sections_encode(&s, false, raw);
}

/* Top-k rows that hold together: sorted, tail mass right, some values absent. */
static inline void made_logits(
	const struct made *made, struct buf *out, struct buf *vocabulary)
{
	uint32_t n = made->n_tokens, k = made->k;
	uint32_t vocab = vocabulary_number(0, 0, made->interned);
	size_t left_bytes = made->content ? strlen(made->content) : 0;
	struct logits l = {.interned = made->interned,
		.mode = LOGPROBS_RAW,
		.profile = made->profile,
		.k_asked = (uint16_t)k,
		.vocabulary = vocab,
		.temperature = 0.7f,
		.tokenizer = made->tokenizer ? made->tokenizer : 0x1122334455667788,
		.n = n,
		.m = n * k};
	struct chance chance = {made->prompt * 131 + made->sample};

	l.id = mem_alloc(4 * n);
	l.logprob = mem_alloc(4 * n);
	l.tail = mem_alloc(4 * n);
	l.n_bytes = mem_alloc(2 * n);
	l.listed = mem_alloc(2 * n);
	l.ids = mem_alloc(4 * (size_t)n * k + 4);
	l.logprobs = mem_alloc(4 * (size_t)n * k + 4);
	for (uint32_t i = 0; i < n; i++) {
		double left = 1, sum = 0;

		for (uint32_t j = 0; j < k; j++) {
			double p = left *
				   (0.5 + (double)chance_below(&chance, 1000) / 2500);

			l.ids[i * k + j] =
				(uint32_t)chance_below(&chance, 30000) + 30000 * j;
			l.logprobs[i * k + j] = (float)log(p);
			sum += p;
			left = p < 1 - sum ? p : (1 - sum) * 0.9;
		}
		l.id[i] = k ? l.ids[i * k] : i;
		l.logprob[i] = k ? l.logprobs[i * k] : NAN;
		l.tail[i] = k ? (float)(1 - sum) : NAN;
		l.n_bytes[i] = TOKEN_BYTES_UNKNOWN;
		if (made->with_bytes) {
			size_t piece = i + 1 == n ? left_bytes : left_bytes / (n - i);

			/* Cut to 16 bits where the length must not be known. */
			l.n_bytes[i] = piece < TOKEN_BYTES_UNKNOWN
					       ? (uint16_t)piece
					       : TOKEN_BYTES_UNKNOWN;
			left_bytes -= piece;
		}
		l.listed[i] = (uint16_t)k;
		for (uint32_t j = 0; vocabulary && j < k; j++) {
			char token[16];

			if (!made->interned && (i + j) % 2)
				continue; /* not all of them are known */
			snprintf(token, sizeof(token), " t%u", l.ids[i * k + j]);
			vocab_entry_add(
				vocabulary, vocab, l.ids[i * k + j], str_bytes(token));
		}
	}
	logits_encode(NULL, &l, out);
	free(l.id);
	free(l.logprob);
	free(l.tail);
	free(l.n_bytes);
	free(l.listed);
	free(l.ids);
	free(l.logprobs);
}

struct made_offer {
	struct buf raw, text, prompt, prompt_ids, logits, vocabulary;
	struct offer offer;
};

static inline void made_offer_init(struct made_offer *o)
{
	*o = (struct made_offer){0};
	buf_init(&o->raw, MIB(32));
	buf_init(&o->text, MIB(32));
	buf_init(&o->prompt, MIB(32));
	buf_init(&o->prompt_ids, MIB(1));
	buf_init(&o->logits, MIB(32));
	buf_init(&o->vocabulary, MIB(32));
}

static inline void made_offer_release(struct made_offer *o)
{
	buf_release(&o->raw);
	buf_release(&o->text);
	buf_release(&o->prompt);
	buf_release(&o->prompt_ids);
	buf_release(&o->logits);
	buf_release(&o->vocabulary);
}

static inline void made_offer_build(
	struct made_offer *o, struct packer *packer, const struct made *made)
{
	unsigned char ids[12];

	made_record(made, &o->offer.head);
	made_text(made, &o->raw);
	pack(packer, buf_bytes(&o->raw), &o->text);
	buf_clear(&o->raw);
	made_prompt(made, &o->raw);
	pack(packer, buf_bytes(&o->raw), &o->prompt);
	o->offer.text = buf_bytes(&o->text);
	o->offer.prompt = buf_bytes(&o->prompt);
	if (made->n_tokens == 0)
		return;
	made_logits(made, &o->logits, &o->vocabulary);
	o->offer.logits[0] = buf_bytes(&o->logits);
	o->offer.vocabulary = buf_bytes(&o->vocabulary);
	for (uint32_t i = 0; i < 3; i++)
		put_u32(ids + 4 * i, 100 + i);
	pack(packer, bytes_of(ids, sizeof(ids)), &o->prompt_ids);
	o->offer.prompt_ids = buf_bytes(&o->prompt_ids);
}

/* Stores a sample in the open transaction, with its accept bits. */
static inline uint64_t maker_add(struct maker *m, const struct made *made)
{
	struct made_offer o;
	struct key_entry entry;
	struct err err;

	made_offer_init(&o);
	made_offer_build(&o, m->d->packer, made);
	entry = (struct key_entry){
		.key = o.offer.head.key, .fingerprint = o.offer.head.fingerprint};
	must(accept_bits_of_offer(m->accept, m->d, &o.offer, &entry.bits, &err), &err);
	must(dataset_append(m->d, &o.offer, &entry.sequence, &err), &err);
	must(dataset_put_key(m->d, &entry, true, &err), &err);
	made_offer_release(&o);
	return entry.sequence;
}

/* Stores them in one commit. */
static inline void maker_store(struct maker *m, const struct made *made, size_t n)
{
	struct err err;

	must(dataset_begin(m->d, &err), &err);
	for (size_t i = 0; i < n; i++)
		maker_add(m, &made[i]);
	must(dataset_commit(m->d, &err), &err);
}

/* The totals of the shard that `prompt` begins, from what is stored. */
static inline void maker_write_shard(struct maker *m, uint64_t shard)
{
	struct shard_state s = {.commit = m->d->state.commit + 1, .n_fences = 1};
	unsigned char key[8], value[SHARD_STATE_MAX];
	struct key_list entries = {0};
	struct err err;

	s.fence[0] = (struct shard_fence){UINT64_MAX, 9};
	for (int line = 0; line < SHARD_PROMPTS; line++) {
		struct dedup_counts counts;

		must(dataset_prompt_entries(
			     m->d, shard * 64 + (uint64_t)line, &entries, &err),
			&err);
		counts = dedup_count(entries.at, entries.n, true);
		s.committed[line] = (uint16_t)counts.live;
		s.accepted += counts.selected;
		s.duplicates += counts.duplicates;
		for (size_t i = 0; i < entries.n; i++) {
			struct record r;
			bool live = i + 1 == entries.n ||
				    entries.at[i].key.sample !=
					    entries.at[i + 1].key.sample;

			must(dataset_record(m->d, entries.at[i].sequence, &r, &err),
				&err);
			s.truncated += live && (r.flags & FLAG_TRUNCATED);
			s.prompt_tokens += r.prompt_tokens + r.wasted_prompt_tokens;
			s.completion_tokens +=
				r.completion_tokens + r.wasted_completion_tokens;
			s.cost_nusd += r.cost_nusd + r.wasted_nusd;
		}
	}
	key_list_release(&entries);
	put_u64_be(key, shard);
	must(seal_put(m->d->txn, DB_SHARD, key, 8, value, shard_state_encode(&s, value),
		     ENV_PUT, &err),
		&err);
}

/* Of all shards that prompts 0 to n - 1 are in, in one commit. */
static inline void maker_write_shards(struct maker *m, uint64_t n_prompts)
{
	struct err err;

	must(dataset_begin(m->d, &err), &err);
	for (uint64_t shard = 0; shard * 64 < n_prompts; shard++)
		maker_write_shard(m, shard);
	must(dataset_commit(m->d, &err), &err);
}

#endif
