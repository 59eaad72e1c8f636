/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the worker's process
 *
 * One thread: libcurl's multi interface and two ZeroMQ links in one loop
 * (loop.c). A prompt's way through it, by file:
 *
 *   leases.c    GRANT -> OPEN -> OPENED: samples that are missing become tasks
 *   asking.c    task -> request -> answer -> readable? else retry.h decides
 *   scoring.c   where others score it: encoded answer -> request -> its rows
 *   storing.c   readable answer -> ids -> offer (encode.h) -> PUT -> RESULT
 *   leases.c    all tasks of a lease are settled -> DONE
 *   endpoints.c where requests may go: shares, holds, rates, the first look
 *   probing.c     what an endpoint gives, asked once for the fleet at the start
 *   questioning.c the same, once it refuses what the job asks
 *
 * It touches no disk but for key files. What it holds is bounded: leases by
 * what it asked for, bodies by the requests in flight, offers by the store's
 * credit.
 */
#ifndef RETORT_WORKER_WORKER_H
#define RETORT_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/job.h"
#include "common/link.h"
#include "common/silence.h"
#include "common/wire.h"
#include "worker/calibrate.h"
#include "worker/encode.h"
#include "worker/http.h"
#include "worker/pace.h"
#include "worker/protocol.h"
#include "worker/questions.h"
#include "worker/rate.h"
#include "worker/reader.h"
#include "worker/retry.h"
#include "worker/spares.h"
#include "worker/tokens.h"

struct worker_options {
	const char *coordinator; /* its address */
	const char *name;
};

/* Works until the run has ended, or somebody asks to stop (ERR_NONE). */
enum err_code worker_run(const struct worker_options *options, struct err *err)
	MUST_CHECK;

/* -- For the worker's own files only from here on -- */

struct worker;
struct held;
struct endpoint;
struct scoring;

/* A prompt of a lease. Its bytes are in the lease's frame. */
struct held_prompt {
	struct held *lease;
	const struct wire_prompt *grant;
	struct encode_prompt texts;
	bool store_has_text;
	bool asks; /* for something by itself: overrides are set, */
	bool bad;  /* or would be, if its request could be read */
	struct overrides overrides;
	unsigned open_tasks;   /* not settled */
	struct endpoint *last; /* its samples stay there: prefix caches */
};

enum task_state {
	TASK_READY,   /* waits for an endpoint */
	TASK_WAITING, /* ready at not_before_ms */
	TASK_ASKED,   /* a request is in flight */
	TASK_INTERN,  /* waits for the store to give ids to tokens */
	TASK_OFFERED, /* its offer waits for credit, or for the store's answer */
	TASK_FAILING, /* FAILED waits to be RECORDED */
	TASK_SETTLED
};

/* One sample to be asked for. */
struct task {
	struct held_prompt *prompt;
	uint32_t sample, revision;
	enum task_state state;
	struct attempts attempts;
	int64_t not_before_ms;
	uint32_t wasted_prompt_tokens, wasted_completion_tokens;
	int64_t wasted_nusd;

	uint64_t serial;         /* of the PUT or FAILED that is out */
	struct buf offer;        /* until the store has answered */
	struct scoring *scoring; /* of its answer, which waits for it; NULL */
	bool sent;
	int64_t sent_ms;
	enum reason reason; /* TASK_FAILING */
	int status;

	struct task *next, *prev; /* in the list of its state */
};

struct task_list {
	struct task *first, *last;
	size_t n;
};

/* A lease. */
struct held {
	uint64_t shard, epoch, prompts; /* bit map by line */
	uint8_t *frame;                 /* the GRANT's bytes */
	size_t frame_len;
	struct wire wire;           /* decoded from it */
	struct held_prompt *prompt; /* [wire.grant.n_prompts] */
	struct task *task;
	size_t n_tasks, n_open;
	bool opened, lost;
	int64_t asked_ms; /* when OPEN was sent */
	uint64_t given_back;
	struct held *next;
};

