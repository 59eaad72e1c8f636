/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/signals.h"
#include "common/text.h"
#include "worker/think.h"
#include "worker/worker.h"

struct probe {
	struct worker w; /* as much of one as asking needs */
	struct probe_result *result;
	struct questions *questions; /* one an endpoint */
	bool *asks_own;              /* the job's question is out */
	bool *tokenizes;             /* or that for a text's ids, or has been */
	struct bytes messages;
	size_t n_open;
};

static struct probe *probe_of(struct worker *w)
{
	return (struct probe *)w; /* its first member */
}

static struct probe_result *result_of(struct probe *p, const struct endpoint *e)
{
	return &p->result[e - p->w.endpoint];
}

static void escape(const void *text, size_t len, char *out, size_t size)
{
	text_escape(text, len, out, size);
}

static void close_one(struct probe *p, const struct endpoint *e, enum reason reason,
	int status, const char *detail)
{
	struct probe_result *r = result_of(p, e);

	r->reason = reason;
	r->status = status;
	r->server = e->server;
	r->choices = e->form.choices;
	r->model_listed = e->asked_model_listed;
	r->verdict = p->questions[e - p->w.endpoint].verdict;
	if (detail)
		escape(detail, strlen(detail), r->detail, sizeof(r->detail));
	p->n_open--;
}

/* Who is to score what others say is given a few tokens that every vocabulary has. */
static struct bytes own_messages(const struct probe *p, const struct endpoint *e)
{
	static const char tokens[] =
		"{\"input_ids\":[100,101,102,103],\"prompt_len\":2}";

	return e->job->role == JOB_ROLE_SCORE ? bytes_of(tokens, sizeof(tokens) - 1)
					      : p->messages;
}

/* The job's own, with as many candidates as the endpoint gives. */
static void ask_own(struct probe *p, struct endpoint *e)
{
	struct bytes messages = own_messages(p, e);
	const struct verdict *v = &p->questions[e - p->w.endpoint].verdict;
	struct request_terms terms = endpoint_terms(&p->w, e);
	struct answer_rules rules =
		asking_rules(&p->w.job, &p->w.job.sampling, e, messages.len);
	struct ask *a = asking_take(&p->w);
	struct err err = {0};

	p->asks_own[e - p->w.endpoint] = true;
	asking_score_rules(e, messages, &rules);
	if (v->known) {
		terms.top_logprobs = rules.top_logprobs = v->k;
		rules.logits_required = false; /* the verdict says it better */
	}
	a->endpoint = e;
	if (!question_send(&p->w, a, messages, &terms, &rules, SEED_NONE, &err))
		close_one(p, e, REASON_BAD_PROMPT, 0, err.msg);
}

static void ask_next(struct probe *p, struct endpoint *e)
{
	struct questions *q = &p->questions[e - p->w.endpoint];
	struct question question;
	struct err err = {0};

	if (!questions_next(q, &question)) {
		struct ask *unused;

		p->tokenizes[e - p->w.endpoint] = !p->tokenizes[e - p->w.endpoint] &&
						  question_tokenize(&p->w, e, &unused);
		if (!p->tokenizes[e - p->w.endpoint])
			ask_own(p, e);
	} else if (!question_ask(&p->w, e, &question, &err))
		close_one(p, e, REASON_BAD_PROMPT, 0, err.msg);
}

static void describe_rows(struct probe_result *r, const struct rows *rows)
{
	r->tokens = rows->n;
	r->token_ids = rows->n > 0 && tokens_have_ids(rows);
	r->token_bytes = rows->n > 0;
	r->k_least = rows->n ? UINT32_MAX : 0;
	for (uint32_t i = 0; i < rows->n; i++) {
		uint32_t k = rows->first[i + 1] - rows->first[i];

		r->k_least = k < r->k_least ? k : r->k_least;
		r->k_most = k > r->k_most ? k : r->k_most;
		r->token_bytes =
			r->token_bytes && rows->token_len[i] != TOKEN_BYTES_UNKNOWN;
	}
}

/* How large the sample would be in the dataset. Taken as interned, so that the
 * vocabulary, which is stored once, is left out. */
static size_t stored_size(struct worker *w, struct ask *a, enum eos_row *eos_row)
{
	struct encode_prompt prompt = {0};
	struct encode_terms terms = {.job = &w->job,
		.server = a->endpoint->server,
		.head = {.teacher = a->endpoint->teacher},
		.prompt = &prompt,
		.endpoint = a->endpoint->url,
		.worker = "",
		.request_id = "",
		.interned = true};
	struct record head;
	struct buf offer;
	size_t size;

	buf_init(&offer, LIMIT_RECORD);
	encode_sample(w->encoder, &terms, &a->answer, w->tokens, &head, &offer);
	*eos_row = (enum eos_row)head.eos_row;
	size = offer.len;
	buf_release(&offer);
	return size;
}

