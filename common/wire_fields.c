/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire_fields.h"

#include "common/bytes.h"
#include "common/limits.h"
#include "common/mem.h"

/* Caps of lists that limits.h has no reason to name. */
#define LEASES_MAX 65536
#define KEYS_MAX (64 * LIMIT_SAMPLES * 2)
#define TOTALS_MAX 65536
#define DICTIONARIES_MAX 64
#define ITEMS_MAX 65536
#define TOKENS_MAX (1 << 20)
#define DICTIONARY_BYTES KIB(128)

static const unsigned char *take(struct fields *f, size_t n)
{
	const unsigned char *p = f->in.data;

	if (f->bad || f->in.len < n) {
		f->bad = true;
		return NULL;
	}
	f->in = bytes_of(p + n, f->in.len - n);
	return p;
}

static void u8(struct fields *f, uint8_t *v)
{
	const unsigned char *p;

	if (f->out)
		buf_add_byte(f->out, *v);
	else
		*v = (p = take(f, 1)) ? *p : 0;
}

static void flag(struct fields *f, bool *v)
{
	uint8_t byte = *v;

	u8(f, &byte);
	*v = byte != 0;
	if (byte > 1)
		f->bad = true;
}

static void u16(struct fields *f, uint16_t *v)
{
	const unsigned char *p;

	if (f->out)
		buf_add_u16(f->out, *v);
	else
		*v = (p = take(f, 2)) ? get_u16(p) : 0;
}

static void u32(struct fields *f, uint32_t *v)
{
	const unsigned char *p;

	if (f->out)
		buf_add_u32(f->out, *v);
	else
		*v = (p = take(f, 4)) ? get_u32(p) : 0;
}

static void u64(struct fields *f, uint64_t *v)
{
	const unsigned char *p;

	if (f->out)
		buf_add_u64(f->out, *v);
	else
		*v = (p = take(f, 8)) ? get_u64(p) : 0;
}

static void i64(struct fields *f, int64_t *v)
{
	uint64_t bits = (uint64_t)*v;

	u64(f, &bits);
	*v = (int64_t)bits;
}

static void bytes(struct fields *f, struct bytes *v, size_t max)
{
	uint32_t len = (uint32_t)v->len;

	if (f->out && v->len > max)
		f->bad = true;
	u32(f, &len);
	if (f->out) {
		buf_add(f->out, v->data, v->len);
		return;
	}
	if (len > max)
		f->bad = true;
	v->data = take(f, len);
	v->len = v->data ? len : 0;
}

/* A list's length; reading, *at becomes n zeroed entries of `size` bytes, each
 * of which takes at least `least` bytes in the frame. */
static uint32_t list(struct fields *f, uint32_t *n, void *at, size_t size, size_t least,
	uint32_t max)
{
	struct wire_block *b;

	if (f->out && *n > max)
		f->bad = true;
	u32(f, n);
	if (f->out)
		return f->bad ? 0 : *n;
	if (*n > max || *n > f->in.len / least)
		f->bad = true;
	if (f->bad)
		*n = 0;
	if (*n > 0) {
		b = mem_zalloc(1, sizeof(*b) + *n * size);
		b->next = f->blocks;
		f->blocks = b;
		*(void **)at = b->bytes;
	}
	return *n;
}

#define LIST(f, n, at, least, max) list(f, &(n), &(at), sizeof(*(at)), least, max)

static void key(struct fields *f, struct wire_key *k)
{
	u64(f, &k->prompt);
	u32(f, &k->sample);
	u32(f, &k->revision);
}

static void keys(struct fields *f, struct wire_key_list *l)
{
	for (uint32_t i = 0, n = LIST(f, l->n, l->at, 16, KEYS_MAX); i < n; i++)
		key(f, &l->at[i]);
}

static void leases(struct fields *f, struct wire_lease_list *l, bool with_prompts)
{
	for (uint32_t i = 0, n = LIST(f, l->n, l->at, 16, LEASES_MAX); i < n; i++) {
		u64(f, &l->at[i].shard);
		u64(f, &l->at[i].epoch);
		if (with_prompts)
			u64(f, &l->at[i].prompts);
	}
}

static void hello(struct fields *f, struct wire_hello *m)
{
	u64(f, &m->session);
	bytes(f, &m->software, LIMIT_WORKER_NAME);
	bytes(f, &m->name, LIMIT_WORKER_NAME);
	leases(f, &m->held, true);
}

static void welcome(struct fields *f, struct wire_welcome *m)
{
	bytes(f, &m->run, RUN_ID_SIZE);
	u32(f, &m->worker);
	u32(f, &m->heartbeat_ms);
	u32(f, &m->term_ms);
	u32(f, &m->settings);
	bytes(f, &m->job, LIMIT_JOB_FILE);
	bytes(f, &m->store_address, LIMIT_ADDRESS);
	u16(f, &m->store);
}

