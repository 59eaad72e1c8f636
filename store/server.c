/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/signals.h"
#include "common/without.h"
#include "store/server_state.h"

#define WAIT_MS 200
#define REGISTER_EVERY_MS 100
/* A sync costs the same for one sample and for a thousand: under load, those of so
 * long go into one commit. A lone one is committed at once. */
#define COMMIT_EVERY_MS 5
#define DISK_EVERY_MS 1000
#define READERS_EVERY_MS 30000
#define MESSAGES_A_ROUND 1024
#define DISK_LOW MIB(64)

bool server_ok(struct server *s, enum err_code code, const struct err *err)
{
	if (code == ERR_NONE)
		return true;
	s->lost = true;
	s->fatal = *err;
	s->fatal.code = code;
	return false;
}

bool server_in_transaction(struct server *s)
{
	struct err err = {0};

	return s->d->txn || server_ok(s, dataset_begin(s->d, &err), &err);
}

void server_answer(struct server *s, const struct link_peer *peer, const struct wire *w)
{
	struct answer *a;

	MEM_GROW(s->answers, s->cap_answers, s->n_answers + 1);
	a = &s->answers[s->n_answers];
	a->peer = *peer;
	buf_init(&a->frame, LIMIT_MESSAGE);
	wire_encode(w, &a->frame);
	if (a->frame.over) {
		log_error("store", "an answer is too large", "type=%s",
			wire_name(w->type));
		buf_release(&a->frame);
		return;
	}
	s->n_answers++;
}

static void send_answers(struct server *s)
{
	for (size_t i = 0; i < s->n_answers; i++) {
		/* A worker that is gone will ask again, or its successor will. */
		if (link_send(s->workers, &s->answers[i].peer, &s->answers[i].frame) !=
			ERR_NONE)
			log_debug("store", "an answer was not taken", "");
	}
	s->n_answers = 0;
}

static void drop_answers(struct server *s)
{
	for (size_t i = 0; i < s->n_answers; i++)
		buf_release(&s->answers[i].frame);
	s->n_answers = 0;
}

/* A dictionary that the trainer has ready goes into this round's commit. */
static void take_dictionary(struct server *s)
{
	struct bytes dictionary;
	struct err err = {0};

	if (s->lost || !trainer_take(s->trainer, &dictionary) ||
		!server_in_transaction(s))
		return;
	if (server_ok(s, dataset_add_dictionary(s->d, dictionary, &err), &err))
		log_info("store", "trained a dictionary", "bytes=%zu", dictionary.len);
}

static void undo_round(struct server *s)
{
	dataset_rollback(s->d);
	ingest_rollback(s->ingest);
	vocabulary_forget(s->vocabulary);
	drop_answers(s);
}

/* The map is full. Nobody was answered, so everybody will send again. */
static void make_room(struct server *s)
{
	struct err err = {0};

	log_warn("store", "the map was full, the round starts again", "");
	undo_round(s);
	server_ok(s, env_grow(s->d->env, env_map_size(s->d->env), &err), &err);
}

/* Commit, then acknowledge. */
static void end_round(struct server *s)
{
	struct wire_totals totals = {0};
	struct err err = {0};
	enum err_code code;

	if (WITHOUT_COMMIT_ORDER)
		send_answers(s);
	if (!s->lost && s->d->txn) {
		code = ingest_flush(s->ingest, &err);
		if (code == ERR_NONE)
			code = dataset_commit(s->d, &err);
		if (code == ERR_AGAIN) {
			make_room(s);
			return;
		}
		if (server_ok(s, code, &err))
			ingest_take_totals(s->ingest, &totals);
		s->committed_ms = clock_mono_ms();
	}
	if (s->lost) {
		undo_round(s);
		return;
	}
	send_answers(s);
	if (totals.n_shards > 0 && s->adopted)
		server_say_totals(s, &totals, clock_mono_ms());
	server_say_tables(s);
}

static void check_disk(struct server *s)
{
	struct statvfs fs;
	bool low;

	if (statvfs(s->options->dir, &fs) < 0)
		return;
	low = (uint64_t)fs.f_bavail * fs.f_frsize < DISK_LOW;
	if (low == s->paused)
		return;
	log_warn("store", low ? "paused: the disk is nearly full" : "goes on",
		"dir=%s free_mib=%" PRIu64, log_quote(s->options->dir).text,
		(uint64_t)fs.f_bavail * fs.f_frsize >> 20);
	s->paused = low;
	s->report_at = 0; /* no more is to be asked, or again: said at once */
}

