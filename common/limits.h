/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - every size that comes from outside, capped, in one list
 *
 * A number here is a promise to the operator (a bound on memory) and to the
 * user (what is refused). Sizes are bytes unless the name says otherwise.
 */
#ifndef RETORT_COMMON_LIMITS_H
#define RETORT_COMMON_LIMITS_H

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* Job file */
#define LIMIT_JOB_FILE MIB(4)
#define LIMIT_JOB_NAME 128
#define LIMIT_TEACHERS 32
#define LIMIT_ENDPOINTS 256 /* over all teachers of a job */
#define LIMIT_CORPUS_FILES 4096
#define LIMIT_SAMPLES 1024 /* n: samples of one prompt */
#define LIMIT_CHOICES 128  /* n_per_request: those of one request */
#define LIMIT_TOP_K 1024   /* top_logprobs */
#define LIMIT_MAX_TOKENS (1 << 20)
#define LIMIT_IN_FLIGHT 16384 /* max_in_flight of one endpoint */
#define LIMIT_FILTER_TEXT KIB(16)
#define LIMIT_FILTER_DEPTH 64

/* tokenizer.json */
#define LIMIT_TOKENIZER_FILE MIB(256)
#define LIMIT_VOCABULARY (1u << 21)    /* ids */
#define LIMIT_VOCABULARY_BYTES MIB(64) /* of all tokens together */

/* Prompts made of messages by a chat template */
#define LIMIT_TEMPLATE MIB(1)
#define LIMIT_RENDERED MIB(32)
#define LIMIT_TEMPLATE_STEPS 20000000
#define LIMIT_TEMPLATE_MEMORY MIB(256)

/* Corpus */
#define LIMIT_CORPUS_LINE MIB(8)
#define LIMIT_PROMPT_ID KIB(1)
#define SHARD_PROMPTS 64   /* a shard's prompts fit one 64-bit map */
#define SHARD_BYTES MIB(1) /* and its lines about one lease message */

/* Wire. A frame over ZMQ_MAXMSGSIZE drops the connection without a word, so
 * every writer checks against the message cap first. */
#define LIMIT_MESSAGE MIB(64)
#define LIMIT_LEASE_PROMPTS 64
#define LIMIT_LEASE_BYTES MIB(1)
#define LIMIT_WORKER_NAME 128
#define LIMIT_ADDRESS 256
#define LIMIT_VERDICT KIB(4)   /* what an endpoint gives, as JSON */
#define LIMIT_VERDICT_IDS 4096 /* tokens of a fixed text */

/* Answers */
#define LIMIT_BODY_BASE MIB(1)
#define LIMIT_BODY_PER_ENTRY 160     /* JSON bytes a token and candidate */
#define LIMIT_BODY_PER_EVENT 4       /* entries; what a streamed event adds */
#define LIMIT_BODY_PER_PROMPT_BYTE 8 /* an id in JSON, if each byte is a token */
#define LIMIT_BODY MIB(512)
#define LIMIT_HEADER_LINES 256
#define LIMIT_HEADER_BYTES KIB(64)
#define LIMIT_JSON_DEPTH 64
#define LIMIT_ROW MIB(1) /* one token's JSON with its candidates */
#define LIMIT_TOKEN_BYTES 4096
#define LIMIT_RAW_BODY KIB(64)  /* kept of an unreadable answer */
#define LIMIT_RAW_TOTAL MIB(64) /* of the raw database */

/* Dataset */
#define LIMIT_RECORD MIB(60) /* a sample on the wire; less than a message */
#define LIMIT_TEXT MIB(32)   /* reasoning + content of one sample */
#define COMMIT_BYTES MIB(16) /* a commit ends here or at the tick's end */
#define STORE_CREDIT MIB(16) /* unanswered record bytes over all workers */

#endif
