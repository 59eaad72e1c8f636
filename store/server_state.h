/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_state.h - what the store's three files share; not for others
 *
 * server.c has the loop, server_workers.c answers workers, server_adopt.c
 * deals with the coordinator. All work on one struct, in one thread.
 */
#ifndef RETORT_STORE_SERVER_STATE_H
#define RETORT_STORE_SERVER_STATE_H

#include "common/link.h"
#include "common/silence.h"
#include "common/wire.h"
#include "store/ingest.h"
#include "store/server.h"
#include "store/tables.h"
#include "store/vocabulary.h"

/* An answer that waits for the commit. */
struct answer {
	struct link_peer peer;
	struct buf frame;
};

struct seen_worker {
	uint64_t session;
	int64_t at_ms;
};

struct server {
	const struct server_options *options;
	struct dataset *d;
	struct ingest *ingest;
	struct vocabulary *vocabulary;
	struct tables *tables;
	struct trainer *trainer;
	struct link *workers, *coordinator;
	unsigned char run[RUN_ID_SIZE];
	bool has_run, adopted, paused;
	bool told_to_end; /* by the coordinator */
	uint64_t boot;

	struct answer *answers;
	size_t n_answers, cap_answers;
	size_t round_bytes;
	struct seen_worker *seen;
	size_t n_seen, cap_seen;
	int64_t register_at, report_at, disk_at, readers_at;
	struct silence silence; /* of the coordinator, while it has not adopted us */
	int64_t committed_ms;

	/* Set: the round is undone and the process ends. */
	bool lost;
	struct err fatal;
};

/* Whether `code` is ERR_NONE; else the server is lost, with err as the reason. */
bool server_ok(struct server *s, enum err_code code, const struct err *err);
/* Makes sure that a transaction is open. */
bool server_in_transaction(struct server *s);
/* Keeps an answer until the round's commit. */
void server_answer(
	struct server *s, const struct link_peer *peer, const struct wire *w);

/* server_workers.c: one message of a worker. */
void server_hear_worker(struct server *s, const struct link_message *m, int64_t now_ms);

/* server_adopt.c: the coordinator's messages, and what it is told. */
void server_hear_coordinator(struct server *s, struct bytes frame);
void server_say_register(struct server *s);
void server_say_totals(struct server *s, struct wire_totals *totals, int64_t now_ms);
/* That this process ends. */
void server_say_bye(struct server *s);
/* What has changed in the counts of tokenizers' tables. */
void server_say_tables(struct server *s);

#endif