static void prompt(struct fields *f, struct wire_prompt *p)
{
	u64(f, &p->number);
	u8(f, &p->line);
	if (p->line >= SHARD_PROMPTS)
		f->bad = true;
	bytes(f, &p->id, LIMIT_PROMPT_ID);
	bytes(f, &p->messages, 2 * LIMIT_CORPUS_LINE);
	flag(f, &p->has_reference);
	bytes(f, &p->reference, LIMIT_CORPUS_LINE);
	flag(f, &p->has_extra);
	bytes(f, &p->extra, LIMIT_CORPUS_LINE);
	bytes(f, &p->request, LIMIT_CORPUS_LINE);
	for (uint32_t i = 0, n = LIST(f, p->n_wanted, p->wanted, 8, 2 * LIMIT_SAMPLES);
		i < n; i++) {
		u32(f, &p->wanted[i].sample);
		u32(f, &p->wanted[i].revision);
	}
}

static void grant(struct fields *f, struct wire_grant *m)
{
	u64(f, &m->shard);
	u64(f, &m->epoch);
	u64(f, &m->prompts);
	u32(f, &m->n);
	for (uint32_t i = 0,
		      n = LIST(f, m->n_prompts, m->prompt, 31, LIMIT_LEASE_PROMPTS);
		i < n; i++)
		prompt(f, &m->prompt[i]);
}

static void calibration_part(struct fields *f, struct calibration_part *p)
{
	u64(f, &p->hits);
	u64(f, &p->low);
	u64(f, &p->high);
	u64(f, &p->variance);
}

static void calibration(struct fields *f, struct calibration *c)
{
	u64(f, &c->tokens);
	u64(f, &c->open_ends);
	calibration_part(f, &c->first);
	calibration_part(f, &c->beyond);
}

/* Only the rules that were broken; one that we do not know goes unnoticed. */
static void rules(struct fields *f, uint64_t count[MISALIGNED_N])
{
	uint8_t n = 0;

	for (uint8_t i = 1; i < MISALIGNED_N; i++)
		n = (uint8_t)(n + (count[i] > 0));
	u8(f, &n);
	for (uint8_t i = 0, rule = 0; i < n; i++) {
		uint64_t none = 0;

		if (f->out)
			while (count[++rule] == 0)
				;
		u8(f, &rule);
		u64(f, rule > 0 && rule < MISALIGNED_N ? &count[rule] : &none);
	}
}

static void beat(struct fields *f, struct wire_beat *m)
{
	leases(f, &m->held, false);
	for (uint32_t i = 0,
		      n = LIST(f, m->n_endpoints, m->endpoint, 190, LIMIT_ENDPOINTS);
		i < n; i++) {
		struct wire_endpoint_beat *e = &m->endpoint[i];

		u16(f, &e->teacher);
		u16(f, &e->endpoint);
		u8(f, &e->state);
		u16(f, &e->status);
		u8(f, &e->reason);
		u32(f, &e->in_flight);
		u32(f, &e->could_use);
		u32(f, &e->share);
		u64(f, &e->asked);
		u64(f, &e->answered);
		u64(f, &e->retried);
		u64(f, &e->latency_ms);
		i64(f, &e->cost_nusd);
		u64(f, &e->tokens);
		rules(f, e->misaligned);
		u8(f, &e->calibration_use);
		calibration(f, &e->calibration);
		u64(f, &e->streamed);
		u64(f, &e->first_token_ms);
		u64(f, &e->writing_ms);
		u64(f, &e->written_tokens);
		u64(f, &e->unscored);
	}
}

static void orders(struct fields *f, struct wire_orders *m)
{
	leases(f, &m->lost, false);
	for (uint32_t i = 0,
		      n = LIST(f, m->n_endpoints, m->endpoint, 28, LIMIT_ENDPOINTS);
		i < n; i++) {
		struct wire_endpoint_order *e = &m->endpoint[i];

		u16(f, &e->teacher);
		u16(f, &e->endpoint);
		u32(f, &e->in_flight);
		u32(f, &e->requests_per_minute);
		u64(f, &e->tokens_per_minute);
		flag(f, &e->proven);
		flag(f, &e->stopped);
		u8(f, &e->probe);
		if (e->probe >= PROBE_N)
			f->bad = true;
		u32(f, &e->k);
		flag(f, &e->paced);
	}
	u8(f, &m->phase);
}

