/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests may go. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/key.h"
#include "worker/tokenize.h"
#include "worker/worker.h"

#define MODELS_MAX MIB(1)

static struct {
	char *text[LIMIT_TEACHERS];
} keys;

/* Takes over `whole`, the address. */
static struct http_target *make_target(
	const struct endpoint *e, char *whole, const char *key)
{
	static const char *const key_headers[] = {[AUTH_BEARER] = NULL,
		[AUTH_X_API_KEY] = "x-api-key",
		[AUTH_X_GOOG_API_KEY] = "x-goog-api-key"};
	const struct job_teacher *t = e->job;
	const char *const *fixed = e->protocol->headers;
	const char *key_header = key_headers[e->protocol->auth];
	const char **extra;
	struct http_settings s = {whole, key_header ? NULL : key, NULL, t->proxy,
		t->ca_file, t->connect_s, t->first_byte_s, t->total_s};
	struct http_target *target;
	size_t n = 0, n_fixed = 0;

	while (fixed && fixed[n_fixed])
		n_fixed++;
	extra = mem_zalloc(n_fixed + 2 * t->n_extra_headers + 3, sizeof(*extra));
	for (; n < n_fixed; n++)
		extra[n] = fixed[n];
	if (key_header && key) {
		extra[n++] = key_header;
		extra[n++] = key;
	}
	for (size_t i = 0; i < t->n_extra_headers; i++) {
		extra[n++] = t->extra_header[i].name;
		extra[n++] = t->extra_header[i].value;
	}
	s.extra_header = extra;
	target = http_target_new(&s);
	free(extra);
	free(whole);
	return target;
}

static void make_targets(struct endpoint *e, const char *key)
{
	const struct protocol *p = e->protocol;

	e->target =
		make_target(e, protocol_url(p, e->url, e->job->model, e->stream), key);
	e->models_target =
		make_target(e, mem_printf("%s%s", e->url, p->models_path), key);
	e->tokenize_target = make_target(e, tokenize_url(e->url), key);
}

enum err_code endpoints_make(struct worker *w, struct err *err)
{
	size_t e = 0;

	w->n_endpoints = job_n_endpoints(&w->job);
	w->endpoint = mem_zalloc(w->n_endpoints, sizeof(*w->endpoint));
	for (size_t t = 0; t < w->job.n_teachers; t++) {
		const struct job_teacher *teacher = &w->job.teacher[t];
		const struct protocol *protocol = protocol_find(teacher->api);

		if (!protocol)
			return err_set(
				err, ERR_INVALID, "no protocol '%s'", teacher->api);
		if (key_read(teacher, &keys.text[t], err) != ERR_NONE)
			return err->code;
		for (size_t u = 0; u < teacher->n_urls; u++, e++) {
			struct endpoint *to = &w->endpoint[e];

			to->teacher = (uint16_t)t;
			to->number = (uint16_t)u;
			to->job = teacher;
			to->url = teacher->url[u];
			to->server = (enum job_server)teacher->server;
			if (to->server == SERVER_AUTO)
				to->server = protocol->server;
			to->protocol = protocol;
			to->scores = job_teacher_scores(&w->job, t);
			to->stream =
				teacher->role != JOB_ROLE_SCORE &&
				protocol_streams(protocol, teacher, &w->job.sampling);
			to->top_logprobs = to->ordered_k =
				(uint32_t)job_teacher_k(&w->job, t);
			buf_init(&to->own_request, LIMIT_CORPUS_LINE);
			make_targets(to, keys.text[t]);
		}
	}
	return ERR_NONE;
}

void endpoints_free(struct worker *w)
{
	for (size_t i = 0; i < w->n_endpoints; i++) {
		http_target_free(w->endpoint[i].target);
		http_target_free(w->endpoint[i].models_target);
		http_target_free(w->endpoint[i].tokenize_target);
		request_form_release(&w->endpoint[i].form);
		request_form_release(&w->endpoint[i].own_form);
		buf_release(&w->endpoint[i].own_request);
		free(w->endpoint[i].questions);
		probing_release(&w->endpoint[i]);
	}
	free(w->endpoint);
	w->endpoint = NULL;
	w->n_endpoints = 0;
	for (size_t t = 0; t < LIMIT_TEACHERS; t++) {
		key_forget(keys.text[t]);
		keys.text[t] = NULL;
	}
}

