/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's loop, and the messages that come in. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/signals.h"
#include "worker/worker.h"

#define WAIT_MS 100
#define MESSAGES_A_ROUND 256
#define HELLO_EVERY_MS 100
#define PING_EVERY_MS 1000
#define RESEND_EVERY_MS 500
#define RATE_EVERY_MS 200

void task_list_add(struct task_list *l, struct task *t)
{
	t->next = NULL;
	t->prev = l->last;
	if (l->last)
		l->last->next = t;
	else
		l->first = t;
	l->last = t;
	l->n++;
}

void task_list_remove(struct task_list *l, struct task *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		l->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		l->last = t->prev;
	t->next = t->prev = NULL;
	l->n--;
}

/* xorshift64*: jitter, nothing that must be unpredictable. */
double worker_chance(struct worker *w)
{
	uint64_t x = w->random_state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	w->random_state = x;
	return (double)((x * 0x2545f4914f6cdd1du) >> 11) / 9007199254740992.0;
}

static bool tell(struct link *l, const struct wire *m)
{
	struct buf frame;

	if (!l)
		return false;
	buf_init(&frame, LIMIT_MESSAGE);
	wire_encode(m, &frame);
	if (frame.over) {
		log_error("worker", "a message is too large", "type=%s",
			wire_name(m->type));
		buf_release(&frame);
		return false;
	}
	return link_send(l, NULL, &frame) == ERR_NONE;
}

bool worker_tell_coordinator(struct worker *w, const struct wire *m)
{
	return tell(w->coordinator, m);
}

bool worker_tell_store(struct worker *w, const struct wire *m)
{
	return tell(w->store, m);
}

static void say_hello(struct worker *w)
{
	struct wire m = {.type = WIRE_HELLO,
		.hello = {.session = w->session,
			.software = bytes_of(RETORT_VERSION, strlen(RETORT_VERSION)),
			.name = bytes_of(w->options->name, strlen(w->options->name)),
			.held = leases_list(w)}};

	worker_tell_coordinator(w, &m);
	free(m.hello.held.at);
}

static void say_beat(struct worker *w)
{
	struct wire m = {.type = WIRE_BEAT};

	m.beat.held = leases_list(w);
	endpoints_beat(w, &m.beat);
	worker_tell_coordinator(w, &m);
	free(m.beat.held.at);
	free(m.beat.endpoint);
	probing_tell(w);
}

/* -- What comes in -- */

static bool take_job(struct worker *w, const struct wire_welcome *m)
{
	struct err err = {0};

	if (w->job_text)
		return true;
	w->job_text = mem_dup_text((const char *)m->job.data, m->job.len);
	if (job_parse(w->job_text, m->job.len, "the job", &w->job, &err) == ERR_NONE) {
		w->ready = mem_zalloc(w->job.n_teachers, sizeof(*w->ready));
		if (endpoints_make(w, &err) == ERR_NONE)
			return true;
	}
	w->fatal = err;
	return false;
}

static void take_welcome(struct worker *w, const struct wire_welcome *m)
{
	char address[sizeof(w->store_address)];
	struct err err = {0};

	if (m->run.len != RUN_ID_SIZE || m->store_address.len >= sizeof(address))
		return;
	if (w->job_text && memcmp(w->run, m->run.data, RUN_ID_SIZE) != 0) {
		err_set(&w->fatal, ERR_REFUSED,
			"the coordinator has begun another run");
		return;
	}
	memcpy(w->run, m->run.data, RUN_ID_SIZE);
	if (!take_job(w, m))
		return;
	memcpy(address, m->store_address.data, m->store_address.len);
	address[m->store_address.len] = '\0';
	if (!w->store || strcmp(address, w->store_address) != 0) {
		link_close(w->store);
		w->store = NULL;
		memcpy(w->store_address, address, sizeof(address));
		if (link_connect(address, &w->store, &err) != ERR_NONE) {
			w->fatal = err;
			return;
		}
		storing_resend(w, clock_mono_ms(), true);
	}
	w->number = m->worker;
	w->settings = m->settings;
	w->heartbeat_ms = m->heartbeat_ms;
	w->welcomed = true;
	w->prompts_wanted = 0;
	w->beat_at = 0;
}

