/* SPDX-License-Identifier: Apache-2.0 */
/* Readable answers on their way to the store, and failures on theirs to the
 * coordinator: both are kept until they are answered. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/offer.h"
#include "store/sections.h"
#include "worker/worker.h"

#define AGAIN_MS 5000
/* Offers in one PUT. */
#define PUT_ITEMS 512
#define PUT_BYTES MIB(4)
/* The store commits no more often, so offers travel together under load. */
#define PUT_EVERY_MS 5

uint8_t storing_mode(const struct job_teacher *t)
{
	return t->logprobs_mode == JOB_MODE_RAW         ? LOGPROBS_RAW
	       : t->logprobs_mode == JOB_MODE_PROCESSED ? LOGPROBS_PROCESSED
							: LOGPROBS_UNKNOWN;
}

/* Every answer that is offered counts, once; the misaligned ones, too, since to leave
 * them out would choose among the tokens. */
static void count_alignment(
	const struct worker *w, struct ask *a, const struct record *head)
{
	uint32_t k = a->endpoint->top_logprobs;
	int64_t wanted = job_teacher_k(&w->job, a->endpoint->teacher);

	if (head->flags & FLAG_MISALIGNED)
		a->endpoint->misaligned[head->misaligned]++;
	if (k > wanted) /* what is more was cut */
		k = (uint32_t)wanted;
	if (k >= 2)
		calibrate_add(&a->endpoint->calibration, &a->calibrate, &a->answer, k,
			(enum eos_row)head->eos_row);
}

void storing_offer(struct worker *w, struct task *t)
{
	t->state = TASK_OFFERED;
	t->sent = false;
	t->serial = ++w->next_serial;
	w->unsent_bytes += t->offer.len;
	task_list_add(&w->offered, t);
}

static void make_offer(struct worker *w, struct ask *a, bool interned)
{
	struct task *t = a->task;
	struct held *h = t->prompt->lease;
	struct record head;
	struct encode_terms terms = {
		.job = &w->job,
		.server = a->endpoint->server,
		.head = {.key = {t->prompt->grant->number, t->sample, t->revision, 0},
			.shard = h->shard,
			.epoch = h->epoch,
			.settings = w->settings,
			.teacher = a->endpoint->teacher,
			.endpoint = a->endpoint->number,
			.created_at_ms = a->created_ms,
			.latency_ms = (uint32_t)(clock_mono_ms() - a->sent_ms),
			.attempts = (uint16_t)t->attempts.made,
			.seed = a->seed,
			.wasted_nusd = t->wasted_nusd,
			.wasted_prompt_tokens = t->wasted_prompt_tokens,
			.wasted_completion_tokens = t->wasted_completion_tokens,
			.logprobs_mode = storing_mode(a->endpoint->job)},
		.prompt = &t->prompt->texts,
		.with_prompt = !t->prompt->store_has_text,
		.endpoint = a->endpoint->url,
		.worker = w->options->name,
		.request_id = a->outcome.request_id,
		.interned = interned,
		.tells_ids = a->tells_ids,
		.temperature = a->temperature,
		.cost_nusd = a->cost_nusd,
	};

	buf_clear(&t->offer);
	if (!encode_sample(
		    w->encoder, &terms, &a->answer, w->tokens, &head, &t->offer)) {
		task_failed(w, t, REASON_TOO_LARGE, a->outcome.status);
	} else {
		count_alignment(w, a, &head);
		if (!scoring_begin(w, a, &head))
			storing_offer(w, t);
	}
	asking_release(w, a);
}

/* Asks the store for the ids of tokens, and keeps the answer meanwhile. */
static void ask_for_ids(struct worker *w, struct ask *a, struct wire_intern *ask)
{
	struct wire m = {.type = WIRE_INTERN, .intern = *ask};

	a->task->state = TASK_INTERN;
	a->task->sent_ms = clock_mono_ms();
	a->intern_serial = m.intern.serial = ++w->next_serial;
	a->next = w->interning;
	w->interning = a;
	worker_tell_store(w, &m);
}

static bool has_table(const struct ask *a)
{
	return a->endpoint->job->tokenizer_digest != 0;
}

static uint32_t number_of(const struct worker *w, const struct ask *a)
{
	return vocabulary_number(w->settings, a->endpoint->teacher, !has_table(a));
}

