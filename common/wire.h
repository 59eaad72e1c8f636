/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - the messages between worker, store and coordinator
 *
 * PROTOCOL.md gives their meaning and layout. One struct a message; encoding
 * and decoding are one function each way of the same list of fields
 * (wire_fields.c), so they cannot drift apart.
 *
 * Ownership: a decoded message lends texts and bytes from the frame and owns
 * its lists until wire_release. For encoding all of it is the caller's.
 */
#ifndef RETORT_COMMON_WIRE_H
#define RETORT_COMMON_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/calibration.h"
#include "common/err.h"
#include "common/misaligned.h"

#define WIRE_VERSION 3
#define RUN_ID_SIZE 16

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_WELCOME,
	WIRE_REFUSED,
	WIRE_WHO,
	WIRE_WANT,
	WIRE_GRANT,
	WIRE_BEAT,
	WIRE_ORDERS,
	WIRE_FAILED,
	WIRE_RECORDED,
	WIRE_DONE,
	WIRE_BYE,
	WIRE_VERDICT,
	WIRE_REGISTER = 20,
	WIRE_ADOPT,
	WIRE_TOTALS,
	WIRE_HAVE,
	WIRE_HAS,
	WIRE_TABLE,
	WIRE_TABLE_AT,
	WIRE_OPEN = 30,
	WIRE_OPENED,
	WIRE_PUT,
	WIRE_RESULT,
	WIRE_INTERN,
	WIRE_INTERNED,
	WIRE_RAW,
	WIRE_PING,
	WIRE_PONG,
	WIRE_N
};
const char *wire_name(enum wire_type type);

struct wire_key {
	uint64_t prompt;
	uint32_t sample, revision;
};

struct wire_lease {
	uint64_t shard, epoch, prompts;
};

struct wire_lease_list {
	uint32_t n;
	struct wire_lease *at;
};

struct wire_key_list {
	uint32_t n;
	struct wire_key *at;
};

struct wire_hello {
	uint64_t session;
	struct bytes software, name;
	struct wire_lease_list held;
};

struct wire_welcome {
	struct bytes run;
	uint32_t worker, heartbeat_ms, term_ms, settings;
	struct bytes job, store_address;
	uint16_t store;
};

struct wire_refused {
	struct bytes why;
};

struct wire_want {
	uint32_t prompts;
};

struct wire_wanted {
	uint32_t sample, revision;
};

struct wire_prompt {
	uint64_t number;
	uint8_t line;
	struct bytes id, messages;
	bool has_reference, has_extra;
	struct bytes reference, extra;
	struct bytes request; /* overrides.h; empty: none */
	uint32_t n_wanted;    /* 0: samples 0 to n - 1, revision 0 */
	struct wire_wanted *wanted;
};

struct wire_grant {
	uint64_t shard, epoch, prompts;
	uint32_t n;
	uint32_t n_prompts;
	struct wire_prompt *prompt;
};

enum endpoint_state { ENDPOINT_NEW, ENDPOINT_UP, ENDPOINT_HELD, ENDPOINT_REFUSED };
const char *endpoint_state_name(enum endpoint_state state);

struct wire_endpoint_beat {
	uint16_t teacher, endpoint;
	uint8_t state;   /* enum endpoint_state */
	uint16_t status; /* HTTP status of the last failure, 0: none */
	uint8_t reason;  /* enum reason of the last failure */
	uint32_t in_flight, could_use;
	uint32_t share; /* that it keeps to */
	uint64_t asked, answered, retried, latency_ms;
	int64_t cost_nusd;
	uint64_t tokens;
	/* Answers that were offered though they broke a rule of the alignment
	 * proof, by enum misaligned; [0] is not sent. */
	uint64_t misaligned[MISALIGNED_N];
	uint8_t calibration_use; /* enum calibration_use, of prompts without wishes */
	struct calibration calibration;
	/* Of the answers that came as streams: how many, sums of the time to their
	 * first text and from there to their end, their completion tokens. */
	uint64_t streamed, first_token_ms, writing_ms, written_tokens;
	uint64_t unscored; /* samples that it was to score, and were stored without */
};

struct wire_beat {
	struct wire_lease_list held;
	uint32_t n_endpoints;
	struct wire_endpoint_beat *endpoint;
};

enum run_phase { PHASE_RUN, PHASE_DRAIN, PHASE_STOP };

/* Who asks an endpoint what it gives, before anybody asks it for answers. */
enum order_probe {
	PROBE_NONE, /* nobody: it is known, or is not to be asked */
	PROBE_WAIT, /* another worker */
	PROBE_ASK,  /* you, until the orders say otherwise */
	PROBE_N
};

struct wire_endpoint_order {
	uint16_t teacher, endpoint;
	uint32_t in_flight, requests_per_minute;
	uint64_t tokens_per_minute;
	bool proven; /* it has answered somebody, at some time */
	bool stopped;
	uint8_t probe; /* enum order_probe */
	uint32_t k;    /* candidates a token to ask for */
	bool paced;    /* it tells its rate limits: slowly until it has told you */
};

struct wire_orders {
	struct wire_lease_list lost;
	uint32_t n_endpoints;
	struct wire_endpoint_order *endpoint;
	uint8_t phase; /* enum run_phase */
};

struct wire_failed {
	uint64_t serial, shard, epoch;
	uint8_t line;
	struct wire_key key;
	uint8_t reason; /* enum reason */
	uint16_t status, attempts;
	uint32_t prompt_tokens, completion_tokens;
	int64_t cost_nusd;
};

struct wire_recorded {
	uint64_t serial;
};

struct wire_done {
	uint64_t shard, epoch, unfinished;
};

