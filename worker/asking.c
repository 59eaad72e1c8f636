/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: from a task to an answer, or to a decision about a failure. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/raw_prompt.h"
#include "worker/scored.h"
#include "worker/think.h"
#include "worker/worker.h"

/* Answers that wait for the store stop new questions. */
#define UNSENT_MAX MIB(8)

static struct ask *take_place(struct worker *w)
{
	struct ask *a = w->free_asks;

	if (a) {
		w->free_asks = a->next;
		a->next = NULL;
		return a;
	}
	a = mem_zalloc(1, sizeof(*a));
	a->answer.rows.words = tokens_words(w->tokens);
	a->w = w;
	buf_init(&a->body, LIMIT_MESSAGE);
	buf_init(&a->raw, LIMIT_RAW_BODY);
	a->older = w->newest_ask;
	w->newest_ask = a;
	return a;
}

struct ask *asking_take(struct worker *w)
{
	struct ask *a = take_place(w);

	/* Not all have sent something yet: some were siblings. */
	if (!a->transfer) {
		a->transfer = http_transfer_new(w->http, a);
		a->reader = reader_new();
	}
	return a;
}

void asking_free(struct worker *w)
{
	struct ask *older;

	for (struct ask *a = w->newest_ask; a; a = older) {
		older = a->older;
		http_transfer_free(a->transfer);
		reader_free(a->reader);
		answer_release(&a->answer);
		buf_release(&a->body);
		buf_release(&a->raw);
		free(a);
	}
	spares_release(&w->spares);
}

void asking_release(struct worker *w, struct ask *a)
{
	if (w->job.top_logprobs > 0)
		answer_clear(&a->answer);
	spares_take_back(&w->spares, &a->answer.rows, &a->raw);
	a->task = NULL;
	a->sibling = NULL;
	a->answer.next = NULL;
	a->next = w->free_asks;
	w->free_asks = a;
}

static bool read_answer(void *owner, const void *bytes, size_t len)
{
	struct ask *a = owner;
	size_t room = a->raw.max - a->raw.len;

	spares_lend(&a->w->spares, &a->answer.rows, &a->raw);
	buf_add(&a->raw, bytes, len < room ? len : room);
	if (!reader_feed(a->reader, bytes, len))
		return false;
	if (a->endpoint->stream && a->first_ms == 0 && reader_has_text(a->reader))
		a->first_ms = clock_mono_ms();
	return true;
}

static const struct overrides *overrides_of(const struct task *t)
{
	return t->prompt->asks ? &t->prompt->overrides : NULL;
}

/* 31 bits of hash(seed, prompt, sample, revision): the same question is asked
 * with the same seed, whoever asks it. */
static uint64_t seed_of(const struct worker *w, const struct task *t)
{
	int64_t seed = overrides_sampling(overrides_of(t), &w->job.sampling).seed;
	uint64_t parts[4] = {
		(uint64_t)seed, t->prompt->grant->number, t->sample, t->revision};

	if (!job_has_int(seed))
		return SEED_NONE;
	return request_seed(hash64(parts, sizeof(parts)));
}

struct answer_rules asking_rules(const struct job *job,
	const struct job_sampling *sampling, const struct endpoint *e,
	size_t prompt_bytes)
{
	uint32_t wanted = (uint32_t)job_teacher_k(job, e->teacher);

	return (struct answer_rules){.top_logprobs = e->top_logprobs,
		.keep = e->top_logprobs > wanted ? wanted : 0,
		.logits_required = job->logits_required,
		.body_max = answer_body_max(
			sampling->max_tokens, e->top_logprobs, e->stream, prompt_bytes),
		.stream = e->stream,
		.loop = {(uint32_t)job->loop_repeats, (uint32_t)job->loop_bytes}};
}

void asking_score_rules(
	const struct endpoint *e, struct bytes messages, struct answer_rules *rules)
{
	struct raw_prompt prompt;

	rules->scored = e->scores && raw_prompt_read(messages, &prompt);
	rules->prompt_len = rules->scored ? prompt.prompt_len : 0;
	rules->given = rules->scored && prompt.kind == RAW_IDS ? prompt.value
							       : bytes_of(NULL, 0);
}