static void run_timers(struct server *s, int64_t now_ms)
{
	if (!s->adopted && now_ms >= s->register_at) {
		server_say_register(s);
		s->register_at = now_ms + REGISTER_EVERY_MS;
		if (silence_is_long(&s->silence, now_ms))
			log_warn("store", "no answer yet: nobody is there",
				"coordinator=%s",
				log_quote(s->options->coordinator).text);
	}
	if (now_ms >= s->disk_at) {
		check_disk(s);
		s->disk_at = now_ms + DISK_EVERY_MS;
	}
	if (now_ms >= s->readers_at) {
		env_clear_stale_readers(s->d->env);
		s->readers_at = now_ms + READERS_EVERY_MS;
	}
	if (s->adopted && now_ms >= s->report_at) {
		struct wire_totals none = {0};

		server_say_totals(s, &none, now_ms);
	}
}

/* Its messages are about what is committed, so no round has begun yet. */
static void hear_coordinator(struct server *s)
{
	struct link_message m;

	while (!s->lost && link_receive(s->coordinator, &m) == ERR_NONE) {
		silence_ends(&s->silence);
		server_hear_coordinator(s, m.frame);
		link_message_release(&m);
	}
}

static void hear_workers(struct server *s)
{
	int64_t now_ms = clock_mono_ms();
	struct link_message m;

	for (int i = 0; i < MESSAGES_A_ROUND && s->round_bytes < COMMIT_BYTES; i++) {
		if (s->lost || link_receive(s->workers, &m) != ERR_NONE)
			break;
		server_hear_worker(s, &m, now_ms);
		link_message_release(&m);
	}
}

static void round_once(struct server *s)
{
	struct link *links[] = {s->workers, s->coordinator};
	int64_t left;

	run_timers(s, clock_mono_ms());
	s->round_bytes = 0;
	link_wait(links, 2, -1, s->adopted ? WAIT_MS : REGISTER_EVERY_MS);
	hear_coordinator(s);
	hear_workers(s);
	while (!s->lost && s->n_answers > 0 && s->round_bytes < COMMIT_BYTES &&
		(left = s->committed_ms + COMMIT_EVERY_MS - clock_mono_ms()) > 0) {
		link_wait(links, 1, -1, left);
		hear_workers(s);
	}
	take_dictionary(s);
	end_round(s);
}

static enum err_code warm_up(struct server *s, struct err *err)
{
	enum err_code code = dataset_begin_view(s->d, err);

	if (code != ERR_NONE)
		return code;
	code = dataset_run(s->d, s->run, err);
	s->has_run = code == ERR_NONE;
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	if (code == ERR_NONE)
		code = ingest_warm_up(s->ingest, err);
	dataset_end_view(s->d);
	return code;
}

static void close_all(struct server *s)
{
	drop_answers(s);
	ingest_free(s->ingest);
	vocabulary_free(s->vocabulary);
	tables_free(s->tables);
	trainer_free(s->trainer);
	dataset_close(s->d);
	link_close(s->workers);
	link_close(s->coordinator);
	link_end();
	free(s->answers);
	free(s->seen);
}

enum err_code server_run(const struct server_options *options, struct err *err)
{
	struct server s = {.options = options};
	enum err_code code;

	env_fit_heap();
	randombytes_buf(&s.boot, sizeof(s.boot));
	code = dataset_open(options->dir, ENV_CREATE, &s.d, err);
	if (code != ERR_NONE)
		return code;
	s.vocabulary = vocabulary_new();
	s.tables = tables_new();
	s.trainer = trainer_new();
	s.ingest = ingest_new(s.d, 0);
	ingest_set_tables(s.ingest, s.tables);
	if (packer_dictionary(s.d->packer) == 0)
		ingest_set_trainer(s.ingest, s.trainer);
	code = warm_up(&s, err);
	if (code == ERR_NONE)
		code = link_serve(options->listen, &s.workers, err);
	if (code == ERR_NONE)
		code = link_connect(options->coordinator, &s.coordinator, err);
	if (code == ERR_NONE)
		log_info("store", "serving", "listen=%s samples=%" PRIu64,
			log_quote(link_address(s.workers)).text,
			s.d->state.last_sequence);
	while (code == ERR_NONE && !s.lost && !s.told_to_end && signals_stops() == 0)
		round_once(&s);
	if (s.adopted || s.told_to_end)
		server_say_bye(&s);
	if (s.lost) {
		*err = s.fatal;
		code = s.fatal.code;
	}
	close_all(&s);
	return code;
}