void endpoints_take_orders(
	struct worker *w, const struct wire_orders *m, int64_t now_ms)
{
	for (uint32_t i = 0; i < m->n_endpoints && i < w->n_endpoints; i++) {
		const struct wire_endpoint_order *o = &m->endpoint[i];
		struct endpoint *e = &w->endpoint[i];

		if (o->teacher != e->teacher || o->endpoint != e->number)
			continue;
		/* What we give up, others get when we have said that we heard. */
		if (e->share != o->in_flight)
			w->beat_at = now_ms;
		e->share = o->in_flight;
		e->stopped = o->stopped;
		if (o->proven)
			e->health.answered = true;
		e->probe = o->probe;
		e->paced = o->paced;
		if (o->k != e->ordered_k)
			endpoint_ask_for(w, e, o->k);
		e->ordered_k = o->k;
		rate_set(&e->requests, o->requests_per_minute, now_ms);
		rate_set(&e->tokens, o->tokens_per_minute, now_ms);
	}
}

/* -- The first look: which server is it, and does it have the model? -- */

static bool keep_body(void *owner, const void *bytes, size_t len)
{
	struct ask *a = owner;

	buf_add(&a->body, bytes, len);
	return !a->body.over;
}

static void look_at(struct worker *w, struct endpoint *e)
{
	struct ask *a = asking_take(w);

	a->endpoint = e;
	a->task = NULL;
	buf_clear(&a->body);
	a->sent_ms = clock_mono_ms();
	e->looking = true;
	e->look = a;
	http_send(a->transfer, e->models_target, bytes_of(NULL, 0), MODELS_MAX,
		keep_body);
}

void endpoints_look(struct worker *w, int64_t now_ms)
{
	for (size_t i = 0; i < w->n_endpoints; i++) {
		struct endpoint *e = &w->endpoint[i];

		if (!e->looked && !e->looking && !e->stopped && !e->health.refused &&
			now_ms >= e->health.held_until_ms)
			look_at(w, e);
	}
}

static enum job_server server_by_owner(const char *owner)
{
	static const struct {
		const char *owner;
		enum job_server server;
	} known[] = {
		{"vllm", SERVER_VLLM},
		{"sglang", SERVER_SGLANG},
		{"llamacpp", SERVER_LLAMACPP},
		{"tensorrt_llm", SERVER_TRTLLM},
		{"library", SERVER_OLLAMA},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(owner, known[i].owner) == 0)
			return known[i].server;
	return SERVER_OPENAI;
}

static void note_listed(struct endpoint *e, const char *name)
{
	if (name && strncmp(name, "models/", 7) == 0)
		name += 7;
	if (name &&
		(strcmp(name, e->job->model) == 0 ||
			model_matches(bytes_of(e->job->model, strlen(e->job->model)),
				bytes_of(name, strlen(name)))))
		e->asked_model_listed = true;
}

/* What /models says, as far as it can be read: who made the server, and
 * whether it knows the model by the name that the job has. */
static enum job_server read_models(struct endpoint *e, struct buf *body)
{
	json_t *tree = json_loadb(buf_text(body), body->len, 0, NULL), *one;
	enum job_server server = SERVER_OPENAI;
	size_t i;

	json_array_foreach(json_object_get(tree, "data"), i, one) {
		const char *owner = json_string_value(json_object_get(one, "owned_by"));

		if (owner && i == 0)
			server = server_by_owner(owner);
		note_listed(e, json_string_value(json_object_get(one, "id")));
	}
	/* Gemini's and Ollama's lists. */
	json_array_foreach(json_object_get(tree, "models"), i, one)
		note_listed(e, json_string_value(json_object_get(one, "name")));
	json_decref(tree);
	return server;
}

