/* SPDX-License-Identifier: Apache-2.0 */
/* Questions at the start of a run (questions.h): one worker asks an endpoint for the
 * whole fleet, and nobody asks it for answers before that worker has told what it
 * gives. What it tells goes to the coordinator, whose orders say what follows. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/worker.h"

/* A question whose answer is broken, or shows nothing, is asked so often; a server
 * that is down or limits our rate is waited for. */
#define TRIES_MAX 3

bool probing_holds(const struct endpoint *e)
{
	return e->probe != PROBE_NONE;
}

void probing_release(struct endpoint *e)
{
	free(e->probing.verdict);
	free(e->probing.ids.at);
	e->probing = (struct probing){0};
}

static void give_up(struct endpoint *e)
{
	free(e->questions);
	e->questions = NULL;
	e->questioned_ms = clock_mono_ms();
	probing_release(e);
}

static void tell(struct worker *w, const struct endpoint *e)
{
	const struct probing *p = &e->probing;
	struct wire m = {.type = WIRE_VERDICT,
		.verdict = {.teacher = e->teacher,
			.endpoint = e->number,
			.verdict = bytes_of(p->verdict, strlen(p->verdict)),
			.prompt_tokens = p->usage.prompt_tokens,
			.cached_prompt_tokens = p->usage.cached_prompt_tokens,
			.completion_tokens = p->usage.completion_tokens,
			.reasoning_tokens = p->usage.reasoning_tokens,
			.cost_nusd = p->cost_nusd,
			.n = p->ids.n,
			.id = p->ids.at}};

	worker_tell_coordinator(w, &m);
}

void probing_tell(struct worker *w)
{
	for (size_t i = 0; i < w->n_endpoints; i++)
		if (w->endpoint[i].probing.verdict)
			tell(w, &w->endpoint[i]);
}

static void conclude(struct worker *w, struct endpoint *e)
{
	struct verdict *v = &e->questions->verdict;
	char text[VERDICT_TEXT];

	verdict_text(v, text);
	log_info("worker", "an endpoint was asked what it gives", "url=%s verdict=%s",
		log_quote(e->url).text, log_quote(text).text);
	e->probing.verdict = verdict_write(v);
	e->probing.asks = false;
	e->questioned_ms = clock_mono_ms();
	free(e->questions);
	e->questions = NULL;
	tell(w, e);
}

/* Puts the next question, or the last one again. */
static void ask(struct worker *w, struct endpoint *e)
{
	struct probing *p = &e->probing;
	struct question question = e->questions->now;
	struct err err = {0};

	while (p->ask_again || questions_next(e->questions, &question)) {
		p->ask_again = false;
		e->question = question_ask(w, e, &question, &err);
		if (e->question) {
			endpoint_count_request(e);
			return;
		}
		log_info("worker", "an endpoint cannot be asked a question",
			"url=%s why=%s", log_quote(e->url).text,
			log_quote(err.msg).text);
		questions_take(e->questions, QUESTION_FAILED, NULL);
	}
	p->tokenizes = !p->tokenized && question_tokenize(w, e, &e->question);
	p->tokenized = true;
	if (!p->tokenizes)
		conclude(w, e);
}

static bool may_ask(struct endpoint *e, int64_t now_ms)
{
	return e->probe == PROBE_ASK && !e->probing.verdict && e->looked &&
	       !e->question && !e->stopped && !e->health.refused &&
	       now_ms >= e->health.held_until_ms && endpoint_is_in_time(e, now_ms);
}

void probing_run(struct worker *w, int64_t now_ms)
{
	for (size_t i = 0; i < w->n_endpoints; i++) {
		struct endpoint *e = &w->endpoint[i];

		/* It is known. */
		if (e->probe == PROBE_NONE && !e->question &&
			(e->probing.asks || e->probing.verdict))
			give_up(e);
		if (w->draining || !may_ask(e, now_ms))
			continue;
		if (!e->questions) {
			e->questions = mem_zalloc(1, sizeof(*e->questions));
			question_begin(w, e, e->questions);
			e->probing.asks = true;
		}
		ask(w, e);
	}
}

static void pay(struct endpoint *e, const struct answer_usage *usage)
{
	struct probing *p = &e->probing;

	question_pay(e, usage);
	p->usage.prompt_tokens += count_or_zero(usage->prompt_tokens);
	p->usage.cached_prompt_tokens += count_or_zero(usage->cached_prompt_tokens);
	p->usage.completion_tokens += count_or_zero(usage->completion_tokens);
	p->usage.reasoning_tokens += count_or_zero(usage->reasoning_tokens);
	p->cost_nusd += encode_cost(e->job, usage);
}

/* The question had no answer: whether it is worth another try. */
static bool try_again(struct worker *w, struct ask *a, enum reason reason,
	const struct http_outcome *o)
{
	struct endpoint *e = a->endpoint;
	int64_t in_body = a->answer.error.retry_after_ms;
	int64_t after = o->retry_after_ms >= 0 ? o->retry_after_ms
			: in_body > 0 && in_body <= RETRY_AFTER_MAX_MS ? in_body
								       : -1;

	health_failed(&e->health, reason, o->status, a->sent_ms, after,
		worker_chance(w), clock_mono_ms());
	return retry_blame(reason, e->health.answered) == BLAME_NONE ||
	       ++e->probing.tries < TRIES_MAX;
}

/* It has no rows, though they were asked for: so it may be, or the answer is broken. */
static bool shows_nothing(const struct questions *q, const struct answer *a)
{
	return q->now.k > 0 && a->rows.n == 0;
}

void probing_ended(struct worker *w, struct ask *a, const struct http_outcome *o)
{
	struct endpoint *e = a->endpoint;
	struct probing *p = &e->probing;
	enum reason reason;
	enum question_end end;

	e->question = NULL;
	if (p->tokenizes) {
		question_take_tokens(a, o, &p->ids, &e->questions->verdict);
		asking_release(w, a);
		conclude(w, e);
		return;
	}
	reason = question_reason(a, o);
	end = question_end_of(reason, o);
	if (end != QUESTION_ANSWERED)
		log_info("worker", "a question has no answer",
			"url=%s reason=%s status=%d detail=%s why=%s",
			log_quote(e->url).text, reason_name(reason), o->status,
			log_quote(o->detail).text,
			log_quote(a->answer.why ? a->answer.why : "").text);
	e->questions->verdict.rate_headers =
		e->questions->verdict.rate_headers || o->told.any;
	pay(e, &a->answer.usage);
	if (end == QUESTION_FAILED) {
		p->ask_again = try_again(w, a, reason, o);
	} else {
		e->health.failures = 0;
		e->health.held_until_ms = 0;
		p->ask_again =
			(end == QUESTION_UNREADABLE ||
				(end == QUESTION_ANSWERED &&
					shows_nothing(e->questions, &a->answer))) &&
			++p->tries < TRIES_MAX;
		/* What cannot be read says nothing of what was asked for. */
		if (end == QUESTION_UNREADABLE)
			end = QUESTION_FAILED;
	}
	if (!p->ask_again) {
		p->tries = 0;
		questions_take(e->questions, end,
			end == QUESTION_ANSWERED ? &a->answer : NULL);
	}
	asking_release(w, a);
	if (e->health.refused) {
		give_up(e);
		w->beat_at = 0;
	} else if (may_ask(e, clock_mono_ms())) {
		ask(w, e);
	}
}
