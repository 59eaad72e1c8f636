/* SPDX-License-Identifier: Apache-2.0 */
/* retort check: is the job sound, what do its endpoints give, what will it
 * take? Asks a few questions to each endpoint, and writes nothing. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/signals.h"
#include "common/text.h"
#include "common/tokenizer.h"
#include "coordinator/corpus_line.h"
#include "coordinator/lines.h"
#include "coordinator/prompt.h"
#include "deploy/commands.h"
#include "deploy/job_check.h"
#include "worker/probe.h"

#define WAIT_S 120

/* What the corpus holds; the first prompt is asked. */
struct survey {
	uint64_t lines, prompts, rejected, bytes;
	uint64_t by_reason[REJECT_N];
	struct prompt first;
	bool has_first;
};

static enum err_code survey_file(const char *path, struct corpus_judge *judge,
	const struct prompt_rules *rules, struct survey *s, struct err *err)
{
	struct lines *lines = NULL;
	struct line line;
	bool found = false;
	enum err_code code = lines_open(path, &lines, err);

	while (code == ERR_NONE &&
		(code = lines_next(lines, &line, &found, err)) == ERR_NONE && found) {
		struct corpus_line verdict = {.reason = REJECT_TOO_LONG};

		s->lines++;
		if (!line.too_long)
			corpus_line_judge(
				judge, line.bytes.data, line.bytes.len, &verdict);
		if (verdict.blank)
			continue;
		if (verdict.reason != REJECT_NONE) {
			s->rejected++;
			s->by_reason[verdict.reason]++;
			continue;
		}
		s->prompts++;
		s->bytes += line.bytes.len;
		if (!s->has_first)
			s->has_first =
				prompt_build(rules, line.bytes.data, line.bytes.len,
					&s->first, err) == ERR_NONE;
	}
	lines_close(lines);
	return code;
}

static enum err_code survey_corpus(
	const struct job *job, struct survey *s, struct err *err)
{
	struct prompt_rules rules;
	struct corpus_judge judge;
	enum err_code code = prompt_rules_of_job(&rules, job, err);

	if (code != ERR_NONE)
		return code;
	corpus_judge_init(&judge, &rules);
	prompt_init(&s->first);
	for (size_t i = 0; i < job->n_corpus && code == ERR_NONE; i++)
		code = survey_file(job->corpus[i], &judge, &rules, s, err);
	corpus_judge_release(&judge);
	prompt_rules_release(&rules);
	return code;
}

/* The plan: requests by what one answer of each took. */
struct plan {
	double requests, prompt_tokens, completion_tokens, usd, disk_bytes, seconds;
};

/* Requests that a teacher gets for a prompt: one for each of its samples, or for
 * several at once. */
static uint64_t requests_a_prompt(
	const struct job *job, size_t teacher, unsigned choices)
{
	uint64_t samples = 0;

	for (uint32_t i = 0; i < (uint32_t)job->sampling.n; i++)
		samples += job_sampler(job, i) == teacher;
	return choices > 1 ? (samples + choices - 1) / choices : samples;
}

/* What a teacher of role score adds to the plan: all that was sampled is its prompt. */
static void plan_scoring(struct plan *plan, const struct job_teacher *t,
	const struct probe_result *r, double samples, double tokens, double scored)
{
	plan->requests += samples;
	plan->prompt_tokens += tokens;
	plan->completion_tokens += samples * count_or_zero(r->usage.completion_tokens);
	plan->usd += (tokens * t->prompt_usd_per_mtok +
			     samples * count_or_zero(r->usage.completion_tokens) *
				     t->completion_usd_per_mtok) /
		     1e6;
	if (r->tokens > 0)
		plan->disk_bytes += scored * (double)r->offer_bytes / r->tokens;
}

static const struct job_teacher *teacher_of(
	const struct job *job, const struct probe_result *r)
{
	for (size_t k = 0; k < job->n_teachers; k++)
		if (strcmp(job->teacher[k].name, r->teacher) == 0)
			return &job->teacher[k];
	return NULL;
}