struct request_terms endpoint_terms(const struct worker *w, const struct endpoint *e)
{
	/* Who scores what others have said samples nothing, and goes on with nothing. */
	static const struct job_sampling none = {.n = 1,
		.n_per_request = 1,
		.temperature = NAN,
		.top_p = NAN,
		.top_k = JOB_UNSET_INT,
		.min_p = NAN,
		.presence_penalty = NAN,
		.repetition_penalty = NAN,
		.max_tokens = JOB_UNSET_INT,
		.seed = JOB_UNSET_INT};
	bool of_others = e->job->role == JOB_ROLE_SCORE;

	return (struct request_terms){.teacher = e->job,
		.sampling = of_others ? &none : &w->job.sampling,
		.server = e->server,
		.top_logprobs = e->top_logprobs,
		.prefill = w->job.prefill && !of_others,
		.stream = e->stream,
		.logits_required = w->job.logits_required || of_others,
		.score = e->scores,
		.needs_ids = !e->scores && job_n_scorers(&w->job) > 0};
}

/* Many prompts ask for the same, and a prompt's samples come one after the
 * other: the last form that was made is kept. */
const struct request_form *endpoint_form(
	struct worker *w, struct endpoint *e, const struct held_prompt *p)
{
	struct bytes request = p->texts.request, made = buf_bytes(&e->own_request);
	struct request_terms terms = endpoint_terms(w, e);
	struct err err = {0};

	/* Token ids are for teachers that take raw prompts. */
	if (!e->protocol->raw && p->texts.messages.data[0] != '[')
		return NULL;
	if (!p->asks)
		return p->bad ? NULL : &e->form;
	if (made.len == request.len && memcmp(made.data, request.data, made.len) == 0)
		return &e->own_form;
	request_form_release(&e->own_form);
	buf_clear(&e->own_request);
	terms.overrides = &p->overrides;
	if (e->protocol->form_init(&e->own_form, &terms, &err) != ERR_NONE) {
		log_info("worker", "an endpoint cannot be asked what a prompt asks for",
			"url=%s server=%s prompt=%" PRIu64 " why=%s",
			log_quote(e->url).text, job_server_name(e->server),
			p->grant->number, log_quote(err.msg).text);
		return NULL;
	}
	buf_add(&e->own_request, request.data, request.len);
	return &e->own_form;
}

static void make_form(struct worker *w, struct endpoint *e)
{
	struct request_terms terms = endpoint_terms(w, e);
	struct err err = {0};

	if (e->protocol->form_init(&e->form, &terms, &err) == ERR_NONE)
		return;
	log_error("worker", "this endpoint cannot be asked what the job asks",
		"url=%s server=%s why=%s", log_quote(e->url).text,
		job_server_name(e->server), log_quote(err.msg).text);
	e->health.refused = true;
	e->health.reason = REASON_BAD_REQUEST;
}

void endpoint_ask_for(struct worker *w, struct endpoint *e, uint32_t k)
{
	if (e->top_logprobs == k)
		return;
	e->top_logprobs = k;
	if (!e->looked) /* there is no form yet */
		return;
	request_form_release(&e->form);
	request_form_release(&e->own_form);
	buf_clear(&e->own_request);
	make_form(w, e);
}

