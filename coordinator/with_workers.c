/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator and its workers: joining, leases, endpoints, leaving. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/reason.h"
#include "coordinator/coordinator.h"
#include "coordinator/run_state.h"

/* A worker that is silent for so many terms is forgotten. */
#define FORGET_TERMS 2
/* On a busy machine a report may be late by so much. */
#define SILENT_MIN_MS 200
/* A grant of fewer prompts is not worth its message. */
#define FAIR_MIN 4
#define WANT_MAX (1 << 20)

struct worker *workers_by_peer(struct coordinator *c, const struct link_peer *peer)
{
	for (size_t i = 0; i < c->n_workers; i++)
		if (c->worker[i]->peer.len == peer->len &&
			memcmp(c->worker[i]->peer.id, peer->id, peer->len) == 0)
			return c->worker[i];
	return NULL;
}

static struct worker *by_session(struct coordinator *c, uint64_t session)
{
	for (size_t i = 0; i < c->n_workers; i++)
		if (c->worker[i]->session == session)
			return c->worker[i];
	return NULL;
}

static void free_worker(struct worker *w)
{
	free(w->endpoint);
	free(w->share);
	free(w);
}

static void say(
	struct coordinator *c, const struct link_peer *peer, enum wire_type type)
{
	struct wire m = {.type = type};

	out_send(c, peer, &m);
}

static void refuse(struct coordinator *c, const struct link_peer *peer, const char *why)
{
	struct wire m = {.type = WIRE_REFUSED, .refused = {bytes_of(why, strlen(why))}};

	out_send(c, peer, &m);
}

static struct worker *join(struct coordinator *c, const struct wire_hello *hello)
{
	struct worker *w = by_session(c, hello->session);

	if (w)
		return w;
	w = mem_zalloc(1, sizeof(*w));
	w->session = hello->session;
	memcpy(w->name, hello->name.data, hello->name.len);
	w->number =
		ledger_join_worker(c->l, hello->session, hello->name, clock_wall_ms());
	w->endpoint = mem_zalloc(c->n_endpoints, sizeof(*w->endpoint));
	w->share = mem_zalloc(c->n_endpoints, sizeof(*w->share));
	for (size_t i = 0; i < c->n_endpoints; i++) {
		w->endpoint[i].teacher = c->endpoint[i].teacher;
		w->endpoint[i].endpoint = c->endpoint[i].endpoint;
		/* Until it reports, it may want all. */
		w->endpoint[i].could_use = UINT32_MAX;
	}
	MEM_GROW(c->worker, c->cap_workers, c->n_workers + 1);
	c->worker[c->n_workers++] = w;
	ledger_event(c->l, "worker_joined", w->number, -1, "");
	log_info("coordinator", "a worker joined", "worker=%u name=%s", w->number,
		log_quote_bytes(hello->name.data, hello->name.len).text);
	return w;
}

static void say_welcome(struct coordinator *c, const struct worker *w)
{
	struct wire m = {.type = WIRE_WELCOME,
		.welcome = {.run = bytes_of(c->l->totals.run, RUN_ID_SIZE),
			.worker = w->number,
			.heartbeat_ms = (uint32_t)c->options->heartbeat_ms,
			.term_ms = (uint32_t)c->options->term_ms,
			.settings = c->l->totals.settings,
			.job = bytes_of(c->job_text, strlen(c->job_text)),
			.store_address =
				bytes_of(c->store.address, strlen(c->store.address))}};

	out_send(c, &w->peer, &m);
}

