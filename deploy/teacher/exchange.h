/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one request and its answer, and the server that they meet in
 *
 *            too long, not understood, down, refused
 *   READING ------------------------------------------+
 *      |                                              v
 *      +--> WAITING (line) --> SPEAKING (delay) --> READY --> answered
 *                |                 |                  |
 *                +-----------------+--> client gone   +--> PLAYING --> closed
 *
 * While it waits, speaks or plays, the connection is suspended in the HTTP
 * library; its socket is then watched here, to see the client go.
 *
 * Ownership: the server owns its exchanges through the HTTP library, which
 * says when one is over; all else here belongs to one of the two.
 */
#ifndef RETORT_DEPLOY_TEACHER_EXCHANGE_H
#define RETORT_DEPLOY_TEACHER_EXCHANGE_H

#include <microhttpd.h>

#include "deploy/teacher/answer.h"
#include "deploy/teacher/attempts.h"
#include "deploy/teacher/faults.h"
#include "deploy/teacher/ledger.h"
#include "deploy/teacher/listener.h"
#include "deploy/teacher/load.h"
#include "deploy/teacher/loop.h"
#include "deploy/teacher/play.h"
#include "deploy/teacher/server.h"

#define NONCE_MAX 24
#define DOWN_NOT 0

/* A response from a file, played as it is. */
struct fault_file {
	struct fault fault;
	char *name;
	struct buf bytes;
};

struct counters {
	uint64_t asked, answered, refused, struck, gone;
};

struct server {
	const struct server_settings *settings;
	struct loop loop;
	struct MHD_Daemon *daemon;
	struct listener listener;
	struct watch listening, http, signals;
	struct timer down_timer;
	struct teacher teacher;
	struct press press;
	struct load load;
	struct quota quota;
	struct ledger ledger;
	struct attempts attempts;
	struct fault_plan faults;
	struct fault_file *files;
	struct buf first_body; /* of the first answer, for the fault same-body */
	struct buf bomb;       /* made when first thrown */
	struct counters counters;
	struct exchange *exchanges;
	int down; /* DOWN_NOT, a status, or DOWN_REFUSE */
	int64_t started_us, started_s;
	uint64_t nonce_base;
	uint64_t n_nonces, n_drawn;
	bool stops;
};

enum exchange_state {
	EXCHANGE_READING,
	EXCHANGE_WAITING,
	EXCHANGE_SPEAKING,
	EXCHANGE_PLAYING,
	EXCHANGE_READY,
	EXCHANGE_CLOSING /* the connection is to be closed without a word */
};

struct exchange {
	struct server *server;
	struct exchange *before, *behind;
	struct MHD_Connection *connection;
	enum exchange_state state;
	bool is_suspended;
	const char *path; /* lent for good: one of the paths we know */
	struct buf upload;
	bool is_too_long;
	char nonce[NONCE_MAX];
	int64_t began_us;

	struct ask ask;
	struct ids prompt;
	struct given given;       /* if it is to be scored */
	struct question question; /* as asked */
	struct question told;     /* as answered: the same but for answer-swapped */
	struct script script;
	struct choice *choice;
	unsigned n;
	uint64_t seed;
	unsigned attempt;
	const struct fault *fault;
	struct buf body;

	struct turn turn;
	struct timer timer;
	struct watch watch;
	struct play play;

	struct MHD_Response *response;
	unsigned status;
};

struct exchange *exchange_new(
	struct server *s, struct MHD_Connection *connection, const char *path);
void exchange_free(struct exchange *e);
/* A whole request for an answer is there. */
void exchange_begin(struct exchange *e);
/* Gives up a suspended exchange, because the server stops. */
void exchange_abort(struct exchange *e);

/* What is said becomes the response: status, body (taken), type. */
void exchange_respond(
	struct exchange *e, unsigned status, struct buf *body, const char *type);
/* An error in the dialect's shape, with a line in the ledger. */
void exchange_refuse(struct exchange *e, unsigned status, const char *fault,
	const char *message, const char *param);
/* A response of any kind is ready. */
void exchange_ready(struct exchange *e);
/* Writes the ledger's line; false if it cannot, and then all must end. */
bool exchange_record(
	struct exchange *e, int status, const char *fault, struct bytes body);
/* Suspends the connection, if it is not, and watches for its end. */
void exchange_suspend(struct exchange *e, enum exchange_state state);

/* Plays e->play, which is filled in, and closes the connection. */
void exchange_play(struct exchange *e);

/* faults_plain.c, faults_raw.c: an answer with a trick, from the honest body.
 * False if this trick is not one of its own. */
bool faults_plain_answer(struct exchange *e, struct buf *body);
bool faults_raw_answer(struct exchange *e, struct buf *body);

/* control.c: GET and POST /control. */
void control_answer(struct exchange *e);
/* server.c: changes whether the server is down. */
void teacher_server_set_down(struct server *s, int down);

#endif