void endpoint_looked(struct worker *w, struct ask *a, const struct http_outcome *o)
{
	struct endpoint *e = a->endpoint;
	int64_t now_ms = clock_mono_ms();
	enum reason reason = o->reason;

	e->looking = false;
	e->look = NULL;
	/* Many servers have no list, or ask for no key to see it: only what
	 * would hit the requests just as well counts. */
	if (reason == REASON_NONE && (o->status == 401 || o->status == 402 ||
					     o->status == 429 || o->status >= 500))
		reason = retry_reason_of_status(o->status, "");
	if (reason == REASON_CONNECT || reason == REASON_DNS || reason == REASON_TLS ||
		reason == REASON_NO_ANSWER || reason == REASON_UNAUTHORIZED ||
		reason == REASON_PAYMENT || reason == REASON_RATE_LIMITED ||
		reason == REASON_OVERLOADED) {
		health_failed(&e->health, reason, o->status, a->sent_ms,
			o->retry_after_ms, worker_chance(w), now_ms);
		log_warn("worker", "an endpoint does not answer",
			"url=%s reason=%s status=%d detail=%s", log_quote(e->url).text,
			reason_name(reason), o->status, log_quote(o->detail).text);
		asking_release(w, a);
		return;
	}
	if (e->server == SERVER_AUTO)
		e->server = o->reason == REASON_NONE && o->status == 200
				    ? read_models(e, &a->body)
				    : SERVER_OPENAI;
	else if (o->reason == REASON_NONE && o->status == 200)
		read_models(e, &a->body);
	e->looked = true;
	e->health.failures = 0;
	make_form(w, e);
	log_info("worker", "an endpoint is there", "url=%s server=%s model_listed=%d",
		log_quote(e->url).text, job_server_name(e->server),
		e->asked_model_listed);
	asking_release(w, a);
}

/* -- How fast -- */

void endpoint_count_request(struct endpoint *e)
{
	rate_take(&e->requests, 1);
	pace_take(&e->pace);
}

bool endpoint_is_in_time(struct endpoint *e, int64_t now_ms)
{
	return rate_allows(&e->requests, now_ms) && rate_allows(&e->tokens, now_ms) &&
	       pace_allows(&e->pace, e->paced, e->in_flight, now_ms);
}

/* What a request uses is what one has used so far; at first, the most it may. */
static struct pace_use use_of(const struct worker *w, const struct endpoint *e)
{
	double n = (double)e->answered;
	int64_t most = w->job.sampling.max_tokens;
	double prompt = n > 0 ? (double)e->prompt_used / n : 0;
	double completion = n > 0               ? (double)e->completion_used / n
			    : job_has_int(most) ? (double)most
						: 0;

	return (struct pace_use){{[TOLD_REQUESTS] = 1,
		[TOLD_TOKENS] = prompt + completion,
		[TOLD_INPUT] = prompt,
		[TOLD_OUTPUT] = completion}};
}

void endpoint_hear_rates(
	struct worker *w, struct endpoint *e, const struct http_outcome *o)
{
	struct pace_use use = use_of(w, e);
	double part = (double)e->share / (double)e->job->max_in_flight;
	bool failed = o->reason != REASON_NONE || o->status < 200 || o->status > 299;

	pace_hear(&e->pace, &o->told, part > 0 && part < 1 ? part : 1, &use, failed,
		clock_wall_ms(), clock_mono_ms());
}

/* -- Choosing -- */

static bool can_take(struct endpoint *e, int64_t now_ms)
{
	return e->looked && !e->stopped && !e->questions && !probing_holds(e) &&
	       e->in_flight < health_allows(&e->health, e->share, now_ms) &&
	       endpoint_is_in_time(e, now_ms);
}

struct endpoint *endpoint_for(struct worker *w, const struct task *t, int64_t now_ms)
{
	uint16_t teacher = (uint16_t)task_teacher(w, t);
	struct endpoint *best = NULL;

	if (t->prompt->last && t->prompt->last->teacher == teacher &&
		can_take(t->prompt->last, now_ms))
		return t->prompt->last;
	for (size_t i = 0; i < w->n_endpoints; i++) {
		struct endpoint *e = &w->endpoint[i];

		if (e->teacher != teacher || !can_take(e, now_ms))
			continue;
		/* The emptiest, by the part of its share that is in use. */
		if (!best || (uint64_t)e->in_flight * best->share <
				     (uint64_t)best->in_flight * e->share)
			best = e;
	}
	return best;
}