static void say_orders(struct coordinator *c, const struct worker *w,
	const struct wire_lease_list *lost)
{
	struct wire_endpoint_order *order = mem_zalloc(c->n_endpoints, sizeof(*order));
	struct wire m = {.type = WIRE_ORDERS,
		.orders = {.n_endpoints = (uint32_t)c->n_endpoints,
			.endpoint = order,
			.phase = c->phase}};

	if (lost)
		m.orders.lost = *lost;
	for (size_t i = 0; i < c->n_endpoints; i++) {
		const struct job_teacher *t = &c->job.teacher[c->endpoint[i].teacher];
		uint32_t all = 0;

		for (size_t k = 0; k < c->n_workers; k++)
			all += c->worker[k]->share[i];
		order[i] = (struct wire_endpoint_order){
			.teacher = c->endpoint[i].teacher,
			.endpoint = c->endpoint[i].endpoint,
			.in_flight = w->share[i],
			.proven = c->endpoint[i].proven,
			.stopped = c->endpoint[i].stopped,
			.probe = !c->endpoint[i].verdict_due         ? PROBE_NONE
				 : c->endpoint[i].asker == w->number ? PROBE_ASK
								     : PROBE_WAIT,
			.k = c->endpoint[i].k,
			.paced = c->endpoint[i].verdict.rate_headers,
		};
		if (job_has_int(t->requests_per_minute))
			order[i].requests_per_minute = (uint32_t)credit_rate(
				(uint64_t)t->requests_per_minute, w->share[i], all);
		if (job_has_int(t->tokens_per_minute))
			order[i].tokens_per_minute = credit_rate(
				(uint64_t)t->tokens_per_minute, w->share[i], all);
	}
	out_send(c, &w->peer, &m);
	free(order);
}

void workers_order_all(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_workers; i++)
		if (c->worker[i]->has_reported)
			say_orders(c, c->worker[i], NULL);
}

/* One endpoint's requests in flight, shared among the workers. */
static bool divide_endpoint(struct coordinator *c, size_t e)
{
	struct credit_share *shares = mem_zalloc(c->n_workers, sizeof(*shares));
	const struct job_teacher *t = &c->job.teacher[c->endpoint[e].teacher];
	bool changed = false;
	size_t n = 0;

	for (size_t i = 0; i < c->n_workers; i++) {
		const struct worker *w = c->worker[i];

		if (!w->has_reported)
			continue;
		shares[n++] = (struct credit_share){w->number, w->endpoint[e].could_use,
			w->endpoint[e].in_flight, w->endpoint[e].share, w->share[e]};
	}
	credit_divide(shares, n, (uint32_t)t->max_in_flight);
	n = 0;
	for (size_t i = 0; i < c->n_workers; i++) {
		struct worker *w = c->worker[i];

		if (!w->has_reported)
			continue;
		changed = changed || w->share[e] != shares[n].granted;
		w->share[e] = shares[n++].granted;
	}
	free(shares);
	return changed;
}

void workers_divide(struct coordinator *c)
{
	bool changed = false;

	/* Some have requests in flight of which they have not told us yet: nothing
	 * is given away. */
	if (c->n_returning > 0 && clock_mono_ms() < c->return_by_ms)
		return;
	for (size_t e = 0; e < c->n_endpoints; e++)
		changed = divide_endpoint(c, e) || changed;
	if (changed)
		workers_order_all(c);
}

/* Leases that a worker says it holds: renewed, or lost to it. */
static void renew(struct coordinator *c, const struct worker *w,
	const struct wire_lease_list *held, struct wire_lease_list *lost,
	int64_t now_ms)
{
	lost->at = mem_zalloc(held->n, sizeof(*lost->at));
	lost->n = 0;
	for (uint32_t i = 0; i < held->n; i++)
		if (!lease_renew(c->leases, held->at[i].shard, held->at[i].epoch,
			    w->number, now_ms))
			lost->at[lost->n++] = held->at[i];
}