/* Asks for n samples of a prompt, the first of which gives the seed. */
static struct ask *make_asks(struct worker *w, struct task **tasks, unsigned n,
	struct endpoint *e, const struct request_form *form, int64_t now_ms)
{
	uint64_t seed = form->takes_seed ? seed_of(w, tasks[0]) : form->seed;
	struct ask *next = NULL;

	for (unsigned i = n; i-- > 0;) {
		struct ask *a = i == 0 ? asking_take(w) : take_place(w);

		task_list_remove(&w->ready[task_teacher(w, tasks[i])], tasks[i]);
		tasks[i]->state = TASK_ASKED;
		a->task = tasks[i];
		a->endpoint = e;
		a->sent_ms = now_ms;
		a->first_ms = 0;
		a->created_ms = clock_wall_ms();
		a->seed = seed;
		a->temperature = form->temperature;
		a->calibrate = calibrate_terms(&w->job, e->job, e->server,
			overrides_of(tasks[0]), form->temperature);
		a->answered_before = e->answered;
		buf_clear(&a->raw);
		a->sibling = next;
		a->answer.next = next ? &next->answer : NULL;
		next = a;
	}
	return next;
}

static bool write_request(struct ask *a, unsigned n, const struct request_form *form)
{
	const struct endpoint *e = a->endpoint;
	struct bytes messages = a->task->prompt->texts.messages;
	struct err err = {0};
	enum err_code code;

	buf_clear(&a->body);
	if (n > 1)
		code = e->protocol->write_choices(
			form, messages, a->seed, n, &a->body, &err);
	else
		code = e->protocol->write_request(
			form, messages, a->seed, &a->body, &err);
	if (code == ERR_NONE)
		return true;
	log_info("worker", "a prompt cannot be put to this endpoint",
		"url=%s api=%s prompt=%" PRIu64 " why=%s", log_quote(e->url).text,
		e->protocol->name, a->task->prompt->grant->number,
		log_quote(err.msg).text);
	return false;
}

/* No server would be asked otherwise, so these samples fail for good. */
static void give_up(struct worker *w, struct ask *first)
{
	struct ask *next;

	for (struct ask *a = first; a; a = next) {
		next = a->sibling;
		task_failed(w, a->task, REASON_BAD_PROMPT, 0);
		asking_release(w, a);
	}
}

void asking_send(struct worker *w, struct ask *a, const struct answer_rules *rules)
{
	struct endpoint *e = a->endpoint;

	reader_begin(a->reader, e->protocol->shape, rules, &a->answer);
	e->in_flight++;
	e->asked++;
	w->n_in_flight++;
	endpoint_count_request(e);
	http_send(a->transfer, e->target, buf_bytes(&a->body), rules->body_max,
		read_answer);
}

static void ask(struct worker *w, struct task *t, struct endpoint *e, int64_t now_ms)
{
	struct job_sampling sampling =
		overrides_sampling(overrides_of(t), &w->job.sampling);
	const struct request_form *form = endpoint_form(w, e, t->prompt);
	struct task *tasks[LIMIT_CHOICES];
	struct answer_rules rules;
	struct ask *a;
	unsigned n;

	if (!form) {
		task_list_remove(&w->ready[task_teacher(w, t)], t);
		task_failed(w, t, REASON_BAD_PROMPT, 0);
		return;
	}
	n = several_find(w, t, e->protocol->write_choices ? form->choices : 1, tasks);
	a = make_asks(w, tasks, n, e, form, now_ms);
	if (!write_request(a, n, form)) {
		give_up(w, a);
		return;
	}
	if (job_has_int(sampling.max_tokens))
		sampling.max_tokens *= n;
	rules = asking_rules(&w->job, &sampling, e, t->prompt->texts.messages.len);
	rules.n_choices = n;
	asking_score_rules(e, t->prompt->texts.messages, &rules);
	t->prompt->last = e;
	asking_send(w, a, &rules);
}

static void wake_waiting(struct worker *w, int64_t now_ms)
{
	struct task *next;

	for (struct task *t = w->waiting.first; t; t = next) {
		next = t->next;
		if (now_ms < t->not_before_ms)
			continue;
		task_list_remove(&w->waiting, t);
		t->state = TASK_READY;
		task_list_add(&w->ready[task_teacher(w, t)], t);
	}
}

