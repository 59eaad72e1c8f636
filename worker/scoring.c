/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sampled answer on its way past the teachers that score it. It has been paid for,
 * so it is kept, encoded, until each of them has given its rows or cannot: it is never
 * asked for again because one of them is down, slow or wrong.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/sections.h"
#include "worker/scored.h"
#include "worker/worker.h"

/* Answers that wait to be scored stop new questions; so do as many of them as the
 * teacher that they wait for may be asked for at a time. */
#define WAITING_BYTES_MAX MIB(16)
/* A worker that is to end waits so long for an endpoint that is held. */
#define DRAIN_PATIENCE_MS 5000

struct scoring {
	struct scored_tokens tokens;
	size_t at;      /* of the teachers that score: the one that is to be asked */
	size_t teacher; /* that one */
	struct attempts attempts; /* at it */
	struct buf logits[JOB_SCORERS_MAX];
	struct buf vocabulary;
	json_t *told; /* TEXT_SCORED */
	uint32_t flags;
	/* Of all requests for it, and of those to the teacher at hand. */
	int64_t nusd, own_nusd;
	uint32_t prompt_tokens, completion_tokens, own_prompt, own_completion;
	size_t bytes; /* that it is counted with */
};

size_t task_teacher(const struct worker *w, const struct task *t)
{
	return t->scoring ? t->scoring->teacher : job_sampler(&w->job, t->sample);
}

struct bytes task_messages(const struct task *t)
{
	return t->scoring ? buf_bytes(&t->scoring->tokens.messages)
			  : t->prompt->texts.messages;
}

static void count_bytes(struct worker *w, struct scoring *s, size_t bytes)
{
	s->bytes += bytes;
	w->scoring_bytes += bytes;
}

void scoring_free(struct worker *w, struct task *t)
{
	struct scoring *s = t->scoring;

	if (!s)
		return;
	w->scoring_bytes -= s->bytes;
	scored_release(&s->tokens);
	for (size_t i = 0; i < JOB_SCORERS_MAX; i++)
		buf_release(&s->logits[i]);
	buf_release(&s->vocabulary);
	json_decref(s->told);
	free(s);
	t->scoring = NULL;
}

/* -- What has become of it -- */

/* The offer with what was added; without captures if they make it too large. */
static void finish(struct worker *w, struct task *t)
{
	struct scoring *s = t->scoring;
	struct packer *packer = encoder_packer(w->encoder);
	char *told = json_dumps(s->told, JSON_COMPACT | JSON_REAL_PRECISION(15));
	struct scored_addition add = {.told = bytes_of(told, strlen(told)),
		.vocabulary = buf_bytes(&s->vocabulary),
		.flags = s->flags,
		.nusd = s->nusd,
		.prompt_tokens = s->prompt_tokens,
		.completion_tokens = s->completion_tokens};
	struct buf whole;

	for (size_t i = 0; i < JOB_SCORERS_MAX; i++)
		if (s->logits[i].len > 0)
			add.logits[i + 1] = buf_bytes(&s->logits[i]);
	buf_init(&whole, t->offer.max);
	if (!scored_offer(packer, buf_bytes(&t->offer), &add, &whole)) {
		json_t *one;
		size_t i;

		json_array_foreach(s->told, i, one)
			json_object_set_new(one, "missing", json_string("too_large"));
		free(told);
		told = json_dumps(s->told, JSON_COMPACT | JSON_REAL_PRECISION(15));
		for (i = 0; i < JOB_SCORERS_MAX; i++)
			add.logits[i + 1] = bytes_of(NULL, 0);
		add.told = bytes_of(told, strlen(told));
		add.vocabulary = bytes_of(NULL, 0);
		add.flags |= FLAG_LOGITS_MISSING;
		if (!scored_offer(packer, buf_bytes(&t->offer), &add, &whole))
			buf_add(&whole, t->offer.data, t->offer.len);
	}
	free(told);
	buf_release(&t->offer);
	t->offer = whole;
	scoring_free(w, t);
	storing_offer(w, t);
}

