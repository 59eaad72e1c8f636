/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: from GRANT to tasks, and from settled tasks to DONE. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/worker.h"

#define OPEN_AGAIN_MS 2000
/* Samples to have at hand beside those in flight: so many milliseconds' worth
 * at the rate of late, so that a lease's way (grant, open, two syncs) is hidden. */
#define AHEAD_MS 150
#define AHEAD_MAX_BYTES MIB(24)

static struct held *find(struct worker *w, uint64_t shard, uint64_t epoch)
{
	struct held *h = w->held;

	while (h && (h->shard != shard || h->epoch != epoch))
		h = h->next;
	return h;
}

static void free_held(struct worker *w, struct held *h)
{
	struct held **at = &w->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	for (size_t i = 0; i < h->n_tasks; i++) {
		buf_release(&h->task[i].offer);
		scoring_free(w, &h->task[i]);
	}
	for (uint32_t i = 0; i < h->wire.grant.n_prompts; i++)
		overrides_release(&h->prompt[i].overrides);
	wire_release(&h->wire);
	free(h->prompt);
	free(h->task);
	free(h->frame);
	free(h);
}

void leases_free(struct worker *w)
{
	while (w->held)
		free_held(w, w->held);
}

static void send_open(struct worker *w, struct held *h, int64_t now_ms)
{
	struct wire_open_prompt prompt[LIMIT_LEASE_PROMPTS];
	struct wire m = {.type = WIRE_OPEN,
		.open = {.session = w->session,
			.shard = h->shard,
			.epoch = h->epoch,
			.prompts = h->prompts,
			.settings = w->settings,
			.dictionary = packer_dictionary(encoder_packer(w->encoder)),
			.n_prompts = h->wire.grant.n_prompts,
			.prompt = prompt}};

	for (uint32_t i = 0; i < m.open.n_prompts; i++)
		prompt[i] = (struct wire_open_prompt){
			h->wire.grant.prompt[i].number, h->wire.grant.prompt[i].line};
	h->asked_ms = now_ms;
	worker_tell_store(w, &m);
}

/* What the prompt asks for by itself. The coordinator has checked it, so that
 * it can be read, if it is of our version. */
static void read_request(struct held_prompt *p)
{
	struct err err = {0};

	if (p->grant->request.len == 0)
		return;
	p->texts.request = p->grant->request;
	p->asks = overrides_read(p->grant->request, &p->overrides, &err) == ERR_NONE;
	p->bad = !p->asks;
	if (p->bad)
		log_warn("worker", "a prompt's request cannot be read",
			"prompt=%" PRIu64 " why=%s", p->grant->number,
			log_quote(err.msg).text);
}

static void list_prompts(struct held *h)
{
	const struct wire_grant *g = &h->wire.grant;

	h->prompt = mem_zalloc(g->n_prompts, sizeof(*h->prompt));
	for (uint32_t i = 0; i < g->n_prompts; i++) {
		struct held_prompt *p = &h->prompt[i];
		const struct wire_prompt *from = &g->prompt[i];

		p->lease = h;
		p->grant = from;
		p->texts = (struct encode_prompt){
			.id = from->id, .messages = from->messages};
		if (from->has_reference)
			p->texts.reference = bytes_of(
				from->reference.data ? from->reference.data
						     : (const unsigned char *)"",
				from->reference.len);
		if (from->has_extra)
			p->texts.extra = from->extra;
		read_request(p);
	}
}

void leases_take_grant(struct worker *w, struct bytes frame, int64_t now_ms)
{
	struct held *h = mem_zalloc(1, sizeof(*h));
	struct err err = {0};

	h->frame = mem_dup(frame.data, frame.len);
	h->frame_len = frame.len;
	if (wire_decode(bytes_of(h->frame, frame.len), &h->wire, &err) != ERR_NONE ||
		h->wire.grant.n_prompts == 0 ||
		find(w, h->wire.grant.shard, h->wire.grant.epoch)) {
		wire_release(&h->wire);
		free(h->frame);
		free(h);
		return;
	}
	h->shard = h->wire.grant.shard;
	h->epoch = h->wire.grant.epoch;
	h->prompts = h->wire.grant.prompts;
	list_prompts(h);
	w->prompts_wanted -= h->wire.grant.n_prompts < w->prompts_wanted
				     ? h->wire.grant.n_prompts
				     : w->prompts_wanted;
	h->next = w->held;
	w->held = h;
	send_open(w, h, now_ms);
}