static void hear_hello(struct coordinator *c, const struct link_peer *peer,
	const struct wire_hello *hello, int64_t now_ms)
{
	struct wire_lease_list lost;
	struct worker *w;

	if (hello->software.len != strlen(RETORT_VERSION) ||
		memcmp(hello->software.data, RETORT_VERSION, hello->software.len) !=
			0) {
		refuse(c, peer, "the coordinator is of version " RETORT_VERSION);
		return;
	}
	/* A worker needs the store's address: it says HELLO again. */
	if (!c->store.adopted)
		return;
	w = join(c, hello);
	w->peer = *peer;
	w->seen_ms = now_ms;
	w->changed = true;
	w->want = 0; /* it says anew what it has room for */
	renew(c, w, &hello->held, &lost, now_ms);
	say_welcome(c, w);
	/* It reports now: the orders that answer say what it has lost. */
	free(lost.at);
}

/* The endpoint's state over all workers: refused if one says so, up if one
 * has an answer, else held, else new. */
static void judge_endpoint(
	struct coordinator *c, size_t e, const struct wire_endpoint_beat *b)
{
	struct endpoint *to = &c->endpoint[e];
	uint8_t was = to->state;
	bool up = false, held = false;

	for (size_t i = 0; i < c->n_workers; i++) {
		up = up || c->worker[i]->endpoint[e].state == ENDPOINT_UP;
		held = held || c->worker[i]->endpoint[e].state == ENDPOINT_HELD;
	}
	to->was_up = to->was_up || up;
	if (b->answered > 0 && !to->answered) {
		to->proven = to->answered = true;
		workers_order_all(c);
	}
	if ((b->status || b->reason) && !to->cannot_give) {
		to->status = b->status;
		to->reason = b->reason;
	}
	if (b->state == ENDPOINT_REFUSED)
		to->stopped = true;
	to->state = to->stopped ? ENDPOINT_REFUSED
		    : up        ? ENDPOINT_UP
		    : held      ? ENDPOINT_HELD
				: ENDPOINT_NEW;
	if (to->state == was)
		return;
	ledger_put_endpoint_state(c->l, to->teacher, to->endpoint,
		endpoint_state_name(to->state), to->status, reason_name(to->reason));
	ledger_event(c->l, "endpoint", -1, -1, "%s %u: %s, %s %u",
		c->job.teacher[to->teacher].name, to->endpoint,
		endpoint_state_name(to->state), reason_name(to->reason), to->status);
	log_line(to->state >= ENDPOINT_HELD ? LOG_WARN : LOG_INFO, "coordinator",
		"an endpoint changed", "endpoint=%s state=%s reason=%s status=%u",
		log_quote(c->job.teacher[to->teacher].url[to->endpoint]).text,
		endpoint_state_name(to->state), reason_name(to->reason), to->status);
	if (to->stopped)
		workers_order_all(c);
}

static void has_returned(struct coordinator *c, uint32_t worker)
{
	for (size_t i = 0; i < c->n_returning; i++)
		if (c->returning[i] == worker)
			c->returning[i--] = c->returning[--c->n_returning];
}

static void hear_beat(struct coordinator *c, struct worker *w,
	const struct wire_beat *beat, int64_t now_ms)
{
	struct wire_lease_list lost;
	bool is_first = !w->has_reported;

	w->seen_ms = now_ms;
	w->changed = w->has_reported = true;
	renew(c, w, &beat->held, &lost, now_ms);
	for (uint32_t i = 0; i < beat->n_endpoints && i < c->n_endpoints; i++) {
		const struct wire_endpoint_beat *b = &beat->endpoint[i];

		/* Workers list the endpoints in the order of the job. */
		if (b->teacher != c->endpoint[i].teacher ||
			b->endpoint != c->endpoint[i].endpoint)
			continue;
		if (b->calibration_use != c->endpoint[i].calibration_use ||
			b->calibration.tokens != w->endpoint[i].calibration.tokens ||
			is_first)
			c->endpoint[i].calibration_due = true;
		c->endpoint[i].calibration_use = b->calibration_use;
		w->endpoint[i] = *b;
		if (is_first) /* the share that our predecessor gave it */
			w->share[i] = b->share;
		if (b->state != ENDPOINT_NEW && c->first_asked_ms == 0)
			c->first_asked_ms = now_ms;
		judge_endpoint(c, i, b);
	}
	if (is_first) {
		has_returned(c, w->number);
		workers_divide(c);
	}
	verdicts_name(c, now_ms);
	say_orders(c, w, &lost);
	free(lost.at);
}

