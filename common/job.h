/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - the job file: what to ask whom, and what to keep
 *
 * job_read checks everything that can be checked from the text alone and names
 * file, line, column and key of what is wrong. A key that this build knows but
 * cannot serve is an error as well, never ignored.
 *
 * The job travels as its normal form, job_write: every key present, defaults
 * filled in, paths absolute. Keys of teachers are never part of it: the job
 * names an environment variable or a file, and whoever asks the teacher reads
 * that.
 *
 * Ownership: the job owns all its texts. Threads: read-only after reading.
 */
#ifndef RETORT_COMMON_JOB_H
#define RETORT_COMMON_JOB_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* Numbers that were null in the job, that is, not sent. */
#define JOB_UNSET_INT INT64_MIN
static inline bool job_has_int(int64_t v)
{
	return v != JOB_UNSET_INT;
}
static inline bool job_has_real(double v)
{
	return !isnan(v);
}

enum job_server {
	SERVER_AUTO,
	SERVER_OPENAI,
	SERVER_VLLM,
	SERVER_SGLANG,
	SERVER_LLAMACPP,
	SERVER_TRTLLM,
	SERVER_OLLAMA
};
const char *job_server_name(enum job_server server);

/* Whether an api, by a job_teacher's name for it, takes a text or token ids as they
 * are, and no conversation. */
bool job_api_is_raw(const char *api);
/* Whether it can tell what the teacher thinks of tokens that it is given. */
bool job_api_scores(const char *api);
/* Whether some server that speaks it tells the token ids of prompt and answer. */
bool job_api_tells_ids(const char *api);

/* Whether answers come as they are written: by what they may be long. */
enum job_stream { JOB_STREAM_AUTO, JOB_STREAM_NO, JOB_STREAM_YES };

/* What a teacher is asked for in mode sample: an answer, or what it thinks of the others'
 * answers, token by token: a second capture of the same samples. */
enum job_role { JOB_ROLE_SAMPLE, JOB_ROLE_SCORE };

enum job_logprobs_mode { JOB_MODE_UNKNOWN, JOB_MODE_RAW, JOB_MODE_PROCESSED };

/* How exactly logprobs are stored. */
enum job_profile { JOB_PROFILE_EXACT, JOB_PROFILE_FINE, JOB_PROFILE_COMPACT };

struct job_header {
	char *name, *value;
};

struct job_teacher {
	char *name;
	char *api;
	int64_t server; /* enum job_server */
	char **url;
	size_t n_urls;
	char *model;
	char *api_key_env, *api_key_file; /* NULL: none */
	json_t *extra_body;               /* object */
	struct job_header *extra_header;
	size_t n_extra_headers;
	char *proxy;   /* NULL: none */
	char *ca_file; /* certificates to trust beside the system's; NULL: none */
	bool insecure_key;
	int64_t max_in_flight;
	int64_t requests_per_minute, tokens_per_minute;
	double connect_s, first_byte_s, total_s;
	double prompt_usd_per_mtok, cached_prompt_usd_per_mtok, completion_usd_per_mtok;
	int64_t logprobs_mode; /* enum job_logprobs_mode */
	int64_t role;          /* enum job_role */
	int64_t top_logprobs;  /* of role score; unset: the job's */
	char *license;         /* NULL: not told */
	int64_t stream;        /* enum job_stream */
	/* A tokenizer.json, which gives ids to tokens that the teacher tells by
	 * their bytes only; NULL: none. The digest (tokenizer.h) is 0 until
	 * somebody has read the file; whoever gets the job from the coordinator
	 * has it. */
	char *tokenizer;
	uint64_t tokenizer_digest;
};

struct job_sampling {
	int64_t n, n_per_request;
	double temperature, top_p;
	int64_t top_k;
	double min_p, presence_penalty, repetition_penalty;
	int64_t max_tokens;
	json_t *stop; /* array of strings, or NULL */
	int64_t seed;
};

