/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the head of a sample: everything but its texts and logits
 *
 * 200 bytes of fixed layout (FORMAT.md, "record"), so that filters, counts
 * and recounts read 200 bytes a sample and page in no text.
 */
#ifndef RETORT_STORE_RECORD_H
#define RETORT_STORE_RECORD_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/misaligned.h"
#include "store/keys.h"

enum finish {
	FINISH_OTHER,
	FINISH_STOP,
	FINISH_STOP_WORD,
	FINISH_LENGTH,
	FINISH_TOOL_CALLS,
	FINISH_CONTENT_FILTER,
	FINISH_N
};
/* As exported: "stop" for both kinds of stop. */
const char *finish_name(enum finish finish);

enum sample_flag {
	FLAG_TRUNCATED = 1 << 0,
	FLAG_FILTERED = 1 << 1,
	FLAG_REFUSED = 1 << 2,
	FLAG_LOOPING = 1 << 3,
	FLAG_MISALIGNED = 1 << 4,
	FLAG_NO_CONTENT = 1 << 5,
	FLAG_UNCLOSED_REASONING = 1 << 6,
	FLAG_NO_USAGE = 1 << 7,
	FLAG_LOGITS_MISSING = 1 << 8,
	FLAG_LOGITS_PARTIAL = 1 << 9,
	FLAG_DUPLICATE_ELSEWHERE = 1 << 10
};
#define FLAG_DUPLICATE ((uint32_t)1 << 31) /* derived when read, never stored */
#define FLAGS_STORED 11
/* The name of flag bit i (0 to 31), or NULL. */
const char *flag_name(int bit);

/* One slot each in the head; a score may fill several (worker/score.h). */
enum score {
	SCORE_LENGTH,            /* completion tokens, or words if not told */
	SCORE_REPETITION,        /* share of n-grams seen before, 0 to 1 */
	SCORE_COMPRESSION_RATIO, /* text bytes / zstd bytes */
	SCORE_FINISH,            /* 1 if it ended by itself, else 0 */
	SCORE_REFUSAL,           /* 1 if it reads like a refusal, else 0 */
	SCORE_CONFIDENCE,        /* mean logprob of the sampled tokens, nat */
	SCORE_ENTROPY,           /* mean entropy of the listed + tail, nat */
	SCORE_ANSWER,            /* 1 if the final answer is the reference */
	SCORE_N,
	SCORE_SLOTS = 12
};
const char *score_slot_name(enum score score);

#define COUNT_UNKNOWN UINT32_MAX
#define SEED_NONE UINT64_MAX
#define SPAN_UNKNOWN UINT32_MAX

enum logprobs_mode { LOGPROBS_UNKNOWN, LOGPROBS_RAW, LOGPROBS_PROCESSED };
const char *logprobs_mode_name(enum logprobs_mode mode);
enum eos_row { EOS_ROW_NO, EOS_ROW_YES, EOS_ROW_UNKNOWN };

struct token_span {
	uint32_t first, behind; /* token positions; SPAN_UNKNOWN twice */
};

struct record {
	struct sample_key key;
	uint8_t finish; /* enum finish */
	uint32_t flags;
	uint64_t shard;
	uint64_t epoch;
	uint64_t fingerprint; /* 0: no text */
	uint32_t settings;
	uint16_t teacher;
	uint16_t endpoint;
	int64_t created_at_ms;
	uint32_t latency_ms;
	uint16_t attempts;
	uint16_t captures;
	uint64_t seed;
	uint32_t prompt_tokens, cached_prompt_tokens;
	uint32_t completion_tokens, reasoning_tokens;
	int64_t cost_nusd;
	int64_t wasted_nusd; /* of the failed attempts before, and of scoring */
	uint32_t wasted_prompt_tokens, wasted_completion_tokens;
	uint32_t reasoning_len, content_len; /* bytes */
	uint32_t n_tokens;
	struct token_span reasoning, content;
	uint8_t eos_row;       /* enum eos_row */
	uint8_t logprobs_mode; /* enum logprobs_mode */
	uint8_t misaligned;    /* enum misaligned, or of a later version */
	uint8_t choice;        /* its number among the answers to its request */
	float score[SCORE_SLOTS];
};

#define RECORD_SIZE 200
void record_encode(const struct record *r, unsigned char out[RECORD_SIZE]);
/* ERR_CORRUPT for a wrong size, version or enum. */
enum err_code record_decode(struct bytes in, struct record *r, struct err *err)
	MUST_CHECK;

/* The fingerprint of FORMAT.md: hash of the normalised texts; 0 if both are
 * empty. */
uint64_t record_fingerprint(struct bytes reasoning, struct bytes content);

/* 0 for COUNT_UNKNOWN. */
static inline uint32_t count_or_zero(uint32_t count)
{
	return count == COUNT_UNKNOWN ? 0 : count;
}

#endif