static struct plan make_plan(const struct job *job, const struct survey *s,
	const struct probe_result *r, size_t n)
{
	struct plan plan = {.requests = (double)s->prompts * (double)job->sampling.n};
	double part = plan.requests / (double)job_n_samplers(job), rate = 0;
	double samples = plan.requests, sampled, all;

	for (size_t i = 0; i < n; i++) {
		const struct job_teacher *t = teacher_of(job, &r[i]);
		uint64_t asked;

		if (!t || r[i].reason != REASON_NONE || t->role == JOB_ROLE_SCORE)
			continue;
		rate += r[i].latency_ms > 0 ? 1000.0 * (double)t->max_in_flight /
						      (double)r[i].latency_ms
					    : 1000.0 * (double)t->max_in_flight;
		/* One endpoint of each teacher stands for all of it. */
		if (i > 0 && strcmp(r[i - 1].teacher, r[i].teacher) == 0)
			continue;
		asked = s->prompts * requests_a_prompt(job, (size_t)(t - job->teacher),
					     r[i].choices);
		plan.requests -= part - (double)asked;
		plan.prompt_tokens +=
			(double)asked * count_or_zero(r[i].usage.prompt_tokens);
		plan.completion_tokens +=
			part * count_or_zero(r[i].usage.completion_tokens);
		plan.usd += ((double)asked * count_or_zero(r[i].usage.prompt_tokens) *
					    t->prompt_usd_per_mtok +
				    part * count_or_zero(r[i].usage.completion_tokens) *
					    t->completion_usd_per_mtok) /
			    1e6;
		plan.disk_bytes += part * ((double)r[i].offer_bytes + 64);
	}
	/* What is scored is scored meanwhile. */
	plan.seconds = rate > 0 ? plan.requests / rate : -1;
	all = plan.prompt_tokens + plan.completion_tokens;
	sampled = plan.completion_tokens;
	for (size_t i = 0; i < n; i++) {
		const struct job_teacher *t = teacher_of(job, &r[i]);

		if (t && r[i].reason == REASON_NONE && t->role == JOB_ROLE_SCORE &&
			(i == 0 || strcmp(r[i - 1].teacher, r[i].teacher) != 0))
			plan_scoring(&plan, t, &r[i], samples, all, sampled);
	}
	plan.disk_bytes += (double)s->bytes * 0.5;
	return plan;
}

/* What the job asks for, or declares, and the endpoint does not give; "" if there
 * is no such thing. */
static const char *problem_of(const struct job *job, const struct probe_result *r)
{
	static char why[VERDICT_WHY];

	why[0] = '\0';
	for (size_t i = 0; i < job->n_teachers; i++)
		if (r->reason == REASON_NONE &&
			strcmp(job->teacher[i].name, r->teacher) == 0)
			verdict_contradicts(&r->verdict, job, &job->teacher[i], why);
	return why;
}

static const char *yes_no(enum eos_row row)
{
	return row == EOS_ROW_YES ? "yes" : row == EOS_ROW_NO ? "no" : "unknown";
}

/* And the end's row, which is the job's own answer's. */
static json_t *verdict_and_end_json(const struct probe_result *r)
{
	json_t *verdict = verdict_json(&r->verdict);

	json_object_set_new(verdict, "eos_row", json_string(yes_no(r->eos_row)));
	return verdict;
}

static json_t *endpoint_json(const struct job *job, const struct probe_result *r)
{
	const char *problem = problem_of(job, r);

	return json_pack(
		"{s:s, s:s, s:b, s:s, s:i, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:i,"
		" s:[i,i], s:b, s:b, s:I, s:I, s:o, s:s}",
		"teacher", r->teacher, "url", r->url, "ok",
		r->reason == REASON_NONE && !problem[0], "reason",
		reason_name(r->reason), "status", r->status, "detail", r->detail,
		"server", job_server_name(r->server), "model_listed", r->model_listed,
		"model", r->model, "latency_ms", (json_int_t)r->latency_ms,
		"prompt_tokens", (json_int_t)count_or_zero(r->usage.prompt_tokens),
		"completion_tokens",
		(json_int_t)count_or_zero(r->usage.completion_tokens), "logprob_rows",
		(int)r->tokens, "candidates", (int)r->k_least, (int)r->k_most,
		"token_ids", r->token_ids, "token_bytes", r->token_bytes,
		"reasoning_bytes", (json_int_t)r->reasoning_len, "content_bytes",
		(json_int_t)r->content_len, "verdict", verdict_and_end_json(r),
		"problem", problem);
}