static void failed(struct fields *f, struct wire_failed *m)
{
	u64(f, &m->serial);
	u64(f, &m->shard);
	u64(f, &m->epoch);
	u8(f, &m->line);
	key(f, &m->key);
	u8(f, &m->reason);
	u16(f, &m->status);
	u16(f, &m->attempts);
	u32(f, &m->prompt_tokens);
	u32(f, &m->completion_tokens);
	i64(f, &m->cost_nusd);
}

static void done(struct fields *f, struct wire_done *m)
{
	u64(f, &m->shard);
	u64(f, &m->epoch);
	u64(f, &m->unfinished);
}

static void verdict(struct fields *f, struct wire_verdict *m)
{
	u16(f, &m->teacher);
	u16(f, &m->endpoint);
	bytes(f, &m->verdict, LIMIT_VERDICT);
	u32(f, &m->prompt_tokens);
	u32(f, &m->cached_prompt_tokens);
	u32(f, &m->completion_tokens);
	u32(f, &m->reasoning_tokens);
	i64(f, &m->cost_nusd);
	for (uint32_t i = 0, n = LIST(f, m->n, m->id, 4, LIMIT_VERDICT_IDS); i < n; i++)
		u32(f, &m->id[i]);
}

static void registration(struct fields *f, struct wire_register *m)
{
	u16(f, &m->store);
	bytes(f, &m->run, RUN_ID_SIZE);
	bytes(f, &m->address, LIMIT_ADDRESS);
	u64(f, &m->commit);
	u64(f, &m->highest_epoch);
}

static void adopt(struct fields *f, struct wire_adopt *m)
{
	bytes(f, &m->run, RUN_ID_SIZE);
	u32(f, &m->settings);
	bytes(f, &m->job, LIMIT_JOB_FILE);
	u64(f, &m->since);
}

static void shard_totals(struct fields *f, struct wire_shard_totals *t)
{
	u64(f, &t->shard);
	u32(f, &t->accepted);
	u32(f, &t->duplicates);
	u32(f, &t->truncated);
	u32(f, &t->fenced);
	u64(f, &t->prompt_tokens);
	u64(f, &t->cached_prompt_tokens);
	u64(f, &t->completion_tokens);
	u64(f, &t->reasoning_tokens);
	i64(f, &t->cost_nusd);
	u8(f, &t->n_lines);
	if (t->n_lines > SHARD_PROMPTS) {
		f->bad = true;
		t->n_lines = 0;
	}
	for (int i = 0; i < t->n_lines; i++)
		u16(f, &t->committed[i]);
}

static void have(struct fields *f, struct wire_have *m)
{
	u64(f, &m->tag);
	keys(f, &m->keys);
}

static void totals(struct fields *f, struct wire_totals *m)
{
	u64(f, &m->commit);
	flag(f, &m->more);
	flag(f, &m->paused);
	u64(f, &m->disk_bytes);
	for (uint32_t i = 0, n = LIST(f, m->n_shards, m->shard, 65, TOTALS_MAX); i < n;
		i++)
		shard_totals(f, &m->shard[i]);
	keys(f, &m->revised);
}

static void table(struct fields *f, struct wire_table *m)
{
	u32(f, &m->vocabulary);
	u64(f, &m->digest);
	flag(f, &m->strips);
	u32(f, &m->size);
	u32(f, &m->total);
	u32(f, &m->before);
	if (m->size > LIMIT_VOCABULARY || m->total > m->size)
		f->bad = true;
	for (uint32_t i = 0, n = LIST(f, m->n, m->token, 10, TOKENS_MAX); i < n; i++) {
		u32(f, &m->token[i].id);
		u16(f, &m->token[i].ordinal);
		bytes(f, &m->token[i].token, LIMIT_TOKEN_BYTES);
	}
}

static void table_at(struct fields *f, struct wire_table_at *m)
{
	u32(f, &m->vocabulary);
	u64(f, &m->digest);
	u32(f, &m->stored);
	u64(f, &m->unknown);
	u64(f, &m->several);
	for (uint32_t i = 0, n = LIST(f, m->n, m->fault, 6, LIMIT_ENDPOINTS); i < n;
		i++) {
		u16(f, &m->fault[i].endpoint);
		u32(f, &m->fault[i].id);
	}
}

static void open_lease(struct fields *f, struct wire_open *m)
{
	u64(f, &m->session);
	u64(f, &m->shard);
	u64(f, &m->epoch);
	u64(f, &m->prompts);
	u32(f, &m->settings);
	u32(f, &m->dictionary);
	for (uint32_t i = 0,
		      n = LIST(f, m->n_prompts, m->prompt, 9, LIMIT_LEASE_PROMPTS);
		i < n; i++) {
		u64(f, &m->prompt[i].number);
		u8(f, &m->prompt[i].line);
	}
}

