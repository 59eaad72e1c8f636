/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoints give. One worker is named for each, asks it a few questions and tells
 * the verdict; the others wait for it. What the job asks for and an endpoint cannot
 * give ends that endpoint before the first prompt is put to it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/reason.h"
#include "coordinator/coordinator.h"

static const struct job_teacher *teacher_of(
	const struct coordinator *c, const struct endpoint *e)
{
	return &c->job.teacher[e->teacher];
}

static const char *url_of(const struct coordinator *c, const struct endpoint *e)
{
	return teacher_of(c, e)->url[e->endpoint];
}

/* Candidates a token. */
static uint32_t wanted_of(const struct coordinator *c, const struct endpoint *e)
{
	return (uint32_t)job_teacher_k(&c->job, e->teacher);
}

/* What a run found out holds for those that go on with it, unless it was what ended
 * the run: then the server may have been put right. */
static bool still_holds(
	const struct coordinator *c, const struct endpoint *e, const struct verdict *v)
{
	char why[VERDICT_WHY];

	return v->wanted == wanted_of(c, e) && (v->known || v->wanted == 0) &&
	       !verdict_contradicts(v, &c->job, teacher_of(c, e), why);
}

void verdict_begin(struct coordinator *c, struct endpoint *e)
{
	char *text = ledger_verdict(
		c->l, e->teacher, e->endpoint, url_of(c, e), teacher_of(c, e)->model);

	e->k = wanted_of(c, e);
	e->verdict_due = c->job.probe;
	if (text && verdict_read(bytes_of(text, strlen(text)), &e->verdict) &&
		still_holds(c, e, &e->verdict)) {
		e->verdict_due = false;
		e->k = verdict_asks(&e->verdict, wanted_of(c, e));
	} else if (c->job.probe) {
		e->verdict = (struct verdict){0};
		ledger_put_verdict(c->l, e->teacher, e->endpoint, NULL);
	}
	free(text);
}

static struct worker *by_number(struct coordinator *c, uint32_t number)
{
	for (size_t i = 0; number != 0 && i < c->n_workers; i++)
		if (c->worker[i]->number == number)
			return c->worker[i];
	return NULL;
}

static size_t endpoints_asked_by(const struct coordinator *c, uint32_t worker)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_endpoints; i++)
		n += c->endpoint[i].verdict_due && c->endpoint[i].asker == worker;
	return n;
}

/* The one that asks the fewest. */
static uint32_t choose(struct coordinator *c, int64_t now_ms)
{
	size_t least = SIZE_MAX;
	uint32_t best = 0;

	for (size_t i = 0; i < c->n_workers; i++) {
		const struct worker *w = c->worker[i];
		size_t n = endpoints_asked_by(c, w->number);

		if (w->has_reported && !worker_is_silent(c, w, now_ms) && n < least) {
			least = n;
			best = w->number;
		}
	}
	return best;
}

bool verdicts_name(struct coordinator *c, int64_t now_ms)
{
	bool named = false;

	for (size_t i = 0; i < c->n_endpoints && c->phase == PHASE_RUN; i++) {
		struct endpoint *e = &c->endpoint[i];
		const struct worker *w;

		if (!e->verdict_due || e->stopped)
			continue;
		w = by_number(c, e->asker);
		if (w && !worker_is_silent(c, w, now_ms))
			continue;
		e->asker = choose(c, now_ms);
		named = named || e->asker != 0;
	}
	return named;
}

static void end_endpoint(struct coordinator *c, struct endpoint *e, const char *why)
{
	e->stopped = e->cannot_give = true;
	e->state = ENDPOINT_REFUSED;
	e->reason = REASON_CANNOT_GIVE;
	e->status = 0;
	ledger_doubt_verdict(c->l, e->teacher, e->endpoint);
	ledger_put_endpoint_state(c->l, e->teacher, e->endpoint,
		endpoint_state_name(e->state), e->status, reason_name(e->reason));
	ledger_event(c->l, "endpoint", -1, -1, "%s %u: %s, %s", teacher_of(c, e)->name,
		e->endpoint, endpoint_state_name(e->state), why);
	log_error("coordinator", "this endpoint cannot give what the job asks",
		"url=%s why=%s", log_quote(url_of(c, e)).text, log_quote(why).text);
}