/* Prompts that may be granted now, of those that are wanted. */
static unsigned affordable(struct coordinator *c, unsigned want)
{
	struct budget_use use;
	unsigned n = 0;

	if (!budget_is_set(&c->budget))
		return want;
	use = live_budget_use(c);
	while (n < want && budget_allows(&c->budget, &use)) {
		use.samples_out += c->l->totals.n;
		n++;
	}
	return n;
}

/* Near the end every worker gets its part of what is left, not the first one
 * all of it. */
static unsigned fair(struct coordinator *c, unsigned want)
{
	const struct totals *t = &c->l->totals;
	int64_t left = t->prompts - t->prompts_done - t->prompts_failed;
	unsigned part;

	for (size_t i = 0; i < lease_n(c->leases); i++)
		left -= __builtin_popcountll(lease_at(c->leases, i)->prompts);
	if (left < 0)
		left = 0;
	if ((uint64_t)left >= (uint64_t)want * c->n_workers)
		return want;
	part = (unsigned)((uint64_t)left / c->n_workers);
	return part < FAIR_MIN ? (want < FAIR_MIN ? want : FAIR_MIN) : part;
}

/* What it gets now would wait for a whole term if it is dead. */
bool worker_is_silent(
	const struct coordinator *c, const struct worker *w, int64_t now_ms)
{
	return now_ms - w->seen_ms > 2 * c->options->heartbeat_ms + SILENT_MIN_MS;
}

void workers_feed(struct coordinator *c, int64_t now_ms)
{
	if (c->phase != PHASE_RUN || !c->store.adopted || c->store.paused ||
		!tokenizers_are_there(c))
		return;
	for (size_t i = 0; i < c->n_workers; i++) {
		struct worker *w = c->worker[i];
		unsigned granted, can;

		if (w->want == 0 || worker_is_silent(c, w, now_ms))
			continue;
		can = affordable(c, fair(c, w->want));
		granted = can ? grant_prompts(c, w, can, now_ms) : 0;
		w->want -= granted < w->want ? granted : w->want;
		if (c->fatal.code != ERR_NONE)
			return;
	}
}

static void hear_failed(
	struct coordinator *c, struct worker *w, const struct wire_failed *f)
{
	struct wire m = {.type = WIRE_RECORDED, .recorded = {f->serial}};

	/* Under a lease that is lost, somebody else decides about the sample. */
	if (lease_find(c->leases, f->shard, f->epoch))
		fail_sample(c, f, w->number);
	out_send(c, &w->peer, &m);
}

static void hear_done(struct coordinator *c, const struct wire_done *done)
{
	if (done->unfinished &&
		lease_give_back(c->leases, done->shard, done->epoch, done->unfinished))
		ledger_remove_lease(c->l, done->epoch);
	/* What is finished ends when the store's totals say so. */
}

/* The holder of a lease has died: evidence against its prompts, unless the grant
 * never arrived. Who is convicted fails. */
static void holder_died(struct coordinator *c, struct lease lease, enum worker_end end)
{
	struct lease_shard *s;
	uint64_t convicted;

	lease_holder_died(c->leases, lease.shard, lease.epoch,
		lease.confirmed ? end : WORKER_LEFT, &convicted);
	ledger_remove_lease(c->l, lease.epoch);
	s = lease_find_shard(c->leases, lease.shard);
	for (uint64_t left = s ? s->suspect & lease.prompts : 0; left;
		left &= left - 1) {
		int line = __builtin_ctzll(left);

		ledger_put_suspect(c->l, lease.shard, (uint8_t)line, s->points[line]);
	}
	if (convicted)
		fail_prompts(c, lease.shard, convicted);
}

