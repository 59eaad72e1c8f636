/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job file as anybody writes it: it is read, or is told where it is wrong; the
 * normal form of what is read is the same job, and its own normal form.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "common/job.h"
#include "common/limits.h"
#include "common/text.h"

#define PATH "/jobs/job.json"

static void check_message(const struct err *err)
{
	int line = 0, column = 0;

	MUST(sscanf(err->msg, PATH ":%d:%d: ", &line, &column) == 2);
	MUST(line >= 1 && column >= 1);
}

static void check_job(const struct job *job)
{
	MUST(job->name && job->n_corpus > 0 && job->n_teachers > 0);
	MUST(job->sampling.n >= 1 && job->sampling.n <= LIMIT_SAMPLES);
	MUST(job->top_logprobs >= 0 && job->top_logprobs <= LIMIT_TOP_K);
	MUST(job->n_teachers <= LIMIT_TEACHERS);
	MUST(job_n_endpoints(job) >= job->n_teachers);
	MUST(job_n_endpoints(job) <= LIMIT_ENDPOINTS);
	for (size_t i = 0; i < job->n_corpus; i++)
		MUST(job->corpus[i][0] == '/');
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_real(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* By the members: the normal form itself could leave one out. */
static void check_same(const struct job *a, const struct job *b)
{
	const struct job_sampling *s = &a->sampling, *t = &b->sampling;

	MUST(same_text(a->name, b->name) && same_text(a->accept, b->accept));
	MUST(same_text(a->system, b->system) && same_text(a->template, b->template));
	MUST(a->n_corpus == b->n_corpus && a->n_teachers == b->n_teachers);
	MUST(s->n == t->n && s->top_k == t->top_k && s->seed == t->seed);
	MUST(s->max_tokens == t->max_tokens &&
		json_equal(s->stop, t->stop) == (s->stop != NULL));
	MUST(same_real(s->temperature, t->temperature));
	MUST(same_real(s->top_p, t->top_p) && same_real(s->min_p, t->min_p));
	MUST(same_real(s->presence_penalty, t->presence_penalty));
	MUST(same_real(s->repetition_penalty, t->repetition_penalty));
	MUST(a->prefill == b->prefill && a->dedup_exact == b->dedup_exact);
	MUST(a->top_logprobs == b->top_logprobs);
	MUST(a->logits_required == b->logits_required && a->scores == b->scores);
	MUST(a->logits_profile == b->logits_profile && a->keep_k == b->keep_k);
	MUST(same_real(a->keep_mass, b->keep_mass));
	MUST(same_real(a->budget_usd, b->budget_usd));
	MUST(a->budget_tokens == b->budget_tokens && a->attempts == b->attempts);
	MUST(a->keep_raw == b->keep_raw);
	for (size_t i = 0; i < a->n_teachers; i++) {
		const struct job_teacher *x = &a->teacher[i], *y = &b->teacher[i];

		MUST(same_text(x->name, y->name) && same_text(x->api, y->api));
		MUST(same_text(x->model, y->model) && x->server == y->server);
		MUST(same_text(x->api_key_env, y->api_key_env));
		MUST(same_text(x->api_key_file, y->api_key_file));
		MUST(same_text(x->proxy, y->proxy));
		MUST(same_text(x->license, y->license));
		MUST(same_text(x->tokenizer, y->tokenizer));
		MUST(x->tokenizer_digest == y->tokenizer_digest);
		MUST(x->n_urls == y->n_urls && same_text(x->url[0], y->url[0]));
		MUST(x->n_extra_headers == y->n_extra_headers);
		MUST(x->max_in_flight == y->max_in_flight);
		MUST(x->requests_per_minute == y->requests_per_minute);
		MUST(x->tokens_per_minute == y->tokens_per_minute);
		MUST(same_real(x->connect_s, y->connect_s));
		MUST(same_real(x->first_byte_s, y->first_byte_s));
		MUST(same_real(x->total_s, y->total_s));
		MUST(same_real(x->prompt_usd_per_mtok, y->prompt_usd_per_mtok));
		MUST(same_real(x->completion_usd_per_mtok, y->completion_usd_per_mtok));
		MUST(x->logprobs_mode == y->logprobs_mode);
		MUST(x->insecure_key == y->insecure_key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct job job, again;
	struct err err = {0};
	char *normal, *normal_again, *public_form;
	enum err_code code = job_parse((const char *)input, len, PATH, &job, &err);

	if (code != ERR_NONE) {
		MUST(code == ERR_INVALID);
		check_message(&err);
		return 0;
	}
	check_job(&job);
	normal = job_write(&job, true);
	MUST(job_parse(normal, strlen(normal), "/elsewhere/x", &again, &err) ==
		ERR_NONE);
	check_same(&job, &again);
	normal_again = job_write(&again, true);
	MUST(strcmp(normal, normal_again) == 0);
	MUST(job_compare(&job, &again, &err) == ERR_NONE);
	public_form = job_write_public(&job);
	MUST(utf8_valid_prefix(public_form, strlen(public_form)) ==
		strlen(public_form));
	free(normal);
	free(normal_again);
	free(public_form);
	job_release(&job);
	job_release(&again);
	return 0;
}
