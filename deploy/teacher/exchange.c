/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/exchange.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "deploy/teacher/mix.h"
#include "deploy/teacher/stream.h"

#define UPLOAD_MAX MIB(64)
#define BODY_MAX MIB(2048)
#define ENTRY_BYTES 112 /* about; for the first guess at a body's size */
#define FIRST_BODY_MAX MIB(1)

struct exchange *exchange_new(
	struct server *s, struct MHD_Connection *connection, const char *path)
{
	struct exchange *e = mem_zalloc(1, sizeof(*e));

	e->server = s;
	e->connection = connection;
	e->path = path;
	e->watch.fd = -1;
	e->began_us = clock_mono_us();
	buf_init(&e->upload, UPLOAD_MAX);
	buf_init(&e->body, BODY_MAX);
	play_init(&e->play);
	snprintf(e->nonce, sizeof(e->nonce), "%016llx",
		(unsigned long long)mix(s->nonce_base + s->n_nonces++));
	e->behind = s->exchanges;
	if (e->behind)
		e->behind->before = e;
	s->exchanges = e;
	return e;
}

/* Takes the exchange out of the line, off its slot, and off the loop. */
static void leave(struct exchange *e);

void exchange_free(struct exchange *e)
{
	leave(e);
	play_release(&e->play);
	if (e->before)
		e->before->behind = e->behind;
	else
		e->server->exchanges = e->behind;
	if (e->behind)
		e->behind->before = e->before;
	for (unsigned i = 0; i < e->n; i++)
		choice_release(&e->choice[i]);
	free(e->choice);
	script_release(&e->script);
	given_release(&e->given);
	id_list_release(&e->prompt);
	ask_release(&e->ask);
	buf_release(&e->upload);
	buf_release(&e->body);
	if (e->response)
		MHD_destroy_response(e->response);
	free(e);
}