void leases_resend_opens(struct worker *w, int64_t now_ms)
{
	for (struct held *h = w->held; h; h = h->next)
		if (!h->opened && now_ms - h->asked_ms > OPEN_AGAIN_MS)
			send_open(w, h, now_ms);
}

static bool is_present(const struct wire_key_list *present, uint64_t prompt,
	uint32_t sample, uint32_t revision)
{
	for (uint32_t i = 0; i < present->n; i++)
		if (present->at[i].prompt == prompt &&
			present->at[i].sample == sample &&
			present->at[i].revision == revision)
			return true;
	return false;
}

static void add_task(
	struct worker *w, struct held_prompt *p, uint32_t sample, uint32_t revision)
{
	struct held *h = p->lease;
	struct task *t = &h->task[h->n_tasks++];

	*t = (struct task){.prompt = p, .sample = sample, .revision = revision};
	buf_init(&t->offer, LIMIT_RECORD + KIB(4));
	p->open_tasks++;
	h->n_open++;
	task_list_add(&w->ready[task_teacher(w, t)], t);
}

/* The samples that the store does not have become tasks. */
static void make_tasks(struct worker *w, struct held *h, const struct wire_opened *m)
{
	const struct wire_grant *g = &h->wire.grant;
	size_t max = 0;

	for (uint32_t i = 0; i < g->n_prompts; i++)
		max += g->prompt[i].n_wanted ? g->prompt[i].n_wanted : g->n;
	h->task = mem_zalloc(max, sizeof(*h->task));
	for (uint32_t i = 0; i < g->n_prompts; i++) {
		struct held_prompt *p = &h->prompt[i];
		uint32_t n = p->grant->n_wanted ? p->grant->n_wanted : g->n;

		p->store_has_text = m->known_prompts >> p->grant->line & 1;
		for (uint32_t s = 0; s < n; s++) {
			uint32_t sample =
				p->grant->n_wanted ? p->grant->wanted[s].sample : s;
			uint32_t revision =
				p->grant->n_wanted ? p->grant->wanted[s].revision : 0;

			if (!is_present(
				    &m->present, p->grant->number, sample, revision))
				add_task(w, p, sample, revision);
		}
	}
}

static void say_done(struct worker *w, const struct held *h)
{
	struct wire m = {
		.type = WIRE_DONE, .done = {h->shard, h->epoch, h->given_back}};

	worker_tell_coordinator(w, &m);
}

static void close_if_settled(struct worker *w, struct held *h)
{
	if (h->n_open > 0 || !(h->opened || h->lost))
		return;
	if (!h->lost)
		say_done(w, h);
	free_held(w, h);
}

void leases_take_opened(struct worker *w, const struct wire_opened *m, int64_t now_ms)
{
	struct held *h = find(w, m->shard, m->epoch);
	struct err err = {0};

	storing_see_boot(w, m->boot, now_ms);
	w->credit = m->credit;
	for (uint32_t i = 0; i < m->n_dictionaries; i++)
		if (packer_add_dictionary(encoder_packer(w->encoder),
			    m->dictionary[i].number, m->dictionary[i].bytes,
			    &err) != ERR_NONE)
			log_warn("worker", "a dictionary cannot be used", "why=%s",
				err.msg);
	if (!h || h->opened || h->lost)
		return;
	if (m->status != OPEN_OK) {
		log_info("worker", "a lease was not opened",
			"shard=%" PRIu64 " epoch=%" PRIu64 " status=%u", m->shard,
			m->epoch, m->status);
		h->lost = true;
		close_if_settled(w, h);
		return;
	}
	h->opened = true;
	/* The coordinator hears of it before anything is asked: should we die of
	 * one of these prompts, it knows that we had them. */
	w->beat_at = now_ms;
	make_tasks(w, h, m);
	close_if_settled(w, h);
}

static void leave_list(struct worker *w, struct task *t)
{
	switch (t->state) {
	case TASK_READY:
		task_list_remove(&w->ready[task_teacher(w, t)], t);
		break;
	case TASK_WAITING:
		task_list_remove(&w->waiting, t);
		break;
	case TASK_OFFERED:
		if (t->sent)
			w->unanswered_bytes -= t->offer.len;
		else
			w->unsent_bytes -= t->offer.len;
		task_list_remove(&w->offered, t);
		break;
	case TASK_FAILING:
		task_list_remove(&w->failing, t);
		break;
	default:
		break;
	}
}