bool endpoint_model_is_right(struct endpoint *e, struct bytes reported)
{
	struct bytes asked = bytes_of(e->job->model, strlen(e->job->model));

	if (reported.len == 0 || model_matches(asked, reported))
		return true;
	/* A server that knows the model by the job's name calls it so. Others
	 * have one name of their own for it, and stay with it. */
	if (e->asked_model_listed || reported.len >= sizeof(e->other_model))
		return false;
	if (!e->other_model[0] && !e->health.answered) {
		memcpy(e->other_model, reported.data, reported.len);
		e->other_model[reported.len] = '\0';
		log_warn("worker", "the endpoint calls the model by another name",
			"url=%s asked=%s reported=%s", log_quote(e->url).text,
			log_quote(e->job->model).text, log_quote(e->other_model).text);
	}
	return strlen(e->other_model) == reported.len &&
	       memcmp(e->other_model, reported.data, reported.len) == 0;
}

bool endpoint_key_is_in(const struct endpoint *e, struct bytes text)
{
	const char *key = keys.text[e->teacher];

	/* A short word as a key would be found by chance. */
	return key && strlen(key) >= 8 && text.len >= strlen(key) &&
	       memmem(text.data, text.len, key, strlen(key));
}

bool endpoint_secret_has(const struct endpoint *e, struct bytes word)
{
	const char *key = keys.text[e->teacher];

	if (key && memmem(key, strlen(key), word.data, word.len))
		return true;
	for (size_t i = 0; i < e->job->n_extra_headers; i++) {
		const char *value = e->job->extra_header[i].value;

		if (memmem(value, strlen(value), word.data, word.len))
			return true;
	}
	return false;
}

static enum endpoint_state state_of(const struct endpoint *e)
{
	if (e->health.refused)
		return ENDPOINT_REFUSED;
	if (e->health.failures > 0)
		return ENDPOINT_HELD;
	return e->looked ? ENDPOINT_UP : ENDPOINT_NEW;
}

/* Of prompts that ask for nothing by themselves. */
static enum calibration_use calibration_use_of(
	const struct worker *w, const struct endpoint *e)
{
	if (e->job->role == JOB_ROLE_SCORE) /* it samples nothing */
		return CALIBRATION_CUTS;
	if (!e->looked) /* nothing is known yet that speaks against it */
		return CALIBRATION_APPLIES;
	return calibrate_terms(&w->job, e->job, e->server, NULL, e->form.temperature)
		.use;
}

/* Requests that it could have in flight at once. Every answer of the others will be
 * put to who scores. */
static uint32_t could_use(const struct worker *w, const struct endpoint *e)
{
	size_t n = e->in_flight + w->ready[e->teacher].n;

	if (e->job->role != JOB_ROLE_SCORE)
		return (uint32_t)n;
	n = w->n_in_flight;
	for (size_t t = 0; t < w->job.n_teachers; t++)
		n += w->ready[t].n;
	return (uint32_t)n;
}

void endpoints_beat(struct worker *w, struct wire_beat *beat)
{
	beat->endpoint = mem_zalloc(w->n_endpoints, sizeof(*beat->endpoint));
	beat->n_endpoints = (uint32_t)w->n_endpoints;
	for (size_t i = 0; i < w->n_endpoints; i++) {
		const struct endpoint *e = &w->endpoint[i];

		beat->endpoint[i] = (struct wire_endpoint_beat){
			.teacher = e->teacher,
			.endpoint = e->number,
			.state = (uint8_t)state_of(e),
			.status = (uint16_t)e->health.status,
			.reason = (uint8_t)e->health.reason,
			.in_flight = e->in_flight,
			.could_use = could_use(w, e),
			.share = e->share,
			.asked = e->asked,
			.answered = e->answered,
			.retried = e->retried,
			.latency_ms = e->latency_ms,
			.cost_nusd = e->cost_nusd,
			.tokens = e->tokens_used,
			.calibration_use = (uint8_t)calibration_use_of(w, e),
			.calibration = e->calibration,
			.streamed = e->streamed,
			.first_token_ms = e->first_token_ms,
			.writing_ms = e->writing_ms,
			.written_tokens = e->written_tokens,
			.unscored = e->unscored,
		};
		memcpy(beat->endpoint[i].misaligned, e->misaligned,
			sizeof(e->misaligned));
	}
}