static int socket_of(const struct exchange *e)
{
	const union MHD_ConnectionInfo *known = MHD_get_connection_info(
		e->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return known ? known->connect_fd : -1;
}

/* The client has closed while it was to wait. */
static void client_gone(void *arg, uint32_t events)
{
	struct exchange *e = arg;

	(void)events;
	e->server->counters.gone++;
	exchange_record(e, 499, NULL, bytes_of(NULL, 0));
	exchange_abort(e);
}

void exchange_suspend(struct exchange *e, enum exchange_state state)
{
	struct err err;

	e->state = state;
	if (!e->is_suspended)
		MHD_suspend_connection(e->connection);
	e->is_suspended = true;
	loop_forget(&e->server->loop, &e->watch);
	if (state == EXCHANGE_PLAYING)
		return; /* the play watches */
	e->watch.ready = client_gone;
	e->watch.arg = e;
	if (loop_watch(&e->server->loop, &e->watch, socket_of(e), EPOLLRDHUP, &err) !=
		ERR_NONE)
		e->watch.fd = -1;
}

static void resume(struct exchange *e)
{
	loop_forget(&e->server->loop, &e->watch);
	if (e->is_suspended)
		MHD_resume_connection(e->connection);
	e->is_suspended = false;
}

void exchange_ready(struct exchange *e)
{
	e->state = EXCHANGE_READY;
	resume(e);
}

void exchange_abort(struct exchange *e)
{
	leave(e);
	play_stop(&e->play);
	e->state = EXCHANGE_CLOSING;
	resume(e);
}

static void play_over(void *arg)
{
	struct exchange *e = arg;

	e->state = EXCHANGE_CLOSING;
	resume(e);
}

void exchange_play(struct exchange *e)
{
	exchange_suspend(e, EXCHANGE_PLAYING);
	play_start(&e->play, &e->server->loop, socket_of(e), play_over, e);
}

bool exchange_record(
	struct exchange *e, int status, const char *fault, struct bytes body)
{
	struct ledger_entry entry = {.nonce = e->nonce,
		.path = e->path,
		.time_ms = clock_wall_ms(),
		.question = e->attempt > 0 ? &e->question : NULL,
		.ask = &e->ask,
		.attempt = e->attempt,
		.status = status,
		.fault = fault,
		.body = body,
		.prompt_tokens = e->prompt.n,
		.choice = e->choice,
		.n = e->n,
		.seed = e->seed};
	struct err err;

	if (teacher_ledger_write(&e->server->ledger, &entry, &err) == ERR_NONE)
		return true;
	log_error("teacher", "the ledger cannot be written, so nothing may be answered",
		"error=%s", log_quote(err.msg).text);
	e->server->stops = true;
	return false;
}

static void tell_quota(struct exchange *e)
{
	struct quota_header told[3];
	unsigned n =
		quota_tell(&e->server->quota, clock_mono_us(), clock_wall_ms(), told);

	for (unsigned i = 0; i < n; i++)
		MHD_add_response_header(e->response, told[i].name, told[i].value);
}

void exchange_respond(
	struct exchange *e, unsigned status, struct buf *body, const char *type)
{
	size_t len;
	unsigned char *bytes = buf_take(body, &len);

	e->status = status;
	e->response =
		MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (!e->response) {
		free(bytes);
		e->state = EXCHANGE_CLOSING;
		resume(e);
		return;
	}
	MHD_add_response_header(e->response, "Content-Type", type);
	MHD_add_response_header(e->response, "x-request-id", e->nonce);
	tell_quota(e);
	exchange_ready(e);
}

void exchange_refuse(struct exchange *e, unsigned status, const char *fault,
	const char *message, const char *param)
{
	struct server *s = e->server;

	s->counters.refused++;
	buf_clear(&e->body);
	answer_write_error(&s->settings->style, (int)status, message, param, &e->body);
	if (!exchange_record(e, (int)status, fault, buf_bytes(&e->body))) {
		exchange_abort(e);
		return;
	}
	exchange_respond(e, status, &e->body, "application/json");
	if (e->response && (status == 429 || status == 503) && s->settings->retry_after)
		MHD_add_response_header(
			e->response, "Retry-After", s->settings->retry_after);
}

static void add_prompt_ids(struct exchange *e)
{
	const struct vocabulary *v = e->server->teacher.vocabulary;
	static const struct {
		const char *role;
		unsigned id;
	} roles[] = {{"system", ID_SYSTEM}, {"developer", ID_SYSTEM},
		{"assistant", ID_ASSISTANT}, {"tool", ID_TOOL}};

	/* What is to be scored is what was given, token by token. */
	if (e->ask.given_logprobs >= 0) {
		for (size_t i = 0; i < e->ask.prompt_ids.n; i++)
			id_list_add(&e->prompt, e->ask.prompt_ids.at[i]);
		return;
	}
	id_list_add(&e->prompt, ID_BOS);
	for (size_t i = 0; i < e->ask.n_messages; i++) {
		const struct message *m = &e->ask.message[i];
		unsigned id = ID_USER;

		for (size_t j = 0; j < sizeof(roles) / sizeof(roles[0]); j++)
			if (m->role.len == strlen(roles[j].role) &&
				memcmp(m->role.data, roles[j].role, m->role.len) == 0)
				id = roles[j].id;
		if (e->ask.is_chat)
			id_list_add(&e->prompt, id);
		teacher_vocabulary_encode(v, m->content, &e->prompt);
		if (e->ask.is_chat)
			id_list_add(&e->prompt, ID_END);
	}
	if (e->ask.is_chat)
		id_list_add(&e->prompt, ID_ASSISTANT);
	if (e->ask.thinks && !e->server->settings->style.opens)
		id_list_add(&e->prompt, ID_THINK);
}

static void write_answer(struct exchange *e)
{
	static const struct quirks none;
	struct server *s = e->server;
	struct answer answer = {.ask = &e->ask,
		.question = &e->told,
		.script = &e->script,
		.prompt = &e->prompt,
		.given = e->ask.given_logprobs >= 0 ? &e->given : NULL,
		.choice = e->choice,
		.n = e->n,
		.model = e->ask.model ? e->ask.model : s->settings->models[0],
		.nonce = e->nonce,
		.created = clock_wall_ms() / 1000,
		.spent_ms = (double)(clock_mono_us() - e->began_us) / 1000,
		.quirks = e->fault ? &e->fault->quirks : &none,
		.authorization = MHD_lookup_connection_value(
			e->connection, MHD_HEADER_KIND, "Authorization")};
	size_t rows = e->ask.logprobs ? answer_tokens(&answer) : 0;
	size_t scored = answer.given ? e->prompt.n : 0;

	buf_reserve(&e->body,
		KIB(4) + rows * (size_t)(e->ask.top_logprobs + 1) * ENTRY_BYTES +
			scored * (size_t)(e->ask.given_logprobs + 2) * ENTRY_BYTES);
	answer_write(&s->press, &answer, &e->body);
	if (e->fault && e->fault->trick == TRICK_SAME_BODY && s->first_body.len > 0) {
		buf_clear(&e->body);
		buf_add(&e->body, s->first_body.data, s->first_body.len);
	}
	if (!e->fault && s->first_body.len == 0 && e->body.len <= FIRST_BODY_MAX)
		buf_add(&s->first_body, e->body.data, e->body.len);
	if (e->ask.stream) {
		struct buf whole = e->body;

		buf_init(&e->body, BODY_MAX);
		stream_write(buf_bytes(&whole), e->ask.stream_usage, &e->body);
		buf_release(&whole);
	}
}

/* The answer is due: it is written, put down in the ledger, and sent. */
static void finish(struct exchange *e)
{
	struct server *s = e->server;

	leave(e);
	write_answer(e);
	if (e->body.over) {
		exchange_refuse(e, 500, NULL, "the answer is too large", NULL);
		return;
	}
	if (!exchange_record(
		    e, 200, e->fault ? e->fault->name : NULL, buf_bytes(&e->body))) {
		exchange_abort(e);
		return;
	}
	s->counters.answered++;
	s->counters.struck += e->fault != NULL;
	if (e->fault &&
		(faults_plain_answer(e, &e->body) || faults_raw_answer(e, &e->body)))
		return;
	exchange_respond(e, 200, &e->body,
		e->ask.stream ? "text/event-stream" : "application/json");
}

static void due(void *arg)
{
	finish(arg);
}

/* Samples the choices; the longest says how long it takes. */
static size_t sample(struct exchange *e)
{
	struct server *s = e->server;
	struct speech_settings settings = {.sampling = e->ask.sampling,
		.max_tokens = (size_t)e->ask.max_tokens,
		.stop = e->ask.stop,
		.n_stop = e->ask.n_stop,
		.keeps_special = !e->ask.skip_special};
	size_t longest = 0;

	add_prompt_ids(e);
	teacher_script(&s->teacher, &e->told, e->ask.thinks, s->settings->style.opens,
		&e->script);
	e->choice = mem_zalloc(e->ask.n, sizeof(*e->choice));
	for (e->n = 0; e->n < e->ask.n; e->n++) {
		struct choice *c = &e->choice[e->n];

		settings.seed = e->seed + e->n;
		teacher_speak(&s->teacher, &e->told, &e->script, &settings, &c->speech);
		choice_read(c, &s->settings->style, e->ask.thinks, &e->question);
		if (c->speech.n > longest)
			longest = c->speech.n;
	}
	return longest;
}

/* The exchange has its slot. */
static void speak(struct exchange *e)
{
	int64_t delay = load_delay_us(&e->server->load, sample(e));

	if (delay == 0 && !e->is_suspended) {
		finish(e);
		return;
	}
	e->timer.expire = due;
	e->timer.arg = e;
	exchange_suspend(e, EXCHANGE_SPEAKING);
	loop_set_timer(&e->server->loop, &e->timer, clock_mono_us() + delay);
}

static void leave(struct exchange *e)
{
	struct turn *next = load_leave(&e->server->load, &e->turn);

	loop_clear_timer(&e->server->loop, &e->timer);
	loop_forget(&e->server->loop, &e->watch);
	if (next && !e->server->stops)
		speak((struct exchange *)((char *)next -
					  offsetof(struct exchange, turn)));
}

static bool is_model_known(const struct server *s, const char *model)
{
	for (size_t i = 0; model && i < s->settings->n_models; i++)
		if (strcmp(s->settings->models[i], model) == 0)
			return true;
	return false;
}

/* A prompt of which nothing is known, for answers to the wrong one. */
static void ask_another(struct exchange *e)
{
	struct message other = {
		bytes_of("user", 4), bytes_of(e->question.digest, DIGEST_BYTES)};

	question_read(&other, 1, NULL, &e->told);
}

static void count_attempt(struct exchange *e)
{
	const unsigned char *digest = e->question.digest;
	uint64_t seed = e->ask.has_seed ? (uint64_t)e->ask.seed : UINT64_MAX;

	e->attempt = attempts_count(&e->server->attempts,
		mix4(get_u64(digest), get_u64(digest + 8), e->ask.has_seed, seed));
}

/* One of the fault files, at their rate. */
static const struct fault *draw_file(const struct exchange *e)
{
	const struct server *s = e->server;
	const struct server_settings *set = s->settings;
	uint64_t h =
		mix(mix4(s->faults.seed, MIX_FAULT_FILE, e->question.key, e->seed) ^
			e->attempt);

	if (set->n_fault_files == 0 || mix_unit(h) >= set->fault_file_rate ||
		(s->faults.attempts > 0 && e->attempt > s->faults.attempts))
		return NULL;
	return &s->files[mix(h) % set->n_fault_files].fault;
}

/* Reads the question and says what will become of it. */
static void read_question(struct exchange *e)
{
	struct server *s = e->server;

	question_read(e->ask.message, e->ask.n_messages,
		s->settings->teacher.references, &e->question);
	e->told = e->question;
	e->seed = e->ask.has_seed ? (uint64_t)e->ask.seed
				  : mix3(s->settings->seed, MIX_SEED, s->n_drawn++) &
					    0x7fffffff;
	count_attempt(e);
	e->fault = fault_plan_draw(&s->faults, e->question.key, e->seed, e->attempt);
	if (!e->fault)
		e->fault = draw_file(e);
	if (e->fault && e->fault->quirks.other_answer)
		ask_another(e);
}

static bool is_allowed(const struct exchange *e)
{
	const char *key = e->server->settings->api_key;
	const char *sent = MHD_lookup_connection_value(
		e->connection, MHD_HEADER_KIND, "Authorization");

	if (!key)
		return true;
	return sent && strncmp(sent, "Bearer ", 7) == 0 && strcmp(sent + 7, key) == 0;
}

static bool can_score(struct exchange *e, struct complaint *why)
{
	struct server *s = e->server;
	const char *wrong =
		e->ask.given_logprobs < 0
			? NULL
			: given_read(&s->teacher, &e->ask.prompt_ids, e->ask.thinks,
				  s->settings->style.opens, &e->given);

	if (wrong)
		snprintf(why->text, sizeof(why->text), "%s", wrong);
	return !wrong;
}

/* Refuses what cannot be answered; false then. */
static bool admit(struct exchange *e)
{
	struct server *s = e->server;
	bool is_chat = strcmp(e->path, "/v1/chat/completions") == 0;
	struct complaint why = {0};

	if (s->down == DOWN_REFUSE) {
		e->state = EXCHANGE_CLOSING;
	} else if (s->down != DOWN_NOT) {
		exchange_refuse(
			e, (unsigned)s->down, "down", "the server is down", NULL);
	} else if (!is_allowed(e)) {
		exchange_refuse(e, 401, NULL, "Incorrect API key provided.", NULL);
	} else if (e->is_too_long) {
		exchange_refuse(e, 413, NULL, "the request is too large", NULL);
	} else if (!ask_read(buf_bytes(&e->upload), is_chat, &s->settings->style,
			   s->teacher.vocabulary, &e->ask, &why)) {
		exchange_refuse(e, 400, NULL, why.text, why.param);
	} else if (s->settings->strict_model && !is_model_known(s, e->ask.model)) {
		exchange_refuse(e, 404, NULL, "The model does not exist.", "model");
	} else if (!can_score(e, &why)) {
		exchange_refuse(e, 400, NULL, why.text, why.param);
	} else {
		return true;
	}
	return false;
}

void exchange_begin(struct exchange *e)
{
	struct server *s = e->server;

	s->counters.asked++;
	if (!admit(e))
		return;
	if (!quota_take(&s->quota, clock_mono_us())) {
		exchange_refuse(e, 429, "quota", "too many requests", NULL);
		return;
	}
	read_question(e);
	if (e->fault &&
		(e->fault->trick == TRICK_STATUS || e->fault->trick == TRICK_REDIRECT ||
			e->fault->trick == TRICK_HTML)) {
		s->counters.struck++;
		faults_plain_answer(e, &e->body);
		return;
	}
	switch (load_enter(&s->load, &e->turn)) {
	case TURN_RUNS:
		speak(e);
		break;
	case TURN_WAITS:
		exchange_suspend(e, EXCHANGE_WAITING);
		break;
	default:
		exchange_refuse(e, (unsigned)s->settings->overload_status, "overload",
			"the server is busy, try again later", NULL);
	}
}