/* On to the next teacher that scores, or to the store. */
static void go_on(struct worker *w, struct task *t)
{
	struct scoring *s = t->scoring;

	if (s->at == job_n_scorers(&w->job)) {
		finish(w, t);
		return;
	}
	s->teacher = job_scorer(&w->job, s->at);
	s->attempts = (struct attempts){0};
	s->own_nusd = 0;
	s->own_prompt = s->own_completion = 0;
	t->state = TASK_READY;
	task_list_add(&w->ready[s->teacher], t);
}

/* At the endpoint that did not score it, or the teacher's first. */
static void count_unscored(struct worker *w, uint16_t teacher, const struct ask *a)
{
	struct endpoint *e = a ? a->endpoint : w->endpoint;

	while (e->teacher != teacher)
		e++;
	e->unscored++;
}

static json_t *text_or_null(const char *text, size_t len)
{
	json_t *v = len > 0 ? json_stringn(text, len) : NULL;

	return v ? v : json_null();
}

/* One entry of TEXT_SCORED. `a`: the request that ended it; NULL: none was made. */
static void tell(
	struct worker *w, struct task *t, const struct ask *a, const char *missing)
{
	struct scoring *s = t->scoring;
	const struct job_teacher *teacher = &w->job.teacher[job_scorer(&w->job, s->at)];
	const char *id = a ? a->outcome.request_id : "";
	const struct buf *model = a ? &a->answer.model.text : NULL;
	json_t *one = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:I, "
				"s:f}",
		"capture", (json_int_t)s->at + 1, "teacher", teacher->name, "missing",
		missing ? json_string(missing) : json_null(), "endpoint",
		a ? json_string(a->endpoint->url) : json_null(), "model",
		model ? text_or_null((const char *)model->data, model->len)
		      : json_null(),
		"request_id", text_or_null(id, strlen(id)), "attempts",
		s->attempts.made, "latency_ms",
		(json_int_t)(a ? clock_mono_ms() - a->sent_ms : 0), "prompt_tokens",
		(json_int_t)s->own_prompt, "completion_tokens",
		(json_int_t)s->own_completion, "cost_usd", (double)s->own_nusd / 1e9);

	json_array_append_new(s->told, one);
	if (!missing)
		return;
	s->flags |= FLAG_LOGITS_MISSING;
	count_unscored(w, (uint16_t)job_scorer(&w->job, s->at), a);
}

/* The teacher at hand will not score it. */
static void give_up(
	struct worker *w, struct task *t, const struct ask *a, const char *missing)
{
	struct scoring *s = t->scoring;

	log_info("worker", "a sample is stored without being scored",
		"prompt=%" PRIu64 " sample=%" PRIu32 " teacher=%s why=%s",
		t->prompt->grant->number, t->sample,
		log_quote(w->job.teacher[job_scorer(&w->job, s->at)].name).text,
		missing);
	tell(w, t, a, missing);
	s->at++;
	go_on(w, t);
}

bool scoring_begin(struct worker *w, struct ask *a, const struct record *head)
{
	struct task *t = a->task;
	struct scoring *s;
	const char *why;

	if (job_n_scorers(&w->job) == 0)
		return false;
	s = t->scoring = mem_zalloc(1, sizeof(*s));
	for (size_t i = 0; i < JOB_SCORERS_MAX; i++)
		buf_init(&s->logits[i], 4 * LIMIT_RECORD);
	buf_init(&s->vocabulary, LIMIT_RECORD);
	s->told = json_array();
	why = scored_take(&a->answer, (head->flags & FLAG_MISALIGNED) != 0, &s->tokens);
	count_bytes(w, s, t->offer.len + s->tokens.messages.len + s->tokens.bytes.len);
	if (!why) {
		go_on(w, t);
		return true;
	}
	for (size_t n = job_n_scorers(&w->job); s->at < n; s->at++)
		tell(w, t, NULL, why);
	log_info("worker", "a sample cannot be scored",
		"prompt=%" PRIu64 " sample=%" PRIu32 " why=%s",
		t->prompt->grant->number, t->sample, why);
	finish(w, t);
	return true;
}