/* What a teacher's tokenizer.json is; NULL if it has none. The file was read
 * before, and found good. */
static json_t *tokenizer_json(const struct job_teacher *t)
{
	struct tokenizer tokenizer;
	struct err err = {0};
	char what[128], which[256], digest[32];
	json_t *out;

	if (!t->tokenizer ||
		tokenizer_read_file(t->tokenizer, &tokenizer, &err) != ERR_NONE)
		return NULL;
	tokenizer_describe(&tokenizer, what, sizeof(what));
	tokenizer_collisions(&tokenizer, which, sizeof(which));
	snprintf(digest, sizeof(digest), "%016" PRIx64, tokenizer.digest);
	out = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "teacher", t->name,
		"file", t->tokenizer, "digest", digest, "what", what, "ids",
		(json_int_t)tokenizer.table.n, "vocabulary_size",
		(json_int_t)tokenizer.table.size, "collided",
		(json_int_t)tokenizer.table.n_shared, "collisions", which);
	tokenizer_release(&tokenizer);
	return out;
}

static json_t *tokenizers_json(const struct job *job)
{
	json_t *all = json_array();

	for (size_t i = 0; i < job->n_teachers; i++) {
		json_t *one = tokenizer_json(&job->teacher[i]);

		if (one)
			json_array_append_new(all, one);
	}
	return all;
}

static void print_tokenizers(json_t *all)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one) {
		const char *which =
			json_string_value(json_object_get(one, "collisions"));

		printf("tokenizer %s (%s)\n          %s\n",
			json_string_value(json_object_get(one, "file")),
			json_string_value(json_object_get(one, "teacher")),
			json_string_value(json_object_get(one, "what")));
		if (*which)
			printf("          among them %s: such tokens get no id from their "
			       "text\n",
				which);
	}
}

static void print_json(const struct job *job, const struct survey *s,
	const struct probe_result *r, size_t n, const struct plan *plan,
	json_t *tokenizers)
{
	json_t *endpoints = json_array(), *rejected = json_object(), *all;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(endpoints, endpoint_json(job, &r[i]));
	for (int i = 1; i < REJECT_N; i++)
		if (s->by_reason[i])
			json_object_set_new(rejected,
				reject_name((enum reject_reason)i),
				json_integer((json_int_t)s->by_reason[i]));
	all = json_pack(
		"{s:{s:I, s:I, s:o}, s:O, s:o, s:{s:f, s:f, s:f, s:f, s:f, s:f}}",
		"corpus", "lines", (json_int_t)s->lines, "prompts",
		(json_int_t)s->prompts, "rejected", rejected, "tokenizers", tokenizers,
		"endpoints", endpoints, "plan", "requests", plan->requests,
		"prompt_tokens", plan->prompt_tokens, "completion_tokens",
		plan->completion_tokens, "cost_usd", plan->usd, "disk_bytes",
		plan->disk_bytes, "seconds", plan->seconds);
	json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(all);
}

static void print_verdict(const struct job *job, const struct probe_result *r)
{
	const char *problem = problem_of(job, r);
	char text[VERDICT_TEXT];

	verdict_text(&r->verdict, text);
	printf("          gives %s\n", text);
	if (r->verdict.known && r->verdict.k < r->verdict.wanted && !problem[0])
		printf("          k is %u here, and not %u: logits.required is false\n",
			r->verdict.k, r->verdict.wanted);
	if (problem[0])
		printf("          WRONG: %s\n", problem);
}

