/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retort.h - reading the datasets and snapshots of retort
 *
 *     struct retort *r;
 *     struct retort_iter *i;
 *     struct retort_sample *s;
 *     char error[256];
 *
 *     if (retort_open("run", &r, error, sizeof(error)) != RETORT_OK)
 *             ...
 *     if (retort_iter_open(r, "scores.answer >= 1", 0, &i) != RETORT_OK)
 *             ...
 *     while (retort_iter_next(i, &s) == RETORT_OK) {
 *             struct retort_bytes content;
 *
 *             retort_sample_text(s, RETORT_CONTENT, &content);
 *             ...
 *     }
 *     retort_iter_close(i);
 *     retort_close(r);
 *
 * An open dataset is read as it was when it was opened, also while the store of
 * a run goes on writing it.
 *
 * Functions answer enum retort_code; retort_error has the words. What they
 * lend stays as it is until the time that each one names, and must not be
 * written to or freed.
 *
 * Threads: an open dataset and all that was got from it belong to one thread
 * at a time. A process opens a dataset once at a time.
 */
#ifndef RETORT_H
#define RETORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RETORT_API __attribute__((visibility("default")))

enum retort_code {
	RETORT_OK = 0,
	RETORT_END = 1,       /* behind the last sample */
	RETORT_NOT_FOUND = 2, /* the thing named is not there */
	RETORT_INVALID = 3,   /* an argument is wrong, say, an expression */
	RETORT_AGAIN = 4,     /* the run's accept filter is changing: open again */
	RETORT_BUSY = 5,      /* in use in a way that keeps this reader out */
	RETORT_CORRUPT = 6,   /* stored bytes are not what was written */
	RETORT_FAILED = 7     /* the operating system failed */
};

/* Bytes that somebody else owns; data NULL: there are none (JSON's null). An
 * empty text has a `data`. No NUL behind them. */
struct retort_bytes {
	const char *data;
	size_t len;
};

struct retort;        /* an open dataset */
struct retort_iter;   /* a walk over it */
struct retort_sample; /* one sample */

/* ---- Datasets ---- */

/* Opens a run's folder, a dataset or a snapshot for reading. On failure *out is
 * NULL and `error` (which may be NULL if size is 0) says why. */
RETORT_API enum retort_code retort_open(
	const char *path, struct retort **out, char *error, size_t size);

/* Everything got from it must have been closed or freed before. NULL is fine. */
RETORT_API void retort_close(struct retort *r);

/* What the last call that failed said; lent until the next call. */
RETORT_API const char *retort_error(const struct retort *r);

/* The highest sequence number of the dataset as it was opened. A later reader
 * that begins behind it sees what is new. */
RETORT_API uint64_t retort_sequence(const struct retort *r);

/* Live samples. Counts them by reading all keys. */
RETORT_API enum retort_code retort_count(struct retort *r, uint64_t *n);

/* A settings generation: the job's JSON, without keys. Lent until the next
 * call. */
RETORT_API enum retort_code retort_settings(
	struct retort *r, uint32_t generation, struct retort_bytes *json);

/* The bytes of a token id (struct retort_logits.vocabulary). Lent until the next
 * call. RETORT_NOT_FOUND if the teacher never told them. */
RETORT_API enum retort_code retort_token(
	struct retort *r, uint32_t vocabulary, uint32_t id, struct retort_bytes *token);

/* ---- Samples ---- */

/* The live sample of a prompt number and sample number; free it. */
RETORT_API enum retort_code retort_get(struct retort *r, uint64_t prompt_no,
	uint32_t sample, struct retort_sample **out);

/* The same by the prompt's id. Ids are not indexed: this reads prompts until it
 * finds one. */
RETORT_API enum retort_code retort_find(
	struct retort *r, const char *id, uint32_t sample, struct retort_sample **out);

/* Of a sample from retort_get or retort_find. NULL is fine. */
RETORT_API void retort_sample_free(struct retort_sample *s);

/* ---- Walks ---- */