static void opened(struct fields *f, struct wire_opened *m)
{
	u64(f, &m->boot);
	u64(f, &m->shard);
	u64(f, &m->epoch);
	u8(f, &m->status);
	u64(f, &m->known_prompts);
	keys(f, &m->present);
	for (uint32_t i = 0, n = LIST(f, m->n_dictionaries, m->dictionary, 8,
				     DICTIONARIES_MAX);
		i < n; i++) {
		u32(f, &m->dictionary[i].number);
		bytes(f, &m->dictionary[i].bytes, DICTIONARY_BYTES);
	}
	u64(f, &m->credit);
}

static void put(struct fields *f, struct wire_put *m)
{
	for (uint32_t i = 0, n = LIST(f, m->n, m->item, 29, ITEMS_MAX); i < n; i++) {
		struct wire_put_item *item = &m->item[i];

		u64(f, &item->serial);
		u64(f, &item->shard);
		u64(f, &item->epoch);
		u8(f, &item->line);
		bytes(f, &item->offer, LIMIT_RECORD);
	}
}

static void result(struct fields *f, struct wire_result *m)
{
	u64(f, &m->boot);
	u64(f, &m->credit);
	for (uint32_t i = 0, n = LIST(f, m->n, m->item, 9, ITEMS_MAX); i < n; i++) {
		u64(f, &m->item[i].serial);
		u8(f, &m->item[i].answer);
	}
}

static void intern(struct fields *f, struct wire_intern *m)
{
	u64(f, &m->serial);
	u32(f, &m->vocabulary);
	for (uint32_t i = 0, n = LIST(f, m->n, m->token, 6, TOKENS_MAX); i < n; i++) {
		u16(f, &m->token[i].ordinal);
		bytes(f, &m->token[i].token, LIMIT_TOKEN_BYTES);
	}
}

static void interned(struct fields *f, struct wire_interned *m)
{
	u64(f, &m->serial);
	for (uint32_t i = 0, n = LIST(f, m->n, m->id, 4, TOKENS_MAX); i < n; i++)
		u32(f, &m->id[i]);
}

static void raw(struct fields *f, struct wire_raw *m)
{
	u64(f, &m->shard);
	u64(f, &m->epoch);
	bytes(f, &m->body, 2 * LIMIT_RAW_BODY);
}

bool wire_fields(struct fields *f, struct wire *w)
{
	switch (w->type) {
	case WIRE_HELLO:
		hello(f, &w->hello);
		return true;
	case WIRE_WELCOME:
		welcome(f, &w->welcome);
		return true;
	case WIRE_REFUSED:
		bytes(f, &w->refused.why, ERR_MSG_MAX);
		return true;
	case WIRE_WHO:
	case WIRE_BYE:
		return true;
	case WIRE_WANT:
		u32(f, &w->want.prompts);
		return true;
	case WIRE_GRANT:
		grant(f, &w->grant);
		return true;
	case WIRE_BEAT:
		beat(f, &w->beat);
		return true;
	case WIRE_ORDERS:
		orders(f, &w->orders);
		return true;
	case WIRE_FAILED:
		failed(f, &w->failed);
		return true;
	case WIRE_RECORDED:
		u64(f, &w->recorded.serial);
		return true;
	case WIRE_DONE:
		done(f, &w->done);
		return true;
	case WIRE_VERDICT:
		verdict(f, &w->verdict);
		return true;
	case WIRE_REGISTER:
		registration(f, &w->reg);
		return true;
	case WIRE_ADOPT:
		adopt(f, &w->adopt);
		return true;
	case WIRE_TOTALS:
		totals(f, &w->totals);
		return true;
	case WIRE_HAVE:
		have(f, &w->have);
		return true;
	case WIRE_HAS:
		have(f, &w->has);
		return true;
	case WIRE_TABLE:
		table(f, &w->table);
		return true;
	case WIRE_TABLE_AT:
		table_at(f, &w->table_at);
		return true;
	case WIRE_OPEN:
		open_lease(f, &w->open);
		return true;
	case WIRE_OPENED:
		opened(f, &w->opened);
		return true;
	case WIRE_PUT:
		put(f, &w->put);
		return true;
	case WIRE_RESULT:
		result(f, &w->result);
		return true;
	case WIRE_INTERN:
		intern(f, &w->intern);
		return true;
	case WIRE_INTERNED:
		interned(f, &w->interned);
		return true;
	case WIRE_RAW:
		raw(f, &w->raw);
		return true;
	case WIRE_PING:
		u64(f, &w->ping.session);
		return true;
	case WIRE_PONG:
		u64(f, &w->pong.boot);
		u64(f, &w->pong.credit);
		return true;
	case WIRE_N:
		break;
	}
	return false;
}