/* By the teacher's tokenizer if it has one, else by the dataset's own ids. */
static bool give_ids(struct worker *w, struct ask *a, struct wire_intern *ask)
{
	return (has_table(a) ? tokens_by_table : tokens_intern)(
		w->tokens, number_of(w, a), &a->answer.rows, ask);
}

static void offer_or_intern(struct worker *w, struct ask *a)
{
	struct wire_intern ask;

	if (give_ids(w, a, &ask))
		make_offer(w, a, !has_table(a));
	else
		ask_for_ids(w, a, &ask);
}

void storing_take_answer(struct worker *w, struct ask *a)
{
	a->tells_ids = tokens_have_an_id(&a->answer.rows);
	if (!a->answer.has_rows || a->answer.rows.n == 0 ||
		tokens_have_ids(&a->answer.rows))
		make_offer(w, a, false);
	else
		offer_or_intern(w, a);
}

void storing_take_interned(struct worker *w, const struct wire_interned *m)
{
	struct ask **at = &w->interning, *a;
	struct wire_intern ask;

	while (*at && (*at)->intern_serial != m->serial)
		at = &(*at)->next;
	if (!(a = *at))
		return;
	*at = a->next;
	a->next = NULL;
	/* The same list again, now with its ids. */
	if (!give_ids(w, a, &ask)) {
		if (ask.n != m->n) {
			/* Others have learned some of them meanwhile. */
			offer_or_intern(w, a);
			return;
		}
		tokens_learn(w->tokens, number_of(w, a), ask.token, m->id, m->n);
	}
	if (a->task->prompt->lease->lost) {
		task_settled(w, a->task);
		asking_release(w, a);
		return;
	}
	offer_or_intern(w, a);
}

/* Moves unsent offers into one PUT, as far as the credit goes. */
static uint32_t fill_put(struct worker *w, struct wire_put_item *item, int64_t now_ms)
{
	uint32_t n = 0;
	size_t bytes = 0;

	for (struct task *t = w->offered.first; t && n < PUT_ITEMS; t = t->next) {
		if (t->sent || now_ms < t->not_before_ms)
			continue;
		if (w->unanswered_bytes > 0 &&
			w->unanswered_bytes + t->offer.len > w->credit)
			break;
		if (n > 0 && bytes + t->offer.len > PUT_BYTES)
			break;
		item[n++] = (struct wire_put_item){t->serial, t->prompt->lease->shard,
			t->prompt->lease->epoch, t->prompt->grant->line,
			buf_bytes(&t->offer)};
		bytes += t->offer.len;
		w->unsent_bytes -= t->offer.len;
		w->unanswered_bytes += t->offer.len;
		t->sent = true;
		t->sent_ms = now_ms;
	}
	return n;
}

static void send_failures(struct worker *w, int64_t now_ms)
{
	for (struct task *t = w->failing.first; t; t = t->next) {
		const struct held *h = t->prompt->lease;
		struct wire m = {.type = WIRE_FAILED,
			.failed = {.serial = t->serial,
				.shard = h->shard,
				.epoch = h->epoch,
				.line = t->prompt->grant->line,
				.key = {t->prompt->grant->number, t->sample,
					t->revision},
				.reason = (uint8_t)t->reason,
				.status = (uint16_t)t->status,
				.attempts = (uint16_t)t->attempts.made,
				.prompt_tokens = t->wasted_prompt_tokens,
				.completion_tokens = t->wasted_completion_tokens,
				.cost_nusd = t->wasted_nusd}};

		if (t->sent)
			continue;
		t->sent = worker_tell_coordinator(w, &m);
		t->sent_ms = now_ms;
	}
}

void storing_send(struct worker *w, int64_t now_ms)
{
	static struct wire_put_item item[PUT_ITEMS];

	send_failures(w, now_ms);
	if (w->unsent_bytes < PUT_BYTES && now_ms < w->put_at)
		return;
	if (w->unsent_bytes > 0)
		w->put_at = now_ms + PUT_EVERY_MS;
	while (w->unsent_bytes > 0) {
		struct wire m = {.type = WIRE_PUT, .put = {.item = item}};

		m.put.n = fill_put(w, item, now_ms);
		if (m.put.n == 0)
			return;
		/* Not taken: the store is gone, and what is unanswered goes again
		 * when it is back. */
		if (!worker_tell_store(w, &m))
			return;
	}
}

static struct task *find(const struct task_list *list, uint64_t serial)
{
	struct task *t = list->first;

	/* Answers come in the order of the questions: it is near the front. */
	while (t && t->serial != serial)
		t = t->next;
	return t;
}