/* All live samples in the order of prompt number and sample number; with
 * `where`, those that the expression selects, as `retort export --where` has it.
 * `since`: only samples with a higher sequence number. RETORT_INVALID for an
 * expression that does not compile. */
RETORT_API enum retort_code retort_iter_open(
	struct retort *r, const char *where, uint64_t since, struct retort_iter **out);

/* All live samples with a sequence number above `since`, in its order, that is,
 * as they were stored. */
RETORT_API enum retort_code retort_iter_open_by_sequence(
	struct retort *r, uint64_t since, struct retort_iter **out);

/* The next sample, lent until the next call with this iterator. RETORT_END. */
RETORT_API enum retort_code retort_iter_next(
	struct retort_iter *i, struct retort_sample **s);

RETORT_API void retort_iter_close(struct retort_iter *i);

/* ---- What a sample holds ---- */

enum retort_flag { /* of struct retort_head.flags */
	RETORT_TRUNCATED = 1 << 0,
	RETORT_FILTERED = 1 << 1,
	RETORT_REFUSED = 1 << 2,
	RETORT_LOOPING = 1 << 3,
	RETORT_MISALIGNED = 1 << 4,
	RETORT_NO_CONTENT = 1 << 5,
	RETORT_UNCLOSED_REASONING = 1 << 6,
	RETORT_NO_USAGE = 1 << 7,
	RETORT_LOGITS_MISSING = 1 << 8,
	RETORT_LOGITS_PARTIAL = 1 << 9,
	RETORT_DUPLICATE_ELSEWHERE = 1 << 10
};

enum retort_score { /* index into struct retort_head.scores */
	RETORT_SCORE_LENGTH,
	RETORT_SCORE_REPETITION,
	RETORT_SCORE_COMPRESSION_RATIO,
	RETORT_SCORE_FINISH,
	RETORT_SCORE_REFUSAL,
	RETORT_SCORE_CONFIDENCE,
	RETORT_SCORE_ENTROPY,
	RETORT_SCORE_ANSWER,
	RETORT_SCORES = 12
};

#define RETORT_UNKNOWN UINT32_MAX /* a count or a token position */
#define RETORT_NO_SEED UINT64_MAX

/* Later versions may add members at the end. */
struct retort_head {
	uint64_t sequence;
	uint64_t prompt_no;
	uint32_t sample, revision;
	uint32_t settings;          /* generation */
	uint16_t teacher, endpoint; /* indices into the settings' teachers, its url */
	int64_t created_at_ms;      /* since 1970 */
	uint32_t latency_ms;
	uint32_t attempts;
	uint64_t seed; /* RETORT_NO_SEED: none was sent */
	uint32_t prompt_tokens, cached_prompt_tokens; /* RETORT_UNKNOWN: not told */
	uint32_t completion_tokens, reasoning_tokens;
	int64_t cost_nano_usd;
	const char *finish_reason;   /* as in the jsonl export; static */
	uint32_t flags;              /* enum retort_flag */
	int is_duplicate;            /* of another sample of its prompt: */
	uint32_t duplicate_of;       /* this one */
	int accepted;                /* by the job's accept filter */
	float scores[RETORT_SCORES]; /* NaN: absent */
	uint32_t n_tokens;           /* rows of capture 0 */
	uint32_t captures;           /* bit c: there are logits of capture c */
	/* In tokens, [first, behind); RETORT_UNKNOWN twice: not known. */
	uint32_t reasoning_first, reasoning_behind;
	uint32_t content_first, content_behind;
	int eos_row; /* 1: the last row is the end of the sequence, 0: not, -1: unknown */
};

/* Lent as long as the sample. */
RETORT_API const struct retort_head *retort_sample_head(const struct retort_sample *s);

