/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coordinator.h - the coordinator's process
 *
 * Indexes the corpus, leases prompts, keeps the ledger. One thread, one loop
 * (loop.c), one order:
 *
 *   read the clock, run what is due; wait; handle a bounded number of
 *   messages; COMMIT the ledger, synced; then, and only then, send what this
 *   round has to say.
 *
 * The parts, by file: start.c brings the ledger, the job and the corpus
 * together; live.c has the shards in work; grant.c turns prompts into
 * messages; with_workers.c, with_store.c and control.c answer the three kinds
 * of peers; tokenizers.c brings the store what tokenizers say. All of them work on the one struct below.
 */
#ifndef RETORT_COORDINATOR_COORDINATOR_H
#define RETORT_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/job.h"
#include "common/link.h"
#include "common/verdict.h"
#include "common/wire.h"
#include "coordinator/budget.h"
#include "coordinator/credit.h"
#include "coordinator/lease.h"
#include "coordinator/ledger.h"
#include "coordinator/prompt.h"
#include "coordinator/shard.h"

struct coordinator_options {
	const char *job_path;
	const char *dir;    /* RUN */
	const char *listen; /* for workers and the store */
	bool new_settings;
	bool reindex;
	int64_t heartbeat_ms, term_ms;
	/* A supervisor's knowledge: the names of the workers that live, with
	 * commas between. Leases of others are dropped at the start. NULL: who
	 * lives is not known, and every lease gets a full new term. */
	const char *alive;
	/* Give up when no endpoint has answered for so long, at the start; 0:
	 * wait for ever. */
	int64_t unreachable_ms;
};

/* How a run's process ends. */
enum coordinator_end {
	END_DONE,          /* every prompt has ended, all samples committed */
	END_WITH_FAILURES, /* every prompt has ended, some samples failed */
	END_STOPPED,       /* drained on request */
	END_BUDGET,        /* the budget is spent */
	END_BLOCKED        /* no endpoint can be asked */
};

/* Runs until the job has ended or somebody asks to stop. */
enum err_code coordinator_run(const struct coordinator_options *options,
	enum coordinator_end *end, struct err *err) MUST_CHECK;

/* -- For the coordinator's own files only from here on -- */

/* A message that waits for the commit. */
struct outgoing {
	struct link *link;
	struct link_peer peer;
	struct buf frame;
};

/* A shard in work: its row as it is and as it was last saved. */
struct live {
	struct shard_row row, saved;
};

struct worker {
	uint32_t number;
	uint64_t session;
	char name[LIMIT_WORKER_NAME + 1];
	struct link_peer peer;
	int64_t seen_ms;
	uint32_t want;                       /* prompts it has room for */
	struct wire_endpoint_beat *endpoint; /* by endpoint number, last report */
	bool has_reported;                   /* since it joined this process */
	uint32_t *share;                     /* in flight allowed, likewise */
	bool changed;                        /* to be written to the ledger */
};

struct endpoint {
	uint16_t teacher, endpoint;
	uint8_t state; /* enum endpoint_state, over all workers */
	uint16_t status;
	uint8_t reason;
	bool proven;   /* it has answered somebody, at some time of the run */
	bool answered; /* and since this process began */
	bool was_up;   /* since then it could be reached */
	bool stopped;  /* nobody may ask it any more */
	/* As the ledger has it; what was reported since has not been judged. */
	enum calibration_state calibration;
	uint8_t calibration_use; /* enum calibration_use, as a worker told last */
	bool calibration_due;
	/* What it gives: nobody asks it for answers while that is to be found out. */
	bool verdict_due, cannot_give;
	uint32_t asker; /* the worker that finds out; 0: none yet */
	struct verdict verdict;
	uint32_t k; /* candidates to ask for */
};

struct store_peer {
	bool known, adopted;
	struct link_peer peer;
	char address[256];
	int64_t seen_ms;
	bool paused;
	/* At the run's end: when it was first told, is told again, and last was there. */
	int64_t part_ms, tell_at, reached_ms;
};

struct coordinator {
	const struct coordinator_options *options;
	struct job job;
	char *job_text;    /* its normal form, for workers */
	char *public_text; /* and without secrets, for ledger and dataset */
	struct ledger *l;
	struct lease_table *leases;
	struct prompt_rules rules;
	struct prompt prompt;
	struct shard_reader **reader; /* by corpus, opened at first use */
	size_t n_readers;
	struct shard_text text;
	uint64_t text_shard; /* whose lines are in `text`; UINT64_MAX: none */
	struct index_shard text_index;
	uint64_t text_numbers[SHARD_PROMPTS]; /* of text_index, kept */

	struct live **live; /* in the order of their shards */
	size_t n_live, cap_live;
	uint64_t next_pending; /* shards before it are ended or live */
	uint64_t seen_commit;  /* the store's last commit whose totals are in `live` */

	struct link *link, *control;
	int lock;
	struct store_peer store;
	struct worker **worker;
	size_t n_workers, cap_workers;
	struct endpoint *endpoint;
	size_t n_endpoints;
	struct budget budget;
	struct carried *carried; /* of the teachers that name a tokenizer */
	size_t n_carried, cap_carried;

	struct outgoing *out;
	size_t n_out, cap_out;

