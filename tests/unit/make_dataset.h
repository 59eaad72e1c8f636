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
#include "store/logits.h"

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

struct made {
	uint64_t prompt;
	uint32_t sample, revision;
	const char *reasoning, *content; /* NULL: absent */
	uint8_t finish;			 /* 0: stop */
	uint32_t flags;
	float answer;	   /* its score */
	uint32_t n_tokens; /* with logits: rows; 0: no logits */
	uint32_t k;
	const char *extra;     /* JSON; NULL: {"level":"N"} */
	const char *reference; /* NULL: the prompt's number */
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

static inline void maker_begin(struct maker *m)
{
	unsigned char run[RUN_ID_SIZE] = "made for a test";
	struct err err;

	folder_make(&m->folder);
	m->dir = file_join(m->folder.path, "dataset");
	must(dataset_open(m->dir, ENV_CREATE, &m->d, &err), &err);
	must(accept_compile(MADE_ACCEPT, &m->accept, &err), &err);
	must(dataset_begin(m->d, &err), &err);
	must(dataset_set_run(m->d, run, &err), &err);
	must(dataset_set_settings(m->d, 0, str_bytes(MADE_SETTINGS), &err), &err);
	must(dataset_set_accept(m->d, str_bytes(MADE_ACCEPT), &err), &err);
	must(dataset_commit(m->d, &err), &err);
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
	uint32_t n = made->n_tokens, k = made->k,
		 vocab = vocabulary_number(0, 0, false);
	struct logits l = {.mode = LOGPROBS_RAW,
		.k_asked = (uint16_t)k,
		.vocabulary = vocab,
		.temperature = 0.7f,
		.tokenizer = 0x1122334455667788,
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
		l.listed[i] = (uint16_t)k;
		if (vocabulary && i % 2 == 0) {
			char token[16];

			snprintf(token, sizeof(token), " t%u", l.id[i]);
			vocab_entry_add(vocabulary, vocab, l.id[i], str_bytes(token));
		}
	}
	logits_encode(&l, out);
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

#endif