static void say_lowered(struct coordinator *c, const struct endpoint *e)
{
	ledger_event(c->l, "endpoint", -1, -1,
		"%s %u: asked for %" PRIu32 " candidates a token, not %" PRIu32,
		teacher_of(c, e)->name, e->endpoint, e->k, e->verdict.wanted);
	log_warn("coordinator", "an endpoint gives fewer candidates than the job asks",
		"url=%s asked=%" PRIu32 " gives=%" PRIu32, log_quote(url_of(c, e)).text,
		e->verdict.wanted, e->k);
}

/* Another endpoint of the same teacher whose tokenizer has other ids; NULL: none. */
static const struct endpoint *differs(
	const struct coordinator *c, const struct endpoint *e)
{
	for (size_t i = 0; i < c->n_endpoints && e->verdict.tokenizer != 0; i++) {
		const struct endpoint *other = &c->endpoint[i];

		if (other->teacher == e->teacher && other != e && !other->cannot_give &&
			other->verdict.tokenizer != 0 &&
			other->verdict.tokenizer != e->verdict.tokenizer)
			return other;
	}
	return NULL;
}

/* Ids of two tokenizers must not be mixed under one teacher's name. */
static bool has_other_ids(struct coordinator *c, struct endpoint *e,
	const struct wire_verdict *m, char why[VERDICT_WHY])
{
	const struct endpoint *other;
	bool stores_ids =
		c->job.top_logprobs > 0 || e->verdict.ids || e->verdict.prompt_ids;

	if (m->n > 0 &&
		!tokenizers_agree(c, e->teacher, m->id, m->n,
			bytes_of(verdict_tokenized, strlen(verdict_tokenized)))) {
		ledger_event(c->l, "tokenizer_differs", -1, -1,
			"%s %u: the server's ids are not those of its tokenizer",
			teacher_of(c, e)->name, e->endpoint);
		snprintf(why, VERDICT_WHY,
			"this endpoint's server has another tokenizer than teacher "
			"'%s' names: name the one of its model",
			teacher_of(c, e)->name);
		return true;
	}
	other = differs(c, e);
	if (!other)
		return false;
	ledger_event(c->l, "tokenizer_differs", -1, -1,
		"%s: the tokenizers of the endpoints %u and %u differ",
		teacher_of(c, e)->name, other->endpoint, e->endpoint);
	snprintf(why, VERDICT_WHY,
		"this endpoint's server has another tokenizer than %s of the same "
		"teacher: they serve different models, which are teachers of their own",
		log_quote(url_of(c, other)).text);
	if (!stores_ids)
		log_warn("coordinator", "two endpoints have different tokenizers",
			"url=%s why=%s", log_quote(url_of(c, e)).text,
			log_quote(why).text);
	return stores_ids;
}

static void take(
	struct coordinator *c, struct endpoint *e, const struct wire_verdict *m)
{
	char why[VERDICT_WHY], text[VERDICT_TEXT];

	verdict_text(&e->verdict, text);
	ledger_event(c->l, "verdict", -1, -1, "%s %u: %s", teacher_of(c, e)->name,
		e->endpoint, text);
	log_info("coordinator", "an endpoint was asked what it gives",
		"url=%s verdict=%s", log_quote(url_of(c, e)).text,
		log_quote(text).text);
	e->verdict_due = false;
	e->asker = 0;
	e->k = verdict_asks(&e->verdict, wanted_of(c, e));
	if (verdict_contradicts(&e->verdict, &c->job, teacher_of(c, e), why) ||
		has_other_ids(c, e, m, why))
		end_endpoint(c, e, why);
	else if (e->k < wanted_of(c, e))
		say_lowered(c, e);
	workers_order_all(c);
}

void verdict_hear(struct coordinator *c, const struct wire_verdict *m)
{
	struct endpoint *e = c->endpoint, *end = c->endpoint + c->n_endpoints;
	struct verdict verdict;
	char *text;

	while (e < end && (e->teacher != m->teacher || e->endpoint != m->endpoint))
		e++;
	/* It may come twice, or from two: the first counts. */
	if (e == end || !e->verdict_due)
		return;
	if (!verdict_read(m->verdict, &verdict)) {
		log_warn("coordinator", "a verdict that cannot be read", "endpoint=%s",
			log_quote(url_of(c, e)).text);
		return;
	}
	e->verdict = verdict;
	ledger_pay_questions(c->l, m);
	text = verdict_write(&verdict);
	ledger_put_verdict(c->l, e->teacher, e->endpoint, text);
	free(text);
	take(c, e, m);
}