	uint8_t phase; /* enum run_phase */
	enum coordinator_end end;
	/* Workers of before a restart that have not reported to us, and until when
	 * they are waited for. */
	uint32_t *returning;
	size_t n_returning, cap_returning;
	int64_t return_by_ms;
	int64_t committed_ms;
	int64_t started_ms, save_at, rate_at, share_at, checkpoint_at, stop_by_ms;
	int64_t first_asked_ms; /* 0: nobody has asked an endpoint yet */
	bool drain_asked;       /* over the control socket */
	bool commit_due;        /* the timer says so */
	bool ended;             /* leave the loop */
	struct err fatal;       /* code set: leave the loop with an error */
};

/* out.c: messages that leave after the commit. */
void out_send(
	struct coordinator *c, const struct link_peer *peer, const struct wire *w);
void out_send_frame(struct coordinator *c, struct link *link,
	const struct link_peer *peer, struct buf *frame);
void out_flush(struct coordinator *c);
void out_drop(struct coordinator *c);

/* start.c */
enum err_code start_open(struct coordinator *c, struct err *err) MUST_CHECK;
void start_close(struct coordinator *c);

/* live.c */
struct live *live_find(struct coordinator *c, uint64_t shard);
/* Loads a shard into the table; NULL if there is none of that number. */
struct live *live_load(struct coordinator *c, uint64_t shard);
/* Makes leases, state and counts follow after row was changed. */
void live_changed(struct coordinator *c, struct live *live);
/* Writes changed rows, and up to which commit of the store they are true;
 * forgets shards that have ended. */
void live_save(struct coordinator *c);
/* Loads pending shards until `prompts` are free, or none is left. */
void live_refill(struct coordinator *c, uint64_t prompts);
/* True if all shards have ended. */
bool live_all_ended(struct coordinator *c);
struct budget_use live_budget_use(struct coordinator *c);

/* grant.c: grants up to `want` prompts to a worker; returns how many. */
unsigned grant_prompts(
	struct coordinator *c, struct worker *w, unsigned want, int64_t now_ms);

/* with_workers.c */
void workers_hear(struct coordinator *c, const struct link_message *m, struct wire *w,
	int64_t now_ms);
struct worker *workers_by_peer(struct coordinator *c, const struct link_peer *peer);
/* A worker has ended: its leases are released, as evidence says. */
void workers_gone(struct coordinator *c, struct worker *w, enum worker_end end);
/* A worker of before a restart has died before it came back. */
void workers_not_returning(struct coordinator *c, const char *name);
void workers_expire(struct coordinator *c, int64_t now_ms);
/* Grants to those who wait, as far as there are prompts. */
void workers_feed(struct coordinator *c, int64_t now_ms);
void workers_divide(struct coordinator *c);
void workers_order_all(struct coordinator *c);
/* It has missed two reports. */
bool worker_is_silent(
	const struct coordinator *c, const struct worker *w, int64_t now_ms);

/* with_calibration.c: judges the endpoints of which something was reported */
void calibration_look(struct coordinator *c);

/* with_verdicts.c: what endpoints give, found out once for all workers */
/* At the start, before the endpoint is put into the ledger under its new address. */
void verdict_begin(struct coordinator *c, struct endpoint *e);
/* Names who asks, where nobody does; true if somebody was named. */
bool verdicts_name(struct coordinator *c, int64_t now_ms);
void verdict_hear(struct coordinator *c, const struct wire_verdict *m);

/* with_store.c */
bool store_is(const struct coordinator *c, const struct link_peer *peer);
/* Tells the store that the run has ended; true when it has left, or does not answer. */
bool store_has_left(struct coordinator *c, int64_t now_ms);
void store_hear(struct coordinator *c, const struct link_message *m, struct wire *w,
	int64_t now_ms);
/* A sample is given up: in the ledger, and in its shard. */
void fail_sample(struct coordinator *c, const struct wire_failed *f, uint32_t worker);
/* All samples of these prompts that are not committed are given up. */
void fail_prompts(struct coordinator *c, uint64_t shard, uint64_t prompts);

/* tokenizers.c: the tokenizers' tables, on their way to the store. */
enum err_code tokenizers_read(struct coordinator *c, struct err *err) MUST_CHECK;
void tokenizers_note(struct coordinator *c);
void tokenizers_free(struct coordinator *c);
/* The store was adopted: asks how far it has got. */
void tokenizers_begin(struct coordinator *c, int64_t now_ms);
void tokenizers_ask_again(struct coordinator *c, int64_t now_ms);
void tokenizers_hear(
	struct coordinator *c, const struct wire_table_at *at, int64_t now_ms);
/* Whether these ids say `text`, by the tokenizer that the job names for the teacher;
 * true if it names none. */
bool tokenizers_agree(struct coordinator *c, uint16_t teacher, const uint32_t *id,
	uint32_t n, struct bytes text);
/* True once the store has them all: nothing is granted before. */
bool tokenizers_are_there(const struct coordinator *c);

/* control.c */
void control_hear(struct coordinator *c);

/* retry.c: makes samples eligible again, as a new revision. */
struct retry_choice {
	const char *reason;        /* failed samples of this reason; NULL: all failed */
	struct wire_key_list keys; /* or these (revision ignored) */
	bool use_keys;
};
int64_t retry_samples(struct ledger *l, const struct retry_choice *choice);

#endif
