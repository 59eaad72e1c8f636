/* SPDX-License-Identifier: Apache-2.0 */
/* Questions (questions.h) on their way: sent, read, and at work what is made of them. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/raw_prompt.h"
#include "worker/tokenize.h"
#include "worker/worker.h"

/* An endpoint that fails at questions has been asked often enough. */
#define QUESTIONINGS_MAX 3

static bool read_answer(void *owner, const void *bytes, size_t len)
{
	struct ask *a = owner;

	return reader_feed(a->reader, bytes, len);
}

bool question_send(struct worker *w, struct ask *a, struct bytes messages,
	const struct request_terms *terms, const struct answer_rules *rules,
	uint64_t seed, struct err *err)
{
	const struct endpoint *e = a->endpoint;
	struct request_form form;
	bool made;

	a->sent_ms = clock_mono_ms();
	buf_clear(&a->body);
	made = e->protocol->form_init(&form, terms, err) == ERR_NONE &&
	       e->protocol->write_request(&form, messages, seed, &a->body, err) ==
		       ERR_NONE;
	request_form_release(&form);
	if (!made) {
		asking_release(w, a);
		return false;
	}
	reader_begin(a->reader, e->protocol->shape, rules, &a->answer);
	http_send(a->transfer, e->target, buf_bytes(&a->body), rules->body_max,
		read_answer);
	return true;
}

static const struct job_sampling no_sampling = {.n = 1,
	.n_per_request = 1,
	.temperature = (double)NAN,
	.top_p = (double)NAN,
	.top_k = JOB_UNSET_INT,
	.min_p = (double)NAN,
	.presence_penalty = (double)NAN,
	.repetition_penalty = (double)NAN,
	.max_tokens = JOB_UNSET_INT,
	.seed = JOB_UNSET_INT};

/* Whether the protocol can ask for scores. */
static bool can_score(struct worker *w, const struct endpoint *e)
{
	struct request_terms terms = endpoint_terms(w, e);
	struct request_form form;
	struct err err = {0};
	bool can;

	if (!job_api_scores(e->job->api) || e->scores)
		return e->scores;
	terms.sampling = &no_sampling;
	terms.score = true;
	terms.stream = terms.needs_ids = false;
	can = e->protocol->form_init(&form, &terms, &err) == ERR_NONE;
	request_form_release(&form);
	return can;
}

void question_begin(
	struct worker *w, const struct endpoint *e, struct questions *questions)
{
	struct job of = w->job;

	if (e->scores)
		of.task = JOB_TASK_SCORE;
	of.top_logprobs = job_teacher_k(&w->job, e->teacher);
	questions_begin(questions, &of, e->looked && can_score(w, e));
}

/* What is only scored has no sampling of its own. */
static struct ask *ask_for_scores(struct worker *w, struct endpoint *e,
	const struct question *question, struct err *err)
{
	struct request_terms terms = endpoint_terms(w, e);
	struct bytes text = questions_scored();
	struct answer_rules rules = asking_rules(&w->job, &no_sampling, e, text.len);
	struct raw_prompt prompt;
	struct ask *a = asking_take(w);

	a->endpoint = e;
	a->task = NULL;
	if (!e->scores)
		terms.sampling = &no_sampling;
	terms.score = true;
	terms.stream = rules.stream = terms.needs_ids = false;
	terms.top_logprobs = rules.top_logprobs = question->k;
	rules.keep = 0;
	terms.logits_required = rules.logits_required = false;
	rules.scored = raw_prompt_read(text, &prompt);
	rules.prompt_len = prompt.prompt_len;
	rules.given = prompt.value;
	return question_send(w, a, text, &terms, &rules, SEED_NONE, err) ? a : NULL;
}

struct ask *question_ask(struct worker *w, struct endpoint *e,
	const struct question *question, struct err *err)
{
	struct request_terms terms = endpoint_terms(w, e);
	/* Where no template is applied, there are no turns to go on with. */
	struct bytes messages = questions_messages(w->job.prefill && !e->protocol->raw);
	struct overrides overrides = {
		.sampling = questions_sampling(question, &w->job.sampling)};
	struct job_sampling sampling = w->job.sampling;
	struct answer_rules rules;
	struct ask *a;

	if (question->score)
		return ask_for_scores(w, e, question, err);
	a = asking_take(w);
	a->endpoint = e;
	a->task = NULL;
	sampling.max_tokens = overrides.sampling.max_tokens;
	terms.overrides = &overrides;
	terms.top_logprobs = question->k;
	terms.logits_required = false;
	rules = asking_rules(&w->job, &sampling, e, messages.len);
	rules.top_logprobs = question->k;
	rules.keep = 0;
	rules.logits_required = false;
	return question_send(w, a, messages, &terms, &rules,
		       job_has_int(sampling.seed) ? QUESTION_SEED : SEED_NONE, err)
		       ? a
		       : NULL;
}

static bool keep_body(void *owner, const void *bytes, size_t len)
{
	struct ask *a = owner;

	buf_add(&a->raw, bytes, len);
	return !a->raw.over;
}