void task_settled(struct worker *w, struct task *t)
{
	struct held *h = t->prompt->lease;

	if (t->state == TASK_SETTLED)
		return;
	leave_list(w, t);
	t->state = TASK_SETTLED;
	t->prompt->open_tasks--;
	h->n_open--;
	buf_release(&t->offer);
	scoring_free(w, t);
	w->settled++;
	close_if_settled(w, h);
}

/* Requests that are in flight for it run on, unheeded: their tasks settle when
 * they end. Everything else of the lease is dropped. */
void leases_lose(struct worker *w, uint64_t shard, uint64_t epoch)
{
	struct held *h = find(w, shard, epoch);
	size_t n;

	if (!h || h->lost)
		return;
	log_info("worker", "a lease was lost", "shard=%" PRIu64 " epoch=%" PRIu64,
		shard, epoch);
	h->lost = true;
	n = h->n_tasks;
	if (h->n_open == 0) {
		close_if_settled(w, h);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct task *t = &h->task[i];
		bool last = h->n_open == 1;

		if (t->state == TASK_ASKED || t->state == TASK_INTERN ||
			t->state == TASK_SETTLED)
			continue;
		task_settled(w, t);
		if (last)
			return; /* the lease is gone */
	}
}

/* For draining: what has not been asked for goes back. */
void leases_give_back(struct worker *w)
{
	struct held *next;

	for (struct held *h = w->held; h; h = next) {
		size_t n = h->n_tasks;

		next = h->next;
		if (!h->opened) {
			h->given_back = h->prompts;
			say_done(w, h);
			free_held(w, h);
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			struct task *t = &h->task[i];
			bool last = h->n_open == 1;

			if ((t->state != TASK_READY && t->state != TASK_WAITING) ||
				t->scoring)
				continue;
			h->given_back |= (uint64_t)1 << t->prompt->grant->line;
			task_settled(w, t);
			if (last)
				break;
		}
	}
}

struct wire_lease_list leases_list(struct worker *w)
{
	struct wire_lease_list list = {0};
	size_t n = 0;

	for (struct held *h = w->held; h; h = h->next)
		n++;
	list.at = mem_zalloc(n, sizeof(*list.at));
	for (struct held *h = w->held; h; h = h->next)
		if (!h->lost)
			list.at[list.n++] =
				(struct wire_lease){h->shard, h->epoch, h->prompts};
	return list;
}

/* Prompts to ask for, so that the requests in flight never run dry. */
void leases_ask_for_more(struct worker *w)
{
	size_t at_hand = 0, bytes = 0, share = 0, goal;
	struct wire m = {.type = WIRE_WANT};
	uint32_t n = (uint32_t)w->job.sampling.n, prompts;

	if (w->draining || !w->welcomed)
		return;
	for (size_t i = 0; i < w->n_endpoints; i++)
		if (!w->endpoint[i].stopped && !w->endpoint[i].health.refused)
			share += w->endpoint[i].share;
	for (struct held *h = w->held; h; h = h->next) {
		at_hand += h->opened ? h->n_open : (size_t)h->wire.grant.n_prompts * n;
		bytes += h->frame_len;
	}
	at_hand += (size_t)w->prompts_wanted * n;
	/* A request may be for several samples. */
	share *= w->job.sampling.n_per_request < w->job.sampling.n
			 ? (size_t)w->job.sampling.n_per_request
			 : n;
	goal = 2 * share + (size_t)(w->samples_per_ms * AHEAD_MS);
	/* Samples whose answers are on their way to the store are no work. */
	goal += w->offered.n + w->failing.n;
	if (at_hand >= goal || bytes > AHEAD_MAX_BYTES)
		return;
	prompts = (uint32_t)((goal - at_hand + n - 1) / n);
	/* Few at a time only when there is little to do anyway. */
	if (goal - at_hand < goal / 4 && at_hand > share)
		return;
	m.want.prompts = prompts;
	if (worker_tell_coordinator(w, &m))
		w->prompts_wanted += prompts;
}