static void describe(struct probe *p, struct ask *a, const struct http_outcome *o)
{
	struct probe_result *r = result_of(p, a->endpoint);
	const struct answer *answer = &a->answer;

	questions_learn(&p->questions[a->endpoint - p->w.endpoint], answer);
	think_split(&a->answer);
	r->latency_ms = clock_mono_ms() - a->sent_ms;
	r->usage = answer->usage;
	r->flags = answer->flags;
	r->finish = answer->finish;
	r->reasoning_len = (uint32_t)answer->reasoning.text.len;
	r->content_len = (uint32_t)answer->content.text.len;
	r->body_bytes = o->received;
	escape(answer->model.text.data, answer->model.text.len, r->model,
		sizeof(r->model));
	describe_rows(r, &answer->rows);
	r->offer_bytes = stored_size(&p->w, a, &r->eos_row);
}

static void own_answered(struct probe *p, struct ask *a, const struct http_outcome *o,
	enum reason reason)
{
	const struct answer_error *e = &a->answer.error;
	char detail[400];

	snprintf(detail, sizeof(detail), "%s%s%s", e->present ? e->message : o->detail,
		a->answer.why ? "; " : "", a->answer.why ? a->answer.why : "");
	if (reason == REASON_NONE)
		describe(p, a, o);
	close_one(p, a->endpoint, reason, o->status, detail);
	asking_release(&p->w, a);
}

static void answered(struct probe *p, struct ask *a, const struct http_outcome *o)
{
	struct endpoint *e = a->endpoint;
	enum reason reason;
	enum question_end end;

	if (p->tokenizes[e - p->w.endpoint] && !p->asks_own[e - p->w.endpoint]) {
		struct answer_ids ids = {0};

		question_take_tokens(
			a, o, &ids, &p->questions[e - p->w.endpoint].verdict);
		free(ids.at);
		asking_release(&p->w, a);
		ask_own(p, e);
		return;
	}
	reason = question_reason(a, o);
	end = question_end_of(reason, o);
	if (p->asks_own[e - p->w.endpoint]) {
		own_answered(p, a, o, reason);
		return;
	}
	p->questions[e - p->w.endpoint].verdict.rate_headers =
		p->questions[e - p->w.endpoint].verdict.rate_headers || o->told.any;
	questions_take(&p->questions[e - p->w.endpoint], end,
		end == QUESTION_ANSWERED ? &a->answer : NULL);
	asking_release(&p->w, a);
	ask_next(p, e);
}

static void ended(void *to, struct transfer *t, const struct http_outcome *o)
{
	struct probe *p = probe_of(to);
	struct ask *a = http_owner(t);
	struct endpoint *e = a->endpoint;

	if (e->looked) {
		answered(p, a, o);
		return;
	}
	endpoint_looked(&p->w, a, o);
	if (e->looked && !e->health.refused)
		ask_next(p, e);
	else
		close_one(p, e, e->health.reason, e->health.status,
			o->detail[0] ? o->detail : reason_meaning(e->health.reason));
}

enum err_code probe_endpoints(const struct job *job, struct bytes messages,
	int64_t wait_s, struct probe_result *results, struct err *err)
{
	struct probe p = {.messages = messages, .result = results};
	struct worker *w = &p.w;
	int64_t until = clock_mono_ms() + wait_s * 1000;
	enum err_code code;

	w->job = *job;
	w->random_state = 1;
	w->http = http_new(64);
	w->encoder = encoder_new();
	w->tokens = tokens_new();
	w->ready = mem_zalloc(job->n_teachers, sizeof(*w->ready));
	code = endpoints_make(w, err);
	p.n_open = code == ERR_NONE ? w->n_endpoints : 0;
	p.questions = mem_zalloc(w->n_endpoints, sizeof(*p.questions));
	p.asks_own = mem_zalloc(w->n_endpoints, sizeof(*p.asks_own));
	p.tokenizes = mem_zalloc(w->n_endpoints, sizeof(*p.tokenizes));
	for (size_t i = 0; i < w->n_endpoints && code == ERR_NONE; i++) {
		question_begin(w, &w->endpoint[i], &p.questions[i]);
		results[i] = (struct probe_result){.teacher = w->endpoint[i].job->name,
			.url = w->endpoint[i].url,
			.reason = REASON_TIMEOUT};
	}
	if (code == ERR_NONE)
		endpoints_look(w, clock_mono_ms());
	while (p.n_open > 0 && clock_mono_ms() < until && signals_stops() == 0) {
		http_run(w->http, clock_mono_ms(), ended, w);
		http_wait(w->http, NULL, 0, 50);
	}
	asking_free(w);
	http_free(w->http);
	endpoints_free(w);
	encoder_free(w->encoder);
	tokens_free(w->tokens);
	free(w->ready);
	free(p.questions);
	free(p.asks_own);
	free(p.tokenizes);
	return code;
}
