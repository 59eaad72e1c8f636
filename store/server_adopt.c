/* SPDX-License-Identifier: Apache-2.0 */
/* The store and its coordinator: adoption, totals, settings, recounts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/job.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/server_state.h"
#include "store/tally.h"

#define REPORT_EVERY_MS 2000
#define TOTALS_A_MESSAGE 4096

static void tell_coordinator(struct server *s, const struct wire *w)
{
	struct buf frame;

	buf_init(&frame, LIMIT_MESSAGE);
	wire_encode(w, &frame);
	if (frame.over) {
		log_error("store", "a message is too large", "type=%s",
			wire_name(w->type));
		buf_release(&frame);
	} else if (link_send(s->coordinator, NULL, &frame) != ERR_NONE) {
		/* It restarts, or is slow: register anew, and the totals follow. */
		s->adopted = false;
	}
}

void server_say_register(struct server *s)
{
	static const unsigned char none[RUN_ID_SIZE];
	const char *address = s->options->advertise ? s->options->advertise
						    : link_address(s->workers);
	struct wire w = {.type = WIRE_REGISTER,
		.reg = {.run = bytes_of(s->has_run ? s->run : none, RUN_ID_SIZE),
			.address = bytes_of(address, strlen(address)),
			.commit = s->d->committed.commit,
			.highest_epoch = s->d->committed.highest_epoch}};

	tell_coordinator(s, &w);
}

void server_say_totals(struct server *s, struct wire_totals *totals, int64_t now_ms)
{
	struct wire_shard_totals *all = totals->shard;
	uint32_t n = totals->n_shards, at = 0;

	do {
		struct wire w = {.type = WIRE_TOTALS, .totals = *totals};

		w.totals.commit = s->d->committed.commit;
		w.totals.paused = s->paused;
		w.totals.disk_bytes = env_used(s->d->env);
		w.totals.shard = all + at;
		w.totals.n_shards =
			n - at < TOTALS_A_MESSAGE ? n - at : TOTALS_A_MESSAGE;
		at += w.totals.n_shards;
		w.totals.more = at < n;
		if (w.totals.more)
			w.totals.revised = (struct wire_key_list){0};
		tell_coordinator(s, &w);
	} while (at < n && s->adopted);
	s->report_at = now_ms + REPORT_EVERY_MS;
}

/* Corrects a shard's totals when `accept` has changed (accept.h). */
static enum err_code recounted(
	void *arg, const struct accept_change *change, struct err *err)
{
	struct tally *t = arg;
	struct shard_state *state;
	enum err_code code =
		tally_touch(t, change->dataset, change->shard, &state, err);

	if (code == ERR_NONE) {
		state->accepted += change->accepted_now - change->accepted_before;
		state->duplicates += change->duplicates_now - change->duplicates_before;
	}
	return code;
}

static enum err_code before_recount_commit(
	void *arg, struct dataset *d, struct err *err)
{
	struct tally *t = arg;
	enum err_code code = tally_write(t, d, err);

	tally_forget(t);
	return code;
}

static enum err_code recount(struct server *s, const struct job *job,
	const struct accept *accept, struct err *err)
{
	struct tally tally = {0};
	struct accept_recount_steps steps = {.changed = recounted,
		.before_commit = before_recount_commit,
		.to = &tally};
	enum err_code code =
		accept_recount(s->d, accept, job->dedup_exact, &steps, err);

	tally_release(&tally);
	return code;
}

static enum err_code keep_settings(struct server *s, const struct wire_adopt *m,
	const struct job *job, struct err *err)
{
	enum err_code code = dataset_begin(s->d, err);

	if (code != ERR_NONE)
		return code;
	if (!s->has_run)
		code = dataset_set_run(s->d, m->run.data, err);
	if (code == ERR_NONE)
		code = dataset_set_settings(s->d, m->settings, m->job, err);
	if (code == ERR_NONE)
		code = tables_expect(s->tables, s->d, job, m->settings, err);
	if (code != ERR_NONE) {
		dataset_rollback(s->d);
		return code;
	}
	return dataset_commit(s->d, err);
}

/* The totals of every shard that changed after `since`. */
static enum err_code catch_up(struct server *s, uint64_t since, struct err *err)
{
	struct tally tally = {0};
	struct wire_totals totals = {0};
	enum err_code code = dataset_begin_view(s->d, err);

	if (code != ERR_NONE)
		return code;
	code = tally_load_since(&tally, s->d, since, err);
	dataset_end_view(s->d);
	if (code == ERR_NONE) {
		tally_take(&tally, &totals);
		server_say_totals(s, &totals, clock_mono_ms());
	}
	tally_release(&tally);
	return code;
}

static enum err_code take_job(
	struct server *s, const struct wire_adopt *m, struct err *err)
{
	struct accept *accept = NULL;
	struct job job;
	enum err_code code =
		job_parse((const char *)m->job.data, m->job.len, "the job", &job, err);

