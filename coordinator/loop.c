/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator's loop: its order is the promise (coordinator.h). */
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/reason.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "coordinator/coordinator.h"
#include "coordinator/run_state.h"

#define WAIT_MS 100
#define MESSAGES_A_ROUND 1024
#define SAVE_EVERY_MS 250
#define RATE_EVERY_MS 2000
/* A sync costs the same for one grant and for a hundred: under load, those of so
 * long go into one commit. A lone one is committed at once. */
#define COMMIT_EVERY_MS 5
#define SHARE_EVERY_MS 500
#define CHECKPOINT_EVERY_MS 2000
/* How long a drain waits for workers that have requests in flight. */
#define DRAIN_MS 60000
#define GOODBYE_MS 3000

static void set_state(struct coordinator *c, const char *state)
{
	if (c->l->totals.state == state)
		return;
	c->l->totals.state = state;
	c->l->totals_changed = true;
	ledger_event(c->l, "state", -1, -1, "%s", state);
	log_info("coordinator", "the run's state", "state=%s", state);
}

/* Workers finish what is in flight, or drop it, and leave. */
static void begin_phase(struct coordinator *c, enum run_phase phase,
	enum coordinator_end end, int64_t wait_ms)
{
	if (c->phase >= phase)
		return;
	c->phase = (uint8_t)phase;
	c->end = end;
	c->stop_by_ms = clock_mono_ms() + wait_ms;
	workers_order_all(c);
}

static void heed_signals(struct coordinator *c)
{
	if ((signals_stops() > 0 || c->drain_asked) && c->phase == PHASE_RUN) {
		set_state(c, RUN_DRAINING);
		begin_phase(c, PHASE_DRAIN, END_STOPPED, DRAIN_MS);
	}
	if (signals_stops() > 1)
		c->ended = true;
}

/* True if a teacher that scores what others say could never be reached: samples would
 * be paid for that nobody scores. */
static bool cannot_score(const struct coordinator *c, size_t teacher, size_t first)
{
	bool held = c->job.teacher[teacher].role == JOB_ROLE_SCORE;

	for (size_t e = first; e < first + c->job.teacher[teacher].n_urls; e++)
		held = held && !c->endpoint[e].was_up &&
		       c->endpoint[e].state == ENDPOINT_HELD;
	return held;
}

/* True, with the reason logged, if no endpoint of some teacher can be asked. */
static bool is_blocked(struct coordinator *c, int64_t now_ms)
{
	bool answered = false, all_held = true, unscored = false;

	for (size_t t = 0, e = 0; t < c->job.n_teachers; t++) {
		size_t stopped = 0, n = c->job.teacher[t].n_urls, first = e;

		unscored = unscored || cannot_score(c, t, e);
		for (; e < first + n; e++) {
			stopped += c->endpoint[e].stopped;
			answered = answered || c->endpoint[e].answered;
			all_held = all_held && c->endpoint[e].state == ENDPOINT_HELD;
		}
		if (stopped < n)
			continue;
		log_error("coordinator", "no endpoint of a teacher can be asked",
			"teacher=%s url=%s reason=%s status=%u meaning=%s",
			log_quote(c->job.teacher[t].name).text,
			log_quote(c->job.teacher[t].url[0]).text,
			reason_name(c->endpoint[first].reason),
			c->endpoint[first].status,
			log_quote(reason_meaning(c->endpoint[first].reason)).text);
		return true;
	}
	if (((answered || !all_held) && !unscored) || c->options->unreachable_ms == 0 ||
		c->first_asked_ms == 0 ||
		now_ms - c->first_asked_ms < c->options->unreachable_ms)
		return false;
	log_error("coordinator", "no endpoint has ever answered",
		"url=%s reason=%s meaning=%s", log_quote(c->job.teacher[0].url[0]).text,
		reason_name(c->endpoint[0].reason),
		log_quote(reason_meaning(c->endpoint[0].reason)).text);
	return true;
}