void asking_start(struct worker *w, int64_t now_ms)
{
	bool goes_on = !w->draining && w->unsent_bytes <= UNSENT_MAX;

	wake_waiting(w, now_ms);
	scoring_look(w, now_ms);
	goes_on = goes_on && scoring_has_room(w);
	for (size_t teacher = 0; teacher < w->job.n_teachers; teacher++) {
		bool begins = w->job.teacher[teacher].role == JOB_ROLE_SAMPLE;
		struct task *t;

		/* What has been paid for is brought to its end. */
		while ((!begins || goes_on) && (t = w->ready[teacher].first)) {
			struct endpoint *e = endpoint_for(w, t, now_ms);

			if (!e)
				break;
			(begins ? ask : scoring_ask)(w, t, e, now_ms);
		}
	}
}

static bool stands_in(struct bytes text, struct bytes word)
{
	return text.data && memmem(text.data, text.len, word.data, word.len);
}

/* True if the word may come from the prompt, the answer or a key. */
static bool is_ours(const struct ask *a, struct bytes word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.data[i] >= 0x80)
			return true; /* a corpus may have it in another spelling */
	return stands_in(task_messages(a->task), word) ||
	       stands_in(a->task->prompt->texts.messages, word) ||
	       stands_in(a->task->prompt->texts.request, word) ||
	       stands_in(buf_bytes(&a->answer.content.text), word) ||
	       stands_in(buf_bytes(&a->answer.reasoning.text), word) ||
	       endpoint_secret_has(a->endpoint, word);
}

/* What a server says about its failure, with "_" for every word that may be
 * ours: servers repeat what they were asked, and with which key. */
static struct log_quoted hide_ours(const struct ask *a, const char *said)
{
	char shown[ANSWER_ERROR_TEXT + 1];
	size_t n = 0;

	for (const char *p = said; *p && n < sizeof(shown);) {
		const char *end = p;

		while (isalnum((unsigned char)*end) || (unsigned char)*end >= 0x80)
			end++;
		if (end == p) {
			shown[n++] = *p++;
			continue;
		}
		if (is_ours(a, bytes_of(p, (size_t)(end - p)))) {
			shown[n++] = '_';
			p = end;
		}
		while (p < end && n < sizeof(shown))
			shown[n++] = *p++;
	}
	return log_quote_bytes(shown, n);
}

/* Logs a failure; of many alike only the first of a second. */
static void log_failure(const struct ask *a, enum reason reason, int status)
{
	static enum reason last_reason;
	static int64_t last_ms;
	static unsigned more;
	const struct answer_error *e = &a->answer.error;

	if (reason == last_reason && a->sent_ms - last_ms < 1000) {
		more++;
		return;
	}
	log_info("worker", "an attempt failed",
		"url=%s reason=%s status=%d code=%s message=%s detail=%s why=%s "
		"alike_before=%u",
		log_quote(a->endpoint->url).text, reason_name(reason), status,
		hide_ours(a, e->present ? e->code[0] ? e->code : e->type : "").text,
		hide_ours(a, e->present && status >= 400 ? e->message : "").text,
		log_quote(a->outcome.detail).text,
		log_quote(a->answer.why ? a->answer.why : "").text, more);
	last_reason = reason;
	last_ms = a->sent_ms;
	more = 0;
}

void task_failed(struct worker *w, struct task *t, enum reason reason, int status)
{
	t->state = TASK_FAILING;
	t->reason = reason;
	t->status = status;
	t->sent = false;
	t->serial = ++w->next_serial;
	task_list_add(&w->failing, t);
}

static void try_again(struct worker *w, struct task *t, int64_t not_before_ms)
{
	t->not_before_ms = not_before_ms;
	t->state = TASK_WAITING;
	task_list_add(&w->waiting, t);
}

/* Told in a header, or in the body. */
static int64_t retry_after_of(const struct ask *a)
{
	int64_t in_body = a->answer.error.retry_after_ms;

	if (a->outcome.retry_after_ms >= 0)
		return a->outcome.retry_after_ms;
	return in_body > 0 && in_body <= RETRY_AFTER_MAX_MS ? in_body : -1;
}