enum retort_text {
	RETORT_STREAM = 1, /* the tokens' bytes joined; may be no UTF-8 */
	RETORT_REASONING,
	RETORT_CONTENT,
	RETORT_TOOL_CALLS, /* JSON */
	RETORT_REFUSAL,
	RETORT_FINISH_REASON, /* as the server wrote it */
	RETORT_STOP_REASON,   /* JSON */
	RETORT_MODEL,
	RETORT_SYSTEM_FINGERPRINT,
	RETORT_REQUEST_ID,
	RETORT_ENDPOINT,
	RETORT_WORKER
};

/* Lent as long as the sample; an absent text has data NULL. */
RETORT_API enum retort_code retort_sample_text(
	struct retort_sample *s, enum retort_text which, struct retort_bytes *text);

enum retort_prompt {
	RETORT_PROMPT_ID = 1,
	RETORT_PROMPT_MESSAGES, /* JSON, as sent */
	RETORT_PROMPT_REFERENCE,
	RETORT_PROMPT_EXTRA,  /* JSON: the corpus's other columns */
	RETORT_PROMPT_REQUEST /* JSON: what it asked for in place of the settings */
};

/* As retort_sample_text, of the sample's prompt. */
RETORT_API enum retort_code retort_sample_prompt(
	struct retort_sample *s, enum retort_prompt which, struct retort_bytes *text);

/* The prompt's token ids, in an array of *n that the caller frees with
 * retort_free; NULL and 0 if the server did not tell them. */
RETORT_API enum retort_code retort_sample_prompt_ids(
	struct retort_sample *s, uint32_t **ids, size_t *n);

/* The sample as the JSON object of the jsonl export, NUL-terminated; free it
 * with retort_free. */
RETORT_API enum retort_code retort_sample_json(
	struct retort_sample *s, int with_logits, char **json, size_t *len);

/* ---- Logits ---- */

/*
 * Row i describes token i of the completion. The candidates of all rows lie
 * one behind the other: those of row 0, n_top[0] of them, then those of row 1,
 * by falling logprob, then rising id. The sampled token need not be among
 * them. NaN and RETORT_UNKNOWN mean absent. Logprobs, and the logarithm of the
 * tail, differ by at most `error` from what the server gave; where that is not 0,
 * neighbours may have been rounded to the same number, in an order of before.
 */
struct retort_logits {
	uint32_t vocabulary;
	int interned; /* ids are the dataset's own, not the tokenizer's */
	int mode;     /* logprobs are 0: of unknown meaning, 1: raw, 2: processed */
	uint32_t k_asked;
	int profile;       /* 0: exact, 1: fine, 2: compact */
	double error;      /* nat; 0: float32 as it came */
	uint32_t keep_k;   /* at most so many candidates a row were kept; 0: all */
	float keep_mass;   /* the fewest that have this mass; 0: all */
	float temperature; /* NaN: not sent */
	uint64_t tokenizer, chat_template; /* digests, 0: unknown */
	uint32_t n;                        /* rows */
	uint32_t m;                        /* candidates of all rows */
	const uint32_t *ids;               /* [n] sampled tokens */
	const float *logprobs;             /* [n] of the sampled tokens */
	const float *tail_mass;    /* [n] 1 - the sum of p over the candidates */
	const uint16_t *n_bytes;   /* [n] in RETORT_STREAM; 65535: unknown */
	const uint16_t *n_top;     /* [n] candidates of the row */
	const uint32_t *top_ids;   /* [m] */
	const float *top_logprobs; /* [m] */
};

/* Capture 0 is as it was generated; 1 to 3 are what the job's teachers of role score
 * said of the same tokens. Free it with retort_logits_free; it does not
 * depend on the sample any more. RETORT_NOT_FOUND if there is none. */
RETORT_API enum retort_code retort_sample_logits(
	struct retort_sample *s, unsigned capture, struct retort_logits **out);
RETORT_API void retort_logits_free(struct retort_logits *l);

/* Frees what retort_sample_prompt_ids and retort_sample_json gave. */
RETORT_API void retort_free(void *p);

/* The library's version, like "0.1.0". */
RETORT_API const char *retort_version(void);

#ifdef __cplusplus
}
#endif

#endif