static void take_orders(struct worker *w, const struct wire_orders *m, int64_t now_ms)
{
	if (!w->job_text)
		return;
	for (uint32_t i = 0; i < m->lost.n; i++)
		leases_lose(w, m->lost.at[i].shard, m->lost.at[i].epoch);
	endpoints_take_orders(w, m, now_ms);
	if (m->phase >= PHASE_DRAIN)
		w->draining = true;
	if (m->phase == PHASE_STOP)
		w->ended = true;
}

static void hear_coordinator(struct worker *w, struct bytes frame, int64_t now_ms)
{
	struct err err = {0};
	struct wire m;

	silence_ends(&w->silence);
	if (wire_decode(frame, &m, &err) != ERR_NONE) {
		if (err.code == ERR_REFUSED)
			w->fatal = err;
		log_warn("worker", "a bad message", "why=%s", log_quote(err.msg).text);
		return;
	}
	switch (m.type) {
	case WIRE_WELCOME:
		take_welcome(w, &m.welcome);
		break;
	case WIRE_WHO:
		w->welcomed = false;
		w->hello_at = 0;
		break;
	case WIRE_GRANT:
		if (w->welcomed && !w->draining)
			leases_take_grant(w, frame, now_ms);
		break;
	case WIRE_ORDERS:
		take_orders(w, &m.orders, now_ms);
		break;
	case WIRE_RECORDED:
		storing_take_recorded(w, m.recorded.serial);
		break;
	case WIRE_REFUSED:
		err_set(&w->fatal, ERR_REFUSED,
			"the coordinator refuses this worker: %.*s",
			(int)m.refused.why.len, (const char *)m.refused.why.data);
		break;
	default:
		log_warn("worker", "an unexpected message", "type=%s",
			wire_name(m.type));
	}
	wire_release(&m);
}

static void hear_store(struct worker *w, struct bytes frame, int64_t now_ms)
{
	struct err err = {0};
	struct wire m;

	if (wire_decode(frame, &m, &err) != ERR_NONE) {
		if (err.code == ERR_REFUSED)
			w->fatal = err;
		log_warn("worker", "a bad message from the store", "why=%s",
			log_quote(err.msg).text);
		return;
	}
	switch (m.type) {
	case WIRE_OPENED:
		leases_take_opened(w, &m.opened, now_ms);
		break;
	case WIRE_RESULT:
		storing_take_result(w, &m.result, now_ms);
		break;
	case WIRE_INTERNED:
		storing_take_interned(w, &m.interned);
		break;
	case WIRE_PONG:
		storing_see_boot(w, m.pong.boot, now_ms);
		w->credit = m.pong.credit;
		break;
	default:
		log_warn("worker", "an unexpected message", "type=%s",
			wire_name(m.type));
	}
	wire_release(&m);
}

static void hear_all(struct worker *w, int64_t now_ms)
{
	struct link_message m;

	for (int i = 0; i < MESSAGES_A_ROUND; i++) {
		if (link_receive(w->coordinator, &m) != ERR_NONE)
			break;
		hear_coordinator(w, m.frame, now_ms);
		link_message_release(&m);
	}
	for (int i = 0; w->store && i < MESSAGES_A_ROUND; i++) {
		if (link_receive(w->store, &m) != ERR_NONE)
			break;
		hear_store(w, m.frame, now_ms);
		link_message_release(&m);
	}
}

/* -- The loop -- */

static void measure_rate(struct worker *w, int64_t now_ms)
{
	double now = (double)(w->settled - w->settled_before) /
		     (double)(now_ms - w->rate_at + RATE_EVERY_MS);

	/* Quick to rise, slow to fall: too many leases are only memory. */
	w->samples_per_ms =
		now > w->samples_per_ms ? now : 0.9 * w->samples_per_ms + 0.1 * now;
	w->settled_before = w->settled;
	w->rate_at = now_ms + RATE_EVERY_MS;
}

