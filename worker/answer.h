/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - what one answer of a teacher says, whatever the protocol
 *
 * A protocol's reader fills a struct answer from the body, in pieces as they
 * arrive, and says at the end whether it is readable: the first part of
 * "every readable answer is kept". What is odd but readable becomes a flag
 * (store/record.h), what is not becomes a reason (common/reason.h) and, for
 * people and tests, a `why`.
 *
 * An unreadable answer is filled as far as it could be read, usage and error
 * above all, since its tokens were paid for.
 *
 * It does not split reasoning out of the content (think.h), nor locate the
 * texts in the tokens (spans.h), nor judge the model that answered: the
 * endpoint's policy does, with model_matches.
 *
 * Ownership: an answer owns its memory and keeps it for the next one (up to
 * ANSWER_KEEP bytes). Threads: none.
 */
#ifndef RETORT_WORKER_ANSWER_H
#define RETORT_WORKER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/limits.h"
#include "common/reason.h"
#include "store/record.h"
#include "worker/loop_watch.h"
#include "worker/rows.h"

/* More than this in one buffer is given back between answers. */
#define ANSWER_KEEP MIB(4)

/* A text, or null: an empty text that is present was there and empty. */
struct answer_text {
	struct buf text;
	bool present;
};

struct answer_ids {
	uint32_t *at;
	uint32_t n;
	size_t cap;
	bool present;
};

/* COUNT_UNKNOWN where the server did not tell. */
struct answer_usage {
	uint32_t prompt_tokens, cached_prompt_tokens;
	uint32_t completion_tokens, reasoning_tokens;
};

#define ANSWER_ERROR_TEXT 200

/* An error object, in an answer with status 200 or any other; texts are cut at
 * a whole character and are the server's own words: log_quote them. */
struct answer_error {
	bool present;
	char code[64]; /* numbers as decimal text */
	char type[64];
	char message[ANSWER_ERROR_TEXT + 1];
	int64_t retry_after_ms; /* told in the body; 0: not told */
};

struct answer {
	struct answer_text content;
	struct answer_text reasoning;
	struct answer_text refusal;
	struct answer_text tool_calls;  /* JSON as returned */
	struct answer_text finish_text; /* the finish reason as returned */
	struct answer_text stop_reason; /* JSON as returned */
	struct answer_text model;
	struct answer_text system_fingerprint;
	struct answer_text id;
	enum finish finish;
	struct answer_usage usage;
	struct answer_error error;
	struct rows rows;
	bool has_rows;        /* the server sent a list of rows */
	enum eos_row eos_row; /* as far as the counts tell; see spans.h */
	struct answer_ids token_ids, prompt_token_ids;
	uint32_t flags;             /* enum sample_flag */
	enum misaligned misaligned; /* as far as the answer alone tells; see align.h */
	bool blocked;               /* a filter refused the prompt */
	const char *why;            /* constant text behind the reason; NULL */

	/* Of several answers to one request (rules.n_choices). */
	struct answer *next; /* the caller's list; NULL: the last */
	uint32_t index;      /* of the choice, as the server numbers them */
	enum reason verdict; /* on this one; what the reader says is on all */
};

/* Zeroed memory is an empty answer. */
void answer_clear(struct answer *answer);
void answer_release(struct answer *answer);

/* What the question was, as far as judging its answer needs it. */
struct answer_rules {
	uint32_t top_logprobs; /* asked for; 0: rows are skipped */
	uint32_t keep;         /* of them, the most likely ones; 0: all */
	bool logits_required;  /* rows missing: a reason, not a flag */
	size_t body_max;       /* bytes; see answer_body_max */
	bool stream;           /* events were asked for */
	bool scored;           /* what was given was to be scored, and of its tokens */
	uint32_t prompt_len;   /* so many are not looked at */
	struct bytes given;    /* the token ids that were given, JSON, lent; or NULL */
	unsigned n_choices;    /* answers asked for; 0 and 1: one. Never streamed */
	struct loop_rule loop; /* of a stream: when to end it early */
};

/* The largest body that an honest answer has (limits.h): its tokens with their
 * candidates, and the ids of the prompt. max_tokens may be JOB_UNSET_INT. */
size_t answer_body_max(
	int64_t max_tokens, int64_t top_logprobs, bool stream, size_t prompt_bytes);

/*
 * True if the server means by `reported` what was asked for: the same name, or
 * one name is the other with a date or version behind it ("-2024-08-06",
 * "-0324", "-001", ":latest"), or so behind the last '/' of a path and without
 * ".gguf".
 */
bool model_matches(struct bytes asked, struct bytes reported);

#endif