/* What an endpoint gives, and what it has cost to find out. */
struct wire_verdict {
	uint16_t teacher, endpoint;
	struct bytes verdict; /* as verdict_write of verdict.h wrote it */
	uint32_t prompt_tokens, cached_prompt_tokens, completion_tokens,
		reasoning_tokens;
	int64_t cost_nusd;
	uint32_t n;
	uint32_t *id; /* of the fixed text that was tokenized; none: it was not */
};

struct wire_register {
	uint16_t store;
	struct bytes run, address;
	uint64_t commit, highest_epoch;
};

struct wire_adopt {
	struct bytes run;
	uint32_t settings;
	struct bytes job;
	uint64_t since;
};

struct wire_shard_totals {
	uint64_t shard;
	uint32_t accepted, duplicates, truncated, fenced;
	uint64_t prompt_tokens, cached_prompt_tokens, completion_tokens,
		reasoning_tokens;
	int64_t cost_nusd;
	uint8_t n_lines;
	uint16_t committed[64];
};

struct wire_have {
	uint64_t tag; /* comes back in the answer */
	struct wire_key_list keys;
};

struct wire_totals {
	uint64_t commit;
	bool more, paused;
	uint64_t disk_bytes;
	uint32_t n_shards;
	struct wire_shard_totals *shard;
	struct wire_key_list revised;
};

struct wire_table_token {
	uint32_t id;
	uint16_t ordinal; /* as in the dataset's `vocab` */
	struct bytes token;
};

/* A part of a tokenizer's table; without tokens, a question how far it is. */
struct wire_table {
	uint32_t vocabulary;
	uint64_t digest;
	bool strips;
	uint32_t size, total; /* the highest id + 1, entries in all */
	uint32_t before;      /* entries before those that are here */
	uint32_t n;
	struct wire_table_token *token;
};

/* An endpoint whose token ids are not those of the table. */
struct wire_table_fault {
	uint16_t endpoint;
	uint32_t id;
};

struct wire_table_at {
	uint32_t vocabulary;
	uint64_t digest;
	uint32_t stored;           /* entries that are committed */
	uint64_t unknown, several; /* tokens asked for that got no id: their bytes
				    * are not in the table, or mean no single id */
	uint32_t n;
	struct wire_table_fault *fault;
};

struct wire_open_prompt {
	uint64_t number;
	uint8_t line;
};

struct wire_open {
	uint64_t session, shard, epoch, prompts;
	uint32_t settings, dictionary;
	uint32_t n_prompts;
	struct wire_open_prompt *prompt;
};

enum open_status { OPEN_OK, OPEN_FENCED, OPEN_REFUSED };

struct wire_dictionary {
	uint32_t number;
	struct bytes bytes;
};

struct wire_opened {
	uint64_t boot, shard, epoch;
	uint8_t status;         /* enum open_status */
	uint64_t known_prompts; /* bit map by line */
	struct wire_key_list present;
	uint32_t n_dictionaries;
	struct wire_dictionary *dictionary;
	uint64_t credit;
};

struct wire_put_item {
	uint64_t serial, shard, epoch;
	uint8_t line;
	struct bytes offer;
};

struct wire_put {
	uint32_t n;
	struct wire_put_item *item;
};

enum put_answer {
	PUT_STORED,
	PUT_SAME,
	PUT_OCCUPIED,
	PUT_FENCED,
	PUT_INVALID,
	PUT_PAUSED,
	PUT_ANSWER_N
};
const char *put_answer_name(enum put_answer answer);

struct wire_result_item {
	uint64_t serial;
	uint8_t answer; /* enum put_answer */
};

struct wire_result {
	uint64_t boot, credit;
	uint32_t n;
	struct wire_result_item *item;
};

struct wire_token {
	uint16_t ordinal; /* or WIRE_TOKEN_FIRST */
	struct bytes token;
};
/* For a tokenizer's vocabulary: it is the first token of an answer, or a
 * candidate for that, which some servers show without its blank. */
#define WIRE_TOKEN_FIRST 0x8000

struct wire_intern {
	uint64_t serial;
	uint32_t vocabulary;
	uint32_t n;
	struct wire_token *token;
};

struct wire_interned {
	uint64_t serial;
	uint32_t n;
	uint32_t *id;
};

struct wire_raw {
	uint64_t shard, epoch;
	struct bytes body;
};

struct wire_ping {
	uint64_t session;
};

struct wire_pong {
	uint64_t boot, credit;
};

struct wire_block;

struct wire {
	enum wire_type type;
	union {
		struct wire_hello hello;
		struct wire_welcome welcome;
		struct wire_refused refused;
		struct wire_want want;
		struct wire_grant grant;
		struct wire_beat beat;
		struct wire_orders orders;
		struct wire_failed failed;
		struct wire_recorded recorded;
		struct wire_done done;
		struct wire_verdict verdict;
		struct wire_register reg;
		struct wire_adopt adopt;
		struct wire_totals totals;
		struct wire_have have, has;
		struct wire_table table;
		struct wire_table_at table_at;
		struct wire_open open;
		struct wire_opened opened;
		struct wire_put put;
		struct wire_result result;
		struct wire_intern intern;
		struct wire_interned interned;
		struct wire_raw raw;
		struct wire_ping ping;
		struct wire_pong pong;
	};
	struct wire_block *blocks; /* the lists of a decoded message */
};

/* Appends the frame. Past out's cap, or for a list or text over its cap, the
 * frame is incomplete and out->over is set. */
void wire_encode(const struct wire *w, struct buf *out);

/* ERR_INVALID says what is wrong; ERR_REFUSED: another protocol version. */
enum err_code wire_decode(struct bytes frame, struct wire *w, struct err *err)
	MUST_CHECK;
void wire_release(struct wire *w);

#endif