static void release_leases(struct coordinator *c, struct worker *w, enum worker_end end)
{
	for (size_t i = lease_n(c->leases); i-- > 0;)
		if (i < lease_n(c->leases) &&
			lease_at(c->leases, i)->worker == w->number)
			holder_died(c, *lease_at(c->leases, i), end);
}

void workers_gone(struct coordinator *c, struct worker *w, enum worker_end end)
{
	static const char *const states[] = {"left", "lost", "crashed"};
	size_t i = 0;

	release_leases(c, w, end);
	/* One that has not reported said more to our predecessor. */
	for (size_t e = 0; w->has_reported && e < c->n_endpoints; e++) {
		w->endpoint[e].in_flight = 0;
		ledger_put_worker_endpoint(c->l, w->number, 0, &w->endpoint[e]);
		ledger_put_alignment(c->l, w->number, &w->endpoint[e]);
	}
	ledger_put_worker(c->l, w->number, states[end], 0, 0, clock_wall_ms());
	ledger_event(c->l, "worker_ended", w->number, -1, "%s", states[end]);
	log_line(end == WORKER_LEFT ? LOG_INFO : LOG_WARN, "coordinator",
		"a worker has ended", "worker=%u how=%s", w->number, states[end]);
	while (c->worker[i] != w)
		i++;
	c->n_workers--;
	memmove(c->worker + i, c->worker + i + 1,
		(c->n_workers - i) * sizeof(*c->worker));
	has_returned(c, w->number);
	free_worker(w);
	workers_divide(c);
	if (verdicts_name(c, clock_mono_ms()))
		workers_order_all(c);
}

void workers_not_returning(struct coordinator *c, const char *name)
{
	char known[LIMIT_WORKER_NAME * 4 + 1];

	for (size_t i = c->n_returning; i-- > 0;) {
		ledger_worker_name(c->l, c->returning[i], known, sizeof(known));
		if (strcmp(known, name) == 0)
			has_returned(c, c->returning[i]);
	}
	workers_divide(c);
}

void workers_expire(struct coordinator *c, int64_t now_ms)
{
	struct lease *lease;

	for (size_t i = c->n_workers; i-- > 0;)
		if (now_ms - c->worker[i]->seen_ms > FORGET_TERMS * c->options->term_ms)
			workers_gone(c, c->worker[i], WORKER_LOST);
	while (c->store.adopted && (lease = lease_expired(c->leases, now_ms))) {
		struct lease was = *lease;

		holder_died(c, was, WORKER_LOST);
		ledger_event(c->l, "lease_expired", was.worker, (int64_t)was.shard,
			"epoch %" PRIu64, was.epoch);
		log_info("coordinator", "a lease expired",
			"shard=%" PRIu64 " epoch=%" PRIu64 " worker=%u", was.shard,
			was.epoch, was.worker);
	}
}

void workers_hear(struct coordinator *c, const struct link_message *m, struct wire *w,
	int64_t now_ms)
{
	struct worker *from = workers_by_peer(c, &m->peer);

	if (w->type == WIRE_HELLO) {
		hear_hello(c, &m->peer, &w->hello, now_ms);
		return;
	}
	if (!from) {
		say(c, &m->peer, WIRE_WHO);
		return;
	}
	from->seen_ms = now_ms;
	switch (w->type) {
	case WIRE_WANT:
		if (w->want.prompts <= WANT_MAX)
			from->want += w->want.prompts;
		break;
	case WIRE_BEAT:
		hear_beat(c, from, &w->beat, now_ms);
		break;
	case WIRE_FAILED:
		hear_failed(c, from, &w->failed);
		break;
	case WIRE_DONE:
		hear_done(c, &w->done);
		break;
	case WIRE_VERDICT:
		verdict_hear(c, &w->verdict);
		break;
	case WIRE_BYE:
		workers_gone(c, from, WORKER_LEFT);
		break;
	default:
		log_warn("coordinator", "an unexpected message", "type=%s",
			wire_name(w->type));
	}
}