/* Looks whether the run is over, for whatever reason. */
static void look_for_end(struct coordinator *c, int64_t now_ms)
{
	struct budget_use use = live_budget_use(c);

	if (c->phase != PHASE_RUN)
		return;
	if (live_all_ended(c) && c->store.adopted) {
		set_state(c, RUN_DONE);
		begin_phase(c, PHASE_STOP,
			c->l->totals.samples_failed ? END_WITH_FAILURES : END_DONE,
			GOODBYE_MS);
	} else if (budget_is_spent(&c->budget, &use)) {
		set_state(c, RUN_BUDGET);
		begin_phase(c, PHASE_DRAIN, END_BUDGET, DRAIN_MS);
	} else if (is_blocked(c, now_ms)) {
		/* Answers that wait to be scored are stored without. */
		bool waits = job_n_scorers(&c->job) > 0;

		set_state(c, RUN_BLOCKED);
		begin_phase(c, waits ? PHASE_DRAIN : PHASE_STOP, END_BLOCKED,
			waits ? DRAIN_MS : GOODBYE_MS);
	}
}

/* The workers leave first, then the store. */
static void look_for_leave(struct coordinator *c, int64_t now_ms)
{
	if (c->phase != PHASE_RUN && (c->n_workers == 0 || now_ms >= c->stop_by_ms) &&
		store_has_left(c, now_ms))
		c->ended = true;
}

/* A budget that stops grants leaves the workers with nothing to do: the run
 * is over once nothing is out any more. */
static void look_for_budget_end(struct coordinator *c)
{
	bool waiting = c->n_workers > 0;

	if (c->phase != PHASE_RUN || lease_n(c->leases) > 0 ||
		!budget_is_set(&c->budget))
		return;
	for (size_t i = 0; i < c->n_workers; i++)
		waiting = waiting && c->worker[i]->want > 0;
	if (!waiting || live_all_ended(c))
		return;
	set_state(c, RUN_BUDGET);
	begin_phase(c, PHASE_DRAIN, END_BUDGET, DRAIN_MS);
}

static void write_workers(struct coordinator *c)
{
	int64_t now = clock_wall_ms();
	int64_t in_flight = 0;
	bool any = false;

	for (size_t i = 0; i < c->n_workers; i++) {
		struct worker *w = c->worker[i];
		unsigned leases = 0;

		for (size_t e = 0; e < c->n_endpoints; e++)
			in_flight += w->endpoint[e].in_flight;
		if (!w->changed)
			continue;
		w->changed = false;
		any = true;
		for (size_t k = 0; k < lease_n(c->leases); k++)
			leases += lease_at(c->leases, k)->worker == w->number;
		ledger_put_worker(c->l, w->number, "joined", leases,
			lease_n_prompts_of(c->leases, w->number), now);
		/* Before that the ledger knows more: what it said to a coordinator
		 * that has died. */
		for (size_t e = 0; w->has_reported && e < c->n_endpoints; e++) {
			ledger_put_worker_endpoint(
				c->l, w->number, w->share[e], &w->endpoint[e]);
			ledger_put_alignment(c->l, w->number, &w->endpoint[e]);
		}
	}
	calibration_look(c);
	if (any || in_flight != c->l->totals.requests_in_flight)
		ledger_sum_requests(c->l);
}

static void run_timers(struct coordinator *c, int64_t now_ms)
{
	workers_expire(c, now_ms);
	if (now_ms >= c->share_at) {
		workers_divide(c);
		if (verdicts_name(c, now_ms))
			workers_order_all(c);
		c->share_at = now_ms + SHARE_EVERY_MS;
	}
	if (now_ms >= c->save_at) {
		write_workers(c);
		live_save(c);
		tokenizers_ask_again(c, now_ms);
		look_for_end(c, now_ms);
		look_for_budget_end(c);
		c->commit_due = true;
		c->save_at = now_ms + SAVE_EVERY_MS;
	}
	if (now_ms >= c->rate_at) {
		ledger_add_rate(c->l, (unsigned)c->n_workers, clock_wall_ms());
		c->l->totals_changed = true;
		c->rate_at = now_ms + RATE_EVERY_MS;
	}
	if (now_ms >= c->checkpoint_at && !ledger_in_transaction(c->l)) {
		ledger_checkpoint(c->l);
		c->checkpoint_at = now_ms + CHECKPOINT_EVERY_MS;
	}
}