static void print_endpoint(const struct job *job, const struct probe_result *r)
{
	int64_t k_asked = job->top_logprobs;

	printf("endpoint  %s (%s)\n", r->url, r->teacher);
	if (r->reason != REASON_NONE) {
		printf("          FAILED: %s%s%s", reason_meaning(r->reason),
			r->detail[0] ? ": " : "", r->detail);
		if (r->status)
			printf(" (HTTP %d)", r->status);
		printf("\n");
		return;
	}
	printf("          server %s, model %s%s, answered in %lld ms, ended by %s\n",
		job_server_name(r->server), r->model[0] ? r->model : "not told",
		r->model_listed ? " (listed)" : "", (long long)r->latency_ms,
		finish_name(r->finish));
	printf("          %u prompt and %u completion tokens; reasoning %u bytes, content %u "
	       "bytes\n",
		count_or_zero(r->usage.prompt_tokens),
		count_or_zero(r->usage.completion_tokens), r->reasoning_len,
		r->content_len);
	if (k_asked > 0 && r->tokens > 0)
		printf("          logprobs: %u rows of %u to %u candidates, %s, %s\n",
			r->tokens, r->k_least, r->k_most,
			r->token_ids ? "token ids" : "no token ids",
			r->token_bytes ? "token bytes" : "token bytes not complete");
	else if (k_asked > 0)
		printf("          logprobs: none\n");
	print_verdict(job, r);
}

static void print_plan(const struct survey *s, const struct plan *plan)
{
	char requests[16], prompt[16], completion[16], time[32];

	text_count(plan->requests, requests);
	text_count(plan->prompt_tokens, prompt);
	text_count(plan->completion_tokens, completion);
	text_duration(plan->seconds < 0 ? -1 : (int64_t)ceil(plan->seconds), time);
	printf("corpus    %llu prompts in %llu lines, %llu rejected\n",
		(unsigned long long)s->prompts, (unsigned long long)s->lines,
		(unsigned long long)s->rejected);
	for (int i = 1; i < REJECT_N; i++)
		if (s->by_reason[i])
			printf("          %llu %s: %s\n",
				(unsigned long long)s->by_reason[i],
				reject_name((enum reject_reason)i),
				reject_hint((enum reject_reason)i));
	printf("plan      %s requests; if all answers are like this one: %s prompt and %s "
	       "completion tokens, %.2f USD, %.1f MB on disk, %s\n",
		requests, prompt, completion, plan->usd, plan->disk_bytes / 1e6, time);
}

int cmd_check(int argc, char **argv)
{
	bool json = false;
	const struct option options[] = {
		{"json", 0, OPTION_FLAG, NULL, "as one JSON object", &json, 0, 0},
	};
	struct command_line line = {"retort check", "JOB.json",
		"Checks a job and its corpus, asks each endpoint a few questions, and says what\n"
		"the endpoints give and what the job will take. Writes nothing.",
		options, sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	struct survey survey = {0};
	struct probe_result *results = NULL;
	struct job job;
	struct err err = {0};
	enum err_code code;
	struct plan plan;
	size_t n, failed = 0;
	int exit_code;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	signals_install();
	log_set_level(LOG_ERROR);
	code = job_check_read(line.operand[0], &job, &err);
	if (code != ERR_NONE) {
		fprintf(stderr, "retort check: %s\n", err.msg);
		return code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
	}
	n = job_n_endpoints(&job);
	code = survey_corpus(&job, &survey, &err);
	if (code == ERR_NONE && !survey.has_first)
		code = err_set(
			&err, ERR_INVALID, "the corpus has no prompt that can be sent");
	if (code == ERR_NONE) {
		results = mem_zalloc(n, sizeof(*results));
		code = probe_endpoints(
			&job, survey.first.messages, WAIT_S, results, &err);
	}
	if (code != ERR_NONE) {
		fprintf(stderr, "retort check: %s\n", err.msg);
	} else {
		json_t *tokenizers = tokenizers_json(&job);

		plan = make_plan(&job, &survey, results, n);
		for (size_t i = 0; i < n; i++) {
			failed += results[i].reason != REASON_NONE ||
				  problem_of(&job, &results[i])[0] != '\0';
			if (!json)
				print_endpoint(&job, &results[i]);
		}
		if (json) {
			print_json(&job, &survey, results, n, &plan, tokenizers);
		} else {
			print_tokenizers(tokenizers);
			print_plan(&survey, &plan);
		}
		json_decref(tokenizers);
	}
	free(results);
	prompt_release(&survey.first);
	job_release(&job);
	return code != ERR_NONE || failed ? EXIT_FAILED : EXIT_OK;
}