/* Questions at the start, for the whole fleet. */
struct probing {
	bool asks;             /* `questions` are these */
	bool ask_again;        /* the last one */
	unsigned tries;        /* of the last one */
	bool tokenizes;        /* the question that is out is to /tokenize, */
	bool tokenized;        /* which has been asked */
	struct answer_ids ids; /* what it said */
	char *verdict; /* to be told until the orders say that it is known; NULL */
	struct answer_usage usage; /* of all answers; no count is unknown */
	int64_t cost_nusd;
};

struct endpoint {
	uint16_t teacher, number;
	const struct job_teacher *job;
	const char *url;
	struct http_target *target, *models_target, *tokenize_target;
	enum job_server server;
	bool looked, looking; /* at /models: what server it is */
	struct ask *look;
	const struct protocol *protocol;
	struct request_form form;
	struct buf own_request;       /* the request that own_form was made for */
	struct request_form own_form; /* of prompts that ask for it by themselves */
	bool stream;
	bool scores; /* what it is given, and samples nothing */
	bool asked_model_listed;

	uint32_t top_logprobs;       /* asked for: the job's, fewer, or one more */
	uint32_t ordered_k;          /* what the coordinator said last */
	struct questions *questions; /* while it is asked them; else NULL */
	struct ask *question;        /* that is out */
	int64_t questioned_ms;       /* when the last questions ended; 0: never */
	unsigned questionings;
	uint8_t probe;          /* enum order_probe: who asks at the start */
	struct probing probing; /* if we do */

	uint32_t share, in_flight;
	bool stopped;
	struct rate requests, tokens;
	bool paced;       /* it tells its rate limits, somebody has seen */
	struct pace pace; /* what it told us */
	struct health health;
	uint64_t asked, answered, retried, latency_ms, tokens_used;
	uint64_t prompt_used, completion_used; /* of those that were answered */
	uint64_t misaligned[MISALIGNED_N];     /* answers, by the rule they broke */
	struct calibration calibration;
	uint64_t streamed, first_token_ms, writing_ms, written_tokens;
	uint64_t unscored; /* samples that its teacher was to score */
	int64_t cost_nusd;
	char other_model[256]; /* another name that it reports, always the same */
};

/* A request in flight, or an answer that waits for ids. Of a request for several
 * samples each has an ask of its own; only the first has sent something. */
struct ask {
	struct worker *w;
	struct transfer *transfer;
	struct endpoint *endpoint;
	struct task *task; /* NULL: a look at /models, or the lease was lost */
	struct reader *reader;
	struct answer answer;
	struct buf body, raw;
	int64_t sent_ms, created_ms;
	int64_t first_ms; /* of a stream: when its first text came; 0: not yet */
	uint64_t seed, answered_before;
	double temperature; /* sent; NaN: none */
	struct calibrate_terms calibrate;
	int64_t cost_nusd;   /* of this sample's part of the answer */
	struct ask *sibling; /* the next sample of the request; NULL */
	uint64_t intern_serial;
	bool tells_ids; /* the teacher gave ids, if not all */
	struct http_outcome outcome;
	struct ask *next;  /* in the list of free ones, or of those that wait for ids */
	struct ask *older; /* in the list of all */
};

struct worker {
	const struct worker_options *options;
	struct link *coordinator, *store;
	char store_address[256];
	uint64_t session, boot; /* ours, the store's */
	bool welcomed, draining;
	struct err fatal;
	bool ended;

	unsigned char run[RUN_ID_SIZE];
	uint32_t number, heartbeat_ms, settings;
	char *job_text;
	struct job job;
	struct endpoint *endpoint;
	size_t n_endpoints;

	struct http *http;
	struct encoder *encoder;
	struct tokens *tokens;
	struct ask *free_asks, *interning, *newest_ask;
	struct spares spares;
	size_t n_in_flight;

	struct held *held;
	unsigned prompts_wanted; /* asked for and not granted yet */
	struct task_list *ready; /* by teacher */
	struct task_list waiting, offered, failing;
	size_t unsent_bytes, unanswered_bytes;
	size_t scoring_bytes;      /* answers that are to be scored */
	int64_t drain_patience_ms; /* draining: until then held scorers are waited for */
	uint64_t credit, next_serial;
	double samples_per_ms; /* settled, of late */
	uint64_t settled, settled_before;