/* One of the request's samples has no answer. */
static void take_failure(struct worker *w, struct ask *a, enum reason reason,
	double chance, int64_t now_ms)
{
	struct endpoint *e = a->endpoint;
	struct task *t = a->task;
	enum blame blame = retry_blame(reason, e->health.answered);
	int64_t delay_ms;

	/* An answer that cannot be read may still have been paid for. */
	t->wasted_nusd += a->cost_nusd;
	t->wasted_prompt_tokens += count_or_zero(a->answer.usage.prompt_tokens);
	t->wasted_completion_tokens += count_or_zero(a->answer.usage.completion_tokens);
	if (blame == BLAME_ANSWER && a->outcome.received > 0 && a->raw.len > 0 &&
		!endpoint_key_is_in(e, buf_bytes(&a->raw)))
		storing_send_raw(w, a, reason);
	if (retry_sample(&t->attempts, blame, (int)w->job.attempts,
		    e->answered > a->answered_before, chance, now_ms,
		    &delay_ms) == RETRY_AGAIN) {
		e->retried++;
		try_again(w, t, now_ms + delay_ms);
	} else {
		task_failed(w, t, reason, a->outcome.status);
	}
	asking_release(w, a);
}

/* In anything that would be stored. */
static bool repeats_key(const struct ask *a)
{
	const struct answer *got = &a->answer;
	const struct answer_text *text[] = {&got->content, &got->reasoning,
		&got->refusal, &got->tool_calls, &got->finish_text, &got->stop_reason,
		&got->model, &got->system_fingerprint, &got->id};
	const char *request_id = a->outcome.request_id;

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		if (text[i]->present &&
			endpoint_key_is_in(a->endpoint, buf_bytes(&text[i]->text)))
			return true;
	return endpoint_key_is_in(
		a->endpoint, bytes_of(request_id, strlen(request_id)));
}

/* What the body says of all that was asked for, given how its way here was. */
static enum reason verdict(struct ask *a, const struct http_outcome *o)
{
	enum reason reason = reader_end(a->reader);
	const char *why;

	if (o->reason != REASON_NONE)
		return o->reason;
	if (o->status < 200 || o->status > 299)
		return retry_reason_of_status(
			o->status, a->answer.error.code[0] ? a->answer.error.code
							   : a->answer.error.type);
	/* SGLang's way to refuse when a status line has been sent already. */
	if (reason == REASON_ERROR_OBJECT && a->answer.finish_text.present &&
		atoi(a->answer.error.code) >= 400)
		return retry_reason_of_status(
			atoi(a->answer.error.code), a->answer.error.type);
	if (reason != REASON_NONE)
		return reason;
	if (a->endpoint->scores && !scored_is_given(task_messages(a->task), &a->answer))
		return REASON_BAD_LOGPROBS;
	why = scoring_contradicts(a);
	if (why) {
		a->answer.why = why;
		return REASON_BAD_LOGPROBS;
	}
	if (a->answer.model.present && !repeats_key(a) &&
		!endpoint_model_is_right(a->endpoint, buf_bytes(&a->answer.model.text)))
		return REASON_WRONG_MODEL;
	return REASON_NONE;
}

/* And of one sample. */
static enum reason own_verdict(const struct ask *a, enum reason of_all)
{
	if (of_all != REASON_NONE)
		return of_all;
	if (a->answer.verdict != REASON_NONE)
		return a->answer.verdict;
	return repeats_key(a) ? REASON_SECRET_ECHO : REASON_NONE;
}

/* The body of all, for each that cannot be read while others can. */
static void keep_bodies(struct ask *first, enum reason of_all)
{
	if (of_all != REASON_NONE)
		return;
	for (struct ask *a = first->sibling; a; a = a->sibling)
		if (own_verdict(a, of_all) != REASON_NONE)
			buf_add(&a->raw, first->raw.data, first->raw.len);
}

/* A server need not repeat the ids that it was asked with. */
static void keep_prompt_ids(struct ask *a)
{
	struct bytes messages = a->task->prompt->texts.messages;
	struct raw_prompt prompt;

	if (messages.data[0] == '{' && !a->answer.prompt_token_ids.present &&
		raw_prompt_read(messages, &prompt) && prompt.kind == RAW_IDS)
		raw_prompt_ids(prompt.value, &a->answer.prompt_token_ids);
}