enum job_score {
	JOB_SCORE_LENGTH = 1 << 0,
	JOB_SCORE_REPETITION = 1 << 1,
	JOB_SCORE_FINISH = 1 << 2,
	JOB_SCORE_REFUSAL = 1 << 3,
	JOB_SCORE_CONFIDENCE = 1 << 4,
	JOB_SCORE_ANSWER = 1 << 5
};

/* What a teacher is asked for: an answer, or only what it thinks of one. */
enum job_task { JOB_TASK_SAMPLE, JOB_TASK_SCORE };

enum job_keep_raw { KEEP_RAW_NONE, KEEP_RAW_FAILED };

struct job {
	char *name;
	char **corpus;
	size_t n_corpus;
	char *system, *template; /* NULL: none */
	bool prefill;
	int64_t task; /* enum job_task; the key `mode` */
	struct job_teacher *teacher;
	size_t n_teachers;
	struct job_sampling sampling;
	int64_t top_logprobs; /* 0: no logprobs */
	bool logits_required;
	int64_t logits_profile; /* enum job_profile */
	int64_t keep_k;         /* candidates a row that are stored; unset: all */
	double keep_mass;       /* the fewest that have it; unset: all */
	bool dedup_exact;
	unsigned scores; /* enum job_score */
	char *accept;
	double budget_usd;
	int64_t budget_tokens;
	int64_t attempts;
	bool probe;       /* endpoints are asked a few questions at the start */
	int64_t keep_raw; /* enum job_keep_raw */
	/* A streamed answer is cut when one passage has come so many times in a
	 * row, over at least so many bytes; 0 times: never. */
	int64_t loop_repeats, loop_bytes;
};

/* Reads and checks a job file. The message begins with "path:line:column: ". */
enum err_code job_read(const char *path, struct job *job, struct err *err) MUST_CHECK;

/* As job_read for a text; `path` is for messages and for relative paths. */
enum err_code job_parse(const char *text, size_t len, const char *path, struct job *job,
	struct err *err) MUST_CHECK;

/* The normal form; the caller frees it. With `indent`, for people. */
char *job_write(const struct job *job, bool indent);
/* Without what may hold a secret (extra headers, proxies): the form that goes
 * into ledgers, datasets and manifests. */
char *job_write_public(const struct job *job);
void job_release(struct job *job);

/* Looks a value's place up for a message about it (say, an accept filter that
 * does not compile): "path:line:column" into out. */
void job_place(const char *path, const char *key, char *out, size_t size);

/* Endpoints are numbered over all teachers, in the order of the job. */
size_t job_n_endpoints(const struct job *job);

/* -- Roles (job_roles.c): in mode sample some teachers may score what others say -- */

/* Captures of a sample: that of its answer, and one for each teacher that scores. */
#define JOB_SCORERS_MAX 3
size_t job_n_samplers(const struct job *job);
size_t job_n_scorers(const struct job *job);
/* The teacher that is asked for a sample: by its number, modulo those that sample. */
size_t job_sampler(const struct job *job, uint32_t sample);
/* The i-th of those that score, in the order of the job: capture i + 1. */
size_t job_scorer(const struct job *job, size_t i);
/* Whether a teacher only scores, in whatever mode. */
bool job_teacher_scores(const struct job *job, size_t teacher);
/* Of teachers whose tokenizers are known by their digests: ERR_INVALID, with the place in
 * the job's file, if one scores that has another than one that samples. */
enum err_code job_tokenizers_agree(
	const char *path, const struct job *job, struct err *err) MUST_CHECK;
/* Candidates a token that a teacher is asked for; 0: none. */
int64_t job_teacher_k(const struct job *job, size_t teacher);

/*
 * What a changed job means for a run that has begun (DESIGN: free, growing, a
 * new meaning). ERR_NONE: free or growing. ERR_REFUSED: key `err` names has a
 * new meaning and needs --new-settings. ERR_INVALID: never possible (n below
 * what it was).
 */
enum err_code job_compare(const struct job *was, const struct job *now, struct err *err)
	MUST_CHECK;

#endif