	int64_t beat_at, hello_at, ping_at, put_at, resend_at, rate_at;
	struct silence silence; /* of the coordinator, while it has not welcomed us */
	uint64_t random_state;
};

/* loop.c */
double worker_chance(struct worker *w); /* 0 <= x < 1 */
bool worker_tell_coordinator(struct worker *w, const struct wire *m);
bool worker_tell_store(struct worker *w, const struct wire *m);
void task_list_add(struct task_list *l, struct task *t);
void task_list_remove(struct task_list *l, struct task *t);

/* leases.c */
void leases_take_grant(struct worker *w, struct bytes frame, int64_t now_ms);
void leases_take_opened(struct worker *w, const struct wire_opened *m, int64_t now_ms);
void leases_lose(struct worker *w, uint64_t shard, uint64_t epoch);
void leases_resend_opens(struct worker *w, int64_t now_ms);
void leases_ask_for_more(struct worker *w);
/* Gives back what is not begun; for draining. */
void leases_give_back(struct worker *w);
struct wire_lease_list leases_list(struct worker *w); /* the caller frees `at` */
void leases_free(struct worker *w);
/* A task has come to its end: stored, failed, or no longer ours. */
void task_settled(struct worker *w, struct task *t);

/* asking.c */
void asking_start(struct worker *w, int64_t now_ms);
void asking_ended(void *to, struct transfer *t, const struct http_outcome *o);
struct answer_rules asking_rules(const struct job *job,
	const struct job_sampling *sampling, const struct endpoint *e,
	size_t prompt_bytes);
/* Where the endpoint scores what it is given. */
void asking_score_rules(
	const struct endpoint *e, struct bytes messages, struct answer_rules *rules);
/* Sends the ask's body, which is written, to its endpoint. */
void asking_send(struct worker *w, struct ask *a, const struct answer_rules *rules);
void asking_release(struct worker *w, struct ask *a);
/* Ready to send something. */
struct ask *asking_take(struct worker *w);
void task_failed(struct worker *w, struct task *t, enum reason reason, int status);
void asking_free(struct worker *w);

/* questioning.c */
/* Puts `messages` to the ask's endpoint. False: it cannot be asked so, and the ask is
 * released. */
bool question_send(struct worker *w, struct ask *a, struct bytes messages,
	const struct request_terms *terms, const struct answer_rules *rules,
	uint64_t seed, struct err *err);
/* What this endpoint is to be asked. */
void question_begin(
	struct worker *w, const struct endpoint *e, struct questions *questions);
/* NULL: as question_send. */
struct ask *question_ask(struct worker *w, struct endpoint *e,
	const struct question *question, struct err *err);
/* Asks for the ids of a fixed text; false if this server has no way to tell. */
bool question_tokenize(struct worker *w, struct endpoint *e, struct ask **out);
/* What was said, into ids and the verdict; nothing if it cannot be read. */
void question_take_tokens(struct ask *a, const struct http_outcome *o,
	struct answer_ids *ids, struct verdict *v);
/* What became of it. */
enum reason question_reason(struct ask *a, const struct http_outcome *o);
enum question_end question_end_of(enum reason reason, const struct http_outcome *o);
/* An endpoint that has never answered us refuses a request that was sent at sent_ms: is it
 * for what the job asks? True if the request is to be made again, with what was learned,
 * or to another. */
bool questioning_begin(struct worker *w, struct endpoint *e, int64_t sent_ms);
void questioning_ended(struct worker *w, struct ask *a, const struct http_outcome *o);
/* What it has cost is the endpoint's. */
void question_pay(struct endpoint *e, const struct answer_usage *usage);

/* probing.c: questions at the start, by the worker that the coordinator named. */
/* Asks what is to be asked now. */
void probing_run(struct worker *w, int64_t now_ms);
/* Tells what was found out, as long as nobody has heard it. */
void probing_tell(struct worker *w);
void probing_ended(struct worker *w, struct ask *a, const struct http_outcome *o);
/* Whether the endpoint is being asked, or is to be, so that it must be left alone. */
bool probing_holds(const struct endpoint *e);
void probing_release(struct endpoint *e);