/* -- Asking -- */

void scoring_ask(struct worker *w, struct task *t, struct endpoint *e, int64_t now_ms)
{
	struct scoring *s = t->scoring;
	struct job_sampling sampling = {.max_tokens = s->tokens.n_all};
	struct bytes messages = buf_bytes(&s->tokens.messages);
	struct answer_rules rules = asking_rules(&w->job, &sampling, e, messages.len);
	struct ask *a = asking_take(w);
	struct err err = {0};

	task_list_remove(&w->ready[s->teacher], t);
	t->state = TASK_ASKED;
	a->task = t;
	a->endpoint = e;
	a->sent_ms = now_ms;
	a->created_ms = clock_wall_ms();
	a->seed = SEED_NONE;
	a->temperature = e->form.temperature;
	a->answered_before = e->answered;
	buf_clear(&a->raw);
	buf_clear(&a->body);
	if (e->protocol->write_request(&e->form, messages, SEED_NONE, &a->body, &err) !=
		ERR_NONE) {
		give_up(w, t, NULL, reason_name(REASON_BAD_PROMPT));
		asking_release(w, a);
		return;
	}
	rules.logits_required = true;
	asking_score_rules(e, messages, &rules);
	asking_send(w, a, &rules);
}

const char *scoring_contradicts(const struct ask *a)
{
	if (!a->task->scoring)
		return NULL;
	if (a->answer.flags & FLAG_MISALIGNED)
		return "its rows contradict themselves";
	return scored_contradicts(&a->task->scoring->tokens, &a->answer);
}

static void take(struct worker *w, struct ask *a)
{
	struct task *t = a->task;
	struct scoring *s = t->scoring;
	struct rows *rows = &a->answer.rows;
	struct capture_terms terms = {.job = &w->job,
		.teacher = (uint16_t)s->teacher,
		.settings = w->settings,
		.mode = storing_mode(a->endpoint->job),
		.temperature = a->temperature};

	s->attempts.made++;
	if (scored_agrees(&s->tokens, &a->answer))
		tokens_tell(w->tokens,
			vocabulary_number(w->settings, (uint16_t)s->teacher, false),
			rows, &s->vocabulary);
	/* Its tokens lie in the stream where those of capture 0 do. */
	memcpy(rows->token_len, s->tokens.n_bytes, rows->n * sizeof(*rows->token_len));
	encode_capture(w->encoder, &terms, &a->answer, &s->logits[s->at]);
	count_bytes(w, s, s->logits[s->at].len);
	s->flags |= a->answer.flags & FLAG_LOGITS_PARTIAL;
	tell(w, t, a, NULL);
	s->at++;
	go_on(w, t);
}

static void fail(struct worker *w, struct ask *a, enum reason reason, int64_t now_ms)
{
	struct task *t = a->task;
	struct endpoint *e = a->endpoint;
	double chance = worker_chance(w);
	enum blame blame = retry_blame(reason, e->health.answered);
	int64_t delay_ms;

	if (blame == BLAME_ANSWER && a->outcome.received > 0 && a->raw.len > 0 &&
		!endpoint_key_is_in(e, buf_bytes(&a->raw)))
		storing_send_raw(w, a, reason);
	if (retry_sample(&t->scoring->attempts, blame, (int)w->job.attempts,
		    e->answered > a->answered_before, chance, now_ms,
		    &delay_ms) == RETRY_GIVE_UP) {
		give_up(w, t, a, reason_name(reason));
		return;
	}
	e->retried++;
	t->not_before_ms = now_ms + delay_ms;
	t->state = TASK_WAITING;
	task_list_add(&w->waiting, t);
}