/* The tokens that came with a stored offer need not be told again. */
static void remember_told(struct worker *w, const struct task *t)
{
	struct offer offer;
	struct err err;

	if (offer_decode(buf_bytes(&t->offer), &offer, &err) == ERR_NONE)
		tokens_told(w->tokens, offer.vocabulary);
}

static void take_answer(
	struct worker *w, struct task *t, enum put_answer answer, int64_t now_ms)
{
	switch (answer) {
	case PUT_STORED:
	case PUT_SAME:
		remember_told(w, t);
		t->prompt->store_has_text = true;
		task_settled(w, t);
		return;
	case PUT_OCCUPIED:
		t->prompt->store_has_text = true;
		task_settled(w, t);
		return;
	case PUT_FENCED:
		leases_lose(w, t->prompt->lease->shard, t->prompt->lease->epoch);
		return;
	case PUT_PAUSED:
		w->unanswered_bytes -= t->offer.len;
		w->unsent_bytes += t->offer.len;
		t->sent = false;
		t->not_before_ms = now_ms + 1000;
		return;
	default:
		w->unanswered_bytes -= t->offer.len;
		task_list_remove(&w->offered, t);
		buf_release(&t->offer);
		task_failed(w, t, REASON_STORE_REFUSED, 0);
	}
}

void storing_take_result(struct worker *w, const struct wire_result *m, int64_t now_ms)
{
	storing_see_boot(w, m->boot, now_ms);
	w->credit = m->credit;
	for (uint32_t i = 0; i < m->n; i++) {
		struct task *t = find(&w->offered, m->item[i].serial);

		if (t && t->sent)
			take_answer(w, t, m->item[i].answer, now_ms);
	}
}

void storing_take_recorded(struct worker *w, uint64_t serial)
{
	struct task *t = find(&w->failing, serial);

	if (t)
		task_settled(w, t);
}

void storing_resend(struct worker *w, int64_t now_ms, bool all)
{
	for (struct task *t = w->offered.first; t; t = t->next) {
		if (!t->sent || (!all && now_ms - t->sent_ms < AGAIN_MS))
			continue;
		t->sent = false;
		w->unanswered_bytes -= t->offer.len;
		w->unsent_bytes += t->offer.len;
	}
	for (struct task *t = w->failing.first; t; t = t->next)
		if (now_ms - t->sent_ms >= AGAIN_MS)
			t->sent = false;
	for (struct ask *a = w->interning; a; a = a->next) {
		struct wire m = {.type = WIRE_INTERN};

		if (!all && now_ms - a->task->sent_ms < AGAIN_MS)
			continue;
		a->task->sent_ms = now_ms;
		give_ids(w, a, &m.intern);
		m.intern.serial = a->intern_serial;
		worker_tell_store(w, &m);
	}
}

/* Another process: what the last one had not answered may be lost. */
void storing_see_boot(struct worker *w, uint64_t boot, int64_t now_ms)
{
	if (boot == w->boot)
		return;
	if (w->boot != 0) {
		tokens_forget_told(w->tokens);
		storing_resend(w, now_ms, true);
	}
	w->boot = boot;
}

void storing_send_raw(struct worker *w, const struct ask *a, enum reason reason)
{
	const struct task *t = a->task;
	const char *name = reason_name(reason);
	struct wire m = {.type = WIRE_RAW,
		.raw = {t->prompt->lease->shard, t->prompt->lease->epoch, {0}}};
	struct buf raw, packed;

	if (w->job.keep_raw != KEEP_RAW_FAILED)
		return;
	buf_init(&raw, LIMIT_RAW_BODY + 1024);
	buf_init(&packed, 2 * LIMIT_RAW_BODY);
	buf_add_u64(&raw, t->prompt->grant->number);
	buf_add_u32(&raw, t->sample);
	buf_add_u32(&raw, t->revision);
	buf_add_u64(&raw, (uint64_t)a->created_ms);
	buf_add_u16(&raw, (uint16_t)a->outcome.status);
	buf_add_u16(&raw, (uint16_t)(t->attempts.made + 1));
	varint_add(&raw, strlen(name));
	buf_add_str(&raw, name);
	buf_add(&raw, a->raw.data, a->raw.len);
	pack(encoder_packer(w->encoder), buf_bytes(&raw), &packed);
	if (!packed.over) {
		m.raw.body = buf_bytes(&packed);
		worker_tell_store(w, &m);
	}
	buf_release(&raw);
	buf_release(&packed);
}