/* scoring.c: answers that other teachers score before they are stored. */
/* The teacher that a task is for now, and what that is asked. */
size_t task_teacher(const struct worker *w, const struct task *t);
struct bytes task_messages(const struct task *t);
/* The ask's answer is in its task's offer, with this head. False: nobody is to score
 * it. The ask is not needed any more. */
bool scoring_begin(struct worker *w, struct ask *a, const struct record *head);
void scoring_ask(struct worker *w, struct task *t, struct endpoint *e, int64_t now_ms);
/* What is wrong with a readable answer to that; NULL. */
const char *scoring_contradicts(const struct ask *a);
void scoring_ended(struct worker *w, struct ask *a, enum reason reason, int64_t now_ms);
/* Lets go of what nobody will score. */
void scoring_look(struct worker *w, int64_t now_ms);
/* Whether more answers may be asked for that are to be scored. */
bool scoring_has_room(const struct worker *w);
void scoring_free(struct worker *w, struct task *t);

/* several.c: samples of one prompt that one request asks for. */
/* Those that can go together with a task, itself first, as many as a request may
 * ask for; they are all ready. */
unsigned several_find(
	const struct worker *w, struct task *t, unsigned most, struct task **tasks);
/* Gives each answer's ask the task that its choice is for. */
void several_assign(struct ask *first);
/* The ids of the prompt, which were told once, for each of them. */
void several_share_prompt(struct ask *first);
/* What each has cost; the parts add up to what all have. Returns that. */
int64_t several_cost(struct ask *first);

/* storing.c */
void storing_take_answer(struct worker *w, struct ask *a);
/* The task's offer is whole. */
void storing_offer(struct worker *w, struct task *t);
uint8_t storing_mode(const struct job_teacher *t); /* enum logprobs_mode */
void storing_send(struct worker *w, int64_t now_ms);
void storing_take_result(struct worker *w, const struct wire_result *m, int64_t now_ms);
void storing_take_interned(struct worker *w, const struct wire_interned *m);
void storing_take_recorded(struct worker *w, uint64_t serial);
void storing_resend(struct worker *w, int64_t now_ms, bool all);
void storing_send_raw(struct worker *w, const struct ask *a, enum reason reason);
void storing_see_boot(struct worker *w, uint64_t boot, int64_t now_ms);

/* endpoints.c */
enum err_code endpoints_make(struct worker *w, struct err *err) MUST_CHECK;
void endpoints_free(struct worker *w);
void endpoints_take_orders(
	struct worker *w, const struct wire_orders *m, int64_t now_ms);
void endpoints_look(struct worker *w, int64_t now_ms);
void endpoint_looked(struct worker *w, struct ask *a, const struct http_outcome *o);
/* A request has gone. */
void endpoint_count_request(struct endpoint *e);
/* An answer's headers: how fast it may be asked from now on. */
void endpoint_hear_rates(
	struct worker *w, struct endpoint *e, const struct http_outcome *o);
/* Whether its rate limits let a request go now. */
bool endpoint_is_in_time(struct endpoint *e, int64_t now_ms);
/* The endpoint to ask for a task now, or NULL. */
struct endpoint *endpoint_for(struct worker *w, const struct task *t, int64_t now_ms);
/* What all requests to it have in common. */
struct request_terms endpoint_terms(const struct worker *w, const struct endpoint *e);
/* From now on it is asked for k candidates a token. */
void endpoint_ask_for(struct worker *w, struct endpoint *e, uint32_t k);
/* The form for a prompt's requests, lent until the next call; NULL if this
 * endpoint cannot be asked what the prompt asks for. */
const struct request_form *endpoint_form(
	struct worker *w, struct endpoint *e, const struct held_prompt *p);
/* Whether the model that an answer names is the one that was asked. */
bool endpoint_model_is_right(struct endpoint *e, struct bytes reported);
/* True if the text holds the endpoint's key. */
bool endpoint_key_is_in(const struct endpoint *e, struct bytes text);
/* True if the endpoint's key, or one of the job's headers, has the word in it. */
bool endpoint_secret_has(const struct endpoint *e, struct bytes word);
void endpoints_beat(struct worker *w, struct wire_beat *beat); /* caller frees lists */

#endif