static void run_timers(struct worker *w, int64_t now_ms)
{
	if (!w->welcomed && now_ms >= w->hello_at) {
		say_hello(w);
		w->hello_at = now_ms + HELLO_EVERY_MS;
		if (silence_is_long(&w->silence, now_ms))
			log_warn("worker",
				"no welcome yet: nobody is there, or it has no store yet",
				"coordinator=%s",
				log_quote(w->options->coordinator).text);
	}
	if (w->welcomed && now_ms >= w->beat_at) {
		say_beat(w);
		w->beat_at = now_ms + w->heartbeat_ms;
	}
	if (w->store && now_ms >= w->ping_at) {
		struct wire m = {.type = WIRE_PING, .ping = {w->session}};

		worker_tell_store(w, &m);
		w->ping_at = now_ms + PING_EVERY_MS;
	}
	if (now_ms >= w->resend_at) {
		leases_resend_opens(w, now_ms);
		storing_resend(w, now_ms, false);
		w->resend_at = now_ms + RESEND_EVERY_MS;
	}
	if (now_ms >= w->rate_at)
		measure_rate(w, now_ms);
}

/* Draining: nothing new; what is in flight ends and is stored; then we leave. */
static void drain(struct worker *w)
{
	leases_give_back(w);
	if (!w->held && w->n_in_flight == 0)
		w->ended = true;
}

static int next_timeout(const struct worker *w, int64_t now_ms)
{
	int64_t wait = WAIT_MS;

	if (link_ready(w->coordinator) || (w->store && link_ready(w->store)))
		return 0;
	if (w->waiting.first)
		wait = 10;
	if (w->rate_at - now_ms < wait)
		wait = w->rate_at - now_ms;
	if (w->unsent_bytes > 0 && w->put_at - now_ms < wait)
		wait = w->put_at - now_ms;
	return wait < 0 ? 0 : (int)wait;
}

static void round_once(struct worker *w)
{
	int fds[2] = {link_fd(w->coordinator), w->store ? link_fd(w->store) : -1};
	int64_t now_ms = clock_mono_ms();

	if (signals_stops() > 0)
		w->draining = true;
	if (signals_stops() > 1)
		w->ended = true;
	hear_all(w, now_ms);
	if (w->fatal.code != ERR_NONE)
		return; /* what the job needs may be half made */
	run_timers(w, now_ms);
	if (w->job_text) {
		endpoints_look(w, now_ms);
		http_run(w->http, now_ms, asking_ended, w);
		probing_run(w, now_ms);
		asking_start(w, now_ms);
		storing_send(w, now_ms);
		leases_ask_for_more(w);
	}
	if (w->draining)
		drain(w);
	if (!w->ended && w->fatal.code == ERR_NONE)
		http_wait(w->http, fds, w->store ? 2 : 1, next_timeout(w, now_ms));
}

static void close_all(struct worker *w)
{
	struct wire bye = {.type = WIRE_BYE};

	if (w->welcomed)
		say_beat(w); /* the last counts */
	worker_tell_coordinator(w, &bye);
	asking_free(w);
	leases_free(w);
	link_close(w->store);
	link_close(w->coordinator);
	link_end();
	http_free(w->http);
	endpoints_free(w);
	encoder_free(w->encoder);
	tokens_free(w->tokens);
	job_release(&w->job);
	free(w->job_text);
	free(w->ready);
}

enum err_code worker_run(const struct worker_options *options, struct err *err)
{
	struct worker w = {.options = options, .credit = MIB(1), .heartbeat_ms = 1000};
	enum err_code code;

	/* libcurl frees its receive buffer behind each answer. */
	mem_keep_freed();
	if (getrandom(&w.session, sizeof(w.session), 0) != sizeof(w.session))
		return err_set(err, ERR_IO, "no random numbers");
	w.random_state = w.session | 1;
	code = link_connect(options->coordinator, &w.coordinator, err);
	if (code != ERR_NONE)
		return code;
	w.http = http_new(1024);
	w.encoder = encoder_new();
	w.tokens = tokens_new();
	log_info("worker", "started", "name=%s coordinator=%s",
		log_quote(options->name).text, log_quote(options->coordinator).text);
	while (!w.ended && w.fatal.code == ERR_NONE)
		round_once(&w);
	if (w.fatal.code != ERR_NONE) {
		*err = w.fatal;
		code = err->code;
	}
	close_all(&w);
	return code;
}