/* Each sample goes its own way. */
static void part(struct worker *w, struct ask *first, enum reason of_all,
	bool asked_again, int64_t now_ms)
{
	/* Those that fail together are asked for together again. */
	double chance = worker_chance(w);
	struct ask *next;

	keep_bodies(first, of_all);
	for (struct ask *a = first; a; a = next) {
		enum reason reason = own_verdict(a, of_all);

		next = a->sibling;
		if (a->task->prompt->lease->lost) {
			task_settled(w, a->task);
			asking_release(w, a);
		} else if (reason == REASON_BAD_REQUEST && asked_again) {
			a->endpoint->retried++;
			try_again(w, a->task, now_ms);
			asking_release(w, a);
		} else if (reason != REASON_NONE) {
			take_failure(w, a, reason, chance, now_ms);
		} else {
			a->task->attempts.made++;
			keep_prompt_ids(a);
			if (a->endpoint->top_logprobs == 0 && w->job.top_logprobs > 0)
				a->answer.flags |= FLAG_LOGITS_MISSING;
			think_split(&a->answer);
			storing_take_answer(w, a);
		}
	}
}

/* What the endpoint is told: one answer that can be read is one. */
static void count_answer(struct worker *w, struct ask *first, enum reason of_all,
	int64_t cost_nusd, double tokens, int64_t now_ms)
{
	struct endpoint *e = first->endpoint;
	enum reason reason = own_verdict(first, of_all), next;

	for (struct ask *a = first->sibling; a && reason != REASON_NONE; a = a->sibling)
		if ((next = own_verdict(a, of_all)) == REASON_NONE)
			reason = next;
	if (reason != REASON_NONE) {
		log_failure(first, reason, first->outcome.status);
		health_failed(&e->health, reason, first->outcome.status, first->sent_ms,
			retry_after_of(first), worker_chance(w), now_ms);
		return;
	}
	health_answered(&e->health);
	e->answered++;
	e->latency_ms += (uint64_t)(now_ms - first->sent_ms);
	if (e->stream && first->first_ms > 0) {
		e->streamed++;
		e->first_token_ms += (uint64_t)(first->first_ms - first->sent_ms);
		e->writing_ms += (uint64_t)(now_ms - first->first_ms);
		e->written_tokens +=
			count_or_zero(first->answer.usage.completion_tokens);
	}
	e->tokens_used += (uint64_t)tokens;
	for (const struct ask *a = first; a; a = a->sibling) {
		e->prompt_used += count_or_zero(a->answer.usage.prompt_tokens);
		e->completion_used += count_or_zero(a->answer.usage.completion_tokens);
	}
	e->cost_nusd += cost_nusd;
}

void asking_ended(void *to, struct transfer *transfer, const struct http_outcome *o)
{
	struct worker *w = to;
	struct ask *first = http_owner(transfer);
	struct endpoint *e = first->endpoint;
	int64_t now_ms = clock_mono_ms(), cost_nusd;
	double tokens = 0;
	enum reason of_all;
	bool again;

	for (struct ask *a = first; a; a = a->sibling)
		a->outcome = *o;
	/* The lists of models and of tokens have limits of their own, or none. */
	if (first->task || (first == e->question && !e->probing.tokenizes))
		endpoint_hear_rates(w, e, o);
	if (first == e->question) {
		if (e->probing.asks)
			probing_ended(w, first, o);
		else
			questioning_ended(w, first, o);
		return;
	}
	if (!first->task) {
		endpoint_looked(w, first, o);
		return;
	}
	e->in_flight--;
	w->n_in_flight--;
	of_all = verdict(first, o);
	if (of_all == REASON_NONE && first->sibling) {
		several_assign(first);
		if (job_n_scorers(&w->job) > 0)
			several_share_prompt(first);
	}
	cost_nusd = several_cost(first);
	for (struct ask *a = first; a; a = a->sibling)
		tokens += (double)count_or_zero(a->answer.usage.prompt_tokens) +
			  count_or_zero(a->answer.usage.completion_tokens);
	rate_take(&e->tokens, tokens);
	/* What the job asks may be refused, or what this prompt says: a refusal that
	 * leads to questions is nobody's fault yet. */
	again = of_all == REASON_BAD_REQUEST && questioning_begin(w, e, first->sent_ms);
	if (!first->task->prompt->lease->lost && !again)
		count_answer(w, first, of_all, cost_nusd, tokens, now_ms);
	if (first->task->scoring)
		scoring_ended(w, first, own_verdict(first, of_all), now_ms);
	else
		part(w, first, of_all, again, now_ms);
}