	if (code != ERR_NONE)
		return code;
	code = accept_compile(job.accept, &accept, err);
	if (code == ERR_NONE)
		code = keep_settings(s, m, &job, err);
	if (code == ERR_NONE)
		code = recount(s, &job, accept, err);
	if (code == ERR_NONE)
		ingest_set_job(s->ingest, accept, job.dedup_exact);
	else
		accept_free(accept);
	job_release(&job);
	return code;
}

static void be_adopted(struct server *s, const struct wire_adopt *m)
{
	struct err err = {0};

	if (m->run.len != RUN_ID_SIZE)
		return;
	if (s->has_run && memcmp(s->run, m->run.data, RUN_ID_SIZE) != 0) {
		err_set(&err, ERR_REFUSED,
			"the dataset in '%s' belongs to another run than the coordinator's",
			s->options->dir);
		server_ok(s, ERR_REFUSED, &err);
		return;
	}
	if (!server_ok(s, take_job(s, m, &err), &err))
		return;
	memcpy(s->run, m->run.data, RUN_ID_SIZE);
	s->has_run = true;
	if (!s->adopted)
		log_info("store", "adopted", "settings=%u since=%" PRIu64, m->settings,
			m->since);
	s->adopted = true;
	server_ok(s, catch_up(s, m->since, &err), &err);
}

static void say_table(struct server *s, const struct wire_table_at *at)
{
	struct wire w = {.type = WIRE_TABLE_AT, .table_at = *at};

	tell_coordinator(s, &w);
}

void server_say_tables(struct server *s)
{
	struct wire_table_at news;
	size_t at = 0;

	while (s->adopted && tables_news(s->tables, &at, &news))
		say_table(s, &news);
}

/* A part of a table: committed, then answered. */
static void hear_table(struct server *s, const struct wire_table *part)
{
	struct wire_table_at at;
	struct err err = {0};
	enum err_code code;

	if (!s->adopted || s->paused)
		return;
	if (!server_ok(s, dataset_begin(s->d, &err), &err))
		return;
	code = tables_take(s->tables, s->d, part, &at, &err);
	if (code == ERR_NONE && part->n > 0) {
		code = dataset_commit(s->d, &err);
	} else {
		dataset_rollback(s->d);
	}
	tables_end_part(s->tables, code == ERR_NONE);
	if (code == ERR_NOT_FOUND)
		log_warn("store", "a table that nobody expects", "vocabulary=%u",
			part->vocabulary);
	else if (server_ok(s, code, &err))
		say_table(s, &at);
}

void server_say_bye(struct server *s)
{
	struct wire w = {.type = WIRE_BYE};

	tell_coordinator(s, &w);
}

static void say_has(struct server *s, const struct wire_have *asked)
{
	struct wire w = {.type = WIRE_HAS, .has = {.tag = asked->tag}};
	struct wire_key *there = mem_zalloc(asked->keys.n, sizeof(*there));
	struct err err = {0};

	w.has.keys.at = there;
	if (server_ok(s, dataset_begin_view(s->d, &err), &err)) {
		for (uint32_t i = 0; i < asked->keys.n; i++) {
			const struct wire_key *k = &asked->keys.at[i];
			struct sample_key key = {k->prompt, k->sample, k->revision, 0};
			struct key_entry entry;

			if (dataset_find(s->d, &key, &entry, NULL) == ERR_NONE)
				there[w.has.keys.n++] = *k;
		}
		dataset_end_view(s->d);
		tell_coordinator(s, &w);
	}
	free(there);
}

void server_hear_coordinator(struct server *s, struct bytes frame)
{
	struct err err = {0};
	struct wire w;

	if (wire_decode(frame, &w, &err) != ERR_NONE) {
		log_warn("store", "a bad message from the coordinator", "why=%s",
			log_quote(err.msg).text);
		if (err.code == ERR_REFUSED)
			server_ok(s, ERR_REFUSED, &err);
		return;
	}
	switch (w.type) {
	case WIRE_ADOPT:
		be_adopted(s, &w.adopt);
		break;
	case WIRE_WHO:
		s->adopted = false;
		s->register_at = 0;
		break;
	case WIRE_HAVE:
		say_has(s, &w.have);
		break;
	case WIRE_TABLE:
		hear_table(s, &w.table);
		break;
	case WIRE_BYE:
		log_info("store", "the run has ended", "");
		s->told_to_end = true;
		break;
	case WIRE_REFUSED:
		err_set(&err, ERR_REFUSED, "the coordinator refuses this store: %.*s",
			(int)w.refused.why.len, (const char *)w.refused.why.data);
		server_ok(s, ERR_REFUSED, &err);
		break;
	default:
		log_warn(
			"store", "an unexpected message", "type=%s", wire_name(w.type));
	}
	wire_release(&w);
}