void scoring_ended(struct worker *w, struct ask *a, enum reason reason, int64_t now_ms)
{
	struct task *t = a->task;
	struct scoring *s = t->scoring;
	const struct answer_usage *usage = &a->answer.usage;

	/* What cannot be read may still have been paid for. */
	s->nusd += a->cost_nusd;
	s->own_nusd += a->cost_nusd;
	s->prompt_tokens += count_or_zero(usage->prompt_tokens);
	s->own_prompt += count_or_zero(usage->prompt_tokens);
	s->completion_tokens += count_or_zero(usage->completion_tokens);
	s->own_completion += count_or_zero(usage->completion_tokens);
	if (t->prompt->lease->lost)
		task_settled(w, t);
	else if (reason == REASON_NONE)
		take(w, a);
	else
		fail(w, a, reason, now_ms);
	asking_release(w, a);
}

/* -- How many may wait, and for how long -- */

static bool is_of(const struct endpoint *e, size_t teacher)
{
	return e->teacher == teacher;
}

/* Whether some endpoint of a teacher may be asked, now or later. */
static bool can_score(const struct worker *w, size_t teacher)
{
	for (size_t i = 0; i < w->n_endpoints; i++)
		if (is_of(&w->endpoint[i], teacher) && !w->endpoint[i].stopped &&
			!w->endpoint[i].health.refused)
			return true;
	return false;
}

/* Whether one of them is neither held nor unknown. */
static bool is_up(const struct worker *w, size_t teacher)
{
	for (size_t i = 0; i < w->n_endpoints; i++)
		if (is_of(&w->endpoint[i], teacher) && w->endpoint[i].looked &&
			!w->endpoint[i].stopped && !w->endpoint[i].health.refused &&
			w->endpoint[i].health.failures == 0)
			return true;
	return false;
}

static const char *why_not(const struct worker *w, size_t teacher)
{
	for (size_t i = 0; i < w->n_endpoints; i++)
		if (is_of(&w->endpoint[i], teacher) &&
			w->endpoint[i].health.reason != REASON_NONE)
			return reason_name(w->endpoint[i].health.reason);
	return "stopped";
}

static void give_up_all(struct worker *w, size_t teacher)
{
	const char *why = why_not(w, teacher);
	struct task *next;

	for (struct task *t = w->waiting.first; t; t = next) {
		next = t->next;
		if (!t->scoring || t->scoring->teacher != teacher)
			continue;
		task_list_remove(&w->waiting, t);
		give_up(w, t, NULL, why);
	}
	while (w->ready[teacher].first) {
		struct task *t = w->ready[teacher].first;

		task_list_remove(&w->ready[teacher], t);
		give_up(w, t, NULL, why);
	}
}

void scoring_look(struct worker *w, int64_t now_ms)
{
	size_t n = job_n_scorers(&w->job);

	if (n > 0 && w->draining && w->drain_patience_ms == 0)
		w->drain_patience_ms = now_ms + DRAIN_PATIENCE_MS;
	for (size_t i = 0; i < n; i++) {
		size_t teacher = job_scorer(&w->job, i);

		if (!can_score(w, teacher) ||
			(w->draining && now_ms >= w->drain_patience_ms &&
				!is_up(w, teacher)))
			give_up_all(w, teacher);
	}
}

bool scoring_has_room(const struct worker *w)
{
	size_t n = job_n_scorers(&w->job);

	if (w->scoring_bytes > WAITING_BYTES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t teacher = job_scorer(&w->job, i), waiting = w->ready[teacher].n;
		size_t share = 0;
		bool known = false;

		for (const struct task *t = w->waiting.first; t; t = t->next)
			waiting += t->scoring && t->scoring->teacher == teacher;
		for (size_t k = 0; k < w->n_endpoints; k++) {
			const struct endpoint *e = &w->endpoint[k];

			if (!is_of(e, teacher) || e->stopped || e->health.refused)
				continue;
			share += e->share;
			known = known || e->looked;
		}
		/* Nothing is paid for before it is known that it can be scored. */
		if (!known || waiting > share)
			return false;
	}
	return true;
}