bool question_tokenize(struct worker *w, struct endpoint *e, struct ask **out)
{
	struct ask *a;

	if (!tokenize_has(e->server))
		return false;
	a = asking_take(w);
	a->endpoint = e;
	a->task = NULL;
	a->sent_ms = clock_mono_ms();
	buf_clear(&a->raw);
	buf_clear(&a->body);
	tokenize_write(e->job->model, verdict_tokenized, &a->body);
	http_send(a->transfer, e->tokenize_target, buf_bytes(&a->body), LIMIT_RAW_BODY,
		keep_body);
	*out = a;
	return true;
}

void question_take_tokens(struct ask *a, const struct http_outcome *o,
	struct answer_ids *ids, struct verdict *v)
{
	if (o->reason == REASON_NONE && o->status == 200 &&
		tokenize_read(buf_bytes(&a->raw), ids))
		v->tokenizer = tokenize_digest(ids);
}

enum reason question_reason(struct ask *a, const struct http_outcome *o)
{
	enum reason reason = reader_end(a->reader);
	const struct answer_error *e = &a->answer.error;

	if (o->reason != REASON_NONE)
		return o->reason;
	if (o->status < 200 || o->status > 299)
		return retry_reason_of_status(
			o->status, e->code[0] ? e->code : e->type);
	return reason;
}

enum question_end question_end_of(enum reason reason, const struct http_outcome *o)
{
	if (reason == REASON_NONE)
		return QUESTION_ANSWERED;
	if (reason == REASON_BAD_REQUEST)
		return QUESTION_REFUSED;
	return o->reason == REASON_NONE && o->status >= 200 && o->status <= 299
		       ? QUESTION_UNREADABLE
		       : QUESTION_FAILED;
}

/* -- At work: when the job's requests are refused -- */

static void conclude(struct worker *w, struct endpoint *e)
{
	const struct verdict *v = &e->questions->verdict;
	char why[VERDICT_WHY], text[VERDICT_TEXT];
	bool too_few = v->known && v->k < v->wanted;

	verdict_text(v, text);
	if (too_few && !w->job.logits_required) {
		log_warn("worker",
			"an endpoint gives fewer candidates than the job asks",
			"url=%s asked=%" PRIu32 " gives=%" PRIu32 " verdict=%s",
			log_quote(e->url).text, v->wanted, v->k, log_quote(text).text);
		endpoint_ask_for(w, e, v->k);
	} else if (too_few) {
		verdict_contradicts(v, &w->job, e->job, why);
		log_error("worker", "this endpoint cannot give what the job asks",
			"url=%s why=%s", log_quote(e->url).text, log_quote(why).text);
		e->health.refused = true;
		e->health.reason = REASON_BAD_REQUEST;
		e->health.status = 400;
	} else {
		log_info("worker", "an endpoint was asked why it refuses",
			"url=%s verdict=%s", log_quote(e->url).text,
			log_quote(text).text);
	}
	if (v->known)
		e->questionings = QUESTIONINGS_MAX;
	free(e->questions);
	e->questions = NULL;
	e->questioned_ms = clock_mono_ms();
}

static void ask_next(struct worker *w, struct endpoint *e)
{
	struct question question;
	struct err err = {0};

	while (questions_next(e->questions, &question)) {
		e->question = question_ask(w, e, &question, &err);
		if (e->question) {
			endpoint_count_request(e);
			return;
		}
		questions_take(e->questions, QUESTION_FAILED, NULL);
	}
	conclude(w, e);
}

bool questioning_begin(struct worker *w, struct endpoint *e, int64_t sent_ms)
{
	/* Not health.answered: others may have had their answer with a smaller k. */
	if (w->job.top_logprobs == 0 || e->scores || e->answered > 0 ||
		e->health.refused)
		return false;
	/* What was on its way when the questions were asked is asked again. */
	if (e->questions || sent_ms <= e->questioned_ms)
		return true;
	if (e->questionings == QUESTIONINGS_MAX || w->draining)
		return false;
	e->questionings++;
	e->questions = mem_zalloc(1, sizeof(*e->questions));
	questions_begin(e->questions, &w->job, false);
	ask_next(w, e);
	return true;
}

/* Questions are paid for as anything else. */
void question_pay(struct endpoint *e, const struct answer_usage *usage)
{
	double tokens = (double)count_or_zero(usage->prompt_tokens) +
			count_or_zero(usage->completion_tokens);

	e->cost_nusd += encode_cost(e->job, usage);
	e->tokens_used += (uint64_t)tokens;
	rate_take(&e->tokens, tokens);
}

void questioning_ended(struct worker *w, struct ask *a, const struct http_outcome *o)
{
	struct endpoint *e = a->endpoint;
	enum question_end end = question_end_of(question_reason(a, o), o);

	question_pay(e, &a->answer.usage);
	questions_take(e->questions, end, end == QUESTION_ANSWERED ? &a->answer : NULL);
	e->question = NULL;
	asking_release(w, a);
	ask_next(w, e);
}