static void hear(struct coordinator *c, const struct link_message *m, int64_t now_ms)
{
	struct err err = {0};
	struct wire w;

	if (wire_decode(m->frame, &w, &err) != ERR_NONE) {
		log_warn("coordinator", "a bad message", "why=%s",
			log_quote(err.msg).text);
		return;
	}
	if (w.type == WIRE_REGISTER || w.type == WIRE_TOTALS || w.type == WIRE_HAS ||
		w.type == WIRE_TABLE_AT ||
		(w.type == WIRE_BYE && store_is(c, &m->peer)))
		store_hear(c, m, &w, now_ms);
	else
		workers_hear(c, m, &w, now_ms);
	wire_release(&w);
}

/* Commit, then tell. Totals alone, which nobody waits for, go with the timer. */
static void commit_and_tell(struct coordinator *c)
{
	if (c->fatal.code == ERR_NONE &&
		(c->commit_due || ledger_in_transaction(c->l))) {
		ledger_commit(c->l, clock_wall_ms());
		c->commit_due = false;
		c->committed_ms = clock_mono_ms();
		if (ledger_failed(c->l))
			err_set(&c->fatal, ERR_IO, "the ledger cannot be written");
	}
	if (c->fatal.code == ERR_NONE)
		out_flush(c);
	else
		out_drop(c);
}

static bool has_news(const struct coordinator *c)
{
	return c->n_out > 0 || c->commit_due || ledger_in_transaction(c->l);
}

static void round_once(struct coordinator *c)
{
	struct link *links[] = {c->link, c->control};
	int64_t now_ms = clock_mono_ms();
	int64_t commit_at = c->committed_ms + COMMIT_EVERY_MS;
	struct link_message m;

	heed_signals(c);
	run_timers(c, now_ms);
	link_wait(links, 2, -1, has_news(c) ? commit_at - now_ms : WAIT_MS);
	now_ms = clock_mono_ms();
	for (int i = 0; i < MESSAGES_A_ROUND && c->fatal.code == ERR_NONE; i++) {
		if (link_receive(c->link, &m) != ERR_NONE)
			break;
		hear(c, &m, now_ms);
		link_message_release(&m);
	}
	control_hear(c);
	workers_feed(c, now_ms);
	if (now_ms >= commit_at || c->fatal.code != ERR_NONE)
		commit_and_tell(c);
	if (c->fatal.code == ERR_NONE && !has_news(c))
		look_for_leave(c, now_ms);
}

static void say_goodbye(struct coordinator *c)
{
	struct wire bye = {.type = WIRE_BYE};

	if (c->store.known) /* not waited for: a second signal */
		out_send(c, &c->store.peer, &bye);
	live_save(c);
	write_workers(c);
	c->l->totals.requests_in_flight = 0;
	ledger_add_rate(c->l, 0, clock_wall_ms());
	c->l->totals_changed = true;
	if (c->end == END_STOPPED)
		set_state(c, RUN_STOPPED);
	ledger_commit(c->l, clock_wall_ms());
	out_flush(c);
}

static enum err_code open_links(struct coordinator *c, struct err *err)
{
	char address[64];
	enum err_code code = link_serve(c->options->listen, &c->link, err);

	if (code == ERR_NONE)
		code = rundir_socket(c->options->dir, "control.sock", address, err);
	if (code == ERR_NONE)
		code = link_serve(address, &c->control, err);
	return code;
}

enum err_code coordinator_run(const struct coordinator_options *options,
	enum coordinator_end *end, struct err *err)
{
	struct coordinator c = {
		.options = options, .text_shard = UINT64_MAX, .lock = -1};
	enum err_code code;

	c.leases = lease_table_new(options->term_ms);
	prompt_init(&c.prompt);
	shard_text_init(&c.text);
	code = start_open(&c, err);
	if (code == ERR_NONE) {
		c.n_readers = c.job.n_corpus;
		c.reader = calloc(c.n_readers, sizeof(*c.reader));
		code = open_links(&c, err);
	}
	c.started_ms = clock_mono_ms();
	if (code == ERR_NONE)
		log_info("coordinator", "serving", "listen=%s prompts=%lld",
			log_quote(link_address(c.link)).text,
			(long long)c.l->totals.prompts);
	while (code == ERR_NONE && c.fatal.code == ERR_NONE && !c.ended)
		round_once(&c);
	if (c.fatal.code != ERR_NONE) {
		*err = c.fatal;
		code = c.fatal.code;
	} else if (code == ERR_NONE) {
		say_goodbye(&c);
		*end = c.end;
	}
	start_close(&c);
	link_close(c.link);
	link_close(c.control);
	link_end();
	return code;
}
